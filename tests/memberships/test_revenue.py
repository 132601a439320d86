"""Money that was paid is earned day by day, to the cent, once, whatever happens to the membership."""

import threading
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F, Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from memberships.invoices.credit import adjust_credit
from memberships.invoices.drafting import ChargeLine
from memberships.invoices.holding import begin_gift, forfeit_gift, hold_revenue, release_revenue, stop_revenue
from memberships.invoices.paying import mark_paid
from memberships.invoices.recognition import recognise_due, recognise_of
from memberships.invoices.schedules import earned, next_midnight
from memberships.models import Invoice, Price, RevenueRecognition, RevenueSchedule, Subscription
from merchants.models import Merchant
from paycore.clock import advance, database_now
from paycore.money import Money
from payments.ledger.models import Posting
from tests.accounts.factories import UserFactory
from tests.memberships.billing import bill, broken_checks, holdings, plan_line
from tests.memberships.factories import make_catalogue
from tests.memberships.members import make_member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def member(price: Price) -> Subscription:
    return make_member(UserFactory(), price)


def paid(member: Subscription, *lines: ChargeLine, **more: Any) -> Invoice:
    user = User.objects.get(id=member.user_id)
    invoice = bill(user, list(lines), subscription=member, **more)
    mark_paid(invoice, now=more.get("now") or database_now())
    return invoice


def midnight() -> datetime:
    return next_midnight(database_now()) - DAY


def age(days: int) -> None:
    """As if every schedule had been made so many days ago."""
    step = timedelta(days=days)
    RevenueSchedule.objects.filter(next_at__isnull=False).update(
        base_at=F("base_at") - step, ends_at=F("ends_at") - step, looked_at=F("looked_at") - step,
        next_at=F("next_at") - step,
    )  # fmt: skip


def test_nothing_is_earned_before_the_first_midnight(member: Subscription, price: Price) -> None:
    paid(member, plan_line(price, starts_at=database_now()))
    assert recognise_due() == 0
    assert holdings()["revenue"] == 0


def test_each_day_earns_its_share_and_the_end_earns_the_rest(member: Subscription, price: Price) -> None:
    start = midnight()
    paid(member, plan_line(price, starts_at=start, ends_at=start + 30 * DAY), now=start + timedelta(hours=1))
    seen = []
    for _day in range(30):
        age(1)
        assert recognise_due() == 1
        seen.append(holdings()["revenue"])
    assert seen == [1999 * day // 30 for day in range(1, 31)]
    assert holdings()["deferred"] == 0
    assert recognise_due() == 0
    assert RevenueSchedule.objects.get().next_at is None
    assert broken_checks() == []


def test_a_pass_that_runs_twice_books_once(member: Subscription, price: Price) -> None:
    paid(member, plan_line(price, starts_at=database_now()))
    age(10)
    assert (recognise_due(), recognise_due()) == (1, 0)
    assert Posting.objects.filter(business_type="revenue").count() == 1


def test_a_crash_in_the_middle_of_a_pass_leaves_nothing_behind(member: Subscription, price: Price) -> None:
    paid(member, plan_line(price, starts_at=database_now()))
    age(10)
    with transaction.atomic():
        recognise_due()
        transaction.set_rollback(True)
    assert holdings()["revenue"] == 0
    assert not RevenueRecognition.objects.exists()
    assert recognise_due() == 1
    assert broken_checks() == []


@pytest.mark.django_db(transaction=True)
def test_passes_at_once_share_the_work(price: Price) -> None:
    for _number in range(12):
        paid(make_member(UserFactory(), price), plan_line(price, starts_at=database_now()))
    age(10)
    barrier = threading.Barrier(4)
    seen: list[int] = []

    def run() -> None:
        try:
            barrier.wait()
            seen.append(recognise_due())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(seen) == 12
    assert broken_checks() == []
    assert RevenueSchedule.objects.aggregate(n=Sum("recognised_minor"))["n"] == holdings()["revenue"]


def test_a_late_pass_puts_every_month_into_its_month(member: Subscription, price: Price) -> None:
    start = midnight() - 100 * DAY
    paid(member, plan_line(price, starts_at=start, ends_at=start + 90 * DAY), now=start)
    assert recognise_due() == 1
    rows = list(RevenueRecognition.objects.order_by("month").values_list("month", "amount_minor"))
    assert len(rows) >= 3
    assert sum(minor for _month, minor in rows) == 1999
    first_of_next = (start.replace(day=1) + 32 * DAY).replace(day=1)
    assert rows[0] == (start.date().replace(day=1), 1999 * (first_of_next - start).days // 90)
    assert Posting.objects.filter(business_type="revenue").count() == 1


def test_what_was_paid_late_is_earned_in_the_month_of_its_payment(member: Subscription, price: Price) -> None:
    start = midnight() - 40 * DAY
    paid(member, plan_line(price, starts_at=start, ends_at=start + 80 * DAY), now=midnight() - timedelta(hours=1))
    assert recognise_due() == 1
    row = RevenueRecognition.objects.get()
    assert (row.month, row.amount_minor) == ((midnight() - DAY).date().replace(day=1), 1999 // 2)


def test_a_period_paid_after_it_was_over_is_earned_from_its_payment_on(member: Subscription, price: Price) -> None:
    start = midnight() - 60 * DAY
    paid(member, plan_line(price, starts_at=start, ends_at=start + 30 * DAY))
    row = RevenueSchedule.objects.get()
    assert row.ends_at - row.base_at == 30 * DAY
    assert row.base_at > midnight()


def test_a_fee_without_a_span_is_earned_at_once(member: Subscription, price: Price) -> None:
    paid(member, ChargeLine("setup", "set-up fee", Money(500, "USD"), plan=price.plan_id))
    age(1)
    recognise_due()
    assert holdings() == {"deferred": 0, "revenue": 500, "credit": 0, "tax": 0}


def test_a_pause_holds_what_was_not_earned_until_it_is_over(member: Subscription, price: Price) -> None:
    start = midnight() - 10 * DAY
    paid(member, plan_line(price, starts_at=start, ends_at=start + 30 * DAY), now=start)
    hold_revenue(member.id, at=midnight())
    hold_revenue(member.id, at=midnight() + DAY)
    age(20)
    recognise_due()
    assert holdings()["revenue"] == 1999 // 3
    assert recognise_due() == 0
    begin = database_now()
    release_revenue(member.id, starts_at=begin, ends_at=begin + 20 * DAY)
    release_revenue(member.id, starts_at=begin + 5 * DAY, ends_at=begin + 25 * DAY)
    assert RevenueSchedule.objects.get().ends_at == begin + 20 * DAY
    age(40)
    recognise_due()
    assert holdings()["revenue"] == 1999
    assert broken_checks() == []


def test_an_early_end_earns_what_is_not_given_back(member: Subscription, price: Price) -> None:
    start = midnight() - 10 * DAY
    paid(member, plan_line(price, starts_at=start, ends_at=start + 30 * DAY), now=start)
    stop_revenue(member.id, at=database_now())
    stop_revenue(member.id, at=database_now())
    age(1)
    recognise_due()
    assert holdings() == {"deferred": 0, "revenue": 1999, "credit": 0, "tax": 0}
    assert broken_checks() == []


def test_a_gift_is_earned_over_the_time_it_gives_from_when_it_is_redeemed(price: Price) -> None:
    gift = bill(UserFactory(), [ChargeLine("gift", "A month", Money(1999, "USD"), plan=price.plan_id)], kind="gift")
    mark_paid(gift, now=database_now())
    age(50)
    assert recognise_due() == 0
    assert holdings()["deferred"] == 1999
    begin = midnight() - 10 * DAY
    begin_gift(gift, starts_at=begin, ends_at=begin + 20 * DAY)
    begin_gift(gift, starts_at=begin, ends_at=begin + 90 * DAY)
    row = RevenueSchedule.objects.get()
    assert (row.is_held, row.ends_at) == (False, begin + 20 * DAY)
    age(1)
    recognise_due()
    assert holdings()["revenue"] == 1999 * 11 // 20


def test_a_gift_that_lapses_is_earned(price: Price) -> None:
    gift = bill(UserFactory(), [ChargeLine("gift", "A month", Money(1999, "USD"), plan=price.plan_id)], kind="gift")
    mark_paid(gift, now=database_now())
    forfeit_gift(gift, at=database_now())
    age(1)
    recognise_due()
    assert holdings()["revenue"] == 1999


def test_a_change_moves_the_unused_time_into_the_new_plan(member: Subscription, price: Price) -> None:
    start = midnight() - 10 * DAY
    paid(member, plan_line(price, starts_at=start, ends_at=start + 30 * DAY, minor=3000), now=start)
    at = start + 10 * DAY
    credit = ChargeLine("credit", "Unused", Money(-2000, "USD"), starts_at=at, ends_at=start + 30 * DAY,
                        plan=price.plan_id)  # fmt: skip
    new = plan_line(price, starts_at=at, ends_at=at + 30 * DAY, minor=9000)
    paid(member, credit, new, kind="change", now=at)
    old, fresh = RevenueSchedule.objects.order_by("created_at", "id")
    assert (old.total_minor, fresh.total_minor) == (1000, 9000)
    assert holdings()["deferred"] == 10_000
    age(40)
    recognise_due()
    assert holdings() == {"deferred": 0, "revenue": 10_000, "credit": 0, "tax": 0}
    assert broken_checks() == []


def test_a_change_to_less_leaves_credit(member: Subscription, price: Price) -> None:
    start = midnight() - 10 * DAY
    paid(member, plan_line(price, starts_at=start, ends_at=start + 30 * DAY, minor=3000), now=start)
    at = start + 10 * DAY
    credit = ChargeLine("credit", "Unused", Money(-2000, "USD"), starts_at=at, plan=price.plan_id)
    paid(member, credit, plan_line(price, starts_at=at, minor=500), kind="change", now=at)
    Subscription.objects.filter(id=member.id).update(credit_minor=1500)
    assert holdings() == {"deferred": 1500, "revenue": 0, "credit": 1500, "tax": 0}
    age(60)
    recognise_due()
    assert holdings() == {"deferred": 0, "revenue": 1500, "credit": 1500, "tax": 0}
    assert broken_checks() == []


def test_credit_for_time_that_was_never_paid_is_our_loss(member: Subscription, price: Price) -> None:
    at = database_now()
    credit = ChargeLine("credit", "Unused", Money(-700, "USD"), starts_at=at, plan=price.plan_id)
    paid(member, credit, plan_line(price, starts_at=at, minor=1000), kind="change", now=at)
    assert holdings() == {"deferred": 1000, "revenue": -700, "credit": 0, "tax": 0}
    assert RevenueRecognition.objects.get().amount_minor == -700
    assert broken_checks() == []


def test_credit_that_is_paid_out_or_appears_is_in_the_books(member: Subscription) -> None:
    adjust_credit(change=Money(300, "USD"), now=database_now())
    Subscription.objects.filter(id=member.id).update(credit_minor=300)
    assert (holdings()["credit"], broken_checks()) == (300, [])
    adjust_credit(change=Money(-300, "USD"), now=database_now())
    adjust_credit(change=Money(0, "USD"), now=database_now())
    Subscription.objects.filter(id=member.id).update(credit_minor=0)
    assert (holdings()["credit"], holdings()["revenue"], broken_checks()) == (0, 0, [])


def test_in_a_sandbox_a_members_own_clock_counts(member: Subscription, price: Price, settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    other = make_member(UserFactory(), price)
    for subscription in (member, other):
        paid(subscription, plan_line(price, starts_at=database_now()))
    advance(subject=member.user_id, by=timedelta(days=400))
    assert recognise_of(other.user_id) == 0
    assert recognise_due() == 1
    assert holdings() == {"deferred": 1999, "revenue": 1999, "credit": 0, "tax": 0}
    settings.PAYCORE_SANDBOX_MODE = False
    assert recognise_due() == 0


def test_the_books_notice_a_schedule_that_was_tampered_with(member: Subscription, price: Price) -> None:
    paid(member, plan_line(price, starts_at=database_now()))
    RevenueSchedule.objects.update(total_minor=F("total_minor") - 1)
    assert [line.split()[0] for line in broken_checks()] == ["M1"]


SOME_DAY = datetime(2026, 3, 1, tzinfo=UTC)


@given(
    total=st.integers(1, 10**12),
    base=st.integers(0, 10**12),
    length=st.integers(0, 400 * 86_400 * 10**6),
    at=st.integers(-(10**9), 500 * 86_400 * 10**6),
    is_held=st.booleans(),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_python_and_sql_earn_the_same_and_never_too_much(
    db: None, total: int, base: int, length: int, at: int, is_held: bool
) -> None:
    row = RevenueSchedule(
        total_minor=total,
        base_minor=min(base, total),
        base_at=SOME_DAY,
        ends_at=SOME_DAY + timedelta(microseconds=length),
        is_held=is_held,
    )
    moment = SOME_DAY + timedelta(microseconds=at)
    found = earned(row, moment)
    assert row.base_minor <= found <= total
    if 0 < at < length and not is_held:
        assert found == row.base_minor + Fraction((total - row.base_minor) * at, length).__floor__()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT memberships_earned(jsonb_populate_record(NULL::memberships_revenueschedule, jsonb_build_object("
            "'total_minor', %s::bigint, 'base_minor', %s::bigint, 'base_at', %s::timestamptz, 'ends_at',"
            " %s::timestamptz, 'is_held', %s::boolean)), %s::timestamptz)",
            [row.total_minor, row.base_minor, row.base_at, row.ends_at, row.is_held, moment],
        )
        assert cursor.fetchone()[0] == found
