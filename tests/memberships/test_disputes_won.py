"""A dispute that was lost and is won after all: the invoice counts again, and what would still run is given back."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from memberships.checks import run_all_checks
from memberships.disputing import credit_lost_dispute, lose, win
from memberships.invoices.documents import print_credit_note
from memberships.invoices.recognition import recognise_due
from memberships.invoices.report import revenue_report
from memberships.models import CreditNote, Gift, Grant, Invoice, Price, RevenueSchedule
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.notifications.models import Notification
from payments.gateways.contract import DisputeNotice, DisputeStatus
from payments.orders.disputes.models import Dispute
from payments.orders.disputes.recording import record_dispute_notice
from payments.orders.models import Evidence, Payment
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.api.row_counts import no_row_changes
from tests.memberships.billing import holdings, pending
from tests.memberships.factories import make_catalogue
from tests.memberships.joining import join, pay, travel
from tests.memberships.test_credit_returned import join_with_credit

pytestmark = pytest.mark.django_db
TOLD: list[DisputeStatus] = []


@pytest.fixture(autouse=True)
def _sandbox(settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    TOLD.clear()


@pytest.fixture
def premium(platform: Merchant) -> Price:
    return make_catalogue()


def tell(
    account: GatewayAccount, status: DisputeStatus, *, amount_minor: int = 0, payment: Payment | None = None
) -> Dispute:
    """What the bank says next of the dispute over the only payment."""
    payment = payment or Payment.objects.get(status="succeeded", is_surplus=False)
    TOLD.append(status)
    notice = DisputeNotice(
        gateway_reference=f"dp_{payment.id}",
        payment_reference=payment.id,
        status=status,
        amount_minor=amount_minor or payment.captured_minor,
        currency="USD",
        occurred_at=database_now() + timedelta(seconds=len(TOLD)),
    )
    dispute = record_dispute_notice(account, notice, source=Evidence.Source.WEBHOOK)
    run_background()
    return dispute


def assert_whole() -> None:
    assert [f"{found.code} {found.examples}" for found in run_all_checks()] == []
    assert_books_are_whole()


def month() -> Any:
    return datetime.now(tz=database_now().tzinfo).date().replace(day=1)


def test_won_within_the_period_everything_counts_again(
    app_user: AppUser, account: GatewayAccount, premium: Price, platform: Merchant
) -> None:
    member = join(app_user, premium)
    ends_at = member.period_ends_at
    tell(account, DisputeStatus.LOST)
    member.refresh_from_db()
    assert (member.status, member.end_reason) == ("ended", "disputed")
    assert holdings() == {"deferred": 0, "revenue": 0, "credit": 0, "tax": 0}
    assert app_user.get("/membership").json()["status"] == "free"

    dispute = tell(account, DisputeStatus.WON)
    note = CreditNote.objects.get()
    assert note.voided_at is not None
    assert holdings() == {"deferred": 1999, "revenue": 0, "credit": 0, "tax": 0}
    assert pending(platform) == 0
    grant = Grant.objects.get()
    assert (grant.granted_by, grant.plan_id, grant.source) == (dispute.id, premium.plan_id, "purchase")
    assert ends_at is not None
    assert abs(grant.ends_at - ends_at) < timedelta(minutes=1)
    assert RevenueSchedule.objects.get().ends_at == grant.ends_at
    member.refresh_from_db()
    assert member.status == "ended", "what is over stays over"
    assert app_user.get("/entitlements").json()["data"]
    assert_whole()

    travel(app_user, days=40)
    recognise_due()
    assert holdings() == {"deferred": 0, "revenue": 1999, "credit": 0, "tax": 0}
    assert_whole()


def test_the_member_and_the_report_hear_of_it(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    tell(account, DisputeStatus.LOST)
    tell(account, DisputeStatus.WON)
    letter = Notification.objects.get(template="membership_credit_note_void")
    assert letter.context["number"] == CreditNote.objects.get().number
    shown = app_user.get("/credit-notes").json()["data"][0]
    assert shown["voided_at"] is not None
    printed = print_credit_note(CreditNote.objects.select_related("invoice__user").get())
    assert (printed.state, printed.is_good) == ("Void", False)
    told = app_user.get(f"/subscriptions/{member.id}/history").json()["data"]
    assert "dispute_won" in [row["kind"] for row in told]
    report = revenue_report(since=month(), until=month())
    assert sum(row.credited for row in report.rows) == 0
    assert sum(row.deferred for row in report.rows) == 1999


def test_won_when_the_period_is_over_it_is_earned_and_gives_nothing(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    join(app_user, premium)
    tell(account, DisputeStatus.LOST)
    travel(app_user, days=60)
    tell(account, DisputeStatus.WON)
    assert not Grant.objects.exists()
    travel(app_user, days=1)
    recognise_due()
    assert holdings() == {"deferred": 0, "revenue": 1999, "credit": 0, "tax": 0}
    assert_whole()


def test_lost_once_more_it_is_taken_back_once_more(
    app_user: AppUser, account: GatewayAccount, premium: Price, platform: Merchant
) -> None:
    join(app_user, premium)
    tell(account, DisputeStatus.LOST)
    tell(account, DisputeStatus.WON)
    dispute = tell(account, DisputeStatus.LOST)
    notes = CreditNote.objects.order_by("id")
    assert [(note.source_id, note.voided_at is None) for note in notes] == [
        (dispute.id, False), (f"{dispute.id}:2", True),
    ]  # fmt: skip
    assert Grant.objects.get().revoked_at is not None
    assert holdings() == {"deferred": 0, "revenue": 0, "credit": 0, "tax": 0}
    assert app_user.get("/membership").json()["status"] == "free"
    assert pending(platform) == 0
    assert_whole()


def test_news_in_any_order_and_twice_ends_in_the_same_state(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    """The news of the loss is handled when the dispute was won already, and all of it again."""
    member = join(app_user, premium)
    payment = Payment.objects.get()
    for status in (DisputeStatus.LOST, DisputeStatus.WON):
        TOLD.append(status)
        notice = DisputeNotice(
            "dp_1", payment.id, status, 1999, "USD", occurred_at=database_now() + timedelta(seconds=len(TOLD))
        )
        dispute = record_dispute_notice(account, notice, source=Evidence.Source.WEBHOOK)
    win(dispute.id)
    assert credit_lost_dispute(dispute.id) is None
    lose(dispute.id)
    run_background()
    member.refresh_from_db()
    assert (member.status, CreditNote.objects.count(), Grant.objects.count()) == ("active", 0, 0)
    with no_row_changes():
        win(dispute.id)
        lose(dispute.id)
        credit_lost_dispute(dispute.id)
    assert_whole()


def test_a_dispute_of_a_part_ends_nothing(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    tell(account, DisputeStatus.LOST, amount_minor=500)
    member.refresh_from_db()
    assert (member.status, CreditNote.objects.get().total_minor) == ("active", 500)
    assert_whole()
    tell(account, DisputeStatus.WON, amount_minor=500)
    assert holdings()["deferred"] == 1999
    schedule = RevenueSchedule.objects.get()
    assert schedule.ends_at == member.period_ends_at, "the running month is earned to its end"
    assert_whole()


def test_the_rest_of_a_disputed_order_is_refunded_and_then_it_is_over(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    member = join(app_user, premium)
    tell(account, DisputeStatus.LOST, amount_minor=500)
    app_user.post("/refunds", {"payment": Payment.objects.get().id, "reason": "gone"})
    run_background()
    member.refresh_from_db()
    assert (member.status, member.end_reason) == ("ended", "refunded")
    assert sum(CreditNote.objects.values_list("total_minor", flat=True)) == 1999
    assert_whole()


def test_a_dispute_of_money_that_was_never_the_orders_ends_nothing(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    member = join(app_user, premium)
    dispute = tell(account, DisputeStatus.NEEDS_RESPONSE)
    Payment.objects.filter(id=dispute.payment_id).update(is_surplus=True)
    Dispute.objects.filter(id=dispute.id).update(status="lost", decided_at=database_now(), next_attempt_at=None)
    lose(dispute.id)
    member.refresh_from_db()
    assert member.status == "active"


def test_credit_stays_with_the_house_while_a_bank_decides(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    """The bank decided of the card's money only."""
    member = join_with_credit(app_user, premium)
    tell(account, DisputeStatus.LOST)
    member.refresh_from_db()
    note = CreditNote.objects.get()
    assert (note.total_minor, note.credit_minor, member.credit_minor) == (1499, 0, 0)
    assert_whole()
    tell(account, DisputeStatus.WON)
    member.refresh_from_db()
    assert member.credit_minor == 0
    travel(app_user, days=40)
    recognise_due()
    assert holdings() == {"deferred": 0, "revenue": 1999 - 500, "credit": 0, "tax": 0}
    assert_whole()


def buy_gift(user: AppUser, price: Price) -> Gift:
    made = user.post("/gifts", {"price": price.id}).json()
    pay(user, {"id": made["order"]})
    return Gift.objects.get()


def test_a_gift_whose_dispute_is_won_is_good_again(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    gift = buy_gift(app_user, premium)
    tell(account, DisputeStatus.LOST)
    gift.refresh_from_db()
    assert gift.status == "void"
    tell(account, DisputeStatus.WON)
    gift.refresh_from_db()
    assert gift.status == "ready"
    assert RevenueSchedule.objects.get().is_held
    code = app_user.post(f"/gifts/{gift.id}/code").json()["code"]
    assert app_user.post("/redeem", {"code": code}).status_code == 201
    assert holdings()["deferred"] == 1999
    assert_whole()


def test_a_redeemed_gift_whose_dispute_is_won_runs_to_its_end(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    gift = buy_gift(app_user, premium)
    code = app_user.post(f"/gifts/{gift.id}/code").json()["code"]
    assert app_user.post("/redeem", {"code": code}).status_code == 201
    first = Grant.objects.get()
    tell(account, DisputeStatus.LOST)
    gift.refresh_from_db()
    assert gift.status == "revoked"
    dispute = tell(account, DisputeStatus.WON)
    again = Grant.objects.get(granted_by=dispute.id)
    assert abs(again.ends_at - first.ends_at) < timedelta(minutes=1)
    assert Invoice.objects.get().status == "paid"
    assert_whole()
