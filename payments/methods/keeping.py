"""The rows of one person's methods, changed under one lock: one default, one row a card, no more than so many."""

from datetime import datetime

from django.db import connection
from django.db.models import Q, QuerySet

from paycore import bell
from paycore.encryption import blind_index
from paycore.errors import NotFound
from paycore.events import publish
from payments.bells import METHODS
from payments.events import PaymentMethodRemoved, PaymentMethodSaved
from payments.gateways.contract import SavedMethod
from payments.methods.mandates import agree_pending, end_mandates, move_mandates
from payments.methods.models import GatewayCustomer, PaymentMethod

TOKEN_CONTEXT = "payments_paymentmethod.token"  # noqa: S105 a column
FINGERPRINT_CONTEXT = "payments_paymentmethod.fingerprint"


def lock_methods_of(user_id: str) -> None:
    """Until the running transaction ends, nobody else changes this person's methods."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"payment methods of {user_id}"])


def lock_method(method_id: str, *, user_id: str | None = None) -> PaymentMethod:
    """The row, with its owner's others. NotFound also when it is not ``user_id``'s."""
    rows = PaymentMethod.objects.filter(id=method_id)
    owner = rows.values_list("user_id", flat=True).first()
    if owner is None or user_id not in (None, owner):
        raise NotFound
    lock_methods_of(owner)
    return rows.select_for_update(no_key=True, of=("self",)).get()


def keep(method: PaymentMethod, saved: SavedMethod, *, now: datetime) -> PaymentMethod:
    """``method`` (pending, failed or new) has become chargeable; the row that now stands for it, which is an older
    one when the same card was saved before. Its pending mandates are in force from here on."""
    _remember_customer(method, saved)
    older = _same_card(method, saved)
    if older is not None:
        return _merge(method, older, saved, now=now)
    _fill(method, saved)
    method.status, method.action, method.failure_code, method.next_attempt_at = "active", None, "", None
    method.is_default = not _active(method).filter(is_default=True).exists()
    method.save()
    agree_pending(method, now=now)
    publish(PaymentMethodSaved(method.id, method.user_id))
    return method


def take_out(method: PaymentMethod, *, now: datetime, by: str, is_forgotten: bool) -> None:
    """Gone for its owner at once. Unless the provider has forgotten it already, it is told by a row that is due."""
    end_mandates(method, now=now, by=by)
    was_default = method.is_default
    method.status, method.removed_at, method.is_default, method.action = "removed", now, False, None
    method.poll_attempts, method.next_attempt_at = 0, now
    if is_forgotten:
        forget_token(method)
    method.save()
    if was_default:
        _move_default(method)
    publish(PaymentMethodRemoved(method.id, method.user_id))
    bell.ring_on_commit(METHODS)


def turn_away(method: PaymentMethod, saved: SavedMethod, *, now: datetime) -> PaymentMethod:
    """A new row that nobody can be charged by: the provider is told to forget what it keeps."""
    method.token, method.token_index = saved.token, token_index(saved.token)
    method.customer_reference = saved.customer_reference[:128]
    method.status, method.removed_at, method.next_attempt_at = "removed", now, now
    method.save(force_insert=True)
    bell.ring_on_commit(METHODS)
    return method


def forget_token(method: PaymentMethod) -> None:
    """The provider will never charge it again, so nothing is left to tell."""
    method.token = method.token_index = method.fingerprint = method.next_attempt_at = None
    method.customer_reference = ""


def set_default(method: PaymentMethod) -> None:
    PaymentMethod.objects.filter(user_id=method.user_id, is_default=True).exclude(id=method.id).update(is_default=False)
    method.is_default = True
    method.save(update_fields=["is_default", "updated_at"])


def token_index(token: str) -> bytes:
    """Equal for equal tokens."""
    return _index(token, TOKEN_CONTEXT)


def _active(method: PaymentMethod) -> QuerySet[PaymentMethod]:
    return PaymentMethod.objects.filter(user_id=method.user_id, status="active").exclude(id=method.id)


def _move_default(method: PaymentMethod) -> None:
    heir = _active(method).order_by("-last_used_at", "-id").first()
    if heir is not None:
        set_default(heir)


def _remember_customer(method: PaymentMethod, saved: SavedMethod) -> None:
    if saved.customer_reference:
        GatewayCustomer.objects.get_or_create(
            user_id=method.user_id,
            gateway_account_id=method.gateway_account_id,
            defaults={"reference": saved.customer_reference[:128]},
        )


def _same_card(method: PaymentMethod, saved: SavedMethod) -> PaymentMethod | None:
    is_same = Q(token_index=_index(saved.token, TOKEN_CONTEXT))
    if saved.fingerprint:
        is_same |= Q(fingerprint=_index(saved.fingerprint, FINGERPRINT_CONTEXT))
    rows = _active(method).filter(is_same, gateway_account_id=method.gateway_account_id, method=method.method)
    return rows.order_by("id").first()


def _merge(method: PaymentMethod, older: PaymentMethod, saved: SavedMethod, *, now: datetime) -> PaymentMethod:
    """The older row goes on with the newer token; the other token, if there is one, is forgotten at the provider by the
    newer row."""
    spare = (older.token, older.token_index)
    _fill(older, saved)
    older.save()
    is_other_token = bytes(spare[1] or b"") != bytes(older.token_index or b"")
    if method._state.adding and not is_other_token:
        return older
    method.token, method.token_index = spare if is_other_token else (None, None)
    method.status, method.merged_into, method.removed_at = "removed", older, now
    method.action, method.next_attempt_at = None, now if is_other_token else None
    method.save()
    move_mandates(method, older, now=now)
    bell.ring_on_commit(METHODS)
    return older


def _fill(method: PaymentMethod, saved: SavedMethod) -> None:
    method.token, method.token_index = saved.token, _index(saved.token, TOKEN_CONTEXT)
    method.fingerprint = _index(saved.fingerprint, FINGERPRINT_CONTEXT) if saved.fingerprint else None
    method.customer_reference = saved.customer_reference[:128]
    method.brand, method.label = saved.brand[:24], saved.label[:80]
    method.last4 = saved.last4 if len(saved.last4) == 4 and saved.last4.isascii() and saved.last4.isdigit() else ""
    has_expiry = saved.expiry_month in range(1, 13) and saved.expiry_year in range(2000, 2200)
    method.expiry_month, method.expiry_year = (saved.expiry_month, saved.expiry_year) if has_expiry else (None, None)
    method.country = saved.country if len(saved.country) == 2 else ""


def _index(value: str, context: str) -> bytes:
    return blind_index(value, context=context)
