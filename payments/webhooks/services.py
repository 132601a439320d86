"""What gateways tell us: verified over the raw bytes, stored, acknowledged; believed only after that."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from django.utils.translation import gettext_lazy as _

from paycore import bell, metrics
from paycore.clock import database_now
from paycore.errors import NotFound, PaycoreError
from payments.bells import HINTS
from payments.gateways.contract import WebhookIdentity, WebhookRefused
from payments.orders.models import Evidence
from payments.routing.connections import connect
from payments.routing.services import get_account
from payments.webhooks.doors import bring_to_door
from payments.webhooks.receipts import mark_processed, read_receipt, store_once

log = structlog.get_logger(__name__)


EXPECTED_FORGERY = "signtest"


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
        # Some providers send forgeries on purpose, to see that they are refused.
        tell = log.info if error.code == EXPECTED_FORGERY else log.warning
        tell("webhook_refused", account=account.id, reason=error.code or str(error))
        raise WebhookNotAccepted from error
    if not _can_be_kept(identity):
        raise WebhookNotAccepted
    is_stored = store_once(account.id, identity, body=body, is_hint=adapter.webhooks_are_hints)
    metrics.WEBHOOKS.labels(gateway=account.gateway, outcome="stored" if is_stored else "duplicate").inc()
    status, content_type, words = adapter.webhook_acknowledgement
    return Acknowledgement(status=status, content_type=content_type, body=words)


def _can_be_kept(identity: WebhookIdentity) -> bool:
    """Signed or not: what no column can hold would come back for ever."""
    return 0 < len(identity.event_id) <= 128 and (identity.event_id + identity.event_type).isprintable()


def process_webhook(receipt_id: str) -> None:
    """Bring each thing a stored callback says to its door. Runs in the outbox's transaction."""
    receipt = read_receipt(receipt_id)
    account = get_account(receipt.gateway_account_id)
    if account is None:
        raise NotFound
    adapter = connect(account)
    if adapter.webhooks_are_hints:  # stored by a release that believed this provider's callbacks
        if receipt.processed_at is None:
            receipt.next_attempt_at = database_now()
            receipt.save(update_fields=["next_attempt_at"])
            bell.ring_on_commit(HINTS)
        return
    for notice in adapter.translate_webhook(bytes(receipt.body)):
        bring_to_door(notice, account=account, source=Evidence.Source.WEBHOOK)
    mark_processed(receipt.id)
