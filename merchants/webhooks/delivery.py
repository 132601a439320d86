"""Sending: one POST a delivery, signed as Standard Webhooks writes it, by threads that never touch the database.

A slow endpoint holds at most its share of the threads; one that does not answer is then left alone for a while, one
that says "later" (429, 503) until then. What came of each attempt is written by whoever still holds the lease.
"""

import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from django.conf import settings
from django.db import connection

from merchants.webhooks.claiming import claim_deliveries, claimed, give_up_abandoned
from merchants.webhooks.models import EXCERPT_BYTES, WebhookDelivery, WebhookEndpoint
from merchants.webhooks.outcomes import Outcome, record_outcome
from paycore import clock, http
from paycore.logs import get_logger, redact_text
from paycore.signing import sign_headers

SLOTS = 32
"""Threads of one pass; four merchants whose endpoints all stop answering at once would be needed to fill them."""
DEADLINE_SECONDS = 10.0
PASS_SECONDS = 20.0
"""No new work is taken after this; with a deadline on top the pass ends well within a task's time limit."""
LOOK_AGAIN_SECONDS = 0.3
MAX_ANSWER_BYTES = 64 * 1024
_LOCK_OF_THE_PASS = 7_707_001
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

Send = Callable[[http.OutboundRequest], http.OutboundResponse]

log = get_logger(__name__)


def deliver_due(*, pass_seconds: float = PASS_SECONDS, send: Send | None = None) -> int:
    """Send what is due until nothing is left or the time is over; how many were attempted.

    One pass at a time in the whole house: a slow endpoint then never keeps more than one worker, and the running pass
    looks for new work three times a second.
    """
    http.refuse_open_transaction()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK_OF_THE_PASS])
        if not cursor.fetchone()[0]:
            return 0
    try:
        give_up_abandoned()
        return _run_pass(ends_at=time.monotonic() + pass_seconds, send=send or http.client().send)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK_OF_THE_PASS])


def _run_pass(*, ends_at: float, send: Send) -> int:
    attempted = 0
    under_way: dict[Future[Outcome], _UnderWay] = {}
    with ThreadPoolExecutor(SLOTS, thread_name_prefix="webhooks") as threads:
        while True:
            if time.monotonic() < ends_at and len(under_way) < SLOTS:
                started = _start(threads, send=send, under_way=[one.delivery for one in under_way.values()])
                under_way |= started
                attempted += len(started)
            if not under_way:
                return attempted
            done, _rest = wait(under_way, timeout=LOOK_AGAIN_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                one = under_way.pop(future)
                with _alone(one.delivery):
                    record_outcome(one.delivery, future.result(), token=one.token)


@dataclass(frozen=True, slots=True)
class _UnderWay:
    delivery: WebhookDelivery
    token: uuid.UUID


def _start(
    threads: ThreadPoolExecutor, *, send: Send, under_way: Sequence[WebhookDelivery]
) -> dict["Future[Outcome]", _UnderWay]:
    claim = claim_deliveries(limit=SLOTS - len(under_way), under_way=under_way)
    started: dict[Future[Outcome], _UnderWay] = {}
    for delivery in claimed(claim) if claim.delivery_ids else ():
        with _alone(delivery):
            request = build_request(delivery, now=clock.now())
            started[threads.submit(attempt, request, send=send)] = _UnderWay(delivery, claim.token)
    return started


@contextmanager
def _alone(delivery: WebhookDelivery) -> Iterator[None]:
    """What goes wrong with one delivery must not end the pass of all merchants: its lease runs out, and its attempts,
    counted when they were claimed, end."""
    try:
        yield
    except Exception:
        log.exception("webhook_attempt_broke", delivery_id=delivery.id, endpoint_id=delivery.endpoint_id)


def build_request(delivery: WebhookDelivery, *, now: datetime) -> http.OutboundRequest:
    """The same id and bytes in every copy of an event; the time and the signatures are of this attempt."""
    body = delivery.event.body.encode()
    headers = sign_headers(
        secrets_in_use=signing_secrets(delivery.endpoint, now=now),
        message_id=delivery.event_id,
        timestamp=int(now.timestamp()),
        body=body,
    )
    return http.OutboundRequest(
        method="POST",
        url=delivery.endpoint.url,
        headers={"content-type": "application/json", "user-agent": "paycore-webhooks/1", **headers},
        body=body,
        deadline_seconds=DEADLINE_SECONDS,
        max_response_bytes=MAX_ANSWER_BYTES,
        public_only=not settings.PAYCORE_WEBHOOKS_ALLOW_PRIVATE,
    )


def signing_secrets(endpoint: WebhookEndpoint, *, now: datetime) -> list[str]:
    """The newest first; the one before it while their overlap lasts."""
    secrets = [str(endpoint.secret)]
    if endpoint.previous_secret and endpoint.previous_secret_until and endpoint.previous_secret_until > now:
        secrets.append(str(endpoint.previous_secret))
    return secrets


def attempt(request: http.OutboundRequest, *, send: Send) -> Outcome:
    """In a thread of its own; never raises for what the other side did."""
    started_at, started = clock.now(), time.monotonic()
    try:
        response = send(request)
    except http.OutboundError as error:
        return Outcome(started_at, _milliseconds(started), error_code=_code_of(error))
    is_delivered = 200 <= response.status < 300
    return Outcome(
        started_at,
        _milliseconds(started),
        status_code=response.status,
        error_code="" if is_delivered else _code_of_status(response.status),
        excerpt=excerpt(response.body),
        retry_after=retry_after(response.headers, now=started_at) if response.status in (429, 503) else None,
    )


def excerpt(body: bytes) -> str:
    """The beginning of an answer as text that may be kept and shown: nothing unprintable, no card number, no token."""
    text = redact_text(_UNPRINTABLE.sub("", body[:EXCERPT_BYTES].decode("utf-8", errors="replace")))
    return text.encode()[:EXCERPT_BYTES].decode(errors="ignore")


def retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """RFC 9110: seconds or a date; None for anything else."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta(0))


def _code_of(error: http.OutboundError) -> str:
    if isinstance(error, http.CircuitOpen | http.BulkheadFull):
        return "postponed"
    if isinstance(error, http.AddressRefused):
        return "address_refused"
    what = str(error)
    if "too large" in what:
        return "answer_too_large"
    if "Timeout" in what.partition(":")[0]:
        return "timed_out"
    return "connection_lost" if isinstance(error, http.MayHaveArrived) else "not_reached"


def _code_of_status(status: int) -> str:
    if status == 410:
        return "endpoint_gone"
    return "redirect_not_followed" if 300 <= status < 400 else "status_not_2xx"


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
