"""What payments' news means for members: twice, late, in any order, and for what is gone."""

from datetime import timedelta
from typing import Any

import pytest

from memberships.models import Invoice, Period, PlanChange, Price, Subscription
from memberships.settling import end_order, settle_order, take_back
from merchants.models import Merchant
from paycore.clock import database_now
from payments.gateways.contract import SavedMethod
from payments.methods.mandates import Device, consent_as_row
from payments.methods.models import PaymentMethod
from payments.methods.services import remember_method
from payments.orders.models import Payment, Refund
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.api.row_counts import no_row_changes
from tests.memberships.factories import make_catalogue
from tests.memberships.joining import do, join, pay, spans, subscribe, travel

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sandbox(settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True


@pytest.fixture
def premium(platform: Merchant) -> Price:
    return make_catalogue()


def test_news_that_comes_again_changes_nothing(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    join(app_user, premium)
    order_id, payment_id = Payment.objects.values_list("order_id", "id").get()
    with no_row_changes():
        settle_order(order_id, payment_id=payment_id)
        end_order(order_id)
        settle_order("ord_of_something_else", payment_id="pay_x")
        end_order("ord_of_something_else")
        take_back("ord_of_something_else", end_reason="refunded")


def test_a_change_is_applied_once(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    changed = do(app_user, member, "change", price=Price.objects.get(plan__code="platinum").id)
    payment = pay(app_user, changed["order"])
    applied_at = PlanChange.objects.get().applied_at
    with no_row_changes():
        settle_order(changed["order"]["id"], payment_id=payment["id"])
    assert PlanChange.objects.get().applied_at == applied_at is not None


def test_money_for_a_second_membership_goes_back(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    """A store sold one while the order on the web waited."""
    made = subscribe(app_user, premium)
    now = database_now()
    Subscription.objects.create(
        user=app_user.user, rail="google_play", status="active", plan=premium.plan, store_reference="t",
        period_number=1, period_started_at=now, period_ends_at=now + timedelta(days=30),
    )  # fmt: skip
    pay(app_user, made["order"])

    web = Subscription.objects.get(id=made["id"])
    assert (web.status, web.end_reason) == ("ended", "replaced")
    assert Invoice.objects.get().status == "void"
    assert Refund.objects.get().amount_minor == 1999
    assert Period.objects.count() == 0
    assert_books_are_whole()


def test_a_change_that_was_paid_after_all_is_given_back_when_it_came_too_late(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    member = join(app_user, premium)
    changed = do(app_user, member, "change", price=Price.objects.get(plan__code="platinum").id)
    Period.objects.update(ends_at=PlanChange.objects.get().effective_at - timedelta(microseconds=1))
    pay(app_user, changed["order"])

    member.refresh_from_db()
    assert member.plan.code == "premium"
    assert Invoice.objects.get(kind="change").status == "void"
    assert Refund.objects.get().amount_minor == changed["order"]["amount_minor"]


def test_a_month_long_gone_may_be_refunded_without_an_end(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    member = join(app_user, premium)
    payment = Payment.objects.get()
    assert member.period_ends_at is not None
    paid = Period.objects.get()
    following = Period.objects.create(
        subscription=member, number=2, status="paid", plan_version=paid.plan_version, price=premium,
        starts_at=member.period_ends_at, ends_at=member.period_ends_at + timedelta(days=30),
    )  # fmt: skip
    Subscription.objects.filter(id=member.id).update(
        period_number=2, period_started_at=following.starts_at, period_ends_at=following.ends_at
    )
    travel(app_user, days=35)
    app_user.post("/refunds", {"payment": payment.id, "reason": "an outage last month"})
    run_background()

    member.refresh_from_db()
    assert member.status == "active"
    assert spans(member) == [(1, "paid", "revoked"), (2, "paid", "paid")]


@pytest.mark.parametrize("end_reason", ["refunded", "disputed"])
def test_what_went_back_whole_ends_the_membership_once(
    app_user: AppUser, account: GatewayAccount, premium: Price, end_reason: str
) -> None:
    member = join(app_user, premium)
    order_id = Payment.objects.get().order_id
    take_back(order_id, end_reason=end_reason)
    member.refresh_from_db()
    assert (member.status, member.end_reason) == ("ended", end_reason)
    assert member.due_at is None
    with no_row_changes():
        take_back(order_id, end_reason=end_reason)
    run_background()
    assert app_user.get("/membership").json()["status"] == "free"


@pytest.mark.parametrize("agreed", [True, False])
def test_what_paid_the_start_pays_the_rest_when_that_was_agreed(
    app_user: AppUser, account: GatewayAccount, premium: Price, platform: Merchant, agreed: bool
) -> None:
    consent = {"text_version": "1", "language": "en", "max_amount_minor": 5_000, "currency": "USD"}
    card = remember_method(
        user_id=app_user.user.id, gateway_account_id=account.id, method="card", merchant_id=platform.id,
        saved=SavedMethod(token="kept_ada"),
        consent=consent_as_row(consent, device=Device(), now=database_now()) if agreed else None,
    )  # fmt: skip
    made = subscribe(app_user, premium)
    payment_id = pay(app_user, made["order"])["id"]
    Payment.objects.filter(id=payment_id).update(payment_method=card)
    Subscription.objects.filter(id=made["id"]).update(collection="link", payment_method=None)
    settle_order(made["order"]["id"], payment_id=payment_id)

    member = Subscription.objects.get(id=made["id"])
    assert (member.collection, member.payment_method_id) == (("method", card.id) if agreed else ("link", None))


@pytest.mark.parametrize("agreed", [True, False])
def test_a_card_that_is_saved_while_paying_the_start_pays_the_rest_when_that_was_agreed(
    app_user: AppUser, account: GatewayAccount, premium: Price, platform: Merchant, agreed: bool
) -> None:
    other = {"user_id": app_user.user.id, "gateway_account_id": account.id, "merchant_id": platform.id}
    remember_method(method="card", saved=SavedMethod(token="kept_other"), **other)
    made = subscribe(app_user, premium)
    mandate = {"mandate": {"text_version": "1", "language": "en", "accepted": True}} if agreed else {}
    paid = app_user.post(
        "/payments",
        {"order": made["order"]["id"], "method": "card", "save_method": True, "options": {"token": "tok_approve"}}
        | mandate,
    )
    assert paid.json()["status"] == "succeeded"
    run_background()

    member = Subscription.objects.get(id=made["id"])
    saved = PaymentMethod.objects.filter(user=app_user.user).latest("id")
    assert (member.collection, member.payment_method_id) == (("method", saved.id) if agreed else ("link", None))


def test_a_method_that_may_not_be_charged_unasked_is_refused(
    app_user: AppUser, account: GatewayAccount, premium: Price, platform: Merchant
) -> None:
    member = join(app_user, premium)
    card = remember_method(
        user_id=app_user.user.id, gateway_account_id=account.id, method="card", merchant_id=platform.id,
        saved=SavedMethod(token="kept_ada"),
    )  # fmt: skip
    path = f"/subscriptions/{member.id}/collection"
    with no_row_changes():
        refused = app_user.post(path, {"collected_by": "method", "payment_method": card.id})
        assert (refused.status_code, refused.json()["code"]) == (409, "mandate_required")
        assert app_user.post(path, {"collected_by": "method"}).status_code == 400
        assert app_user.post(path, {"collected_by": "link", "payment_method": card.id}).status_code == 400
        assert app_user.post(path, {"collected_by": "method", "payment_method": "pm_eve"}).status_code == 404
    assert do(app_user, member, "collection", collected_by="wallet")["collected_by"] == "wallet"
