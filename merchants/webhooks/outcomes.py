"""What came of an attempt, written down: the delivery's next step, then the endpoint's health.

Two short transactions, for the locks must be taken from the endpoint to its deliveries and never back: a process that
dies in between only forgets a little about the endpoint's health.
"""

import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction

from merchants.models import Merchant, MerchantMember
from merchants.webhooks.claiming import MAX_ATTEMPTS
from merchants.webhooks.feed import lock_feed
from merchants.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from merchants.webhooks.services import end_endpoint
from merchants.webhooks.transitions import WEBHOOK_DELIVERY
from paycore.clock import database_now
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify

RETRY_AFTER = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""As Standard Webhooks suggests: the first attempt at once, then these; ten attempts in about three days."""

LONGEST_RETRY_AFTER = timedelta(hours=24)
_FIRST_HOLD, _LONGEST_HOLD = timedelta(seconds=5), timedelta(minutes=5)
_NOT_TRIED = timedelta(seconds=5)
SYSTEM = "system"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``error_code`` empty: a 2xx. ``retry_after`` is what a 429 or 503 asked for."""

    started_at: datetime
    duration_ms: int = 0
    status_code: int | None = None
    error_code: str = ""
    excerpt: str = ""
    retry_after: timedelta | None = None

    @property
    def is_delivered(self) -> bool:
        return not self.error_code

    @property
    def was_tried(self) -> bool:
        """Not when too much was under way to the same host, or it is known to be down: that costs no attempt."""
        return self.error_code != "postponed"

    @property
    def was_silent(self) -> bool:
        """No answer came: waiting for the next one would hold a thread again."""
        return self.status_code is None and self.was_tried and self.error_code != "address_refused"

    @property
    def is_gone(self) -> bool:
        return self.status_code == 410


def record_outcome(delivery: WebhookDelivery, outcome: Outcome, *, token: uuid.UUID) -> None:
    """Note the attempt and move the delivery on; a lease that another took over meanwhile moves nothing."""
    with transaction.atomic():
        now = database_now()
        row = WebhookDelivery.objects.select_for_update(no_key=True).get(id=delivery.id)
        if outcome.was_tried:
            _note_attempt(row, outcome)
        if row.lease_token != token or row.status != WebhookDelivery.Status.PENDING:
            log.warning("webhook_lease_lost", delivery_id=row.id)
            return
        _move(row, outcome, now=now)
    _judge_endpoint(delivery.endpoint, outcome, now=now)
    log.info(
        "webhook_attempted",
        delivery_id=row.id,
        endpoint_id=row.endpoint_id,
        attempt=row.attempts,
        status=row.status,
        outcome=outcome.status_code or outcome.error_code,
    )


def _note_attempt(row: WebhookDelivery, outcome: Outcome) -> None:
    WebhookAttempt.objects.create(
        delivery=row,
        started_at=outcome.started_at,
        duration_ms=outcome.duration_ms,
        status_code=outcome.status_code,
        error_code=outcome.error_code,
        response_excerpt=outcome.excerpt,
    )


def _move(row: WebhookDelivery, outcome: Outcome, *, now: datetime) -> None:
    row.lease_token = row.lease_until = None
    if not outcome.was_tried:
        row.attempts -= 1
        row.next_attempt_at = now + _NOT_TRIED
    elif outcome.is_delivered:
        _finish(row, WebhookDelivery.Status.DELIVERED)
        row.delivered_at = now
    elif row.attempts >= MAX_ATTEMPTS or outcome.is_gone:
        _finish(row, WebhookDelivery.Status.FAILED)
    else:
        row.next_attempt_at = now + delay_after(row.attempts, retry_after=outcome.retry_after)
    if outcome.was_tried:
        row.last_status_code, row.last_error = outcome.status_code, outcome.error_code
    row.save()


def _finish(row: WebhookDelivery, status: str) -> None:
    WEBHOOK_DELIVERY.require(row.status, status)
    row.status, row.next_attempt_at = status, None


def delay_after(attempts: int, *, retry_after: timedelta | None = None) -> timedelta:
    """Until the attempt that follows the ``attempts``-th, ± 10 %; never sooner than the receiver asked for."""
    planned = RETRY_AFTER[min(max(attempts, 1), len(RETRY_AFTER)) - 1]
    jittered = planned * random.uniform(0.9, 1.1)  # noqa: S311 jitter, no secret
    return max(jittered, min(retry_after, LONGEST_RETRY_AFTER)) if retry_after else jittered


def _judge_endpoint(known: WebhookEndpoint, outcome: Outcome, *, now: datetime) -> None:
    is_well = known.failing_since is None and known.hold_until is None and known.silences == 0
    if not outcome.was_tried or (outcome.is_delivered and is_well):
        return
    with transaction.atomic():
        lock_feed(known.merchant_id)
        endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).get(id=known.id)
        if not endpoint.is_enabled:
            return
        if outcome.is_delivered:
            endpoint.failing_since, endpoint.hold_until, endpoint.silences = None, None, 0
        else:
            _note_failure(endpoint, outcome, now=now)
        endpoint.save(update_fields=["failing_since", "hold_until", "silences"])
        _disable_if_hopeless(endpoint, outcome, now=now)


def _note_failure(endpoint: WebhookEndpoint, outcome: Outcome, *, now: datetime) -> None:
    endpoint.failing_since = endpoint.failing_since or now
    endpoint.silences = min(endpoint.silences + 1, 100) if outcome.was_silent else 0
    if outcome.was_silent:
        endpoint.hold_until = now + min(_FIRST_HOLD * 2 ** min(endpoint.silences - 1, 10), _LONGEST_HOLD)
    elif outcome.retry_after:
        endpoint.hold_until = now + min(outcome.retry_after, LONGEST_RETRY_AFTER)
    else:
        endpoint.hold_until = None


def _disable_if_hopeless(endpoint: WebhookEndpoint, outcome: Outcome, *, now: datetime) -> None:
    if outcome.is_gone:
        end_endpoint(endpoint, status=WebhookEndpoint.Status.DISABLED, reason="answered_410", actor=SYSTEM)
        _tell_developers(endpoint, now=now)
        return
    patience = timedelta(days=settings.PAYCORE_WEBHOOKS_DISABLE_AFTER_DAYS)
    if endpoint.failing_since is not None and now - endpoint.failing_since >= patience:
        end_endpoint(endpoint, status=WebhookEndpoint.Status.DISABLED_BY_FAILURES, reason="only_failures", actor=SYSTEM)
        _tell_developers(endpoint, now=now)


def _tell_developers(endpoint: WebhookEndpoint, *, now: datetime) -> None:
    """Owners and developers, once each time."""
    roles = [MerchantMember.Role.OWNER, MerchantMember.Role.DEVELOPER]
    members = MerchantMember.objects.filter(merchant_id=endpoint.merchant_id, role__in=roles)
    name = Merchant.objects.only("name").get(id=endpoint.merchant_id).name
    for user_id in members.values_list("user_id", flat=True):
        notify(
            template="webhook_disabled",
            to=Recipient(user_id=str(user_id)),
            context={
                "merchant_name": name,
                "endpoint_id": endpoint.id,
                "reason": endpoint.disabled_reason,
                "address": f"{settings.PAYCORE_BASE_URL}/merchant/",
            },
            key=f"webhook_disabled:{endpoint.id}:{now:%Y-%m-%dT%H:%M}:{user_id}"[:160],
        )
