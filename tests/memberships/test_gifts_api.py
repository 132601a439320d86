"""`/api/v1/gifts` and `/redeem` as an app calls them, paid through the sandbox gateway."""

from typing import Any

import pytest

from memberships.models import Gift, Grant, Price, RedeemCode
from merchants.models import Merchant
from paycore.models import IdempotencyKey, Notification
from payments.orders.models import Order, Payment
from payments.orders.refunds import RefundOrder, request_refund
from payments.orders.services import cancel_order
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.api.row_counts import no_row_changes
from tests.memberships.factories import make_catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def ben(db: None) -> AppUser:
    return AppUser.signed_in("ben@example.com")


def buy(app_user: AppUser, price: Price, **more: Any) -> Any:
    return app_user.post("/gifts", {"price": price.id, **more})


def pay(app_user: AppUser, order: str) -> None:
    paid = app_user.post(
        "/payments", {"order": order, "method": "card", "options": {"sandbox": {"scenario": "approve"}}}
    )
    assert paid.json()["status"] == "succeeded", paid.content
    run_background()


def refund(order: str) -> None:
    payment = Payment.objects.get(order_id=order)
    request_refund(RefundOrder(payment.id, None, "Not wanted", "system"), is_reviewed=True)
    run_background()


def code_of(gift: str) -> str:
    return str(Notification.objects.get(key=f"gift_code:{gift}").context["code"])


def test_bought_paid_mailed_and_redeemed(
    app_user: AppUser, ben: AppUser, price: Price, account: GatewayAccount
) -> None:
    bought = buy(app_user, price, recipient_email="ben@example.com", message="For you")
    assert bought.status_code == 201, bought.content
    gift = bought.json()
    assert (gift["status"], gift["amount_minor"]) == ("open", 1999)
    assert "ben@example.com" not in bought.content.decode()

    pay(app_user, gift["order"])

    shown = app_user.get(f"/gifts/{gift['id']}").json()
    code = code_of(gift["id"])
    assert (shown["status"], shown["recipient_email"], shown["code_ends_with"]) == (
        "ready",
        "ben@example.com",
        code[-4:],
    )
    assert code not in str(shown)

    redeemed = ben.post("/redeem", {"code": code.lower()}, key="one")
    assert redeemed.status_code == 201, redeemed.content
    assert (redeemed.json()["gave"], redeemed.json()["plan"]) == ("grant", "premium")
    assert ben.post("/redeem", {"code": code.lower()}, key="one").content == redeemed.content
    assert Grant.objects.count() == 1
    assert app_user.get("/gifts", status="redeemed").json()["data"][0]["id"] == gift["id"]
    assert_books_are_whole()


def test_a_refund_of_the_order_ends_the_code(
    app_user: AppUser, ben: AppUser, price: Price, account: GatewayAccount
) -> None:
    gift = buy(app_user, price).json()
    pay(app_user, gift["order"])
    code = code_of(gift["id"])

    refund(gift["order"])

    assert app_user.get(f"/gifts/{gift['id']}").json()["status"] == "void"
    assert ben.post("/redeem", {"code": code}).json()["code"] == "code_not_valid"
    assert_books_are_whole()


def test_a_refund_after_it_was_redeemed_ends_the_grant(
    app_user: AppUser, ben: AppUser, price: Price, account: GatewayAccount
) -> None:
    gift = buy(app_user, price).json()
    pay(app_user, gift["order"])
    ben.post("/redeem", {"code": code_of(gift["id"])})

    refund(gift["order"])

    assert Grant.objects.get().revoked_at is not None
    assert app_user.get(f"/gifts/{gift['id']}").json()["status"] == "revoked"
    assert_books_are_whole()


def test_an_order_that_is_canceled_leaves_a_void_gift(app_user: AppUser, price: Price) -> None:
    gift = buy(app_user, price).json()
    cancel_order(gift["order"])
    run_background()
    assert app_user.get(f"/gifts/{gift['id']}").json()["status"] == "void"


def test_unknown_used_and_void_codes_are_answered_alike(
    app_user: AppUser, ben: AppUser, price: Price, account: GatewayAccount
) -> None:
    gift = buy(app_user, price).json()
    pay(app_user, gift["order"])
    lost = code_of(gift["id"])
    new = app_user.post(f"/gifts/{gift['id']}/code").json()["code"]
    assert ben.post("/redeem", {"code": new}).status_code == 201

    answers = [ben.post("/redeem", {"code": typed}) for typed in (new, lost, "2222-2222-2222-2222", "生日快乐", "x")]

    assert {answer.status_code for answer in answers} == {404}
    bodies = [{name: value for name, value in answer.json().items() if name != "request_id"} for answer in answers]
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["code"] == "code_not_valid"


def test_a_code_is_kept_in_no_answer(app_user: AppUser, price: Price, account: GatewayAccount) -> None:
    gift = buy(app_user, price).json()
    pay(app_user, gift["order"])
    code = app_user.post(f"/gifts/{gift['id']}/code").json()["code"]
    kept = b"".join(bytes(body or b"") for body in IdempotencyKey.objects.values_list("response_body", flat=True))
    assert code.encode() not in kept
    assert RedeemCode.objects.filter(gift_id=gift["id"], voided_at=None).get().last_four == code[-4:]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"price": 7},
        {"recipient_email": "ben"},
        {"message": "Look at https://evil.example"},
        {"message": "x" * 501},
        {"country": "XX"},
        {"language": "fr"},
        {"deliver_at": "yesterday"},
        {"amount_minor": 1},
    ],
)
def test_bad_input_buys_nothing(app_user: AppUser, price: Price, body: dict[str, Any]) -> None:
    sent = {"price": price.id, **body} if body else {}
    with no_row_changes():
        assert app_user.post("/gifts", sent).status_code == 400
    assert Order.objects.count() == Gift.objects.count() == 0


@pytest.mark.parametrize(
    "body", [{}, {"code": 1}, {"code": "A" * 1000}, {"code": "x\u202e"}, {"code": "x", "user": "y"}]
)
def test_bad_codes_are_refused_before_anything_is_sought(ben: AppUser, body: dict[str, Any]) -> None:
    with no_row_changes():
        assert ben.post("/redeem", body).status_code == 400


def test_who_tries_codes_is_slowed_down(ben: AppUser) -> None:
    answers = [ben.post("/redeem", {"code": f"ABCD-ABCD-ABCD-AB{number:02}"}).status_code for number in range(22)]
    assert answers[:20] == [404] * 20
    assert set(answers[20:]) == {429}


def test_a_gift_is_its_buyers(app_user: AppUser, ben: AppUser, price: Price) -> None:
    gift = buy(app_user, price).json()
    assert ben.get(f"/gifts/{gift['id']}").status_code == 404
    assert ben.get("/gifts").json()["data"] == []
    assert ben.post(f"/gifts/{gift['id']}/code").status_code == 404
    assert app_user.post(f"/gifts/{gift['id']}/code").json()["code"] == "gift_not_ready"
