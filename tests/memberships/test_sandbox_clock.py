"""A developer lets a year pass in a minute: everything that would have happened on the way happens, in its order."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from memberships.models import ClockAdvance, Invoice, Period, Price, Subscription
from memberships.sandbox import journeys
from memberships.sandbox.journeys import ClockIsMoving, clock_of, due_journeys, start_journey, travel
from merchants.models import Merchant
from merchants.services import create_api_key
from paycore.clock import advance, database_now
from paycore.money import Money
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.models import Payment
from payments.orders.services import OrderDraft, create_order
from payments.routing.models import GatewayAccount
from tests.accounts.factories import UserFactory
from tests.actors import AppUser, MerchantServer, assert_books_are_whole, run_background, sync
from tests.api.refusals import assert_refused
from tests.memberships.factories import make_catalogue
from tests.memberships.renewal_stage import Stage, assert_periods_tile, fresh, told

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def stage(price: Price, platform: Merchant, account: GatewayAccount, sandbox: SandboxProvider) -> Stage:
    return Stage(price, platform, account, sandbox)


@pytest.fixture
def server(platform: Merchant) -> MerchantServer:
    _key, secret = create_api_key(merchant=platform, name="test", created_by=None)
    return MerchantServer(secret=secret, merchant=platform)


def arrive(journey: ClockAdvance) -> ClockAdvance:
    """As the worker does, pass by pass."""
    for _pass in range(50):
        travel(journey.id)
        journey.refresh_from_db()
        if journey.status != "running":
            return journey
    raise AssertionError(f"the journey never ends: {journey.reached_at}")


def start_and_arrive(user_id: str, *, target_at: datetime) -> ClockAdvance:
    return arrive(start_journey(user_id, target_at=target_at))


def live_through(user_id: str, by: timedelta) -> ClockAdvance:
    return start_and_arrive(user_id, target_at=database_now(subject=user_id) + by)


def test_a_year_of_monthly_renewals_passes_in_less_than_a_minute(stage: Stage, server: MerchantServer) -> None:
    member = stage.member(ago=-5 * DAY)
    began = database_now()

    started = time.monotonic()
    answer = server.post("/sandbox/clock/advance", {"by": {"years": 1}, "user": member.user_id})
    assert answer.status_code == 201
    assert answer.json()["advance"]["status"] == "running"
    journey = arrive(ClockAdvance.objects.get())
    took = time.monotonic() - started

    assert journey.status == "done"
    assert stage.charges() == 12
    now = fresh(member)
    assert (now.status, now.period_number) == ("active", 13)
    assert_periods_tile([member])
    paid = Invoice.objects.filter(subscription=member, status="paid", kind="renewal")
    assert paid.count() == 12
    months = [invoice.issued_at.date() for invoice in paid.order_by("issued_at")]
    assert len({(day.year, day.month) for day in months}) == 12
    shown = server.get("/sandbox/clock", user=member.user_id).json()
    assert shown["advance"]["status"] == "done"
    assert datetime.fromisoformat(shown["now"]) - began >= 365 * DAY
    assert took < 60
    assert_books_are_whole()


def test_a_card_that_fails_is_tried_mailed_about_and_given_up_on_the_way(stage: Stage, settings: Settings) -> None:
    settings.PAYCORE_SHOW_MESSAGES = True
    member = stage.member(ago=-1 * DAY, script="decline(insufficient_funds)")

    live_through(member.user_id, 3 * DAY)
    assert fresh(member).status == "past_due"
    assert Payment.objects.filter(status="failed").count() >= 1
    live_through(member.user_id, 3 * DAY)
    assert fresh(member).status == "suspended"
    live_through(member.user_id, 10 * DAY)

    ended = fresh(member)
    assert (ended.status, ended.end_reason) == ("ended", "unpaid")
    assert stage.charges() == 0
    assert told(member).count("membership_payment_failed") == 4
    assert told(member)[-1] == "membership_ended"
    shown = Client().get("/api/v1/sandbox/messages", {"to": member.user.email})
    assert "membership_payment_failed" in {row["template"] for row in shown.json()["data"]}


def test_a_trial_ends_on_the_way_with_its_notices_before(stage: Stage) -> None:
    member = stage.member(status="trialing", started=database_now())
    ends = member.period_ends_at
    assert ends is not None
    Subscription.objects.filter(id=member.id).update(notice_at=ends - 3 * DAY, trial_ends_at=ends)
    Period.objects.update(kind="trial")

    start_and_arrive(member.user_id, target_at=ends - 2 * DAY)
    assert fresh(member).status == "trialing"
    assert len(told(member)) == 1
    start_and_arrive(member.user_id, target_at=ends + DAY)

    assert fresh(member).status == "active"
    assert stage.charges() == 1
    assert len(told(member)) >= 2


def test_nobody_elses_time_passes(stage: Stage) -> None:
    member, other = stage.member(ago=-5 * DAY), stage.member(ago=-5 * DAY)

    live_through(member.user_id, 40 * DAY)

    assert fresh(member).period_number > 1
    assert fresh(other).period_number == 1
    assert clock_of(other.user_id).ahead == timedelta(0)


def test_who_has_nothing_due_arrives_at_once(stage: Stage) -> None:
    user = stage.user()

    journey = live_through(user.id, 800 * DAY)

    assert (journey.status, journey.steps) == ("done", 1)
    assert clock_of(user.id).ahead >= 800 * DAY - timedelta(seconds=5)


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    """After how many the provider decides."""
    return float(getattr(request, "param", 3600))


@pytest.fixture
def under_way(app_user: AppUser, stage: Stage, seconds: float) -> ClockAdvance:
    """A journey that meets a payment which is not decided yet."""
    user_id = app_user.user.id
    draft = OrderDraft(merchant_id=stage.platform.id, amount=Money(500, "USD"), description="x", user_id=user_id)
    body = {"order": create_order(draft).id, "method": "card"}
    options = {"options": {"sandbox": {"scenario": f"succeed_after({seconds})"}}}
    assert app_user.post("/payments", body | options).json()["status"] == "processing"
    run_background()
    return start_journey(user_id, target_at=database_now() + 10 * DAY)


def test_a_payment_under_way_is_waited_for_but_not_for_ever(
    under_way: ClockAdvance, monkeypatch: pytest.MonkeyPatch
) -> None:
    travel(under_way.id)
    travel(under_way.id)
    under_way.refresh_from_db()
    assert (under_way.status, under_way.steps) == ("running", 0)
    assert under_way.waiting_since is not None
    assert clock_of(under_way.user_id).ahead == timedelta(0)

    monkeypatch.setattr(journeys, "PATIENCE", timedelta(0))
    assert arrive(under_way).status == "done"
    assert Payment.objects.get().status == "processing"


@pytest.mark.parametrize("seconds", [1], indirect=True)
def test_when_the_payment_is_decided_the_journey_goes_on(under_way: ClockAdvance) -> None:
    travel(under_way.id)
    time.sleep(1.1)
    assert sync(Payment.objects.get().id) == "succeeded"
    run_background()

    assert arrive(under_way).status == "done"


def test_a_journey_that_breaks_its_worker_ends_and_says_so(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    member = stage.member(ago=-1 * DAY)
    journey = start_journey(member.user_id, target_at=database_now() + 10 * DAY)

    def broken(*_arguments: Any, **_options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(journeys, "step_user", broken)
    for _attempt in range(5):
        with pytest.raises(ZeroDivisionError):
            travel(journey.id)
    travel(journey.id)

    journey.refresh_from_db()
    assert journey.status == "failed"
    assert journey.error
    assert due_journeys(limit=5) == []
    monkeypatch.undo()
    assert live_through(member.user_id, 2 * DAY).status == "done"


def test_a_clock_moved_by_hand_meanwhile_is_not_moved_twice(stage: Stage) -> None:
    member = stage.member(ago=-5 * DAY)
    journey = start_journey(member.user_id, target_at=database_now() + 10 * DAY)
    advance(subject=member.user_id, by=12 * DAY)

    arrive(journey)

    assert clock_of(member.user_id).ahead < 12 * DAY + timedelta(minutes=1)
    assert fresh(member).period_number == 2


def test_a_person_moves_their_own_clock(app_user: AppUser) -> None:
    answer = app_user.post("/sandbox/clock/advance", {"by": {"days": 3}}, key="k1")
    assert answer.status_code == 201
    again = app_user.post("/sandbox/clock/advance", {"by": {"days": 3}}, key="k1")
    assert again.content == answer.content

    assert_refused(app_user.post("/sandbox/clock/advance", {"by": {"days": 3}}), 409, "clock_is_moving")
    arrive(ClockAdvance.objects.get())
    assert app_user.post("/sandbox/clock/advance", {"by": {"hours": 1}}).status_code == 201
    assert round(app_user.get("/sandbox/clock").json()["ahead_seconds"] / 86_400) == 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"by": {}},
        {"by": {"days": 0}},
        {"by": {"days": -1}},
        {"by": {"days": 801}},
        {"by": {"years": 2, "months": 3}},
        {"by": {"days": 1.5}},
        {"by": {"decades": 1}},
        {"by": {"days": 10**9}},
        {"by": "1 day"},
        {"by": {"days": 1}, "to": "2030-01-01T00:00:00Z"},
        {"to": "2020-01-01T00:00:00Z"},
        {"to": "9999-12-31T23:59:59Z"},
        {"to": "tomorrow"},
        {"to": "2027-01-01"},
        {"to": None},
    ],
)
def test_a_journey_that_makes_no_sense_is_refused(app_user: AppUser, body: Any) -> None:
    answer = app_user.post("/sandbox/clock/advance", body)

    assert answer.status_code == 400, answer.content
    assert not ClockAdvance.objects.exists()
    assert clock_of(app_user.user.id).ahead == timedelta(0)


def test_only_the_sandbox_can_do_it(app_user: AppUser, settings: Settings) -> None:
    settings.PAYCORE_SANDBOX_MODE = False

    assert_refused(app_user.post("/sandbox/clock/advance", {"by": {"days": 3}}), 403, "not_in_sandbox")
    assert_refused(app_user.get("/sandbox/clock"), 403, "not_in_sandbox")
    assert not ClockAdvance.objects.exists()


def test_nobody_moves_anothers_clock(
    app_user: AppUser, merchant_server: MerchantServer, server: MerchantServer
) -> None:
    other = UserFactory().id
    body = {"by": {"days": 3}, "user": other}

    assert_refused(app_user.post("/sandbox/clock/advance", body), 404, "not_found")
    assert_refused(app_user.get("/sandbox/clock", user=other), 404, "not_found")
    assert_refused(merchant_server.post("/sandbox/clock/advance", body), 404, "not_found")
    assert_refused(merchant_server.get("/sandbox/clock", user=other), 404, "not_found")
    assert_refused(server.post("/sandbox/clock/advance", {"by": {"days": 3}}), 400, "validation_failed")
    assert_refused(server.post("/sandbox/clock/advance", body | {"user": "usr_nobody"}), 404, "not_found")
    assert not ClockAdvance.objects.exists()


def test_one_runs_at_a_time(stage: Stage) -> None:
    user = stage.user()
    start_journey(user.id, target_at=database_now() + DAY)

    with pytest.raises(ClockIsMoving):
        start_journey(user.id, target_at=database_now() + 2 * DAY)
    assert ClockAdvance.objects.count() == 1


def test_a_month_is_a_calendars(app_user: AppUser) -> None:
    app_user.post("/sandbox/clock/advance", {"by": {"months": 1, "days": 1}})

    journey = ClockAdvance.objects.get()
    expected = {28, 29, 30, 31}
    assert (journey.target_at - journey.started_from - DAY).days in expected
    assert journey.target_at.astimezone(UTC) > datetime.now(UTC)
    assert not Subscription.objects.exists()
