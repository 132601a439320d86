"""Codes on orders: taken with the order, shown, booked, given back."""

from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client

from merchants.models import Merchant
from paycore.clock import database_now
from paycore.models import EventRecord
from paycore.money import Money
from payments.ledger.queries import balance_of
from payments.orders.models import Order, Payment
from payments.orders.services import OrderDraft, cancel_order, create_order, expire_order
from payments.promotions.models import FundingEntry, Promotion, Redemption
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, assert_books_are_whole, run_background
from tests.merchants.factories import make_user
from tests.payments.promotions.factories import make_promotion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("account")]


def used() -> int:
    return Promotion.objects.aggregate(sum=Sum("used"))["sum"]


def test_an_order_shows_what_its_code_took_off(merchant_server: MerchantServer) -> None:
    make_promotion(merchant_server.merchant)
    lines = [{"description": "A thing", "amount_minor": 2_099}]
    order = merchant_server.create_order(
        amount_minor=1_999, discount_minor=100, lines=lines, promotion_code="welcome20"
    )
    assert (order["amount_minor"], order["discount_minor"], order["promotion_codes"]) == (1_599, 500, ["WELCOME20"])
    row = Redemption.objects.get()
    assert (row.subject_id, row.status, row.amount_minor) == (order["id"], "taken", 400)
    payment = merchant_server.pay(order["id"]).json()
    assert (payment["status"], payment["amount_minor"]) == ("succeeded", 1_599)
    run_background()
    row.refresh_from_db()
    assert row.status == "used"
    assert_books_are_whole()


@pytest.mark.parametrize("lines", [[], [{"description": "A thing", "amount_minor": 2_000}]])
@pytest.mark.parametrize(("language", "word"), [("en", "Discount"), ("zh-hans", "优惠")])
def test_the_hosted_page_shows_the_code_and_what_it_gave(
    merchant_server: MerchantServer, lines: list[dict[str, Any]], language: str, word: str
) -> None:
    make_promotion(merchant_server.merchant)
    more = {"lines": lines} if lines else {}
    order = merchant_server.create_order(amount_minor=2_000, promotion_code="welcome20", **more)
    session = merchant_server.post("/checkout-sessions", {"order": order["id"]}).json()
    shown = Client().get(f"/pay/{session['id']}", headers={"Accept-Language": language}).content.decode()
    assert "WELCOME20" in shown
    assert word in shown
    assert "16.00" in shown
    assert "4.00" in shown


def test_a_code_comes_with_the_order_in_one_request_and_is_taken_once(merchant_server: MerchantServer) -> None:
    make_promotion(merchant_server.merchant, max_uses=1)
    details = {"currency": "USD", "amount_minor": 1_000, "description": "A thing", "promotion_code": "WELCOME20"}
    body = {"order_details": details, "method": "card", "options": {"sandbox": {"scenario": "approve"}}}
    first = merchant_server.post("/payments", body, key="one")
    assert (first.status_code, first.json()["amount_minor"]) == (201, 800)
    again = merchant_server.post("/payments", body, key="one")
    assert again.content == first.content
    assert used() == 1
    other = merchant_server.post("/payments", body, key="two")
    assert (other.status_code, other.json()["code"]) == (422, "promotion_code_not_valid")
    assert Order.objects.count() == Payment.objects.count() == 1
    run_background()
    assert Redemption.objects.get().status == "used"


def test_the_last_slot_lost_in_the_very_moment_leaves_nothing(
    merchant_server: MerchantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at before it was gone, taken after: the database says no, and the order, the payment and the key with it
    are not there."""
    make_promotion(merchant_server.merchant, max_uses=1)
    merchant_server.create_order(promotion_code="WELCOME20")
    monkeypatch.setattr("payments.promotions.services.is_over", lambda *_rows, now: False)
    details = {"currency": "USD", "amount_minor": 1_000, "description": "A thing", "promotion_code": "WELCOME20"}
    for path, body in (
        ("/orders", details),
        ("/payments", {"order_details": details, "method": "card"}),
    ):
        response = merchant_server.post(path, body, key="late")
        assert (response.status_code, response.json()["code"]) == (422, "promotion_code_not_valid")
    assert (Order.objects.count(), Payment.objects.count(), used()) == (1, 0, 1)
    details.pop("promotion_code")
    assert merchant_server.post("/orders", details, key="late").status_code == 201


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"promotion_code": "UNKNOWN"}, 422, "promotion_code_not_valid"),
        ({"promotion_code": "OTHERS"}, 422, "promotion_code_not_valid"),
        ({"promotion_code": "FREE"}, 422, "order_would_be_free"),
        ({"promotion_code": "EUROS"}, 422, "promotion_not_applicable"),
        ({"promotion_code": "ONCE"}, 422, "promotion_needs_customer"),
        ({"promotion_codes": ["WELCOME20", "WELCOME20"]}, 409, "promotion_not_combinable"),
        ({"promotion_codes": ["X"] * 6}, 400, "validation_failed"),
        ({"promotion_code": "W" * 1_000}, 400, "validation_failed"),
        ({"promotion_code": 7}, 400, "validation_failed"),
        ({"promotion_code": None}, 400, "validation_failed"),
        ({"promotion_code": "WELCOME\u202e20"}, 400, "validation_failed"),
        ({"promotion_code": "WЕLCOME20"}, 422, "promotion_code_not_valid"),
        ({"customer": {"reference": "c", "card": "x"}}, 400, "validation_failed"),
    ],
)
def test_a_refused_code_makes_no_order(
    merchant_server: MerchantServer, platform: Merchant, more: dict[str, Any], status: int, code: str
) -> None:
    merchant = merchant_server.merchant
    make_promotion(merchant)
    make_promotion(platform, "OTHERS")
    make_promotion(merchant, "FREE", percent_basis_points=10_000)
    make_promotion(merchant, "EUROS", currencies=["EUR"])
    make_promotion(merchant, "ONCE", max_per_person=1)
    body = {"currency": "USD", "amount_minor": 1_000, "description": "A thing", **more}
    response = merchant_server.post("/orders", body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not Order.objects.exists()
    assert used() == 0


def test_the_smallest_amount_that_is_left_is_one_unit(merchant_server: MerchantServer) -> None:
    make_promotion(merchant_server.merchant, kind="fixed", amounts={"USD": 999})
    assert merchant_server.create_order(amount_minor=1_000, promotion_code="WELCOME20")["amount_minor"] == 1
    body = {"currency": "USD", "amount_minor": 999, "description": "A thing", "promotion_code": "WELCOME20"}
    assert merchant_server.post("/orders", body).json()["code"] == "order_would_be_free"


def test_a_merchants_customer_uses_it_once(merchant_server: MerchantServer) -> None:
    make_promotion(merchant_server.merchant, max_per_person=1, is_first_only=True)
    customer = {"reference": "c-1", "email": "Ada+1@example.com", "is_first_purchase": True}
    merchant_server.create_order(promotion_code="WELCOME20", customer=customer)
    body = {"currency": "USD", "amount_minor": 1_000, "description": "A thing", "promotion_code": "WELCOME20"}
    other = customer | {"reference": "c-2", "email": "ada+2@example.com"}
    assert merchant_server.post("/orders", body | {"customer": other}).json()["code"] == "promotion_already_used"
    known = {"reference": "c-3", "email": "grace@example.com"}
    refused = merchant_server.post("/orders", body | {"customer": known}).json()
    assert (refused["code"], refused["reason"]) == ("promotion_not_applicable", "first_purchase")
    assert used() == 1


def test_a_users_first_purchase_is_looked_up(merchant_server: MerchantServer) -> None:
    merchant = merchant_server.merchant
    make_promotion(merchant, is_first_only=True)
    user = make_user()
    draft = OrderDraft(merchant.id, Money(1_000, "USD"), "A thing", user_id=user.id, promotion_codes=["WELCOME20"])
    order = create_order(draft)
    assert (order.amount_minor, order.discount_minor) == (800, 200)
    merchant_server.pay(order.id)
    with pytest.raises(Exception, match="promotion_not_applicable"):
        create_order(draft)
    assert used() == 1


@pytest.mark.parametrize("ending", ["cancel", "expire"])
def test_an_order_that_ends_unpaid_gives_its_slot_back_once(merchant_server: MerchantServer, ending: str) -> None:
    make_promotion(merchant_server.merchant, max_uses=1)
    order = merchant_server.create_order(promotion_code="WELCOME20")
    (cancel_order if ending == "cancel" else expire_order)(order["id"])
    assert used() == 1  # not before the news was handled
    run_background()
    run_background()
    assert used() == 0
    assert Redemption.objects.get().status == "released"
    merchant_server.create_order(promotion_code="WELCOME20")


def test_a_full_refund_gives_the_slot_back_and_a_partial_one_does_not(merchant_server: MerchantServer) -> None:
    make_promotion(merchant_server.merchant, max_uses=1)
    _order, payment = merchant_server.paid_order(amount_minor=1_000, promotion_code="WELCOME20")
    run_background()
    merchant_server.post("/refunds", {"payment": payment["id"], "reason": "x", "amount_minor": 300})
    run_background()
    assert (used(), Redemption.objects.get().status) == (1, "used")
    merchant_server.post("/refunds", {"payment": payment["id"], "reason": "x"})
    run_background()
    assert (used(), Redemption.objects.get().status) == (0, "released")
    assert not FundingEntry.objects.exists()
    assert_books_are_whole()


def promotions_cost() -> int:
    return balance_of("expense:promotions", currency="USD").minor


def owed(merchant: Merchant) -> int:
    return balance_of(f"merchant:{merchant.id}:pending", currency="USD").minor


def test_what_the_platform_gives_is_booked_once_and_taken_back_with_refunds(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    merchant = merchant_server.merchant
    make_promotion(None, percent_basis_points=3_333)
    _order, payment = merchant_server.paid_order(amount_minor=1_000, promotion_code="WELCOME20")
    assert payment["amount_minor"] == 667
    fee = 3 + 10  # 50 basis points of 667 and the fixed part
    assert owed(merchant) == 667 - fee
    run_background()
    assert (abs(promotions_cost()), owed(merchant)) == (333, 1_000 - fee)
    merchant_server.post("/refunds", {"payment": payment["id"], "reason": "x", "amount_minor": 100})
    run_background()
    kept = round(333 * 567 / 667)
    assert (abs(promotions_cost()), owed(merchant)) == (kept, 567 + kept - fee)
    merchant_server.post("/refunds", {"payment": payment["id"], "reason": "x"})
    run_background()
    assert (promotions_cost(), owed(merchant)) == (0, -fee)
    assert [entry.amount_minor for entry in FundingEntry.objects.order_by("id")] == [333, kept - 333, -kept]
    assert_books_are_whole()


def test_the_merchants_own_promotion_costs_the_platform_nothing(merchant_server: MerchantServer) -> None:
    make_promotion(merchant_server.merchant)
    merchant_server.paid_order(promotion_code="WELCOME20")
    run_background()
    assert promotions_cost() == 0


def test_news_says_whether_codes_are_concerned(merchant_server: MerchantServer) -> None:
    """An order without a code writes no message for promotions: the way to pay costs what it did."""
    make_promotion(merchant_server.merchant)
    for code in ({}, {"promotion_code": "WELCOME20"}):
        merchant_server.paid_order(**code)
    paid = EventRecord.objects.filter(name="order.paid").order_by("id")
    assert [event.payload["has_codes"] for event in paid] == [False, True]
    handlers = [set(event.messages.values_list("handler", flat=True)) for event in paid]
    assert "payments.handlers.keep_codes" not in handlers[0]
    assert "payments.handlers.keep_codes" in handlers[1]


def test_an_order_of_before_is_worth_what_it_was_when_a_promotion_ends(merchant_server: MerchantServer) -> None:
    promotion = make_promotion(merchant_server.merchant)
    order = merchant_server.create_order(amount_minor=1_000, promotion_code="WELCOME20")
    Promotion.objects.filter(id=promotion.id).update(status="ended", ended_at=database_now())
    assert merchant_server.pay(order["id"]).json()["amount_minor"] == 800
    run_background()
    assert Redemption.objects.get().status == "used"
