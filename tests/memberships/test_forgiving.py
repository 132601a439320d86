"""Staff let a member off the period that waits for its money."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from memberships.actions.services import Wish, ask, preview
from memberships.checks import run_all_checks
from memberships.models import Dunning, Invoice, MemberAction, Period, Subscription, SubscriptionChange
from memberships.renewals.forgiving import NoOpenPeriod
from memberships.renewals.opening import open_due_periods
from memberships.settling import settle_order
from paycore.notifications.models import Notification
from payments.errors import PaymentInProgress
from payments.orders.models import Order, Payment, Refund
from tests.actors import assert_books_are_whole, run_background
from tests.api.row_counts import no_row_changes
from tests.memberships.renewal_stage import Stage, fresh, pass_until, periods_of, renewal_of, work
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db
FORGIVE = MemberAction.Kind.FORGIVE


@pytest.fixture(autouse=True)
def _users_have_clocks(settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True


def overdue(stage: Stage, **more: Any) -> Subscription:
    member = stage.member(script="decline(insufficient_funds)", **more)
    work()
    assert fresh(member).status == "past_due"
    return member


def forgive(member: Subscription, *, reason: str = "an outage", by: str = "usr_staff") -> MemberAction:
    return ask(Wish(FORGIVE, reason, [member.id]), by=by)


def assert_whole() -> None:
    assert [f"{found.code} {found.examples}" for found in run_all_checks()] == []
    assert_books_are_whole()


def test_a_forgiven_period_is_given_and_the_membership_goes_on(stage: Stage) -> None:
    member = overdue(stage, credit_minor=0)
    invoice = renewal_of(member)
    looked = preview(Wish(FORGIVE, "", [member.id]))
    assert looked.amounts == {"USD": invoice.due_minor}
    assert forgive(member).status == "done"
    run_background()
    now = fresh(member)
    assert (now.status, now.period_number, now.past_due_since, now.retries) == ("active", 2, None, 0)
    assert periods_of(member) == [(1, "paid", "paid"), (2, "bonus", "paid")]
    invoice.refresh_from_db()
    assert (invoice.status, Order.objects.get(id=invoice.order_id).status) == ("void", "canceled")
    assert Dunning.objects.get().status == "lost"
    assert not Notification.objects.filter(key__startswith=f"membership_overdue:{member.id}", sent_at=None).exists()
    change = SubscriptionChange.objects.get(subscription=member, kind="period_forgiven")
    assert (change.by, change.reason) == ("usr_staff", "an outage")
    assert_whole()


def test_the_next_period_is_charged_as_ever(stage: Stage) -> None:
    member = overdue(stage)
    forgive(member)
    stage.mend(member)
    period = Period.objects.get(subscription=member, number=2)
    pass_until(member, period.ends_at)
    work(rounds=2)
    assert periods_of(member)[2] == (3, "paid", "paid")
    assert stage.charges() == 1
    assert_whole()


def test_credit_that_the_invoice_held_is_the_members_again(stage: Stage) -> None:
    member = overdue(stage, credit_minor=500)
    assert (renewal_of(member).credit_minor, fresh(member).credit_minor) == (500, 0)
    forgive(member)
    assert fresh(member).credit_minor == 500


def test_while_its_money_may_still_come_nothing_is_forgiven(stage: Stage) -> None:
    member = stage.member()
    open_due_periods()
    invoice = renewal_of(member)
    Order.objects.filter(id=invoice.order_id).update(status="paid", next_attempt_at=None)
    with no_row_changes(), pytest.raises(PaymentInProgress):
        forgive(member)
    assert periods_of(member)[1] == (2, "paid", "open")


def test_where_nothing_waits_for_money_nothing_is_forgiven(stage: Stage) -> None:
    member = overdue(stage)
    forgive(member)
    with no_row_changes(), pytest.raises(NoOpenPeriod):
        forgive(member)
    with no_row_changes(), pytest.raises(NoOpenPeriod):
        preview(Wish(FORGIVE, "x", [member.id]))


def test_money_that_comes_for_it_after_all_goes_back(stage: Stage) -> None:
    member = overdue(stage)
    invoice = renewal_of(member)
    forgive(member)
    settle_order(str(invoice.order_id), payment_id="pay_none")
    invoice.refresh_from_db()
    assert invoice.status == "void"
    assert (fresh(member).status, fresh(member).period_number) == ("active", 2)
    assert not Payment.objects.filter(order_id=invoice.order_id, status="succeeded").exists()
    assert not Refund.objects.exists()


def test_above_the_limit_another_person_agrees(stage: Stage, settings: Any) -> None:
    settings.PAYCORE_MEMBERSHIP_SECOND_PERSON_ABOVE_MINOR = 100
    member = overdue(stage)
    assert forgive(member).status == "waiting"
    assert fresh(member).status == "past_due"
    assert renewal_of(member).status == "open"


def test_staff_find_the_way_on_the_invoice(stage: Stage) -> None:
    member = overdue(stage)
    invoice = renewal_of(member)
    staff = make_user(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(staff)
    shown = client.get(reverse("ops:memberships_invoice_change", args=[quote(invoice.pk)]), follow=True)
    assert "Forgive the open period" in shown.content.decode()
    page = client.get(reverse("ops:memberships_invoice_forgive", args=[quote(invoice.pk)]), follow=True)
    assert page.status_code == 200
    assert member.id in page.content.decode()
    assert Invoice.objects.get(id=invoice.id).status == "open", "looking does nothing"
