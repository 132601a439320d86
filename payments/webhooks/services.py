"""What gateways tell us: verified over the raw bytes, stored, acknowledged; believed only after that."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from paycore import metrics
from paycore.clock import database_now
from paycore.errors import NotFound, PaycoreError
from paycore.events import publish
from payments.events import WebhookReceived
from payments.gateways.contract import PaymentResult, RefundResult, WebhookIdentity, WebhookNotice, WebhookRefused
from payments.orders.charging import record_payment_result
from payments.orders.models import Evidence, Payment, Refund
from payments.orders.refunds import record_refund_result
from payments.routing.connections import connect
from payments.routing.models import GatewayAccount
from payments.routing.services import get_account
from payments.webhooks.models import WebhookReceipt
from riskcontrol.cases import open_case
from riskcontrol.models import Case

log = structlog.get_logger(__name__)


class WebhookNotAccepted(PaycoreError):
    """Forged, stale or malformed. Nothing was stored."""

    code, http_status = "webhook_refused", 400
    title = _("The callback was not accepted.")


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The provider's exact words for "received"."""

    status: int
    content_type: str
    body: bytes


def store_webhook(account_id: str, *, headers: Mapping[str, str], body: bytes) -> Acknowledgement:
    """Verify, store once, promise to process. Raises NotFound, WebhookNotAccepted."""
    account = get_account(account_id)
    if account is None:
        raise NotFound
    adapter = connect(account)
    try:
        identity = adapter.verify_webhook(headers, body)
    except WebhookRefused as error:
        metrics.WEBHOOKS.labels(gateway=account.gateway, outcome="refused").inc()
        log.warning("webhook_refused", account=account.id, reason=error.code or str(error))
        raise WebhookNotAccepted from error
    if not _can_be_kept(identity):
        raise WebhookNotAccepted
    outcome = "duplicate"
    with transaction.atomic():
        receipt = WebhookReceipt(
            gateway_account_id=account.id, event_id=identity.event_id, event_type=identity.event_type[:80], body=body
        )
        stored = WebhookReceipt.objects.bulk_create([receipt], ignore_conflicts=True)[0]
        if WebhookReceipt.objects.filter(id=stored.id).exists():
            publish(WebhookReceived(receipt.id))
            outcome = "stored"
    metrics.WEBHOOKS.labels(gateway=account.gateway, outcome=outcome).inc()
    status, content_type, words = adapter.webhook_acknowledgement
    return Acknowledgement(status=status, content_type=content_type, body=words)


def _can_be_kept(identity: WebhookIdentity) -> bool:
    """Signed or not: what no column can hold would come back for ever."""
    return 0 < len(identity.event_id) <= 128 and (identity.event_id + identity.event_type).isprintable()


def process_webhook(receipt_id: str) -> None:
    """Bring each thing a stored callback says to its door. Runs in the outbox's transaction."""
    receipt = WebhookReceipt.objects.select_related("gateway_account").get(id=receipt_id)
    account = receipt.gateway_account
    for notice in connect(account).translate_webhook(bytes(receipt.body)):
        _bring_to_door(notice, account=account)
    receipt.processed_at = database_now()
    receipt.save(update_fields=["processed_at"])


def _bring_to_door(notice: WebhookNotice, *, account: GatewayAccount) -> None:
    try:
        if isinstance(notice, PaymentResult):
            _require_account(notice.reference, account=account)
            record_payment_result(notice.reference, notice, source=Evidence.Source.WEBHOOK)
        elif isinstance(notice, RefundResult):
            _require_refund(notice.reference, account=account)
            record_refund_result(notice.reference, notice, source=Evidence.Source.WEBHOOK)
    except NotFound:
        # Intent is committed before a byte leaves, so a number we do not know is a discrepancy, not a delay.
        facts = {"account": account.id, "kind": type(notice).__name__}
        open_case(kind=Case.Kind.UNKNOWN_PAYMENT, object_id=_reference(notice)[:64] or "(none)", facts=facts)


def _require_account(payment_id: str, *, account: GatewayAccount) -> None:
    """One account's callbacks may speak of its own payments only."""
    if not Payment.objects.filter(id=payment_id, gateway_account_id=account.id).exists():
        raise NotFound


def _require_refund(refund_id: str, *, account: GatewayAccount) -> None:
    if not Refund.objects.filter(id=refund_id, payment__gateway_account_id=account.id).exists():
        raise NotFound


def _reference(notice: WebhookNotice) -> str:
    return getattr(notice, "reference", "") or getattr(notice, "gateway_reference", "")
