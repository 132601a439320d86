"""Moving a user's time in the sandbox: not in one leap, but from one due moment to the next, so that what happens on
the way happens when it would have.

A journey is a row and goes on in the background, stop by stop: everything that is due by the user's present is done,
its payments and effects are waited for (not for ever), and the clock moves to the next due moment, at last to the
target. The clock is moved under the row's lock, so two workers never move it twice.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy as _

from memberships.bells import CLOCKS
from memberships.models import ClockAdvance
from memberships.renewals.stepping import step_user
from memberships.transitions import CLOCK_ADVANCE
from paycore import bell, outbox
from paycore.claims import claim_due
from paycore.clock import NotInSandbox, advance, database_now
from paycore.errors import Conflict, PaycoreError
from paycore.notifications.services import bring_forward, send_due
from payments.models import Payment

MOST_DAYS = 800
LEASE = timedelta(seconds=60)
PASS_SECONDS = 15.0
"""Of one look at a journey; the next one goes on."""
PATIENCE = timedelta(seconds=20)
"""How long, in real time, a stop waits for payments and effects that do not come. After that the journey waits for
nothing more."""
LOOK_AGAIN = timedelta(seconds=1)
MOST_ATTEMPTS = 5
_UNDER_WAY = (Payment.Status.CREATED, Payment.Status.SUBMITTING, Payment.Status.PROCESSING)

_EFFECTS_AHEAD = """
    SELECT EXISTS (
        SELECT 1 FROM paycore_outboxmessage m JOIN paycore_event e ON e.id = m.event_id
        WHERE m.status = 'pending' AND (e.payload ->> 'user_id' = %(user)s OR e.payload ->> 'order_id' IN (
            SELECT id FROM payments_order WHERE user_id = %(user)s))
    )
"""


class ClockIsMoving(Conflict):
    code = "clock_is_moving"
    title = _("This user's clock is on its way already.")


class JourneyNotPossible(PaycoreError):
    code, http_status = "clock_journey_not_possible", 400
    title = _("A clock moves forward, and at most 800 days at once.")


@dataclass(frozen=True, slots=True)
class Clock:
    """``now`` is the user's present, ``ahead`` how far that is before everybody else's; ``journey`` the last one."""

    user_id: str
    now: datetime
    ahead: timedelta
    journey: ClockAdvance | None


def clock_of(user_id: str) -> Clock:
    """NotInSandbox."""
    if not settings.PAYCORE_SANDBOX_MODE:
        raise NotInSandbox
    now = database_now(subject=user_id)
    journey = ClockAdvance.objects.filter(user_id=user_id).order_by("-id").first()
    return Clock(user_id, now, max(timedelta(0), now - database_now()), journey)


def start_journey(user_id: str, *, target_at: datetime) -> ClockAdvance:
    """NotInSandbox, JourneyNotPossible, ClockIsMoving."""
    if not settings.PAYCORE_SANDBOX_MODE:
        raise NotInSandbox
    now = database_now(subject=user_id)
    if not timedelta(0) < target_at - now <= timedelta(days=MOST_DAYS, minutes=1):
        raise JourneyNotPossible
    try:
        with transaction.atomic():
            journey = ClockAdvance.objects.create(
                user_id=user_id, started_from=now, reached_at=now, target_at=target_at
            )
            bell.ring_on_commit(CLOCKS)
    except IntegrityError as error:
        raise ClockIsMoving from error
    return journey


def due_journeys(*, limit: int) -> list[str]:
    return claim_due(ClockAdvance, lease=LEASE, limit=limit, condition="status = 'running'")


def travel(journey_id: str) -> None:
    """Bring a journey as far as it gets within a pass. Safe to repeat; no transaction may be open."""
    until = time.monotonic() + PASS_SECONDS
    if not _count_attempt(journey_id):
        return
    while time.monotonic() < until:
        if not _one_stop(journey_id):
            return
    _look_again(journey_id)


def _one_stop(journey_id: str) -> bool:
    """Whether there is more to do at once."""
    journey = ClockAdvance.objects.get(id=journey_id)
    if journey.status in CLOCK_ADVANCE.final:
        return False
    send_due()
    now = database_now(subject=journey.user_id)
    next_due = step_user(journey.user_id, until=now)
    outbox.drain(limit=200)
    if _is_waiting(journey.user_id) and _may_wait(journey):
        return False
    stop_at = journey.target_at if next_due is None or next_due <= now else min(next_due, journey.target_at)
    return _move(journey_id, stop_at=stop_at)


def _move(journey_id: str, *, stop_at: datetime) -> bool:
    """To ``stop_at``, or no further than somebody else has moved it. False when that was the target."""
    with transaction.atomic():
        journey = ClockAdvance.objects.select_for_update(no_key=True).get(id=journey_id)
        if journey.status in CLOCK_ADVANCE.final:
            return False
        now = database_now(subject=journey.user_id)
        if now >= journey.target_at:
            _finish(journey, status=ClockAdvance.Status.DONE, reached_at=now)
            return False
        if now < stop_at:
            bring_forward(journey.user_id, by=stop_at - now)
            now = advance(subject=journey.user_id, by=stop_at - now)
        journey.reached_at, journey.steps = now, journey.steps + 1
        journey.waiting_since, journey.attempts = journey.waiting_since if _is_impatient(journey) else None, 0
        journey.save(update_fields=["reached_at", "steps", "waiting_since", "attempts"])
    return True


def _count_attempt(journey_id: str) -> bool:
    """Before the work: a journey that breaks its worker ends, and is seen."""
    with transaction.atomic():
        journey = ClockAdvance.objects.select_for_update(no_key=True).get(id=journey_id)
        if journey.status in CLOCK_ADVANCE.final:
            return False
        if journey.attempts >= MOST_ATTEMPTS:
            journey.error = "stopped by an error every time"
            now = database_now(subject=journey.user_id)
            _finish(journey, status=ClockAdvance.Status.FAILED, reached_at=now)
            return False
        journey.attempts += 1
        journey.save(update_fields=["attempts"])
    return True


def _finish(journey: ClockAdvance, *, status: ClockAdvance.Status, reached_at: datetime) -> None:
    journey.status, journey.reached_at = status, reached_at
    journey.next_attempt_at, journey.finished_at = None, database_now()
    journey.save(update_fields=["status", "reached_at", "next_attempt_at", "finished_at", "error"])


def _is_waiting(user_id: str) -> bool:
    """Whether money or news of the user's is on its way. What waits for the user themselves is not waited for."""
    if Payment.objects.filter(order__user_id=user_id, status__in=_UNDER_WAY).exists():
        return True
    with connection.cursor() as cursor:
        cursor.execute(_EFFECTS_AHEAD, {"user": user_id})
        return bool(cursor.fetchone()[0])


def _may_wait(journey: ClockAdvance) -> bool:
    """Look again soon, unless the patience is used up."""
    if _is_impatient(journey):
        return False
    now = database_now()
    rows = ClockAdvance.objects.filter(id=journey.id, status=ClockAdvance.Status.RUNNING)
    rows.update(waiting_since=journey.waiting_since or now, next_attempt_at=now + LOOK_AGAIN, attempts=0)
    return True


def _is_impatient(journey: ClockAdvance) -> bool:
    return journey.waiting_since is not None and database_now() - journey.waiting_since > PATIENCE


def _look_again(journey_id: str) -> None:
    rows = ClockAdvance.objects.filter(id=journey_id, status=ClockAdvance.Status.RUNNING)
    rows.update(next_attempt_at=database_now(), attempts=0)
    bell.ring(CLOCKS)
