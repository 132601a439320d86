"""What could not be collected: grace, attempts by day, suspension, the end, and every way back."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.conf import LazySettings

from memberships.models import ChargeNotice, Dunning, Invoice, Subscription
from memberships.renewals import announcing
from memberships.renewals.collecting import note_failed_payment
from memberships.renewals.dunning import Failure, dates_of, record_failure
from memberships.renewals.mandate_rules import announcement_for, next_interval
from memberships.renewals.paying_now import pay_now_url, retry_at_once
from memberships.renewals.recovery import recovery_by_code, recovery_by_step, recovery_total
from memberships.renewals.schedule import in_daytime, is_hopeless, next_opening_hours, retry_dates
from memberships.renewals.stepping import step_user
from memberships.subscriptions.collection import Collecting, set_collection
from paycore.clock import database_now
from paycore.money import Money
from payments.checkout.models import CheckoutSession
from payments.gateways.contract import GatewayRejected
from payments.methods.models import Mandate
from payments.methods.services import remove_method
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Payment
from tests.actors import assert_books_are_whole, run_background
from tests.api.row_counts import nothing_changes
from tests.memberships.renewal_stage import (
    Stage,
    assert_periods_tile,
    attempts_of,
    fresh,
    pass_time,
    pass_until,
    periods_of,
    renewal_of,
    told,
    work,
)


@pytest.fixture(autouse=True)
def _users_have_clocks(settings: LazySettings) -> None:
    settings.PAYCORE_SANDBOX_MODE = True


def overdue(stage: Stage, *, code: str = "insufficient_funds", **more: object) -> Subscription:
    member = stage.member(script=f"decline({code})", **more)
    work()
    assert fresh(member).status == "past_due"
    return member


def dunning_of(member: Subscription) -> Dunning:
    return Dunning.objects.get(subscription=member)


# --- pure -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ((2026, 3, 1, 9, 59), (2026, 3, 1, 10, 0)),
        ((2026, 3, 1, 10, 0), (2026, 3, 1, 10, 0)),
        ((2026, 3, 1, 17, 59), (2026, 3, 1, 17, 59)),
        ((2026, 3, 1, 18, 0), (2026, 3, 2, 10, 0)),
        ((2026, 12, 31, 23, 30), (2027, 1, 1, 10, 0)),
        ((2026, 3, 1, 0, 0), (2026, 3, 1, 10, 0)),
    ],
)
def test_daytime_is_the_members_own(local: tuple[int, ...], expected: tuple[int, ...]) -> None:
    for name in ("Asia/Shanghai", "America/Los_Angeles", "Europe/Berlin"):
        zone = ZoneInfo(name)
        moment = datetime(*local, tzinfo=zone)  # type: ignore[misc, arg-type]  # five numbers
        assert in_daytime(moment, zone=name) == datetime(*expected, tzinfo=zone)  # type: ignore[misc, arg-type]  # same


def test_retries_are_days_after_the_first_failure_and_ascend() -> None:
    first = datetime(2026, 3, 28, 3, 0, tzinfo=UTC)
    dates = retry_dates(first, zone="Europe/Berlin", days=[7, 1, 5, 3])
    assert dates == sorted(dates)
    assert [(date - first).days for date in dates] == [1, 3, 5, 7]
    assert {date.astimezone(ZoneInfo("Europe/Berlin")).hour for date in dates} == {10}


def test_lost_card_is_hopeless_and_an_empty_account_is_not() -> None:
    hopeless = ["lost_or_stolen", "suspected_fraud", "expired_card", "mandate_ended", "method_not_ready"]
    assert all(is_hopeless(code) for code in hopeless)
    assert not any(
        is_hopeless(code) for code in ["insufficient_funds", "declined", "processing_error", "outside_hours"]
    )


def test_mandates_rest_at_night_in_beijing() -> None:
    evening = datetime(2026, 3, 1, 22, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert next_opening_hours(evening) == datetime(2026, 3, 2, 8, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert next_opening_hours(evening - timedelta(hours=20)).astimezone(ZoneInfo("Asia/Shanghai")).day == 1


def test_mandate_is_charged_once_in_each_of_its_intervals() -> None:
    start = datetime(2026, 1, 10, 1, tzinfo=UTC)
    mandate = Mandate(interval="month", interval_count=1, accepted_at=start)
    assert next_interval(mandate, last_charged_at=None) is None
    late = datetime(2026, 2, 15, 1, tzinfo=UTC)
    opens = next_interval(mandate, last_charged_at=late)
    assert opens == datetime(2026, 3, 10, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert next_interval(Mandate(interval="", accepted_at=start), last_charged_at=late) is None


def test_charge_waits_for_an_announcement_of_the_same_amount_and_no_longer_than_it_holds() -> None:
    now = datetime(2026, 3, 1, 4, tzinfo=UTC)
    asked = announcement_for([], amount_minor=100, notice_days=2, now=now)
    assert asked.is_needed
    assert asked.charge_from == datetime(2026, 3, 3, 10, tzinfo=ZoneInfo("Asia/Shanghai"))
    accepted = ChargeNotice(amount_minor=100, status="accepted", charge_at=asked.charge_from)
    assert not announcement_for([accepted], amount_minor=100, notice_days=2, now=now).is_needed
    assert announcement_for([accepted], amount_minor=101, notice_days=2, now=now).is_needed
    too_late = asked.charge_from + timedelta(days=8)
    assert announcement_for([accepted], amount_minor=100, notice_days=2, now=too_late).is_needed
    refused = ChargeNotice(amount_minor=100, status="refused", charge_at=asked.charge_from)
    assert announcement_for([refused], amount_minor=100, notice_days=2, now=now).is_refused


# --- the way down -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_first_failure_opens_grace_and_the_member_is_told_with_a_link(stage: Stage) -> None:
    member = overdue(stage)
    now = fresh(member)
    assert now.has_access
    assert (now.retries, now.failure_code, now.period_number) == (1, "insufficient_funds", 1)
    assert now.grace_until == dunning_of(member).opened_at + timedelta(days=3)
    assert now.due_at == dunning_of(member).next_retry_at
    assert attempts_of(member) == ["failed"]
    assert told(member).count("membership_payment_failed") == 1
    assert CheckoutSession.objects.filter(order=renewal_of(member).order).count() == 1
    assert not stage.taken()


@pytest.mark.django_db
def test_attempts_follow_on_their_days_then_it_is_suspended_and_at_last_ends(stage: Stage) -> None:
    member = overdue(stage)
    grace_until = fresh(member).grace_until
    assert grace_until is not None
    # The second attempt waits for daytime: in daytime it falls on grace's last moment, otherwise after it.
    tried = 1 + sum(date <= grace_until for date in dates_of(dunning_of(member), zone=member.time_zone))
    seen = []
    for _step in range(12):
        now = fresh(member)
        if now.due_at is None:
            break
        pass_until(member, now.due_at)
        work()
        seen.append((fresh(member).status, len(attempts_of(member))))
    run_background()
    assert next(attempts for status, attempts in seen if status == "suspended") == tried
    ended = fresh(member)
    assert (ended.status, ended.end_reason, ended.due_at) == ("ended", "unpaid", None)
    assert attempts_of(member) == ["failed"] * 5
    assert periods_of(member) == [(1, "paid", "paid"), (2, "paid", "void")]
    invoice = renewal_of(member)
    assert (invoice.status, invoice.order.status if invoice.order else "") == ("uncollectible", "canceled")
    assert dunning_of(member).status == "lost"
    assert "membership_ended" in told(member)
    assert not stage.taken()
    assert_books_are_whole()


@pytest.mark.django_db
def test_lost_card_is_not_tried_again_but_the_member_is_reminded(stage: Stage) -> None:
    member = overdue(stage, code="lost_or_stolen")
    assert dunning_of(member).is_hopeless
    for _step in range(12):
        now = fresh(member)
        if now.due_at is None:
            break
        pass_until(member, now.due_at)
        work()
    assert attempts_of(member) == ["failed"]
    assert fresh(member).end_reason == "unpaid"
    assert told(member).count("membership_payment_failed") == 4


@pytest.mark.django_db
def test_member_who_pays_by_link_is_asked_and_reminded(stage: Stage) -> None:
    member = stage.member(collection="link", payment_method=None)
    work()
    assert fresh(member).status == "past_due"
    assert told(member) == ["membership_payment_due"]
    assert pay_now_url(renewal_of(member)).startswith("http")
    assert (
        recovery_total(since=database_now() - timedelta(days=1), until=database_now() + timedelta(days=1)).failed == 0
    )


@pytest.mark.django_db
def test_method_that_was_removed_is_not_charged(stage: Stage) -> None:
    member = stage.member()
    remove_method(str(member.payment_method_id), by="payer")
    work()
    assert (fresh(member).status, fresh(member).failure_code) == ("past_due", "method_not_ready")
    assert not Payment.objects.exists()


@pytest.mark.django_db
def test_same_failure_told_twice_or_late_changes_nothing(stage: Stage) -> None:
    member = overdue(stage)
    payment = Payment.objects.get()
    failure = Failure(member.id, renewal_of(member).id, 1, "declined")
    with nothing_changes():
        assert not record_failure(failure, now=database_now())
        assert not note_failed_payment(payment.id)


@pytest.mark.django_db
def test_hours_are_waited_for_and_count_as_no_failure(stage: Stage) -> None:
    member = stage.member(script="decline(card_declined)")
    from_now = database_now()
    work()
    invoice = renewal_of(member)
    assert record_failure(Failure(member.id, invoice.id, 2, "outside_hours"), now=from_now)
    now = fresh(member)
    assert now.retries == 2
    assert dunning_of(member).failures == 1
    assert now.due_at == next_opening_hours(from_now)


# --- the ways back ----------------------------------------------------------------------------------------------------


def pay_it_oneself(member: Subscription) -> Payment:
    order = renewal_of(member).order
    assert order is not None
    return pay_order(order, PayInstruction(method="card"))


@pytest.mark.django_db
def test_money_that_comes_on_the_second_day_recovers_it(stage: Stage) -> None:
    member = overdue(stage)
    stage.mend(member)
    due_at = fresh(member).due_at
    assert due_at is not None
    pass_until(member, due_at)
    work()
    now = fresh(member)
    assert (now.status, now.period_number, now.retries, now.failure_code) == ("active", 2, 0, "")
    assert (now.past_due_since, now.grace_until) == (None, None)
    assert attempts_of(member) == ["failed", "succeeded"]
    assert (dunning_of(member).status, dunning_of(member).recovered_by) == ("recovered", "retry")
    assert "membership_recovered" in told(member)
    assert_periods_tile([member])
    assert_books_are_whole()


@pytest.mark.django_db
def test_suspended_member_pays_by_the_link_and_is_active_at_once(stage: Stage) -> None:
    member = overdue(stage)
    pass_time(member, timedelta(days=3, hours=1))
    work()
    assert fresh(member).status == "suspended"
    assert not fresh(member).has_access

    assert pay_it_oneself(member).status == "succeeded"
    run_background()

    assert (fresh(member).status, fresh(member).period_number) == ("active", 2)
    assert (dunning_of(member).status, dunning_of(member).recovered_by) == ("recovered", "member")
    pass_time(member, timedelta(days=5))
    work()
    assert stage.charges() == 1
    assert_books_are_whole()


@pytest.mark.django_db
def test_new_card_is_tried_at_once(stage: Stage) -> None:
    member = overdue(stage, code="expired_card")
    card = stage.card(member.user)
    set_collection(
        member.id,
        Collecting("method", card.id),
        user_id=member.user_id,
        amount=Money(1999, "USD"),
        by=member.user_id,
        now=database_now(),
    )
    run_background()
    work()
    assert (fresh(member).status, fresh(member).payment_method_id) == ("active", card.id)
    assert stage.charges() == 1


@pytest.mark.django_db
def test_card_that_is_saved_for_us_while_overdue_collects_it(stage: Stage) -> None:
    member = overdue(stage, code="lost_or_stolen")
    card = stage.card(member.user)
    run_background()
    work()
    assert (fresh(member).status, fresh(member).payment_method_id) == ("active", card.id)


@pytest.mark.django_db
def test_nothing_is_tried_at_once_where_nothing_is_overdue(stage: Stage) -> None:
    member = stage.member(ago=timedelta(days=-3))
    with nothing_changes():
        assert not retry_at_once(member.id)


@pytest.mark.django_db
def test_member_whose_own_attempt_fails_is_not_charged_unasked_for_it(stage: Stage) -> None:
    member = overdue(stage)
    stage.mend(member)
    order = renewal_of(member).order
    assert order is not None
    failed = pay_order(order, PayInstruction(method="card", options={"sandbox": {"scenario": "decline"}}))
    assert failed.status == "failed"
    run_background()
    work()
    assert fresh(member).retries == 1
    assert not stage.taken()


@pytest.mark.django_db
def test_what_came_back_is_counted_by_code_and_step(stage: Stage) -> None:
    lost, back = overdue(stage), overdue(stage)
    for days in (1, 2, 2, 2, 1):
        pass_time(lost, timedelta(days=days))
        work()
    pass_time(back, timedelta(days=4))
    stage.mend(back)
    work()
    span = {"since": database_now() - timedelta(days=1), "until": database_now() + timedelta(days=30)}
    total = recovery_total(**span)
    assert (total.failed, total.recovered, total.lost, total.rate_basis_points) == (2, 1, 1, 5000)
    assert [row.code for row in recovery_by_code(**span)] == ["insufficient_funds"]
    assert sum(row.failed for row in recovery_by_step(**span)) == 2


@pytest.mark.django_db
def test_a_user_is_stepped_through_all_that_happens_in_order(stage: Stage) -> None:
    member = stage.member(script="decline(insufficient_funds)", ago=timedelta(days=-1))
    assert member.period_ends_at is not None
    until = member.period_ends_at + timedelta(days=30)
    assert step_user(member.user_id, until=until) is None
    run_background()
    assert (fresh(member).status, fresh(member).end_reason) == ("ended", "unpaid")
    assert attempts_of(member) == ["failed"] * 5
    ended_at = fresh(member).ended_at
    assert ended_at is not None
    assert timedelta(days=7) <= ended_at - member.period_ends_at <= timedelta(days=9)


# --- announced charges ------------------------------------------------------------------------------------------------


@pytest.fixture
def announced(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every card is a mandate whose charges are announced two days ahead; what the provider was asked."""
    asked: list[str] = []
    monkeypatch.setattr("memberships.renewals.ways.notice_days_of", lambda method: 2)
    monkeypatch.setattr(announcing, "ask", lambda *_args, **terms: asked.append(str(terms["amount_minor"])))
    monkeypatch.setattr(announcing, "isinstance", lambda *_args: True, raising=False)
    monkeypatch.setattr("payments.gateways.sandbox.adapter.SandboxGateway.announce_charge", None, raising=False)
    return asked


@pytest.mark.django_db
def test_charge_is_announced_waited_for_and_then_made_with_access_all_along(stage: Stage, announced: list[str]) -> None:
    member = stage.member()
    work()
    notice = ChargeNotice.objects.get()
    assert (notice.status, notice.amount_minor, notice.period_number) == ("due", 1999, 2)
    assert (fresh(member).status, fresh(member).due_at) == ("active", notice.charge_at)
    assert not Payment.objects.exists()

    pass_until(member, notice.charge_at)
    Subscription.objects.filter(id=member.id).update(due_at=database_now())
    work()
    assert not Payment.objects.exists(), "it was charged before the announcement was accepted"

    for notice_id in announcing.due_notices(limit=5):
        announcing.announce(notice_id)
    assert announced == ["1999"]
    Subscription.objects.filter(id=member.id).update(due_at=database_now())
    work()
    assert fresh(member).period_number == 2
    assert stage.charges() == 1


@pytest.mark.django_db
def test_announcement_that_is_refused_asks_the_member(
    stage: Stage, announced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_terms: object) -> None:
        raise GatewayRejected("no", code="mandate_ended")

    monkeypatch.setattr(announcing, "ask", refuse)
    member = stage.member()
    work()
    for notice_id in announcing.due_notices(limit=5):
        announcing.announce(notice_id)
    assert ChargeNotice.objects.get().status == "refused"
    work()
    assert (fresh(member).status, fresh(member).failure_code) == ("past_due", "notice_refused")
    assert not Payment.objects.exists()


@pytest.mark.django_db
def test_announcement_at_night_is_made_in_the_morning(
    stage: Stage, announced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_terms: object) -> None:
        raise GatewayRejected("night", code="outside_hours")

    monkeypatch.setattr(announcing, "ask", refuse)
    stage.member()
    work()
    for notice_id in announcing.due_notices(limit=5):
        announcing.announce(notice_id)
    notice = ChargeNotice.objects.get()
    assert notice.status == "due"
    assert notice.next_attempt_at is not None
    assert notice.next_attempt_at > database_now()
    assert Invoice.objects.get().status == "open"
