"""Recurring revenue, churn, trials and cohorts, counted from periods that somebody paid."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta
from django.test import Client

from memberships.models import Dunning, MembershipMonth, Pause, Period, Price, Subscription
from memberships.reports.charts import cohort_chart
from memberships.reports.counting import count_due_months, count_month, months_until
from memberships.reports.queries import cohorts, months
from tests.accounts.factories import UserFactory
from tests.memberships.billing import bill_and_credit
from tests.memberships.factories import make_catalogue, make_plan, make_price
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db
JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)


@pytest.fixture
def price() -> Price:
    return make_catalogue()


@pytest.fixture
def ops_client() -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


def member(price: Price, *spans: tuple[str, str], user: Any = None, kind: str = "paid", **more: Any) -> Subscription:
    """A subscription that has ended, with these spans (days of 2026: ``01-10``)."""
    ended = _day(more.pop("ended", "06-01"))
    subscription = Subscription.objects.create(
        user=user or UserFactory(),
        plan=price.plan,
        price=price,
        currency=price.currency,
        status="ended",
        ended_at=ended,
    )
    add(subscription, price, *spans, kind=kind, **more)
    return subscription


def add(subscription: Subscription, price: Price, *spans: tuple[str, str], kind: str = "paid", **more: Any) -> None:
    taken = subscription.periods.count()
    for number, (start, end) in enumerate(spans, start=taken + 1):
        Period.objects.create(
            subscription=subscription,
            number=number,
            kind=kind,
            status=more.get("status", "paid"),
            plan_version=price.plan.versions.get(),
            price=price,
            quantity=more.get("quantity", 1),
            starts_at=_day(start),
            ends_at=_day(end),
        )


def _day(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}T00:00:00+00:00")


def test_revenue_is_what_runs_at_the_end_of_the_month_as_per_month(price: Price) -> None:
    yearly = make_price(price.plan, 12_000, interval="year")
    euro = make_price(price.plan, 3_000, "EUR", interval="quarter")
    member(price, ("01-10", "02-10"))
    member(yearly, ("01-20", "12-20"))
    member(euro, ("01-05", "04-05"))
    member(price, ("01-02", "01-30"))  # over before the month is
    member(price, ("01-02", "02-02"), status="revoked", ended="01-20")
    member(price, ("01-02", "02-02"), kind="trial")

    count_month(JANUARY)

    rows = {row.currency: row for row in MembershipMonth.objects.all()}
    assert (rows["USD"].mrr_minor, rows["USD"].members) == (1999 + 1000, 2)
    assert (rows["EUR"].mrr_minor, rows["EUR"].members) == (1000, 1)
    assert rows["USD"].trials == 1


def test_movements_lead_from_one_month_to_the_next(price: Price) -> None:
    platinum = Price.objects.get(plan__code="platinum")
    stays = member(price, ("01-10", "02-10"), ("02-10", "03-10"))
    member(price, ("01-15", "02-15"))  # leaves
    climbs = member(price, ("01-20", "02-20"))
    add(climbs, platinum, ("02-20", "03-20"))
    member(price, ("02-05", "03-05"))  # comes
    count_month(JANUARY)
    count_month(FEBRUARY)

    january, february = months()

    assert january.mrr_minor == {"USD": 3 * 1999}
    assert february.mrr_minor == {"USD": 2 * 1999 + 4999}
    new, grown, shrunk, lost = february.moved_minor["USD"]
    assert january.mrr_minor["USD"] + new + grown - shrunk - lost == february.mrr_minor["USD"]
    assert (february.new_members, february.lost_members) == (1, 1)
    assert february.churn_percent == pytest.approx(100 / 3)
    assert stays.periods.count() == 2


def test_more_seats_are_growth(price: Price) -> None:
    family = make_plan("family", tier="premium", seats=(2, 10))
    seats = make_price(family, 3_000, seat_amount_minor=500)
    subscription = member(seats, ("01-01", "02-01"), quantity=2)
    add(subscription, seats, ("02-01", "03-01"), quantity=5)
    count_month(JANUARY)
    count_month(FEBRUARY)
    assert months()[-1].moved_minor["USD"] == (0, 1500, 0, 0)


def test_who_leaves_with_a_refund_is_lost_in_the_month_of_the_refund(price: Price) -> None:
    member(price, ("01-10", "02-10"))
    refunded = member(price, ("01-20", "02-20"))
    count_month(JANUARY)
    Period.objects.filter(subscription=refunded).update(status="revoked")
    Subscription.objects.filter(id=refunded.id).update(ended_at=_day("02-03"), end_reason="refunded")
    count_month(JANUARY)
    count_month(FEBRUARY)
    january, february = months()
    assert (january.members, february.members, february.lost_members) == (2, 0, 2)
    assert february.churn_percent == 100
    new, grown, shrunk, lost = february.moved_minor["USD"]
    assert january.mrr_minor["USD"] + new + grown - shrunk - lost == february.mrr_minor.get("USD", 0)


def test_paid_time_that_a_pause_gave_back_is_paid_for(price: Price) -> None:
    paused = member(price, ("01-10", "01-20"))
    add(paused, price, ("01-25", "02-15"), kind="bonus")
    cut, given = paused.periods.order_by("number")
    Pause.objects.create(
        subscription=paused, period=cut, paused_at=cut.ends_at, unused_seconds=1, unused_minor=1, given_as=given,
        ended_at=given.starts_at,
    )  # fmt: skip
    member(price, ("01-10", "02-10"), kind="bonus")  # a gift
    count_month(JANUARY)
    assert months()[-1].members == 1


def test_a_month_is_counted_again_until_what_was_overdue_in_it_is_settled(price: Price) -> None:
    late = member(price, ("01-01", "02-01"))
    invoice, _note = bill_and_credit(late.user)
    dunning = Dunning.objects.create(
        invoice=invoice, subscription=late, first_code="declined", last_code="declined", opened_at=_day("01-30"),
        next_retry_at=_day("02-02"),
    )  # fmt: skip
    count_month(JANUARY)
    MembershipMonth.objects.filter(month=JANUARY).update(counted_at=_day("02-01"))
    assert (months()[0].failed, months()[0].recovered) == (1, 0)
    Dunning.objects.filter(id=dunning.id).update(status="recovered", next_retry_at=None, closed_at=_day("02-04"))

    count_due_months(now=_day("02-01"))
    assert months()[0].recovered == 0, "once a day"
    count_due_months(now=_day("02-05"))
    assert months()[0].recovered == 1
    MembershipMonth.objects.filter(month=JANUARY).update(counted_at=_day("02-28"), recovered=0)
    count_due_months(now=_day("03-01"))
    assert months()[0].recovered == 1, "and once when it is settled"
    MembershipMonth.objects.filter(month=JANUARY).update(counted_at=_day("03-01"), recovered=0)
    count_due_months(now=_day("03-20"))
    assert months()[0].recovered == 0


def test_one_plans_churn_is_of_the_members_it_began_with(price: Price) -> None:
    platinum = Price.objects.get(plan__code="platinum")
    for _number in range(3):
        add(member(price, ("01-10", "02-10")), platinum, ("02-10", "03-10"))
    member(price, ("01-10", "02-10"), ("02-10", "03-10"))
    member(price, ("01-10", "02-10"))
    count_month(JANUARY)
    count_month(FEBRUARY)
    assert months()[-1].churn_percent == 20
    assert months(plan_id=price.plan_id)[-1].churn_percent == 20
    assert months(plan_id=platinum.plan_id)[-1].churn_percent is None


def test_a_trial_in_several_periods_ends_once(price: Price) -> None:
    """It became another plan's, or was paused."""
    twice = member(price, ("01-02", "01-05"), ("01-05", "01-16"), kind="trial")
    add(twice, price, ("01-16", "02-16"))
    waits = member(price, ("01-02", "01-05"), kind="trial")
    Pause.objects.create(
        subscription=waits, period=waits.periods.get(), paused_at=_day("01-05"), unused_seconds=1, is_trial=True
    )
    count_month(JANUARY)
    (january,) = months()
    assert (january.trials_ended, january.trials_won) == (1, 1)


def test_trials_that_paid_are_counted_in_the_month_they_ended(price: Price) -> None:
    won = member(price, ("01-05", "01-19"), kind="trial")
    add(won, price, ("01-19", "02-19"))
    member(price, ("01-06", "01-20"), kind="trial")
    count_month(JANUARY)
    (january,) = months()
    assert (january.trials_ended, january.trials_won, january.conversion_percent) == (2, 1, 50)


def test_cohorts_say_who_is_still_there(price: Price) -> None:
    member(price, ("01-10", "02-10"), ("02-10", "03-10"), ("03-10", "04-10"))
    member(price, ("01-11", "02-11"))
    member(price, ("02-11", "03-11"))
    for month in (JANUARY, FEBRUARY, MARCH):
        count_month(month)
    january, february = cohorts()
    assert (january.started, list(january.kept)) == (2, [2, 1, 1])
    assert (february.started, list(february.kept)) == (1, [1, 0])
    drawn = cohort_chart()
    assert drawn is not None
    assert list(drawn.series[0].values) == [100.0, 33.3, 50.0]


def test_counting_again_changes_nothing_and_missing_months_are_counted(price: Price) -> None:
    member(price, ("01-10", "02-10"))
    now = datetime(2026, 3, 15, tzinfo=UTC)
    assert months_until(now) == [JANUARY, FEBRUARY, MARCH]
    assert count_due_months(now=now) == 3
    first = list(MembershipMonth.objects.values_list("month", "members", "mrr_minor"))
    count_month(JANUARY)
    assert list(MembershipMonth.objects.order_by("month").values_list("month", "members", "mrr_minor")) == sorted(first)
    assert months_until(now + relativedelta(months=20))[0] == date(2026, 11, 1)


def test_report_shows_charts_and_a_file_that_opens(price: Price, ops_client: Client) -> None:
    member(price, ("01-10", "02-10"))
    count_month(JANUARY)
    page = ops_client.get("/ops/memberships/membershipmonth/")
    assert page.status_code == 200
    text = page.content.decode()
    assert "Monthly recurring revenue" in text
    assert "$19.99" in text
    export = ops_client.get("/ops/memberships/membershipmonth/csv/")
    lines = b"".join(export.streaming_content).decode().splitlines()  # type: ignore[attr-defined]  # a stream
    assert lines[1].startswith("2026-01-01,premium,USD,1,0,1999")


def test_report_is_for_staff_with_the_permission(client: Client) -> None:
    assert client.get("/ops/memberships/membershipmonth/csv/").status_code == 302
