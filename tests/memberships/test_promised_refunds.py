"""Refunds that a cancel promised, or that give back money that came too late, and do not reach the payer."""

from datetime import timedelta
from typing import Any

import pytest

from memberships.checks import run_all_checks
from memberships.models import CreditNote, Invoice, Period, PlanChange, Price, PromisedRefund, Subscription
from memberships.subscriptions.promises import (
    KeepingNeedsReason,
    PromiseDecided,
    give_as_credit,
    keep,
    send_again,
    settle_promise,
)
from merchants.models import Merchant
from paycore.clock import database_now
from payments.gateways.contract import Outcome, RefundResult
from payments.orders.models import Evidence, Payment, Refund
from payments.orders.refunds import approve_refund, record_refund_result, reject_refund
from payments.routing.models import GatewayAccount
from riskcontrol.models import Case
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.api.row_counts import no_row_changes
from tests.memberships.billing import holdings, pending
from tests.memberships.factories import make_catalogue
from tests.memberships.joining import do, join, pay

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _prorated(settings: Any) -> None:
    settings.PAYCORE_MEMBERSHIP_REFUND = "prorated"


@pytest.fixture
def premium(platform: Merchant) -> Price:
    """Every refund waits for a second person."""
    Merchant.objects.filter(id=platform.id).update(refund_review_above_minor=0)
    return make_catalogue()


def assert_whole() -> None:
    assert [f"{found.code} {found.examples}" for found in run_all_checks()] == []
    assert_books_are_whole()


def fail(refund: Refund) -> None:
    approve_refund(refund.id, reviewed_by="usr_boss")
    result = RefundResult(refund.id, Outcome.FAILED, failure_code="account_closed")
    Refund.objects.filter(id=refund.id).update(status="submitting")
    record_refund_result(refund.id, result, source=Evidence.Source.WEBHOOK)
    run_background()


def owed_after_cancel(user: AppUser, price: Price) -> tuple[Subscription, PromisedRefund]:
    """A member who canceled at once; what should have gone back did not."""
    member = join(user, price)
    do(user, member, "cancel", when="now", reason="I move to quarkmoor")
    run_background()
    (promised,) = PromisedRefund.objects.all()
    assert (promised.status, promised.refund.status) == ("sent", "requested")
    assert_whole()
    fail(promised.refund)
    promised.refresh_from_db()
    member.refresh_from_db()
    return member, promised


def open_cases() -> list[str]:
    return list(Case.objects.filter(kind="membership_surplus", status="open").values_list("object_id", flat=True))


def test_a_promise_that_is_kept_is_done(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    do(app_user, member, "cancel", when="now")
    approve_refund(Refund.objects.get().id, reviewed_by="usr_boss")
    run_background()
    promised = PromisedRefund.objects.get()
    assert (promised.status, promised.amount_minor) == ("done", Refund.objects.get().amount_minor)
    assert CreditNote.objects.count() == 1
    assert open_cases() == []
    assert_whole()


@pytest.mark.parametrize("how", ["failed", "rejected"])
def test_what_does_not_reach_the_member_is_owed_with_an_open_case(
    app_user: AppUser, account: GatewayAccount, premium: Price, how: str
) -> None:
    member = join(app_user, premium)
    do(app_user, member, "cancel", when="now")
    run_background()
    refund = Refund.objects.get()
    if how == "failed":
        fail(refund)
    else:
        reject_refund(refund.id, reviewed_by="usr_boss", note="looks odd")
        run_background()
    promised = PromisedRefund.objects.get()
    assert promised.status == "owed"
    assert open_cases() == [promised.id]
    facts = Case.objects.get(object_id=promised.id).facts
    assert (facts["amount_minor"], facts["refund"], facts["refund_status"]) == (refund.amount_minor, refund.id, how)
    assert facts["why"] == ("account_closed" if how == "failed" else "looks odd")
    assert holdings()["credit"] == refund.amount_minor
    assert not CreditNote.objects.exists()
    told = app_user.get(f"/subscriptions/{member.id}/history").json()["data"]
    assert "refund_failed" in [row["kind"] for row in told]
    assert_whole()
    with no_row_changes():
        settle_promise(refund.id)


def test_sent_again_it_is_a_new_promise(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    _member, promised = owed_after_cancel(app_user, premium)
    refund = send_again(promised.id, by="usr_staff")
    assert (refund.amount_minor, refund.requested_by) == (promised.amount_minor, "usr_staff")
    assert open_cases() == []
    assert_whole()
    approve_refund(refund.id, reviewed_by="usr_boss")
    run_background()
    assert list(PromisedRefund.objects.order_by("id").values_list("status", flat=True)) == ["sent_again", "done"]
    assert holdings()["credit"] == 0
    assert CreditNote.objects.get().total_minor == promised.amount_minor
    assert_whole()
    for decide in (lambda: send_again(promised.id, by="x"), lambda: give_as_credit(promised.id, by="x")):
        with no_row_changes(), pytest.raises(PromiseDecided):
            decide()


def test_given_as_credit_it_pays_what_comes_next(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member, promised = owed_after_cancel(app_user, premium)
    give_as_credit(promised.id, by="usr_staff")
    member.refresh_from_db()
    assert member.credit_minor == promised.amount_minor
    assert open_cases() == []
    assert_whole()
    again = join(app_user, premium)
    assert Invoice.objects.get(subscription=again).credit_minor == promised.amount_minor
    assert_whole()


def test_kept_it_needs_a_reason(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    _member, promised = owed_after_cancel(app_user, premium)
    with no_row_changes(), pytest.raises(KeepingNeedsReason):
        keep(promised.id, reason=" ", by="usr_staff")
    keep(promised.id, reason="the card was stolen", by="usr_staff")
    promised.refresh_from_db()
    assert (promised.status, promised.reason, promised.decided_by) == ("dropped", "the card was stolen", "usr_staff")
    assert open_cases() == []
    assert holdings()["credit"] == 0
    assert_whole()


def test_money_that_came_too_late_and_cannot_go_back_is_owed(
    app_user: AppUser, account: GatewayAccount, premium: Price, platform: Merchant
) -> None:
    member = join(app_user, premium)
    changed = do(app_user, member, "change", price=Price.objects.get(plan__code="platinum").id)
    Period.objects.update(ends_at=PlanChange.objects.get().effective_at - timedelta(microseconds=1))
    pay(app_user, changed["order"], scenario="refund_decline")
    promised = PromisedRefund.objects.get()
    assert (promised.kind, promised.status) == ("too_late", "owed")
    assert promised.amount_minor == changed["order"]["amount_minor"]
    assert holdings()["credit"] == promised.amount_minor
    assert pending(platform) == 0
    assert open_cases() == [promised.id]
    assert_books_are_whole()
    give_as_credit(promised.id, by="usr_staff")
    member.refresh_from_db()
    assert member.credit_minor == promised.amount_minor
    assert_books_are_whole()


def test_a_members_words_go_to_nobodys_refund(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    _member, promised = owed_after_cancel(app_user, premium)
    assert promised.refund.reason == "canceled"


def test_the_check_sees_what_was_promised_and_forgotten(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    _member, promised = owed_after_cancel(app_user, premium)
    Case.objects.filter(object_id=promised.id).update(status="resolved", resolved_at=database_now())
    assert [(found.code, found.examples) for found in run_all_checks()] == [("M6", [promised.id])]


def test_the_check_sees_money_of_a_void_invoice_that_nobody_gives_back(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    member = join(app_user, premium)
    invoice = Invoice.objects.get()
    assert_whole()
    Payment.objects.filter(order_id=invoice.order_id).update(succeeded_at=database_now() - timedelta(hours=1))
    other = make_void_twin(invoice)
    found = [(one.code, one.examples) for one in run_all_checks() if one.code == "M8"]
    assert found == [("M8", [other.id])]
    assert member.id == other.subscription_id


def make_void_twin(invoice: Invoice) -> Invoice:
    """Rows only: the invoice's order, under an invoice that is void."""
    order_id = invoice.order_id
    fields = {
        field.attname: getattr(invoice, field.attname)
        for field in Invoice._meta.concrete_fields
        if field.attname not in ("id", "number", "order_id", "status", "created_at", "updated_at")
    }
    twin = Invoice.objects.create(number="PC-0000-9", status="void", **fields)
    Invoice.objects.filter(id=invoice.id).update(order_id=None)
    Invoice.objects.filter(id=twin.id).update(order_id=order_id)
    return twin
