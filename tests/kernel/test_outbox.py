"""Delivery: each handler's effect once, whatever dies; what cannot be handled stops after five and is seen."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from paycore import outbox
from paycore.clock import database_now
from paycore.models import EventRecord, OutboxMessage
from tests.kernel.probe import Probed, ProcessKilled, behaviour, leave_a_mark, marks, message, tell

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _usual_behaviour() -> Iterator[None]:
    yield
    behaviour.clear()


def make_due() -> None:
    OutboxMessage.objects.filter(status="pending").update(next_attempt_at=Now())


def fail(event: Probed) -> None:
    leave_a_mark(event)
    raise ValueError("the handler is broken")


def die(event: Probed) -> None:
    leave_a_mark(event)
    raise ProcessKilled


def test_each_handler_runs_once() -> None:
    tell()
    assert OutboxMessage.objects.count() == 2
    assert outbox.drain() == 2
    assert outbox.drain() == 0
    assert marks() == 1
    done = message()
    assert (done.status, done.attempts, done.next_attempt_at) == ("done", 1, None)
    assert done.done_at is not None


def test_a_failure_undoes_its_own_effect_only_and_is_tried_again_later() -> None:
    behaviour["first"] = fail
    tell()
    outbox.drain()

    failed = message()
    assert (failed.status, failed.attempts, marks()) == ("pending", 1, 0)
    assert "the handler is broken" in failed.last_error
    assert failed.next_attempt_at is not None
    assert failed.next_attempt_at > database_now()
    assert message("second").status == "done"
    assert outbox.drain() == 0

    behaviour.clear()
    make_due()
    assert outbox.drain() == 1
    assert (message().status, message().last_error, marks()) == ("done", "", 1)


def test_a_poison_message_stops_after_five_attempts_and_is_seen(caplog: pytest.LogCaptureFixture) -> None:
    behaviour["first"] = fail
    tell()
    waits = []
    for attempt in range(1, 6):
        make_due()
        assert outbox.drain() == (2 if attempt == 1 else 1)
        waits.append(message().next_attempt_at)
    make_due()

    assert outbox.drain() == 0
    stopped = message()
    assert (stopped.status, stopped.attempts, stopped.next_attempt_at) == ("quarantined", 5, None)
    assert waits[:4] == sorted(wait for wait in waits if wait)
    assert any(record.name == "paycore.alerts" for record in caplog.records)


def test_a_mended_message_gets_five_new_attempts() -> None:
    behaviour["first"] = fail
    tell()
    for _attempt in range(5):
        make_due()
        outbox.drain()
    behaviour.clear()

    outbox.requeue(message_id=message().id)
    outbox.requeue(message_id=message("second").id)

    assert (message().attempts, message("second").status) == (0, "done")
    assert outbox.drain() == 1
    assert (message().status, marks()) == ("done", 1)


def test_what_a_killed_worker_held_is_taken_over_when_its_lease_is_over() -> None:
    behaviour["first"] = die
    tell()
    with pytest.raises(ProcessKilled):
        outbox.drain()
    held = message()
    assert (held.status, held.attempts, marks()) == ("pending", 1, 0)
    assert held.lease_until is not None
    assert timedelta(seconds=50) < held.lease_until - database_now() <= timedelta(seconds=60)
    assert outbox.drain() == 0

    behaviour.clear()
    make_due()
    assert outbox.drain() == 2
    assert (message().status, message().attempts, marks()) == ("done", 2, 1)


def test_a_message_that_kills_every_worker_is_quarantined_by_the_sweeper() -> None:
    behaviour["first"] = die
    tell()
    for _attempt in range(5):
        make_due()
        with pytest.raises(ProcessKilled):
            outbox.drain()
    assert outbox.sweep() == 0
    make_due()
    assert outbox.sweep() >= 1

    stopped = message()
    assert (stopped.status, stopped.attempts) == ("quarantined", 5)
    assert "died" in stopped.last_error
    assert outbox.sweep() == 0


def test_who_lost_the_lease_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """J11: a worker that was suspended for a minute must not run what another has taken."""
    claim = outbox._claim

    def claim_and_be_overtaken(**options: Any) -> Any:
        batch = claim(**options)
        OutboxMessage.objects.update(lease_token=uuid.uuid4())
        return batch

    tell()
    monkeypatch.setattr(outbox, "_claim", claim_and_be_overtaken)
    outbox.drain(limit=2)
    assert (marks(), message().status) == (0, "pending")


def test_a_handler_that_no_longer_exists_is_recorded_as_a_failure() -> None:
    tell()
    OutboxMessage.objects.filter(id=message().id).update(handler="nobody.home")
    outbox.drain()
    assert OutboxMessage.objects.filter(status="pending", last_error__contains="KeyError").exists()


def test_a_pass_takes_no_more_than_its_limit_and_the_oldest_first() -> None:
    for number in range(3):
        tell("prb_1", number=number)
    assert outbox.drain(limit=4) == 4
    assert list(OutboxMessage.objects.order_by("id").values_list("status", flat=True)) == ["done"] * 4 + ["pending"] * 2


def test_a_claim_keeps_its_limit_by_whatever_plan() -> None:
    """A joined sub-query with LIMIT may be run again for each outer row, and claims more each time. The planner does
    that where its statistics say that the tables are almost empty."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE paycore_outboxmessage, paycore_event")
        for name in ("enable_hashjoin", "enable_mergejoin", "enable_material"):
            cursor.execute(f"SET LOCAL {name} = off")
    for number in range(6):
        tell("prb_1", number=number)
    assert outbox.drain(limit=5) == 5
    assert OutboxMessage.objects.filter(attempts=0).count() == 7


def test_old_deliveries_are_dropped_and_events_stay() -> None:
    tell()
    outbox.drain()
    tell("prb_2")
    OutboxMessage.objects.filter(status="done").update(done_at=Now() - timedelta(days=31))
    assert outbox.purge() == 2
    assert OutboxMessage.objects.count() == 2
    assert EventRecord.objects.count() == 2


def test_the_database_bounds_attempts() -> None:
    tell()
    with pytest.raises(IntegrityError, match="outbox_attempts_bounded"), transaction.atomic():
        OutboxMessage.objects.update(attempts=6)
