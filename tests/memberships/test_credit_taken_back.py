"""Credit that a cheaper plan left of money which then went back: nobody keeps both."""

from typing import Any

import pytest

from memberships.invoices.credit import adjust_credit
from memberships.models import Price, Subscription, SubscriptionChange
from memberships.settling import take_back
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.money import Money
from payments.orders.models import Order, Payment
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.memberships.billing import broken_checks, holdings
from tests.memberships.factories import make_catalogue
from tests.memberships.joining import do, join, pay, subscribe
from tests.memberships.members import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sandbox(settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True


@pytest.fixture
def premium(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def platinum(premium: Price) -> Price:
    return Price.objects.get(plan__code="platinum")


def refund(user: AppUser, payment: Payment) -> None:
    answer = user.post("/refunds", {"payment": payment.id, "reason": "an outage"})
    assert answer.status_code == 201, answer.content
    run_background()


def test_a_full_refund_takes_the_credit_of_the_downgrade_along(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    member = join(app_user, platinum)
    left = do(app_user, member, "change", price=premium.id)["credit_minor"]
    assert left >= 4999 - 1999 - 1
    payment = Payment.objects.get()

    refund(app_user, payment)

    member.refresh_from_db()
    assert (member.status, member.end_reason, member.credit_minor) == ("ended", "refunded", 0)
    change = SubscriptionChange.objects.get(kind="credit_taken_back")
    assert change.details["credit_minor"] == left
    assert holdings()["credit"] == 0
    again = app_user.post("/subscriptions/preview", {"price": platinum.id}).json()
    assert again["invoice"]["due_minor"] == 4999
    take_back(payment.order_id, end_reason="refunded")
    assert SubscriptionChange.objects.filter(kind="credit_taken_back").count() == 1
    assert not broken_checks()
    assert_books_are_whole()


def test_credit_that_ended_with_the_membership_goes_as_well(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price, settings: Any
) -> None:
    settings.PAYCORE_MEMBERSHIP_REFUND = "none"
    member = join(app_user, platinum)
    do(app_user, member, "change", price=premium.id)
    do(app_user, member, "cancel", when="now")
    refund(app_user, Payment.objects.get())
    member.refresh_from_db()
    assert (member.end_reason, member.credit_minor) == ("canceled", 0)
    assert_books_are_whole()


def test_credit_that_other_money_stands_behind_stays(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    """19.99, then 30.00 for the upgrade, then down again: 30.00 of credit. The first 19.99 go back."""
    member = join(app_user, premium)
    first = Payment.objects.get()
    pay(app_user, do(app_user, member, "change", price=platinum.id)["order"])
    left = do(app_user, member, "change", price=premium.id)["credit_minor"]
    refund(app_user, first)
    member.refresh_from_db()
    assert member.status == "ended"
    kept = sum(payment.refundable.minor for payment in Payment.objects.all())
    assert member.credit_minor == min(left, kept) >= 2999
    assert_books_are_whole()


def test_credit_that_was_there_before_is_the_members(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    """5.00 of credit and 44.99 of money, down to 19.99: 30.00 of credit, of which 25.00 were that money."""
    make_member(app_user.user, premium, status="ended", credit_minor=500)
    adjust_credit(change=Money(500, "USD"), now=database_now())
    member = join(app_user, platinum)
    do(app_user, member, "change", price=premium.id)
    refund(app_user, Payment.objects.get())
    member.refresh_from_db()
    assert (member.status, member.credit_minor) == ("ended", 500)
    assert not broken_checks()
    assert_books_are_whole()


def test_a_preview_knows_the_credit_that_an_unpaid_try_holds(
    app_user: AppUser, account: GatewayAccount, premium: Price, platinum: Price
) -> None:
    make_member(app_user.user, premium, status="ended", credit_minor=500)
    adjust_credit(change=Money(500, "USD"), now=database_now())
    first = subscribe(app_user, platinum)
    assert first["invoice"]["due_minor"] == 4499
    looked = app_user.post("/subscriptions/preview", {"price": premium.id}).json()
    made = subscribe(app_user, premium)
    assert looked["invoice"]["due_minor"] == made["invoice"]["due_minor"] == 1499
    assert Order.objects.get(id=first["order"]["id"]).status == "canceled"
    assert Subscription.objects.get(id=made["id"]).credit_minor == 0
    assert_books_are_whole()
