"""Who may do what: every source, the best of them, and what counts when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from memberships.entitlements.queries import Entitlement, check, entitlements_of
from memberships.entitlements.remembered import rights_at
from memberships.models import Feature, Period, Plan, PlanVersion, Price, Seat, Subscription
from tests.accounts.factories import UserFactory
from tests.memberships.factories import make_feature, make_plan, make_price
from tests.memberships.rights_scenes import MONTH, NOW, granted, seated, subscribed

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return UserFactory()


@pytest.fixture
def free() -> Plan:
    return make_plan("free", features={"exports": 3})


@pytest.fixture
def premium() -> Price:
    return make_price(make_plan("premium", features={"exports": 100, "support": None}))


def exports(user: User, *, now: datetime = NOW) -> Entitlement:
    found = check(user.id, "exports", now=now)
    assert found is not None
    return found


def test_everybody_has_the_free_tier(ada: User, free: Plan) -> None:
    [only] = entitlements_of(ada.id, now=NOW)

    assert (only.feature, only.limit, only.used, only.remaining) == ("exports", 3, 0, 3)
    assert (only.source, only.reason, only.plan, only.until) == ("free", "free", "free", None)
    assert only.resets_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_nothing_is_for_sale_and_nobody_has_anything(ada: User) -> None:
    assert entitlements_of(ada.id, now=NOW) == []
    assert check(ada.id, "exports", now=NOW) is None


@pytest.mark.parametrize(
    ("status", "more", "reason"),
    [
        ("active", {}, "paid"),
        ("trialing", {}, "trial"),
        ("active", {"cancel_at_period_end": True}, "canceled"),
        ("past_due", {"grace_until": NOW + timedelta(days=1)}, "grace"),
    ],
)
def test_a_subscription_gives_while_it_has_access(
    ada: User, free: Plan, premium: Price, status: str, more: Any, reason: str
) -> None:
    subscription = subscribed(ada, premium, status, **more)

    right = exports(ada)

    assert (right.limit, right.source, right.source_id, right.reason) == (100, "subscription", subscription.id, reason)
    assert right.until == (more.get("grace_until") or subscription.period_ends_at)
    assert right.resets_at == subscription.period_ends_at


@pytest.mark.parametrize("status", ["incomplete", "scheduled", "suspended", "paused", "ended"])
def test_a_subscription_without_access_gives_nothing(ada: User, free: Plan, premium: Price, status: str) -> None:
    subscribed(ada, premium, status)

    assert exports(ada).source == "free"
    assert check(ada.id, "support", now=NOW) is None


def test_a_canceled_one_ends_to_the_microsecond_though_no_worker_runs(ada: User, free: Plan, premium: Price) -> None:
    end = subscribed(ada, premium, cancel_at_period_end=True).period_ends_at
    assert end is not None

    assert exports(ada, now=end - timedelta(microseconds=1)).limit == 100
    assert exports(ada, now=end).limit == 3


def test_grace_ends_to_the_microsecond_though_no_worker_runs(ada: User, free: Plan, premium: Price) -> None:
    end = NOW + timedelta(days=1)
    subscribed(ada, premium, "past_due", grace_until=end)

    assert exports(ada, now=end - timedelta(microseconds=1)).limit == 100
    assert exports(ada, now=end).limit == 3


def test_access_goes_on_while_a_renewal_is_being_charged(ada: User, free: Plan, premium: Price) -> None:
    end = subscribed(ada, premium).period_ends_at
    assert end is not None

    assert exports(ada, now=end + timedelta(hours=1)).limit == 100


def test_a_new_version_takes_nothing_from_a_paid_period(ada: User, free: Plan, premium: Price) -> None:
    subscription = subscribed(ada, premium)
    make_feature("sharing")
    PlanVersion.objects.create(plan=premium.plan, number=2, features={"exports": 50, "support": 1, "sharing": 5})

    def limits(now: datetime = NOW) -> dict[str, int | None]:
        return {right.feature: right.limit for right in entitlements_of(ada.id, now=now)}

    assert limits() == {"exports": 100, "support": None, "sharing": 5}

    Period.objects.create(
        subscription=subscription,
        number=2,
        status="paid",
        plan_version=PlanVersion.objects.get(plan=premium.plan, number=2),
        starts_at=NOW + MONTH / 2,
        ends_at=NOW + MONTH * 3 / 2,
    )
    assert limits() == {"exports": 100, "support": None, "sharing": 5}
    assert limits(NOW + MONTH) == {"exports": 50, "support": 1, "sharing": 5}


def test_what_was_paid_ahead_has_a_window_of_its_own(ada: User, free: Plan, premium: Price) -> None:
    """A code adds a month behind the running one; the subscription's own dates span both."""
    end = NOW + MONTH / 2
    subscription = subscribed(ada, premium)
    Period.objects.create(
        subscription=subscription, number=2, kind="bonus", status="paid", plan_version=premium.plan.versions.get(),
        starts_at=end, ends_at=end + MONTH,
    )  # fmt: skip
    Subscription.objects.update(period_number=2, period_ends_at=end + MONTH)

    assert (exports(ada).until, exports(ada).resets_at) == (end + MONTH, end)
    assert exports(ada, now=end).resets_at == end + MONTH
    assert rights_at(ada.id, NOW).changes_at == end
    assert rights_at(ada.id, end).changes_at is None


def test_a_version_that_gives_more_is_everybodys_at_once(ada: User, free: Plan, premium: Price) -> None:
    subscribed(ada, premium)
    PlanVersion.objects.create(plan=premium.plan, number=2, features={"exports": None})

    assert exports(ada).limit is None
    assert check(ada.id, "support", now=NOW) is not None


def test_a_revoked_period_gives_only_what_the_subscription_still_does(ada: User, free: Plan, premium: Price) -> None:
    subscribed(ada, premium)
    PlanVersion.objects.create(plan=premium.plan, number=2, features={"exports": 7})
    Period.objects.update(status="revoked")

    assert exports(ada).limit == 7


def test_a_grant_gives_from_its_start_to_its_end(ada: User, free: Plan, premium: Price) -> None:
    grant = granted(ada, premium.plan)

    assert (exports(ada).source, exports(ada).source_id, exports(ada).reason) == ("grant", grant.id, "gift")
    assert exports(ada).until == grant.ends_at
    assert exports(ada, now=grant.starts_at - timedelta(microseconds=1)).limit == 3
    assert exports(ada, now=grant.starts_at).limit == 100
    assert exports(ada, now=grant.ends_at).limit == 3


def test_a_revoked_grant_gives_nothing(ada: User, free: Plan, premium: Price) -> None:
    granted(ada, premium.plan, revoked_at=NOW)

    assert exports(ada).source == "free"


def test_a_grant_keeps_what_its_plan_gave_when_it_was_given(ada: User, free: Plan, premium: Price) -> None:
    granted(ada, premium.plan)
    PlanVersion.objects.create(
        plan=premium.plan, number=2, features={"exports": 5}, published_at=datetime.now(UTC) + timedelta(hours=1)
    )

    assert exports(ada).limit == 100
    assert exports(UserFactory()).limit == 3


def test_a_seat_gives_what_its_owner_has(ada: User, free: Plan, premium: Price) -> None:
    owner = UserFactory()
    subscription = subscribed(owner, premium)
    seat = seated(ada, subscription)

    assert (exports(ada).limit, exports(ada).source, exports(ada).source_id) == (100, "seat", seat.id)
    assert exports(ada).resets_at == subscription.period_ends_at

    Subscription.objects.update(status="suspended")
    assert exports(ada).source == "free"
    Subscription.objects.update(status="active")
    assert exports(ada).source == "seat"
    Seat.objects.update(status="removed", removed_at=NOW)
    assert exports(ada).source == "free"


@pytest.mark.parametrize("status", ["claimed"])
def test_a_seat_that_is_not_taken_yet_gives_nothing(ada: User, free: Plan, premium: Price, status: str) -> None:
    seated(ada, subscribed(UserFactory(), premium), status=status)

    assert exports(ada).source == "free"


def test_the_best_of_all_sources_counts_feature_by_feature(ada: User, free: Plan, premium: Price) -> None:
    lavish = make_plan("platinum", features={"exports": None, "api_calls": 5})
    gift = granted(ada, lavish)
    subscription = subscribed(ada, premium)
    PlanVersion.objects.create(plan=premium.plan, number=2, features={"api_calls": 9})

    found = {right.feature: right for right in entitlements_of(ada.id, now=NOW)}

    assert (found["exports"].limit, found["exports"].source_id) == (None, gift.id)
    assert (found["api_calls"].limit, found["api_calls"].source_id) == (9, subscription.id)
    assert (found["support"].limit, found["support"].source_id) == (None, subscription.id)


def test_of_two_equal_ones_the_one_that_lasts_longer_counts(ada: User, free: Plan, premium: Price) -> None:
    subscribed(ada, premium)
    grant = granted(ada, premium.plan)

    assert exports(ada).source_id == grant.id


def test_a_limit_of_zero_and_a_feature_out_of_use_are_nothing(ada: User, premium: Price) -> None:
    subscribed(ada, premium)
    make_feature("beta")
    PlanVersion.objects.create(plan=premium.plan, number=2, features={"beta": 0})
    Feature.objects.filter(code="support").update(is_active=False)

    assert [right.feature for right in entitlements_of(ada.id, now=NOW)] == ["exports"]
    assert check(ada.id, "beta", now=NOW) is None


def test_rights_are_one_query_and_nobody_elses(ada: User, free: Plan, premium: Price, queries_made: list[str]) -> None:
    other = UserFactory()
    subscribed(other, premium)
    granted(other, premium.plan)
    make_feature("flag", kind="switch")
    PlanVersion.objects.create(plan=free, number=2, features={"flag": None})
    queries_made.clear()

    found = check(ada.id, "flag", now=NOW)

    assert found is not None
    assert found.source == "free"
    assert len(queries_made) == 1, queries_made
