"""Credit that paid a part of an invoice whose money went back: once, to the member, and in the books."""

from typing import Any

import pytest
from django.db import transaction

from memberships.invoices.credit import adjust_credit
from memberships.invoices.documents import print_credit_note
from memberships.models import CreditNote, Invoice, Price, Subscription, SubscriptionChange
from memberships.subscriptions.refunded import credit_refund
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.money import Money
from paycore.notifications.models import Notification
from payments.orders.models import Payment, Refund
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.memberships.billing import holdings
from tests.memberships.factories import make_catalogue
from tests.memberships.joining import do, join
from tests.memberships.members import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sandbox(settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True


@pytest.fixture
def premium(platform: Merchant) -> Price:
    return make_catalogue()


def join_with_credit(user: AppUser, price: Price, *, credit: int = 500) -> Subscription:
    """A member whose first month was paid in part by what an earlier membership had left."""
    make_member(user.user, price, status="ended", credit_minor=credit)
    with transaction.atomic():
        adjust_credit(change=Money(credit, "USD"), now=database_now())
    member = join(user, price)
    invoice = Invoice.objects.get(subscription=member)
    assert (invoice.credit_minor, invoice.due_minor) == (credit, 1999 - credit)
    return member


def refund(user: AppUser, amount_minor: int | None = None) -> None:
    payment = Payment.objects.get(order__user_id=user.user.pk, status="succeeded")
    more = {"amount_minor": amount_minor} if amount_minor else {}
    answer = user.post("/refunds", {"payment": payment.id, "reason": "an outage", **more})
    assert answer.status_code == 201, answer.content
    run_background()


def test_a_full_refund_gives_the_credit_back_too(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join_with_credit(app_user, premium)
    refund(app_user)
    member.refresh_from_db()
    assert (member.status, member.credit_minor) == ("ended", 500)
    note = CreditNote.objects.get()
    assert (note.total_minor, note.credit_minor, note.paid_back.minor) == (1999, 500, 1499)
    assert holdings() == {"deferred": 0, "revenue": -500, "credit": 500, "tax": 0}  # as if it was never bought
    change = SubscriptionChange.objects.get(subscription=member, kind="credit_returned")
    assert change.details == {"invoice": note.invoice_id, "credit_note": note.id, "credit_minor": 500}
    letter = Notification.objects.get(template="membership_credit_note")
    assert (letter.context["amount_minor"], letter.context["credit_minor"]) == (1499, 500)
    shown = app_user.get("/credit-notes").json()["data"][0]
    assert (shown["total_minor"], shown["credit_minor"], shown["voided_at"]) == (1999, 500, None)
    assert [one.amount for one in print_credit_note(note).sums] == ["$19.99", "$5.00", "$14.99"]
    assert_books_are_whole()


def test_the_same_news_again_gives_nothing_more(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join_with_credit(app_user, premium)
    refund(app_user)
    assert credit_refund(Refund.objects.get().id) is None
    member.refresh_from_db()
    assert member.credit_minor == 500
    assert_books_are_whole()


def test_a_partial_refund_is_money_only_and_the_last_one_brings_the_credit(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    member = join_with_credit(app_user, premium)
    refund(app_user, 1000)
    member.refresh_from_db()
    assert (member.status, member.credit_minor) == ("active", 0)
    assert_books_are_whole()
    refund(app_user, 499)
    member.refresh_from_db()
    assert (member.status, member.credit_minor) == ("ended", 500)
    assert list(CreditNote.objects.order_by("id").values_list("total_minor", "credit_minor")) == [(1000, 0), (999, 500)]
    assert holdings()["deferred"] == 0
    assert_books_are_whole()


def test_credit_that_came_back_pays_the_next_membership(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    join_with_credit(app_user, premium)
    refund(app_user)
    again = join(app_user, premium)
    assert Invoice.objects.get(subscription=again).credit_minor == 500
    assert sum(Subscription.objects.values_list("credit_minor", flat=True)) == 0
    assert_books_are_whole()


@pytest.mark.parametrize("policy", ["full", "prorated"])
def test_who_cancels_now_has_no_credit_twice(
    app_user: AppUser, account: GatewayAccount, premium: Price, settings: Any, policy: str
) -> None:
    """What canceling gives back was worked out with the credit: its refund brings none besides."""
    settings.PAYCORE_MEMBERSHIP_REFUND = policy
    member = join_with_credit(app_user, premium, credit=1500)
    do(app_user, member, "cancel", when="now")
    run_background()
    member.refresh_from_db()
    refunded = sum(Refund.objects.filter(status="succeeded").values_list("amount_minor", flat=True))
    assert refunded == 499  # all the money of it, and the rest of what it was worth is credit
    assert 1490 < member.credit_minor <= 1500
    assert CreditNote.objects.get().credit_minor == 0
    assert_books_are_whole()


def test_unused_time_that_a_change_made_credit_of_comes_back_once(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    make_member(app_user.user, premium, status="ended", credit_minor=500)
    adjust_credit(change=Money(500, "USD"), now=database_now())
    member = join(app_user, Price.objects.get(plan__code="platinum"))
    do(app_user, member, "change", price=premium.id)  # to less: about thirty dollars are credit now
    member.refresh_from_db()
    left = member.credit_minor
    assert left > 2000
    refund(app_user)
    member.refresh_from_db()
    assert member.credit_minor == 500, "what the change made of the money is gone with the money"
    assert_books_are_whole()


def test_canceled_after_a_change_to_less_nothing_is_lost_and_nothing_given_twice(
    app_user: AppUser, account: GatewayAccount, premium: Price, settings: Any
) -> None:
    settings.PAYCORE_MEMBERSHIP_REFUND = "prorated"
    make_member(app_user.user, premium, status="ended", credit_minor=500)
    adjust_credit(change=Money(500, "USD"), now=database_now())
    member = join(app_user, Price.objects.get(plan__code="platinum"))
    do(app_user, member, "change", price=premium.id)
    do(app_user, member, "cancel", when="now")
    run_background()
    member.refresh_from_db()
    refunded = sum(Refund.objects.filter(status="succeeded").values_list("amount_minor", flat=True))
    assert refunded == 4499
    assert 480 < member.credit_minor <= 500
    assert_books_are_whole()
