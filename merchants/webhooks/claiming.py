"""Which deliveries are sent next: due ones, with a share for every endpoint.

The plain ``claim_due`` takes the longest due; here one endpoint with ten thousand waiting must not stand before all
others, so each endpoint gives at most its share, what is under way counted in. Attempts are counted and committed
before the work, as in the outbox: a process that dies in every attempt does not try for ever.
"""

import json
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection, transaction

from merchants.webhooks.models import WebhookDelivery

PER_ENDPOINT = 4
"""Deliveries under way to one endpoint at once; 1 while it does not answer."""
PER_MERCHANT = 8
"""And to all endpoints of one merchant: sixteen that take nine seconds each must not hold every thread."""
LEASE_SECONDS = 60
MAX_ATTEMPTS = 10
"""The schedule has nine waits (``outcomes.RETRY_AFTER``)."""

# A walk over the index from endpoint to endpoint: its cost follows the endpoints with work, not the rows that wait.
_LOCK_ENDPOINTS = """
    WITH RECURSIVE waiting (id) AS (
        (SELECT endpoint_id FROM merchants_webhookdelivery WHERE status = 'pending' ORDER BY endpoint_id LIMIT 1)
        UNION ALL
        SELECT (SELECT d.endpoint_id FROM merchants_webhookdelivery d
                WHERE d.status = 'pending' AND d.endpoint_id > waiting.id ORDER BY d.endpoint_id LIMIT 1)
        FROM waiting WHERE waiting.id IS NOT NULL
    )
    SELECT e.id FROM merchants_webhookendpoint e
    JOIN LATERAL (
        SELECT min(d.next_attempt_at) AS at FROM merchants_webhookdelivery d
        WHERE d.endpoint_id = e.id AND d.status = 'pending' AND d.next_attempt_at <= clock_timestamp()
    ) AS due ON due.at IS NOT NULL
    WHERE e.id IN (SELECT id FROM waiting) AND e.status = 'enabled'
      AND (e.hold_until IS NULL OR e.hold_until <= clock_timestamp())
      AND e.id <> ALL (%(full_endpoints)s) AND e.merchant_id <> ALL (%(full_merchants)s)
    ORDER BY due.at LIMIT %(limit)s FOR NO KEY UPDATE OF e SKIP LOCKED
"""
# A statement of its own: it sees what an earlier holder of these locks has committed.
_CLAIM = """
    WITH share AS MATERIALIZED (
        SELECT e.id, e.merchant_id, CASE WHEN e.silences > 0 THEN 1 ELSE %(share)s END - (
            SELECT count(*) FROM merchants_webhookdelivery d
            WHERE d.endpoint_id = e.id AND d.status = 'pending' AND d.lease_until > clock_timestamp()
        ) AS free
        FROM merchants_webhookendpoint e WHERE e.id = ANY (%(endpoints)s)
    ), due AS MATERIALIZED (
        SELECT taken.id, share.merchant_id, taken.next_attempt_at FROM share CROSS JOIN LATERAL (
            SELECT d.id, d.next_attempt_at FROM merchants_webhookdelivery d
            WHERE d.endpoint_id = share.id AND d.status = 'pending' AND d.next_attempt_at <= clock_timestamp()
              AND d.attempts < %(max)s
            ORDER BY d.next_attempt_at, d.id LIMIT greatest(share.free, 0) FOR NO KEY UPDATE SKIP LOCKED
        ) AS taken
    ), fair AS (
        SELECT id, merchant_id, row_number() OVER (PARTITION BY merchant_id ORDER BY next_attempt_at, id) AS place
        FROM due
    ), chosen AS MATERIALIZED (
        SELECT id FROM fair
        WHERE place <= %(merchant_share)s - coalesce((%(busy)s::jsonb ->> merchant_id)::integer, 0)
        ORDER BY place LIMIT %(limit)s
    )
    UPDATE merchants_webhookdelivery AS d
    SET attempts = attempts + 1, lease_token = %(token)s,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
        next_attempt_at = clock_timestamp() + make_interval(secs => %(lease)s)
    FROM chosen WHERE d.id = chosen.id RETURNING d.id
"""
_GIVE_UP_ABANDONED = """
    UPDATE merchants_webhookdelivery
    SET status = 'failed', next_attempt_at = NULL, lease_until = NULL, lease_token = NULL,
        last_error = 'abandoned'
    WHERE status = 'pending' AND attempts >= %s AND next_attempt_at <= clock_timestamp()
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """Only the holder of ``token`` may write what came of these."""

    token: uuid.UUID
    delivery_ids: tuple[str, ...]


def claim_deliveries(*, limit: int, under_way: Iterable[WebhookDelivery] = ()) -> Claim:
    """At most ``limit``, committed: no transaction may be open. Those of endpoints that wait longest come first.
    ``under_way`` is what the caller sends just now."""
    token = uuid.uuid4()
    sent_now = list(under_way)
    busy = Counter(delivery.merchant_id for delivery in sent_now)
    endpoints_now = Counter(delivery.endpoint_id for delivery in sent_now)
    full = {
        "full_endpoints": [endpoint for endpoint, count in endpoints_now.items() if count >= PER_ENDPOINT],
        "full_merchants": [merchant for merchant, count in busy.items() if count >= PER_MERCHANT],
    }
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_LOCK_ENDPOINTS, {"limit": limit, **full})
        endpoints = [row[0] for row in cursor.fetchall()]
        if not endpoints:
            return Claim(token, ())
        cursor.execute(
            _CLAIM,
            {
                "endpoints": endpoints,
                "share": PER_ENDPOINT,
                "merchant_share": PER_MERCHANT,
                "busy": json.dumps(busy),
                "max": MAX_ATTEMPTS,
                "limit": limit,
                "token": str(token),
                "lease": LEASE_SECONDS,
            },
        )
        return Claim(token, tuple(row[0] for row in cursor.fetchall()))


def give_up_abandoned() -> int:
    """Fail what died in every attempt; how many."""
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_UP_ABANDONED, [MAX_ATTEMPTS])
        return int(cursor.rowcount)


def claimed(claim: Claim) -> list[WebhookDelivery]:
    rows = WebhookDelivery.objects.filter(id__in=claim.delivery_ids).select_related("endpoint", "event")
    return list(rows.order_by("event__position"))
