"""What can happen to methods that are saved: remembered, charged unasked, made the default, removed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from accounts.models import User
from paycore.clock import database_now
from paycore.money import Money
from payments.gateways.contract import SavedMethod
from payments.gateways.registry import GATEWAYS
from payments.methods import keeping
from payments.methods.errors import MandateRequired, PaymentMethodNotReady
from payments.methods.mandates import end_mandate, record_mandate
from payments.methods.models import Mandate, PaymentMethod
from payments.methods.queries import active_mandate


def require_mandate(
    method: PaymentMethod | None, *, merchant_id: str, amount: Money, now: datetime | None = None
) -> None:
    """:class:`MandateRequired` unless ``merchant_id`` may take ``amount`` from ``method`` without asking by ``now``
    (None: the database's)."""
    mandate = active_mandate(method, merchant_id=merchant_id) if method else None
    if mandate is None or not mandate.allows(amount, now=now or database_now()):
        raise MandateRequired


def remember_method(
    *,
    user_id: str,
    gateway_account_id: str,
    method: str,
    saved: SavedMethod,
    merchant_id: str,
    consent: Mapping[str, Any] | None = None,
) -> PaymentMethod:
    """Keep a method that a payment saved, in the running transaction, with a mandate for ``merchant_id`` when the
    payer gave ``consent`` to one. The same token or card of the account is one row. What a payment saves after its
    payer was erased is only kept to tell the provider to forget it."""
    with transaction.atomic():
        keeping.lock_methods_of(user_id)
        now = database_now()
        row = PaymentMethod(user_id=user_id, gateway_account_id=gateway_account_id, method=method, last_used_at=now)
        if User.objects.filter(id=user_id, erased_at__isnull=False).exists():
            return keeping.turn_away(row, saved, now=now)
        kept = keeping.keep(row, saved, now=now)
        if consent:
            record_mandate(kept, merchant_id=merchant_id, consent=consent, status=Mandate.Status.ACTIVE)
    return kept


def set_default_method(*, user_id: str, method_id: str) -> PaymentMethod:
    """The one that is offered first. NotFound, PaymentMethodNotReady."""
    with transaction.atomic():
        method = keeping.lock_method(method_id, user_id=user_id)
        if method.status != PaymentMethod.Status.ACTIVE:
            raise PaymentMethodNotReady
        keeping.set_default(method)
    return method


def remove_method(method_id: str, *, by: str, user_id: str | None = None) -> None:
    """Gone for its owner at once, its mandates ended; the provider is told until it has forgotten it as well. Safe to
    repeat. NotFound when it is not ``user_id``'s."""
    with transaction.atomic():
        method = keeping.lock_method(method_id, user_id=user_id)
        if method.status != PaymentMethod.Status.REMOVED:
            keeping.take_out(method, now=database_now(), by=by, is_forgotten=False)


def withdraw_mandate(mandate_id: str, *, by: str, reason: str = "") -> Mandate:
    """End a mandate, and with it a method that is nothing but the mandate at its provider. NotFound."""
    with transaction.atomic():
        mandate = end_mandate(mandate_id, by=by, reason=reason)
        method = mandate.payment_method
        is_mandate = method.method in getattr(GATEWAYS[method.gateway_account.gateway], "mandate_methods", frozenset())
        if is_mandate and not method.mandates.exclude(status=Mandate.Status.ENDED).exists():
            remove_method(method.id, by=by)
    return mandate


def note_use(method: PaymentMethod) -> None:
    """It was just charged: what was used last is offered first."""
    PaymentMethod.objects.filter(id=method.id).update(last_used_at=Now())
