"""A renewal that dies between any two of its steps, clocks that go back, and a database restored to before it: the
member is charged once, has one period for it, and the books are whole."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection

from memberships.models import Dunning, Subscription
from memberships.renewals import collecting, dunning, opening, settling_many, stepping
from memberships.renewals.opening import open_due_periods
from memberships.renewals.stepping import renew_due
from paycore.clock import database_now
from paycore.fresh import forget_everything
from payments.orders import batches
from payments.orders.models import Payment
from tests.actors import assert_books_are_whole, run_background, sync
from tests.memberships.renewal_stage import (
    Stage,
    assert_periods_tile,
    attempts_of,
    fresh,
    pass_until,
    periods_of,
    renewal_of,
    work,
)

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """kill -9, as far as one process can play it: nobody catches it, and what was not committed is gone."""


CUTS: dict[str, tuple[Any, str, str]] = {
    "as_the_batch_is_claimed": (opening, "_draft_all", "before"),
    "before_the_batch_is_committed": (opening, "_write", "after"),
    "after_the_batch_is_committed": (stepping, "open_due_periods", "after"),
    "before_the_intents_are_committed": (batches, "_begin", "before"),
    "after_the_intents_are_committed": (batches, "_begin", "after"),
    "after_the_provider_answered": (batches, "_ask_all", "after"),
    "after_the_answers_are_committed": (collecting, "charge_unasked", "after"),
    "before_the_settlement_is_committed": (settling_many, "note_changes", "after"),
    "after_the_settlement_is_committed": (collecting, "settle_many", "after"),
}
FAILING = {
    "before_the_failure_is_committed": (dunning, "_fall_behind", "after"),
    "after_the_failure_is_committed": (collecting, "record_failure", "after"),
}


@contextmanager
def killed_at(cut: tuple[Any, str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    owner, name, moment = cut
    real: Callable[..., Any] = getattr(owner, name)

    def deadly(*args: Any, **kwargs: Any) -> Any:
        if moment == "after":
            real(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, deadly)
        with pytest.raises(Killed):
            yield


def heirs_come(member: Subscription) -> None:
    """The next look is due, and payments that nobody heard of are asked about."""
    for _round in range(3):
        for payment in Payment.objects.exclude(status__in=["succeeded", "failed", "canceled", "expired"]):
            sync(payment.id)
        Payment.objects.update(created_at=database_now() - timedelta(minutes=2))
        run_background()
        now = database_now(subject=member.user_id)
        Subscription.objects.filter(id=member.id, status__in=["active", "trialing"]).update(due_at=now)
        work()


@pytest.mark.parametrize("cut", CUTS)
def test_renewal_that_is_killed_anywhere_charges_once(stage: Stage, cut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    member = stage.member()
    with killed_at(CUTS[cut], monkeypatch):
        renew_due()
    heirs_come(member)
    assert (fresh(member).status, fresh(member).period_number) == ("active", 2)
    assert periods_of(member) == [(1, "paid", "paid"), (2, "paid", "paid")]
    assert stage.charges() == 1
    assert list(stage.taken().values()) == [1999]
    assert renewal_of(member).status == "paid"
    assert_periods_tile([member])
    assert_books_are_whole()


@pytest.mark.parametrize("cut", [*FAILING, "after_the_answers_are_committed", "after_the_provider_answered"])
def test_failure_that_is_killed_anywhere_is_counted_once(
    stage: Stage, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = stage.member(script="decline(insufficient_funds)")
    with killed_at((FAILING | CUTS)[cut], monkeypatch):
        renew_due()
    heirs_come(member)
    assert (fresh(member).status, fresh(member).retries) == ("past_due", 1)
    assert attempts_of(member) == ["failed"]
    assert Dunning.objects.get().failures == 1
    assert not stage.taken()


@contextmanager
def restored_afterwards() -> Iterator[None]:
    """What is written inside is lost, as by a backup from before; what the provider knows is not."""
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT an_hour_ago")
        yield
        connection.run_on_commit.clear()
        cursor.execute("ROLLBACK TO SAVEPOINT an_hour_ago")
    forget_everything()


def test_database_restored_to_before_the_renewal_asks_for_the_same_money(stage: Stage) -> None:
    members = [stage.member() for _number in range(3)]
    run_background()
    with restored_afterwards():
        work()
        assert stage.charges() == 3
    assert [fresh(member).period_number for member in members] == [1, 1, 1]
    work()
    assert [fresh(member).period_number for member in members] == [2, 2, 2]
    assert stage.charges() == 3, "restored and charged again"
    assert_books_are_whole()


def test_database_restored_to_the_middle_of_dunning_repeats_the_same_attempts(
    stage: Stage, settings: LazySettings
) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    member = stage.member(script="decline(insufficient_funds)")
    work()
    first = set(Payment.objects.values_list("id", flat=True))
    due_at = fresh(member).due_at
    assert due_at is not None
    pass_until(member, due_at)
    with restored_afterwards():
        stage.mend(member)
        work()
        assert fresh(member).period_number == 2
        second = set(Payment.objects.values_list("id", flat=True))
    work()
    assert fresh(member).period_number == 2
    assert set(Payment.objects.values_list("id", flat=True)) == second
    assert len(second - first) == 1
    assert stage.charges() == 1


def test_restored_before_a_failed_attempt_hears_the_same_no(stage: Stage) -> None:
    member = stage.member(script="decline(insufficient_funds)")
    run_background()
    with restored_afterwards():
        work()
    stage.mend(member)
    work()
    assert attempts_of(member) == ["failed"], "the provider was asked for the same payment and says the same"
    assert not stage.taken()


def test_clock_that_goes_back_renews_nothing_twice(stage: Stage) -> None:
    """The database's own clock went back by an hour: what was due then is settled by now."""
    member = stage.member()
    work()
    Subscription.objects.filter(id=member.id).update(due_at=database_now() - timedelta(hours=1))
    work(rounds=2)
    assert fresh(member).period_number == 2
    assert fresh(member).due_at == fresh(member).period_ends_at
    assert stage.charges() == 1


def test_news_before_during_and_after_the_batch_give_one_state(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The callback is drained between the charge and its settlement by the batch, and again afterwards."""
    member = stage.member()
    real = collecting.settle_many

    def news_first(*args: Any, **kwargs: Any) -> Any:
        run_background()
        return real(*args, **kwargs)

    monkeypatch.setattr(collecting, "settle_many", news_first)
    renew_due()
    run_background()
    assert fresh(member).period_number == 2
    assert member.changes.filter(kind="renewed").count() == 1
    assert_books_are_whole()


def test_two_batches_that_opened_the_same_period_collect_it_once(stage: Stage) -> None:
    member = stage.member()
    opened = open_due_periods()
    first = collecting.collect(opened.to_collect, nows=opened.nows)
    second = collecting.collect(opened.to_collect, nows=opened.nows)
    assert (first.outcomes, second.outcomes) == ({member.id: "settled"}, {})
    assert stage.charges() == 1
