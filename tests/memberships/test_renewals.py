"""Renewals in batches: what is due is opened, collected and settled, once."""

from datetime import timedelta

import pytest
from django.conf import LazySettings

from memberships.models import Invoice, Period, Subscription, SubscriptionChange
from memberships.renewals.opening import open_due_periods
from memberships.renewals.settling_many import settle_many
from memberships.renewals.stepping import renew_due
from paycore.clock import database_now
from paycore.fresh import forget_everything
from paycore.identifiers import derived_id
from paycore.models import EventRecord
from paycore.money import Money
from payments.orders.models import Payment
from tests.actors import assert_books_are_whole, run_background
from tests.api.row_counts import nothing_changes
from tests.memberships.factories import make_price
from tests.memberships.renewal_stage import (
    Stage,
    assert_periods_tile,
    fresh,
    pass_until,
    periods_of,
    renewal_of,
    work,
)
from tests.payments.wallets import fill, wallet_account

pytestmark = pytest.mark.django_db


def test_due_member_is_charged_and_moves_on_to_the_next_period(stage: Stage) -> None:
    member = stage.member()
    was_until = member.period_ends_at

    work()

    now = fresh(member)
    assert (now.status, now.period_number, now.retries) == ("active", 2, 0)
    assert now.period_started_at == was_until
    assert now.due_at == now.period_ends_at
    assert periods_of(member) == [(1, "paid", "paid"), (2, "paid", "paid")]
    invoice = renewal_of(member)
    assert (invoice.status, invoice.due_minor, invoice.kind) == ("paid", 1999, "renewal")
    assert invoice.order is not None
    assert invoice.order.status == "paid"
    assert stage.taken() == {invoice.order.id: 1999}
    assert SubscriptionChange.objects.filter(subscription=member, kind="renewed").count() == 1
    assert EventRecord.objects.filter(name="membership.changed", object_id=member.id).count() == 1
    assert_periods_tile([member])
    assert_books_are_whole()


def test_nobody_is_renewed_before_their_period_is_over(stage: Stage) -> None:
    stage.member(ago=timedelta(days=-1))
    with nothing_changes():
        assert renew_due() == 0


def test_date_that_came_too_early_opens_nothing(stage: Stage) -> None:
    member = stage.member(ago=timedelta(days=-1))
    Subscription.objects.filter(id=member.id).update(due_at=database_now())
    work()
    assert fresh(member).due_at == fresh(member).period_ends_at
    assert not Invoice.objects.exists()
    assert not stage.taken()


def test_member_who_canceled_is_not_renewed_but_ended(stage: Stage) -> None:
    member = stage.member(cancel_at_period_end=True)
    work()
    now = fresh(member)
    assert (now.status, now.end_reason, now.due_at) == ("ended", "canceled", None)
    assert not Invoice.objects.exists()


def test_what_a_store_sold_is_never_touched(stage: Stage) -> None:
    member = stage.member(rail="app_store", store_reference="1")
    Subscription.objects.filter(id=member.id).update(due_at=database_now() - timedelta(days=1))
    run_background()
    with nothing_changes():
        work()


def test_batch_takes_as_many_queries_for_sixty_as_for_five(stage: Stage, queries_made: list[str]) -> None:
    def queries_of(count: int) -> list[str]:
        members = [stage.member() for _number in range(count)]
        forget_everything()
        queries_made.clear()
        opened = open_due_periods()
        made = list(queries_made)
        assert set(opened.to_collect) == {member.id for member in members}
        Subscription.objects.filter(id__in=opened.to_collect).update(due_at=database_now() + timedelta(days=1))
        return made

    few, many = queries_of(5), queries_of(60)
    assert len(few) == len(many), "\n".join(query[:160] for query in many)
    assert len(many) <= 25


def test_settling_takes_as_many_queries_for_thirty_as_for_five(stage: Stage, queries_made: list[str]) -> None:
    def queries_of(count: int) -> int:
        for _number in range(count):
            stage.member()
        opened = open_due_periods()
        invoices = list(Invoice.objects.filter(subscription_id__in=opened.to_collect).values_list("id", flat=True))
        forget_everything()
        queries_made.clear()
        settled = settle_many(invoices, nows=opened.nows)
        assert len(settled) == count
        return len(queries_made)

    assert queries_of(5) == queries_of(30)


def test_order_of_a_period_has_the_number_that_its_subscription_and_date_give(stage: Stage) -> None:
    member = stage.member()
    open_due_periods()
    invoice, period = renewal_of(member), Period.objects.get(subscription=member, status="open")
    assert invoice.order_id == derived_id("ord", period.starts_at, member.id, 2)
    assert invoice.order is not None
    assert invoice.order.merchant_order_number == invoice.number


def test_planned_change_and_seats_begin_with_the_next_period(stage: Stage) -> None:
    dearer = make_price(stage.price.plan, 9999, interval="year")
    member = stage.member(next_price=dearer, started=database_now() - timedelta(days=40))
    work()
    now = fresh(member)
    assert (now.price_id, now.next_price_id) == (dearer.id, None)
    assert renewal_of(member).due_minor == 9999
    assert now.period_ends_at is not None
    assert now.period_started_at is not None
    assert now.period_ends_at - now.period_started_at > timedelta(days=300)


def test_credit_is_used_first_and_only_once(stage: Stage) -> None:
    member = stage.member(credit_minor=500)
    work()
    assert fresh(member).credit_minor == 0
    assert (renewal_of(member).credit_minor, renewal_of(member).due_minor) == (500, 1499)
    assert list(stage.taken().values()) == [1499]


def test_period_that_credit_pays_needs_no_charge(stage: Stage) -> None:
    member = stage.member(credit_minor=5000)
    work()
    assert (fresh(member).status, fresh(member).period_number, fresh(member).credit_minor) == ("active", 2, 3001)
    assert renewal_of(member).status == "paid"
    assert renewal_of(member).order is None
    assert not stage.taken()


def test_wallet_pays_when_it_collects(stage: Stage) -> None:
    wallet_account()
    member = stage.member(collection="wallet", payment_method=None)
    fill(member.user_id, Money(5000, "USD"))
    work()
    assert (fresh(member).status, fresh(member).period_number) == ("active", 2)
    assert Payment.objects.get().method == "wallet"
    assert_books_are_whole()


def test_trial_becomes_paid_with_the_set_up_fee_and_its_end_is_the_anchor(stage: Stage) -> None:
    price = make_price(stage.price.plan, 2000, interval="week", setup_fee_minor=300, trial_days=14)
    member = stage.member(status="trialing", price=price, started=database_now() - timedelta(days=7, minutes=1))
    work()
    now = fresh(member)
    assert (now.status, now.period_number) == ("active", 2)
    assert now.anchor_at == now.period_started_at
    assert renewal_of(member).due_minor == 2300


def test_payment_that_is_decided_later_is_waited_for_with_access(stage: Stage) -> None:
    member = stage.member()
    open_due_periods()
    payment_id = stage.script_next(member, "require_action")
    stage.sandbox.script(payment_id, "succeed_after(3600)")
    Subscription.objects.filter(id=member.id).update(due_at=database_now())
    work()
    assert fresh(member).status == "active"
    assert Payment.objects.get().status in ("processing", "submitting")
    assert fresh(member).retries == 0

    stage.sandbox.script(payment_id, "approve")
    work()
    assert Payment.objects.count() == 1


def test_broken_row_does_not_keep_the_others_waiting(stage: Stage) -> None:
    broken, whole = stage.member(), stage.member()
    Subscription.objects.filter(id=broken.id).update(time_zone="Nowhere/Land")
    with pytest.raises(ExceptionGroup):
        renew_due()
    assert fresh(whole).period_number == 2
    assert fresh(broken).period_number == 1
    due_at = fresh(broken).due_at
    assert due_at is not None
    assert due_at > database_now()


def test_batch_that_the_database_refuses_is_opened_one_by_one(stage: Stage) -> None:
    """A period that overlaps what is there already, for one of them."""
    broken, whole = stage.member(), stage.member()
    stray = Period.objects.get(subscription=broken)
    assert broken.period_ends_at is not None
    Period.objects.create(
        subscription=broken,
        number=7,
        kind="bonus",
        status="paid",
        plan_version=stray.plan_version,
        starts_at=broken.period_ends_at + timedelta(days=1),
        ends_at=broken.period_ends_at + timedelta(days=2),
    )
    with pytest.raises(ExceptionGroup):
        renew_due()
    assert fresh(whole).period_number == 2
    assert periods_of(broken) == [(1, "paid", "paid"), (7, "bonus", "paid")]


def test_a_year_of_months_tiles_and_comes_back_to_its_day(stage: Stage, settings: LazySettings) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    member = stage.member(time_zone="Europe/Berlin", ago=timedelta(hours=2))
    for _month in range(13):
        work()
        now = fresh(member)
        assert now.period_number == _month + 2, (now.status, now.due_at, now.failure_code, periods_of(member))
        assert now.period_ends_at is not None
        pass_until(member, now.period_ends_at)
    assert fresh(member).period_number == 14
    assert len(stage.taken()) == 13
    assert set(stage.taken().values()) == {1999}
    assert_periods_tile([member])
    run_background()
    assert_books_are_whole()
