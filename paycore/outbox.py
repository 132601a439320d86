"""Delivery of events to handlers: rows are the truth, Celery is the bell.

A pass claims due messages (attempts counted and committed *before* the work, so that a message that kills its process
stops after five), then handles each in a transaction of its own that also marks it done. A lease that ran out, or a
worker that died, only means that somebody else takes the message.
"""

import json
import traceback
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import OperationalError, connection, transaction

from paycore import bell, clock, events, metrics
from paycore.alerts import raise_alert
from paycore.logs import bound_request

MAX_ATTEMPTS = 5
LOCK_NOT_AVAILABLE = "55P03"
LEASE = "60 seconds"
RETRY_AFTER = ("1 second", "10 seconds", "1 minute", "10 minutes")

log = structlog.get_logger(__name__)

# Materialized: a planner that joins the other way round would run a plain sub-query, and its LIMIT, once per row.
_CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT id FROM paycore_outboxmessage
        WHERE status = 'pending' AND next_attempt_at <= statement_timestamp() AND attempts < %(max)s
        ORDER BY next_attempt_at, id
        FOR UPDATE SKIP LOCKED LIMIT %(limit)s
    )
    UPDATE paycore_outboxmessage AS m
    SET attempts = attempts + 1, lease_until = clock_timestamp() + %(lease)s::interval, lease_token = %(token)s,
        next_attempt_at = clock_timestamp() + %(lease)s::interval
    FROM due, paycore_event AS e
    WHERE m.id = due.id AND e.id = m.event_id
    RETURNING m.id, m.handler, m.attempts, e.name, e.payload, e.request_id, e.sequence, e.occurred_at
"""
_LOCK_MINE = """
    SELECT 1 FROM paycore_outboxmessage
    WHERE id = %s AND lease_token = %s AND status = 'pending' FOR UPDATE
"""
_DONE = """
    UPDATE paycore_outboxmessage
    SET status = 'done', done_at = clock_timestamp(), next_attempt_at = NULL, lease_until = NULL, last_error = ''
    WHERE id = %s
"""
_FAILED = """
    UPDATE paycore_outboxmessage
    SET status = %(status)s, last_error = %(error)s, lease_until = NULL,
        next_attempt_at = CASE WHEN %(status)s = 'pending' THEN clock_timestamp() + %(delay)s::interval END
    WHERE id = %(id)s AND lease_token = %(token)s AND status = 'pending'
"""
_QUARANTINE_ABANDONED = """
    UPDATE paycore_outboxmessage
    SET status = 'quarantined', next_attempt_at = NULL, lease_until = NULL,
        last_error = 'its process died in every attempt'
    WHERE status = 'pending' AND attempts >= %s AND next_attempt_at <= clock_timestamp()
    RETURNING id, handler
"""


@dataclass(frozen=True)
class _Message:
    id: int
    handler: str
    attempts: int
    event_name: str
    payload: dict[str, Any]
    request_id: str
    sequence: int
    occurred_at: datetime


def nudge() -> None:
    """Tell a worker that messages are due. Losing this costs seconds, never work."""
    bell.ring(bell.OUTBOX)


def drain(*, limit: int = 100) -> int:
    """Handle what is due, at most ``limit`` messages; how many were claimed."""
    claimed = 0
    while claimed < limit:
        batch, token = _claim(limit=min(20, limit - claimed))
        if not batch:
            break
        claimed += len(batch)
        for message in batch:
            _deliver(message, token=token)
    return claimed


def sweep() -> int:
    """Quarantine what died five times; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(_QUARANTINE_ABANDONED, [MAX_ATTEMPTS])
        rows = cursor.fetchall()
    for message_id, handler in rows:
        _alert(message_id=message_id, handler=handler)
    return len(rows)


def requeue(*, message_id: int) -> None:
    """A person has mended the cause: give a quarantined message five new attempts."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE paycore_outboxmessage SET status = 'pending', attempts = 0, next_attempt_at = clock_timestamp()"
            " WHERE id = %s AND status = 'quarantined'",
            [message_id],
        )
        transaction.on_commit(nudge)


def purge(*, older_than_days: int = 30) -> int:
    """Drop messages done long ago; the events they delivered stay. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM paycore_outboxmessage WHERE status = 'done'"
            " AND done_at < clock_timestamp() - make_interval(days => %s)",
            [older_than_days],
        )
        return int(cursor.rowcount)


def _claim(*, limit: int) -> tuple[list[_Message], uuid.UUID]:
    token = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"lease": LEASE, "token": str(token), "max": MAX_ATTEMPTS, "limit": limit})
        rows = [_Message(*row) for row in cursor.fetchall()]
    return sorted(rows, key=lambda message: message.id), token


def _deliver(message: _Message, *, token: uuid.UUID) -> None:
    with bound_request(request_id=message.request_id, handler=message.handler):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                if not _is_still_mine(cursor, message, token=token):
                    return
                events.run_handler(
                    handler=message.handler,
                    event_name=message.event_name,
                    payload=_as_dict(message.payload),
                    occurrence=events.Occurrence(message.sequence, message.occurred_at),
                )
                cursor.execute(_DONE, [message.id])
            metrics.OUTBOX_HANDLED.labels(outcome="done").inc()
        except _HeldByAnother:
            return
        except Exception:
            _record_failure(message, token=token, error=traceback.format_exc(limit=-8))


class _HeldByAnother(Exception):
    """An earlier holder of the lease is still inside its handler: the message is left to its lease."""


def _is_still_mine(cursor: Any, message: _Message, *, token: uuid.UUID) -> bool:
    """Waits for whoever looks at the row just now: a claimer that passed it by keeps it locked until its commit."""
    try:
        cursor.execute(_LOCK_MINE, [message.id, str(token)])
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", "") == LOCK_NOT_AVAILABLE:
            raise _HeldByAnother from error
        raise
    return cursor.fetchone() is not None


def _record_failure(message: _Message, *, token: uuid.UUID, error: str) -> None:
    is_last = message.attempts >= MAX_ATTEMPTS
    with connection.cursor() as cursor:
        cursor.execute(
            _FAILED,
            {
                "status": "quarantined" if is_last else "pending",
                "error": error[-4000:],
                "delay": RETRY_AFTER[min(message.attempts, len(RETRY_AFTER)) - 1],
                "id": message.id,
                "token": str(token),
            },
        )
    metrics.OUTBOX_HANDLED.labels(outcome="failed").inc()
    log.warning("outbox_handler_failed", message_id=message.id, attempt=message.attempts, error=error[-1000:])
    if is_last:
        _alert(message_id=message.id, handler=message.handler)


def _alert(*, message_id: int, handler: str) -> None:
    metrics.OUTBOX_QUARANTINED.inc()
    raise_alert(what="outbox message quarantined", object_id=f"{message_id} {handler}", now=clock.now())


def _as_dict(payload: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(payload) if isinstance(payload, str) else payload
    return value
