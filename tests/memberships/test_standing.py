"""Nobody is given back more than they paid: what went back of money is not worth anything any more."""

from typing import Any

import pytest

from memberships.models import Invoice, Price, Subscription
from merchants.models import Merchant
from payments.orders.models import Payment, Refund
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.memberships.factories import make_catalogue
from tests.memberships.joining import do, join, pay, subscribe, travel
from tests.payments.promotions.factories import make_promotion

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _prorated(settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    settings.PAYCORE_MEMBERSHIP_REFUND = "prorated"


@pytest.fixture
def premium(platform: Merchant) -> Price:
    Merchant.objects.filter(id=platform.id).update(refund_review_above_minor=None)
    return make_catalogue()


def refund(user: AppUser, amount_minor: int) -> None:
    """Of the first payment."""
    payment = Payment.objects.earliest("id")
    assert (
        user.post("/refunds", {"payment": payment.id, "amount_minor": amount_minor, "reason": "x"}).status_code == 201
    )
    run_background()


def given(member: Subscription) -> int:
    """All that the member has back, in money and credit."""
    refunded = sum(Refund.objects.exclude(status__in=["failed", "rejected"]).values_list("amount_minor", flat=True))
    return refunded + Subscription.objects.get(id=member.id).credit_minor


def cancel(user: AppUser, member: Subscription) -> None:
    do(user, member, "cancel", when="now")
    run_background()
    assert_books_are_whole()


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_refund_during_a_pause_lowers_what_the_pause_keeps(
    app_user: AppUser, account: GatewayAccount, premium: Price, goes_on: bool
) -> None:
    member = join(app_user, premium)
    do(app_user, member, "pause")
    refund(app_user, 1000)
    if goes_on:
        do(app_user, member, "unpause")
    cancel(app_user, member)
    assert 1990 < given(member) <= 1999


def test_a_refund_before_a_pause_counts_once(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    refund(app_user, 1000)
    do(app_user, member, "pause")
    do(app_user, member, "unpause")
    do(app_user, member, "pause")
    cancel(app_user, member)
    assert 1990 < given(member) <= 1999


def test_a_refund_of_what_a_change_had_set_off_lowers_what_runs_now(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    member = join(app_user, premium)
    changed = do(app_user, member, "change", price=Price.objects.get(plan__code="platinum").id)
    pay(app_user, changed["order"])
    refund(app_user, 1000)
    cancel(app_user, member)
    assert 4980 < given(member) <= 4999


def test_so_it_does_through_two_changes(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    refund(app_user, 300)
    changed = do(app_user, member, "change", price=Price.objects.get(plan__code="platinum").id)
    pay(app_user, changed["order"])
    refund(app_user, 1000)
    do(app_user, member, "change", price=premium.id)  # to less: what is left is credit
    cancel(app_user, member)
    paid = sum(Payment.objects.filter(status="succeeded").values_list("captured_minor", flat=True))
    assert paid - 30 < given(member) <= paid


def test_after_half_the_time_half_of_what_stands_is_given(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    member = join(app_user, premium)
    refund(app_user, 999)
    assert member.period_ends_at is not None
    assert member.period_started_at is not None
    half = (member.period_ends_at - member.period_started_at) / 2
    travel(app_user, seconds=half.total_seconds())
    cancel(app_user, member)
    assert given(member) == pytest.approx(999 + 500, abs=1)


def test_a_code_lowers_what_goes_back_as_it_lowered_the_price(
    app_user: AppUser, account: GatewayAccount, premium: Price, platform: Merchant
) -> None:
    make_promotion(platform, "HALF", percent_basis_points=5_000)
    made = subscribe(app_user, premium, promotion_code="HALF")
    paid = made["order"]["amount_minor"]
    pay(app_user, made["order"])
    member = Subscription.objects.get(id=made["id"])
    refund(app_user, 400)
    cancel(app_user, member)
    assert paid - 10 < given(member) <= paid


def test_credit_of_another_currency_waits_for_its_own(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    member = join(app_user, Price.objects.get(plan__code="platinum"))
    do(app_user, member, "change", price=premium.id)
    left = Subscription.objects.get(id=member.id).credit_minor
    assert left > 0
    euros = Price.objects.create(plan=premium.plan, amount_minor=1899, currency="EUR")
    refused = app_user.post(f"/subscriptions/{member.id}/change", {"price": euros.id})
    assert (refused.status_code, refused.json()["code"]) == (400, "currency_mismatch")
    assert Subscription.objects.get(id=member.id).credit_minor == left
    assert Invoice.objects.filter(currency="EUR").count() == 0
    assert_books_are_whole()
