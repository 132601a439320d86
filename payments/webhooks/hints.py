"""Callbacks that prove too little: what they tell of is read from the provider before anything is believed."""

import time
from dataclasses import replace
from datetime import timedelta

import structlog
from django.db import transaction

from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.errors import NotFound
from payments.gateways.abilities import DisputeCapable, VaultCapable
from payments.gateways.contract import (
    DisputeNotice,
    Gateway,
    GatewayError,
    PaymentResult,
    RefundResult,
    SaveResult,
    WebhookNotice,
)
from payments.orders.charging import record_result_of
from payments.orders.models import Evidence
from payments.orders.schedule import QUERY_DELAYS_SECONDS
from payments.routing.connections import ask, connect, fetch_payment
from payments.routing.models import GatewayAccount
from payments.routing.services import get_account
from payments.webhooks.doors import bring_to_door, payment_of, refund_of
from payments.webhooks.models import WebhookReceipt
from payments.webhooks.receipts import mark_processed, read_receipt
from riskcontrol.cases import open_case
from riskcontrol.models import Case

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
ATTEMPTS_UNTIL_A_PERSON_LOOKS = 20


def due_hints(*, limit: int) -> list[str]:
    """Ids of callbacks to read anew now, leased."""
    return claim_due(WebhookReceipt, lease=LEASE, limit=limit)


def reread_hint(receipt_id: str) -> None:
    """Ask about everything the callback names and bring the answers to their doors. No transaction is open meanwhile;
    what cannot be answered now is asked again later."""
    receipt = read_receipt(receipt_id)
    if receipt.processed_at is not None:
        return
    account = get_account(receipt.gateway_account_id)
    if account is None:
        raise NotFound
    adapter = connect(account)
    try:
        for notice in adapter.translate_webhook(bytes(receipt.body)):
            if isinstance(notice, PaymentResult):
                _reread_payment(notice, account)
            elif (known := _read_anew(notice, adapter, account)) is not None:
                bring_to_door(known, account=account, source=Evidence.Source.QUERY)
    except GatewayError as error:
        _put_off(receipt, reason=error.code or type(error).__name__)
        return
    mark_processed(receipt.id)


def _reread_payment(notice: PaymentResult, account: GatewayAccount) -> None:
    """The row is read once: the door sees whether it moved while the provider was asked."""
    try:
        payment, now = payment_of(notice, account)
    except NotFound:
        bring_to_door(notice, account=account, source=Evidence.Source.QUERY)  # which opens a case
        return
    asked = time.monotonic()
    result = fetch_payment(
        account,
        payment.id,
        gateway_reference=payment.gateway_reference or notice.gateway_reference,
        method=payment.method,
        has_ended=payment.is_final,
    )
    now += timedelta(seconds=time.monotonic() - asked)  # still the database's clock, without asking it again
    record_result_of(payment, replace(result, reference=payment.id), source=Evidence.Source.QUERY, now=now)


def _read_anew(notice: WebhookNotice, adapter: Gateway, account: GatewayAccount) -> WebhookNotice | None:
    """What the provider says when it is asked; the notice itself when it names nothing of ours, which opens a case."""
    try:
        match notice:
            case RefundResult():
                refund = refund_of(notice, account)
                return ask(
                    account,
                    adapter.fetch_refund,
                    refund.id,
                    payment_reference=refund.payment_id,
                    payment_gateway_reference=refund.payment.gateway_reference,
                )
            case DisputeNotice() if isinstance(adapter, DisputeCapable):
                return ask(account, adapter.fetch_dispute, notice.gateway_reference)
            case SaveResult() if isinstance(adapter, VaultCapable):
                return ask(account, adapter.fetch_saved, notice.reference, gateway_reference=notice.gateway_reference)
    except NotFound:
        return notice
    return None


def _put_off(receipt: WebhookReceipt, *, reason: str) -> None:
    log.warning("hint_not_read", receipt_id=receipt.id, reason=reason)
    attempts = receipt.attempts + 1
    delay = QUERY_DELAYS_SECONDS[min(attempts, len(QUERY_DELAYS_SECONDS) - 1)]
    with transaction.atomic():
        WebhookReceipt.objects.filter(id=receipt.id).update(
            attempts=attempts, next_attempt_at=database_now() + timedelta(seconds=delay)
        )
        if attempts == ATTEMPTS_UNTIL_A_PERSON_LOOKS:
            open_case(kind=Case.Kind.STUCK, object_id=receipt.id, facts={"reason": reason})
