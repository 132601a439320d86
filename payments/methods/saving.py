"""Saving a method without taking money: intent, question, door; and telling a provider to forget what was removed.

As with payments, a row is committed before the gateway is asked, no transaction is open while it is, and the answer, a
callback and a query all end in :func:`record_save_result`. A row with ``next_attempt_at`` is one to look at again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from merchants.queries import known_merchant
from paycore import idempotency
from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.idempotency import Key, StoredResponse
from paycore.money import Money
from payments.errors import MethodNotAvailable
from payments.gateways.abilities import VaultCapable
from payments.gateways.actions import action_as_row
from payments.gateways.contract import (
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    Outcome,
    SavedToken,
    SaveRequest,
    SaveResult,
)
from payments.gateways.registry import GATEWAYS
from payments.methods import keeping
from payments.methods.errors import MandateRequired, TooManyPaymentMethods
from payments.methods.mandates import end_mandates, record_mandate, terms_of
from payments.methods.models import Mandate, PaymentMethod
from payments.methods.queries import customer_reference_of
from payments.routing.connections import ask, connect, webhook_url
from payments.routing.models import GatewayAccount
from payments.routing.services import RouteQuestion, choose_accounts, get_account

log = structlog.get_logger(__name__)

Render = Callable[[PaymentMethod], StoredResponse]
LEASE = timedelta(seconds=30)
WAIT_FOR_PAYER = timedelta(hours=24)
TYPICAL_AMOUNT_MINOR = 1_000
"""What accounts are asked whether they could take when no amount was agreed."""
LOOK_AGAIN_SECONDS = (5, 15, 30, 60, 300, 900, 3600, 6 * 3600)


@dataclass(frozen=True)
class SaveDraft:
    """``merchant_id`` is who may charge by ``consent``, and whose gateway accounts are looked at first."""

    user_id: str
    merchant_id: str
    method: str
    currency: str
    country: str = ""
    return_url: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    consent: Mapping[str, Any] | None = None


def start_saving(draft: SaveDraft, *, key: Key | None = None, render: Render | None = None) -> PaymentMethod:
    """A method to be saved; its row after the gateway's answer (or silence): active, or what the payer must do next.

    Raises :class:`KeyTaken`, MethodNotAvailable, MandateRequired, TooManyPaymentMethods; a refusal leaves nothing.
    """
    account = _choose_account(draft)
    method = _begin(draft, account, key=key)
    result: SaveResult | None
    try:
        result = ask(account, _vault(account).save_method, _request(method, draft, account))
    except GatewayUnavailable:
        result = SaveResult(method.id, Outcome.FAILED, failure_code="gateway_unavailable")
    except GatewayRejected as error:
        result = SaveResult(method.id, Outcome.FAILED, failure_code=error.code or "gateway_rejected")
    except GatewayOutcomeUnknown as error:
        log.warning("saving_unknown", payment_method=method.id, reason=error.code)
        result = None
    return _apply(method.id, result, key=key, render=render)


def resume_saving(method_id: str, draft: SaveDraft, *, key: Key, render: Render) -> StoredResponse:
    """Finish the work of a process that died. What it asked may have arrived, so the gateway is asked about it first
    and a refusal now says nothing."""
    method = PaymentMethod.objects.get(id=method_id)
    account = _account_of(method)
    result: SaveResult | None = None
    if method.status == PaymentMethod.Status.PENDING:
        try:
            result = ask(account, _vault(account).fetch_saved, method.id)
            if result.outcome is Outcome.NOT_FOUND:
                result = ask(account, _vault(account).save_method, _request(method, draft, account))
        except GatewayError as error:
            log.warning("saving_unknown", payment_method=method.id, reason=error.code)
    return render(_apply(method.id, result, key=key, render=render))


def record_save_result(account_id: str, result: SaveResult) -> PaymentMethod:
    """**The methods' door**: one piece of evidence about one saved method, from a callback or a query. Twice, late or
    out of order is safe. NotFound for one that was not saved at this account."""
    return _apply(_find(account_id, result), result)


def due_methods(*, limit: int) -> list[str]:
    """Ids of methods to look at now, leased."""
    return claim_due(PaymentMethod, lease=LEASE, limit=limit, condition="next_attempt_at IS NOT NULL")


def advance_method(method_id: str) -> PaymentMethod:
    """Ask about one that is not saved yet; tell the provider to forget one that was removed."""
    method = PaymentMethod.objects.get(id=method_id)
    account = _account_of(method)
    is_forgotten = method.status == PaymentMethod.Status.REMOVED and method.token is not None
    try:
        if is_forgotten:
            return _forget(method, account)
        result = ask(account, _vault(account).fetch_saved, method.id, gateway_reference=method.gateway_reference)
    except GatewayError as error:
        log.warning("saved_method_not_settled", payment_method=method.id, reason=error.code or type(error).__name__)
        return _apply(method.id, None)
    return _apply(method.id, result)


def _choose_account(draft: SaveDraft) -> GatewayAccount:
    agreed = (draft.consent or {}).get("max_amount_minor") or TYPICAL_AMOUNT_MINOR
    question = RouteQuestion(
        draft.merchant_id,
        Money(agreed, draft.currency),
        draft.method,
        country=draft.country,
        subject=draft.user_id,
    )
    for account in choose_accounts(question).accounts:
        gateway = GATEWAYS[account.gateway]
        if draft.method in getattr(gateway, "saveable_methods", frozenset()):
            if draft.method in getattr(gateway, "mandate_methods", frozenset()) and terms_of(draft.consent) is None:
                raise MandateRequired
            return account
    raise MethodNotAvailable(method=draft.method, currency=draft.currency)


def _begin(draft: SaveDraft, account: GatewayAccount, *, key: Key | None) -> PaymentMethod:
    """tx 1: the intent."""
    method = PaymentMethod(user_id=draft.user_id, gateway_account_id=account.id, method=draft.method)
    with transaction.atomic():
        if key:
            idempotency.claim(key, resource_id=method.id)
        keeping.lock_methods_of(draft.user_id)
        refuse_too_many(draft.user_id)
        method.next_attempt_at = database_now() + timedelta(seconds=LOOK_AGAIN_SECONDS[0])
        method.save(force_insert=True)
        if draft.consent:
            record_mandate(method, merchant_id=draft.merchant_id, consent=draft.consent, status=Mandate.Status.PENDING)
    return method


def refuse_too_many(user_id: str) -> None:
    """:class:`TooManyPaymentMethods` when one more would be."""
    counted = PaymentMethod.objects.filter(user_id=user_id, status__in=("pending", "active"))
    if counted.count() >= settings.PAYCORE_MAX_PAYMENT_METHODS:
        raise TooManyPaymentMethods(limit=settings.PAYCORE_MAX_PAYMENT_METHODS)


def _request(method: PaymentMethod, draft: SaveDraft, account: GatewayAccount) -> SaveRequest:
    return SaveRequest(
        reference=method.id,
        method=draft.method,
        payer_reference=draft.user_id,
        description=known_merchant(draft.merchant_id).name,
        currency=draft.currency,
        customer_reference=customer_reference_of(draft.user_id, account.id),
        return_url=draft.return_url,
        webhook_url=webhook_url(account),
        options=draft.options,
        terms=terms_of(draft.consent),
    )


def _find(account_id: str, result: SaveResult) -> str:
    """By our number, else by the provider's, else by the token: what a payment saved has no number of its own."""
    rows = PaymentMethod.objects.filter(gateway_account_id=account_id)
    found = rows.filter(id=result.reference).values_list("id", flat=True).first()
    if not found and result.gateway_reference:
        found = rows.filter(gateway_reference=result.gateway_reference).values_list("id", flat=True).last()
    if not found and result.saved:
        index = keeping.token_index(result.saved.token)
        found = rows.filter(token_index=index).order_by("status", "-id").values_list("id", flat=True).first()
    if not found:
        raise NotFound
    return found


def _apply(
    method_id: str, result: SaveResult | None, *, key: Key | None = None, render: Render | None = None
) -> PaymentMethod:
    with transaction.atomic():
        method = keeping.lock_method(method_id)
        if result is not None and result.gateway_reference and not method.gateway_reference:
            method.gateway_reference = result.gateway_reference[:128]
            method.save(update_fields=["gateway_reference"])
        _decide(method, result)
        if key and render:
            idempotency.complete(key, render(method))
    return method


def _decide(method: PaymentMethod, result: SaveResult | None) -> None:
    outcome = result.outcome if result else Outcome.PENDING
    if result and outcome is Outcome.SUCCEEDED and result.saved:
        _saved(method, result)
    elif result and outcome is Outcome.REQUIRES_ACTION and method.status == PaymentMethod.Status.PENDING:
        method.action = action_as_row(result.action)
        _look_again(method)
    elif outcome is Outcome.CANCELED and method.status == PaymentMethod.Status.ACTIVE:
        keeping.take_out(method, now=database_now(), by="gateway", is_forgotten=True)
    elif result and outcome in (Outcome.FAILED, Outcome.CANCELED):
        _fail(method, code=result.failure_code or "payer_declined")
    else:
        _look_again(method)


def _saved(method: PaymentMethod, result: SaveResult) -> None:
    """Late success counts. One that its owner removed meanwhile is forgotten at the provider."""
    if result.saved is None:
        return
    now = database_now()
    if method.status in (PaymentMethod.Status.PENDING, PaymentMethod.Status.FAILED):
        keeping.keep(method, result.saved, now=now)
    elif method.status == PaymentMethod.Status.REMOVED and method.next_attempt_at and method.token is None:
        method.token, method.token_index = result.saved.token, keeping.token_index(result.saved.token)
        method.next_attempt_at = now
        method.save()


def _fail(method: PaymentMethod, *, code: str) -> None:
    if method.status == PaymentMethod.Status.PENDING:
        end_mandates(method, now=database_now(), by="gateway")
        method.status, method.failure_code, method.action = PaymentMethod.Status.FAILED, code[:64], None
    if method.status != PaymentMethod.Status.ACTIVE and method.token is None:
        method.next_attempt_at = None
        method.save()


def _look_again(method: PaymentMethod) -> None:
    """Ever more seldom. What nobody finished within a day counts as not saved; a token that must be forgotten is asked
    about for ever."""
    if method.next_attempt_at is None:
        return
    now = database_now()
    waits_for_payer = method.token is None and method.status != PaymentMethod.Status.ACTIVE
    if waits_for_payer and now - (method.removed_at or method.created_at) > WAIT_FOR_PAYER:
        _fail(method, code="payer_timeout")
        return
    if method.status in (PaymentMethod.Status.ACTIVE, PaymentMethod.Status.FAILED):
        method.next_attempt_at = None
    else:
        seconds = LOOK_AGAIN_SECONDS[min(method.poll_attempts, len(LOOK_AGAIN_SECONDS) - 1)]
        method.next_attempt_at = now + timedelta(seconds=seconds)
        method.poll_attempts = min(method.poll_attempts + 1, 1000)
    method.save()


def _forget(method: PaymentMethod, account: GatewayAccount) -> PaymentMethod:
    """A token that another row still charges stays."""
    others = PaymentMethod.objects.filter(
        gateway_account_id=account.id, token_index=method.token_index, status=PaymentMethod.Status.ACTIVE
    )
    if method.token is not None and not others.exists():
        saved = SavedToken(token=method.token, customer_reference=method.customer_reference)
        ask(account, _vault(account).forget_method, saved, method=method.method)
    with transaction.atomic():
        method = keeping.lock_method(method.id)
        keeping.forget_token(method)
        method.save()
    return method


def _vault(account: GatewayAccount) -> VaultCapable:
    adapter = connect(account)
    if not isinstance(adapter, VaultCapable):
        raise GatewayRejected("this gateway keeps nothing", code="method_not_supported")
    return adapter


def _account_of(method: PaymentMethod) -> GatewayAccount:
    account = get_account(method.gateway_account_id)
    if account is None:
        raise NotFound
    return account
