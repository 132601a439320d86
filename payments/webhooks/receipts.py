"""A callback's row: stored, read and marked by one statement each, for this path is hot."""

import json
from typing import Any

from django.db import connection

from paycore import bell, events
from paycore.identifiers import new_id
from payments.bells import HINTS
from payments.events import WebhookReceived
from payments.gateways.contract import WebhookIdentity
from payments.webhooks.models import WebhookReceipt

_STORE_HINT = """
    INSERT INTO payments_webhookreceipt
        (id, gateway_account_id, event_id, event_type, body, received_at, attempts, next_attempt_at)
    VALUES (%(id)s, %(account)s, %(event_id)s, %(event_type)s, %(body)s, now(), 0, clock_timestamp())
    ON CONFLICT DO NOTHING RETURNING id
"""
# A copy stores nothing, so nothing is published for it.
_STORE_NEWS = """
    WITH stored AS (
        INSERT INTO payments_webhookreceipt
            (id, gateway_account_id, event_id, event_type, body, received_at, attempts)
        VALUES (%(id)s, %(account)s, %(event_id)s, %(event_type)s, %(body)s, now(), 0)
        ON CONFLICT DO NOTHING RETURNING id
    )
    SELECT id, paycore_publish(%(events)s::jsonb) FROM stored
"""
_READ = "SELECT id, gateway_account_id, body, attempts, processed_at FROM payments_webhookreceipt WHERE id = %s"
_PROCESSED = """
    UPDATE payments_webhookreceipt SET processed_at = clock_timestamp(), next_attempt_at = NULL WHERE id = %s
"""


def store_once(account_id: str, identity: WebhookIdentity, *, body: bytes, is_hint: bool) -> bool:
    """Keep a callback with the promise to process it; False, and nothing written, when it is known.

    A hint is due at once, for there is nothing in it to believe; what another one says is news for the outbox.
    """
    receipt_id = new_id("whr")
    row: dict[str, Any] = {
        "id": receipt_id,
        "account": account_id,
        "event_id": identity.event_id,
        "event_type": identity.event_type[:80],
        "body": body,
    }
    if not is_hint:
        row["events"] = json.dumps([events.as_row(WebhookReceived(receipt_id))])
    with connection.cursor() as cursor:
        cursor.execute(_STORE_HINT if is_hint else _STORE_NEWS, row)
        is_stored = cursor.fetchone() is not None
    if is_stored:
        bell.ring_on_commit(HINTS if is_hint else bell.OUTBOX)
    return is_stored


def read_receipt(receipt_id: str) -> WebhookReceipt:
    """What processing needs of it; the rest is deferred."""
    (receipt,) = WebhookReceipt.objects.raw(_READ, [receipt_id])
    return receipt


def mark_processed(receipt_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_PROCESSED, [receipt_id])
