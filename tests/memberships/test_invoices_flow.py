"""Invoices along a real membership: pay, change, pause, cancel, refund; books and letters agree."""

from typing import Any

import pytest
from django.db.models import Count

from memberships.invoices.checks import run_checks
from memberships.invoices.recognition import recognise_due
from memberships.models import CreditNote, Invoice, Price, RevenueSchedule
from paycore.notifications.models import Notification
from payments.orders.models import Refund
from payments.orders.refunds import approve_refund
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.memberships.billing import holdings
from tests.memberships.factories import make_catalogue
from tests.memberships.joining import do, join, pay, subscribe, travel

pytestmark = pytest.mark.django_db


@pytest.fixture
def price(platform: Any) -> Price:
    return make_catalogue()


def letters(user: AppUser) -> dict[str, int]:
    about_money = ("payment_received", "refund_succeeded", "membership_receipt", "membership_credit_note")
    rows = Notification.objects.filter(user_id=user.user.pk, template__in=about_money)
    return dict(rows.values("template").annotate(n=Count("id")).values_list("template", "n"))


def assert_whole() -> None:
    assert [f"{found.code} {found.examples}" for found in run_checks()] == []
    assert_books_are_whole()


def refund_everything() -> None:
    for refund in Refund.objects.filter(status="requested"):
        approve_refund(refund.id, reviewed_by="usr_other")
    run_background()


def test_a_payment_brings_one_receipt_and_a_refund_one_credit_note(
    app_user: AppUser, account: GatewayAccount, price: Price
) -> None:
    join(app_user, price)
    assert letters(app_user) == {"membership_receipt": 1}
    assert holdings()["deferred"] == 1999
    invoice = app_user.get("/invoices").json()["data"][0]
    assert (invoice["status"], invoice["kind"]) == ("paid", "start")
    assert_whole()
    subscription = Invoice.objects.get().subscription
    assert subscription is not None
    payment = subscription.invoices.get().order.payments.get()  # type: ignore[union-attr]  # it has one: it was paid
    app_user.post("/refunds", {"payment": payment.id, "amount_minor": 500, "reason": "kindness"})
    refund_everything()
    if Refund.objects.filter(status="succeeded").exists():
        assert letters(app_user) == {"membership_receipt": 1, "membership_credit_note": 1}
        assert CreditNote.objects.get().total_minor == 500
    assert_whole()


def test_a_change_and_its_undoing_leave_the_books_whole(
    app_user: AppUser, account: GatewayAccount, price: Price, settings: Any
) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    platinum = Price.objects.get(plan__code="platinum")
    subscription = join(app_user, price)
    travel(app_user, days=10)
    changed = do(app_user, subscription, "change", price=platinum.id)
    pay(app_user, changed["order"])
    assert_whole()
    recognise_due()
    assert_whole()
    travel(app_user, days=5)
    do(app_user, subscription, "change", price=price.id)
    subscription.refresh_from_db()
    assert subscription.credit_minor > 0
    assert holdings()["credit"] == subscription.credit_minor
    assert_whole()
    travel(app_user, days=200)
    recognise_due()
    assert_whole()


def test_pause_and_unpause_hold_the_revenue(
    app_user: AppUser, account: GatewayAccount, price: Price, settings: Any
) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    subscription = join(app_user, price)
    travel(app_user, days=10)
    do(app_user, subscription, "pause")
    travel(app_user, days=30)
    recognise_due()
    held = holdings()
    assert 0 < held["revenue"] < 1999 // 2
    assert RevenueSchedule.objects.get().is_held
    do(app_user, subscription, "unpause")
    assert not RevenueSchedule.objects.get().is_held
    travel(app_user, days=5)
    recognise_due()
    assert holdings()["revenue"] > held["revenue"]
    assert_whole()


def test_canceled_now_and_refunded_in_part_nothing_stays_deferred(
    app_user: AppUser, account: GatewayAccount, price: Price, settings: Any
) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    settings.PAYCORE_MEMBERSHIP_REFUND = "prorated"
    subscription = join(app_user, price)
    travel(app_user, days=10)
    do(app_user, subscription, "cancel", when="now")
    refund_everything()
    travel(app_user, days=1)
    recognise_due()
    note = CreditNote.objects.get()
    assert 1000 < note.total_minor < 1999
    assert holdings() == {"deferred": 0, "revenue": 1999 - note.total_minor, "credit": 0, "tax": 0}
    assert letters(app_user) == {"membership_receipt": 1, "membership_credit_note": 1}
    assert_whole()


def test_money_that_comes_too_late_leaves_no_invoice_paid_and_no_revenue(
    app_user: AppUser, account: GatewayAccount, price: Price
) -> None:
    made = subscribe(app_user, price)
    subscribe(app_user, Price.objects.get(plan__code="platinum"))
    run_background()
    refused = pay(app_user, made["order"])
    assert refused.get("status") != "succeeded"
    assert {invoice.status for invoice in Invoice.objects.filter(order_id=made["order"]["id"])} == {"void"}
    assert holdings()["deferred"] == 0
    assert_whole()
