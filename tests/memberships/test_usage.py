"""Counting what is used: windows, limits, returns, and who may."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import F

from memberships.entitlements.queries import check
from memberships.entitlements.rights import Right
from memberships.entitlements.usage import FeatureNotCounted, LimitReached, NotEntitled, NothingToReturn, give_back, use
from memberships.entitlements.windows import FIRST, Window, window_of
from memberships.models import Period, Price, Subscription, UsageCounter
from memberships.subscriptions.pausing import pause, unpause
from memberships.subscriptions.recording import Why
from merchants.models import Merchant
from merchants.services import create_api_key
from paycore.clock import advance, database_now
from tests.accounts.factories import UserFactory
from tests.actors import AppUser, MerchantServer
from tests.api.refusals import assert_refused
from tests.memberships.factories import make_feature, make_plan, make_price
from tests.memberships.rights_scenes import next_period, subscribed

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 20, 30, tzinfo=UTC)


@pytest.fixture
def premium(db: None) -> Price:
    make_feature("calls", reset="month")
    make_feature("scans", reset="day")
    make_feature("projects", kind="limit", reset="period")
    make_feature("flag", kind="switch")
    gives = {"exports": 10, "calls": 100, "scans": 5, "projects": 3, "flag": None, "boundless": None}
    make_plan("free", features={"exports": 2})
    return make_price(make_plan("premium", features=gives))


@pytest.fixture
def member(app_user: AppUser, premium: Price) -> AppUser:
    subscribed(app_user.user, premium, now=database_now())
    return app_user


def used(user: AppUser, feature: str) -> int:
    found = check(user.user.id, feature)
    assert found is not None
    return found.used


def right(**facts: Any) -> Right:
    known = {
        "feature": "x", "kind": "metered", "reset": "period", "limit": 5, "source": "subscription",
        "source_id": "sub_1", "reason": "paid", "plan": "premium", "subject": "sub_1", "zone": "UTC", "until": None,
        "starts_at": NOW, "ends_at": NOW + timedelta(days=30),
    }  # fmt: skip
    return Right(**(known | facts))


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]  # year, month, day, hour


@pytest.mark.parametrize(
    ("facts", "window"),
    [
        ({}, Window("sub_1", NOW, NOW + timedelta(days=30))),
        ({"reset": "never"}, Window("", FIRST, None)),
        ({"kind": "limit"}, Window("", FIRST, None)),
        ({"reset": "month"}, Window("", at(2026, 11, 1), at(2026, 12, 1))),
        ({"reset": "day"}, Window("", at(2026, 11, 22), at(2026, 11, 23))),
        ({"reset": "day", "zone": "Asia/Shanghai"}, Window("", at(2026, 11, 22, 16), at(2026, 11, 23, 16))),
        ({"reset": "month", "zone": "Asia/Shanghai"}, Window("", at(2026, 10, 31, 16), at(2026, 11, 30, 16))),
        ({"starts_at": None, "subject": "free"}, Window("free", at(2026, 11, 1), at(2026, 12, 1))),
    ],
)
def test_a_window_is_the_paid_period_or_the_calendars(facts: Any, window: Window) -> None:
    assert window_of(right(**facts), now=NOW) == window


@pytest.mark.parametrize(
    ("zone", "moment", "hours"),
    [("Europe/Berlin", at(2026, 3, 29, 12), 23), ("Europe/Berlin", at(2026, 10, 25, 12), 25), ("UTC", NOW, 24)],
)
def test_a_day_is_as_long_as_its_zone_has_it(zone: str, moment: datetime, hours: int) -> None:
    window = window_of(right(reset="day", zone=zone), now=moment)

    assert window.ends_at is not None
    assert window.ends_at - window.starts_at == timedelta(hours=hours)
    assert window.starts_at <= moment < window.ends_at


def test_every_moment_of_a_year_is_in_its_own_windows() -> None:
    for zone in ("America/Sao_Paulo", "Pacific/Apia", "Asia/Tehran", "Australia/Lord_Howe", "America/New_York"):
        moment = at(2026, 1, 1)
        while moment < at(2027, 1, 1):
            for reset in ("day", "month"):
                window = window_of(right(reset=reset, zone=zone), now=moment)
                assert window.ends_at is not None
                assert window.starts_at <= moment < window.ends_at, (zone, moment, window)
            moment += timedelta(hours=7)


def test_uses_are_counted_up_to_the_limit_and_not_beyond(member: AppUser) -> None:
    answer = member.post("/usage", {"feature": "exports", "amount": 7})
    assert answer.status_code == 201
    assert (answer.json()["used"], answer.json()["remaining"]) == (7, 3)

    refused = member.post("/usage", {"feature": "exports", "amount": 4})
    assert_refused(refused, 409, "limit_reached")
    problem = refused.json()
    assert (problem["limit"], problem["used"], problem["feature"]) == (10, 7, "exports")
    assert problem["resets_at"] == answer.json()["resets_at"]
    assert used(member, "exports") == 7

    assert member.post("/usage", {"feature": "exports", "amount": 3}).json()["remaining"] == 0
    assert_refused(member.post("/usage", {"feature": "exports", "amount": 1}), 409, "limit_reached")


def test_the_same_request_twice_is_counted_once(member: AppUser) -> None:
    first = member.post("/usage", {"feature": "exports", "amount": 2}, key="k1")
    again = member.post("/usage", {"feature": "exports", "amount": 2}, key="k1")

    assert first.content == again.content
    assert used(member, "exports") == 2


def test_a_refused_use_may_be_repeated_with_its_key(member: AppUser) -> None:
    member.post("/usage", {"feature": "exports", "amount": 10})
    assert_refused(member.post("/usage", {"feature": "exports", "amount": 2}, key="k1"), 409, "limit_reached")
    give_back(member.user.id, "exports", amount=2)

    assert member.post("/usage", {"feature": "exports", "amount": 2}, key="k1").status_code == 201


@pytest.mark.parametrize("amount", [0, -1, 10**9, True, "1", 1.0, None, [1]])
def test_an_amount_that_is_none_is_refused(member: AppUser, amount: Any) -> None:
    assert_refused(member.post("/usage", {"feature": "exports", "amount": amount}), 400, "validation_failed")
    assert not UsageCounter.objects.exists()


def test_what_is_not_had_or_not_counted_cannot_be_used(member: AppUser) -> None:
    assert_refused(member.post("/usage", {"feature": "nonsense", "amount": 1}), 403, "not_entitled")
    assert_refused(member.post("/usage", {"feature": "flag", "amount": 1}), 409, "feature_not_counted")
    with pytest.raises(NotEntitled):
        use(UserFactory().id, "calls", amount=1)
    with pytest.raises(FeatureNotCounted):
        give_back(member.user.id, "flag", amount=1)
    assert not UsageCounter.objects.exists()


def test_what_has_no_limit_is_counted_all_the_same(member: AppUser) -> None:
    for _turn in range(3):
        counted = use(member.user.id, "boundless", amount=1_000_000)

    assert (counted.used, counted.limit, counted.remaining) == (3_000_000, None, None)


def test_no_more_is_given_back_than_was_used(member: AppUser) -> None:
    use(member.user.id, "exports", amount=3)

    assert give_back(member.user.id, "exports", amount=2).used == 1
    with pytest.raises(NothingToReturn) as refused:
        give_back(member.user.id, "exports", amount=2)
    assert refused.value.extra["used"] == 1
    assert used(member, "exports") == 1
    with pytest.raises(NothingToReturn):
        give_back(member.user.id, "scans", amount=1)


def test_places_are_taken_and_given_back_whatever_period_it_is(member: AppUser) -> None:
    use(member.user.id, "projects", amount=3)
    _next_period()
    with pytest.raises(LimitReached):
        use(member.user.id, "projects", amount=1)
    assert give_back(member.user.id, "projects", amount=1).used == 2
    assert use(member.user.id, "projects", amount=1).used == 3


def test_a_lower_limit_takes_nothing_away_and_lets_nothing_in(member: AppUser) -> None:
    use(member.user.id, "projects", amount=3)
    Subscription.objects.update(status="ended", due_at=None, ended_at=database_now())
    subscribed(member.user, make_price(make_plan("platinum", features={"projects": 1})), now=database_now())

    found = check(member.user.id, "projects")
    assert found is not None
    assert (found.limit, found.used, found.remaining) == (1, 3, 0)
    with pytest.raises(LimitReached):
        use(member.user.id, "projects", amount=1)
    assert give_back(member.user.id, "projects", amount=2).used == 1


def test_a_paid_period_starts_with_a_new_counter(member: AppUser) -> None:
    use(member.user.id, "exports", amount=10)
    _next_period()

    assert used(member, "exports") == 0
    assert use(member.user.id, "exports", amount=10).used == 10
    assert sorted(UsageCounter.objects.values_list("used", flat=True)) == [10, 10]


def test_a_period_cut_short_hands_its_count_on(member: AppUser) -> None:
    """Otherwise: to Platinum and back, and there are ten more."""
    use(member.user.id, "exports", amount=8)
    _cut_period()

    assert used(member, "exports") == 8
    with pytest.raises(LimitReached) as refused:
        use(member.user.id, "exports", amount=3)
    assert refused.value.extra["used"] == 8
    assert UsageCounter.objects.count() == 1
    assert use(member.user.id, "exports", amount=2).used == 10
    _cut_period()
    assert used(member, "exports") == 10
    assert give_back(member.user.id, "exports", amount=4).used == 6
    assert used(member, "exports") == 6


def test_counters_of_the_month_stay_when_the_plan_or_the_zone_changes(member: AppUser) -> None:
    use(member.user.id, "calls", amount=60)
    _cut_period()
    assert used(member, "calls") == 60
    for zone in ("Asia/Shanghai", "America/Los_Angeles", "Pacific/Kiritimati"):
        Subscription.objects.update(time_zone=zone)
        before = used(member, "calls")
        assert before >= 60
        assert use(member.user.id, "calls", amount=1).used == before + 1
        assert used(member, "calls") == before + 1
    assert used(member, "calls") == 63


def test_the_platforms_server_counts_for_anybody(member: AppUser, platform: Merchant) -> None:
    server = server_of(platform)

    assert server.post("/usage", {"feature": "exports", "amount": 4, "user": member.user.id}).json()["used"] == 4
    returned = server.post("/usage/returns", {"feature": "exports", "amount": 1, "user": member.user.id})
    assert (returned.status_code, returned.json()["used"]) == (201, 3)
    asked = server.get(f"/users/{member.user.id}/entitlements", feature="exports").json()["data"]
    assert [(row["feature"], row["used"]) for row in asked] == [("exports", 3)]


def test_the_platforms_server_must_name_somebody_it_knows(member: AppUser, platform: Merchant) -> None:
    server = server_of(platform)

    assert_refused(server.post("/usage", {"feature": "exports", "amount": 4}), 400, "validation_failed")
    for nobody in ("usr_nobody", "x" * 40):
        body = {"feature": "exports", "amount": 4, "user": nobody}
        assert_refused(server.post("/usage", body), 404, "not_found")
        assert_refused(server.post("/usage/returns", body), 404, "not_found")
        assert_refused(server.get(f"/users/{nobody}/entitlements"), 404, "not_found")
    assert not UsageCounter.objects.exists()


def test_other_merchants_count_nothing(
    member: AppUser, merchant: Merchant, merchant_server: MerchantServer, account: Any
) -> None:
    body = {"feature": "exports", "amount": 1, "user": member.user.id}
    assert_refused(merchant_server.post("/usage", body), 404, "not_found")
    merchant_server.paid_order_of_user(member.user)

    assert_refused(merchant_server.post("/usage", body), 403, "permission_denied")
    assert_refused(merchant_server.post("/usage/returns", body), 403, "permission_denied")
    assert not UsageCounter.objects.exists()


def test_an_app_counts_its_own_users_only_and_gives_nothing_back(member: AppUser) -> None:
    other = AppUser.signed_in("eve@example.com")
    body = {"feature": "exports", "amount": 1, "user": member.user.id}

    assert_refused(other.post("/usage", body), 404, "not_found")
    assert_refused(member.post("/usage/returns", body), 403, "permission_denied")
    assert_refused(member.get(f"/users/{member.user.id}/entitlements"), 403, "permission_denied")
    assert not UsageCounter.objects.exists()
    assert member.post("/usage", body).status_code == 201


def test_a_merchant_asks_only_about_who_paid_or_agreed(
    member: AppUser, merchant: Merchant, merchant_server: MerchantServer, account: Any
) -> None:
    address = f"/users/{member.user.id}/entitlements"
    assert_refused(merchant_server.get(address), 404, "not_found")

    merchant_server.paid_order_of_user(member.user)

    rows = {row["feature"]: row for row in merchant_server.get(address).json()["data"]}
    assert rows["exports"]["limit"] == 10
    assert rows["exports"]["source"] == "subscription"
    assert_refused(merchant_server.get(f"/users/{UserFactory().id}/entitlements"), 404, "not_found")


def test_the_list_says_what_until_when_and_why(member: AppUser) -> None:
    rows = {row["feature"]: row for row in member.get("/entitlements").json()["data"]}

    assert set(rows) == {"exports", "calls", "scans", "projects", "flag", "boundless"}
    subscription = Subscription.objects.get()
    assert rows["exports"]["source_id"] == subscription.id
    assert rows["exports"]["reason"] == "paid"
    assert rows["flag"]["limit"] is None
    assert rows["projects"]["resets_at"] is None
    assert [row["feature"] for row in member.get("/entitlements", feature="flag").json()["data"]] == ["flag"]
    assert member.get("/entitlements", feature="nonsense").json()["data"] == []
    assert_refused(member.get("/entitlements", nonsense="1"), 400, "validation_failed")


def server_of(merchant: Merchant) -> MerchantServer:
    _key, secret = create_api_key(merchant=merchant, name="test", created_by=None)
    return MerchantServer(secret=secret, merchant=merchant)


def _next_period() -> None:
    """As if the period had been lived to its end, and the next one paid."""
    next_period(Subscription.objects.get())
    UsageCounter.objects.exclude(ends_at=None).update(ends_at=F("starts_at") + timedelta(days=1))


def _cut_period() -> None:
    """As when the plan is changed at once."""
    next_period(Subscription.objects.get())


def test_a_pause_gives_no_new_counter(member: AppUser, settings: Any) -> None:
    """Else a month that is paid for once, paused again and again, would be counted from nothing every time."""
    settings.PAYCORE_SANDBOX_MODE = True
    user_id = member.user.id
    subscription = Subscription.objects.get()
    use(user_id, "exports", amount=8)
    pause(subscription.id, until=None, user_id=user_id, why=Why("paused", user_id, database_now(subject=user_id)))
    advance(subject=user_id, by=timedelta(days=40))
    unpause(subscription.id, why=Why("unpaused", user_id, database_now(subject=user_id)), user_id=user_id)
    assert used(member, "exports") == 8
    with pytest.raises(LimitReached):
        use(user_id, "exports", amount=3)
    assert use(user_id, "exports", amount=2).used == 10
    goes_on = Subscription.objects.get()
    assert goes_on.period_ends_at is not None
    Period.objects.create(
        subscription=goes_on, number=goes_on.period_number + 1, status="paid",
        plan_version=goes_on.plan.versions.get(), starts_at=goes_on.period_ends_at,
        ends_at=goes_on.period_ends_at + timedelta(days=30),
    )  # fmt: skip
    later = check(user_id, "exports", now=goes_on.period_ends_at + timedelta(seconds=1))
    assert later is not None
    assert later.used == 0


def test_what_was_paid_ahead_keeps_its_own_counter_over_a_pause(member: AppUser, settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    user_id = member.user.id
    subscription = Subscription.objects.get()
    assert subscription.period_ends_at is not None
    Period.objects.create(
        subscription=subscription, number=2, kind="bonus", status="paid", plan_version=subscription.plan.versions.get(),
        starts_at=subscription.period_ends_at, ends_at=subscription.period_ends_at + timedelta(days=30),
    )  # fmt: skip
    use(user_id, "exports", amount=10)
    pause(subscription.id, until=None, user_id=user_id, why=Why("paused", user_id, database_now(subject=user_id)))
    advance(subject=user_id, by=timedelta(days=40))
    unpause(subscription.id, why=Why("unpaused", user_id, database_now(subject=user_id)), user_id=user_id)
    assert used(member, "exports") == 10
    given = Subscription.objects.get().periods.latest("starts_at")
    later = check(user_id, "exports", now=given.starts_at + timedelta(seconds=1))
    assert later is not None
    assert (given.kind, later.used) == ("bonus", 0)
