"""From sign-up to premium and back to free, through the public API only."""

from typing import Any

import pytest
from django.core import mail
from django.utils.dateparse import parse_datetime

from memberships.models import Period, Price
from memberships.services import activate_purchase
from paycore.notifications.services import send_due
from payments.orders.models import Order
from payments.orders.refunds import approve_refund
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.api.row_counts import nothing_changes

pytestmark = pytest.mark.django_db


def order_plan(user: AppUser, price: Price) -> Any:
    response = user.post("/membership/orders", {"price": price.id})
    assert response.status_code == 201, response.content
    return response.json()


def buy(user: AppUser, price: Price) -> tuple[Any, Any]:
    order = order_plan(user, price)
    payment = user.post("/payments", {"order": order["id"], "method": "card"}).json()
    assert payment["status"] == "succeeded", payment
    run_background()
    return order, payment


def features(user: AppUser) -> dict[str, Any]:
    return {item["feature"]: item["limit"] for item in user.get("/entitlements").json()["data"]}


def test_a_new_user_buys_premium_uses_it_and_is_refunded(
    app_user: AppUser, account: GatewayAccount, premium_price: Price
) -> None:
    plans = app_user.get("/plans").json()["data"]
    assert [plan["code"] for plan in plans] == ["free", "premium", "platinum"]
    assert plans[1]["prices"][0]["id"] == premium_price.id
    before = app_user.get("/membership").json()
    assert (before["plan"], before["status"], before["paid_until"]) == ("free", "free", None)
    assert features(app_user) == {"exports": 3}

    order, payment = buy(app_user, premium_price)

    member = app_user.get("/membership").json()
    assert (member["plan"], member["status"]) == ("premium", "active")
    assert member["paid_until"] == member["period_ends_at"]
    assert features(app_user) == {"exports": 100, "support": None}
    assert app_user.get("/entitlements").json()["data"][0]["source"] == Period.objects.get().id
    assert app_user.get(f"/orders/{order['id']}").json()["status"] == "paid"

    refund = app_user.post("/refunds", {"payment": payment["id"], "reason": "changed my mind"}).json()
    run_background()

    assert app_user.get(f"/refunds/{refund['id']}").json()["status"] == "succeeded"
    assert app_user.get(f"/orders/{order['id']}").json()["status"] == "closed"
    after = app_user.get("/membership").json()
    assert (after["plan"], after["status"]) == ("free", "free")
    assert features(app_user) == {"exports": 3}
    assert_books_are_whole()


def test_a_month_is_a_calendar_month_and_the_next_one_is_added_at_its_end(
    app_user: AppUser, account: GatewayAccount, premium_price: Price
) -> None:
    buy(app_user, premium_price)
    first_end = app_user.get("/membership").json()["period_ends_at"]

    buy(app_user, premium_price)

    first, second = Period.objects.order_by("starts_at")
    assert parse_datetime(first_end) == first.ends_at == second.starts_at
    assert (second.ends_at.day, second.ends_at.month) != (first.ends_at.day, first.ends_at.month)
    assert parse_datetime(app_user.get("/membership").json()["paid_until"]) == second.ends_at


def test_nothing_is_active_before_the_money_came(
    app_user: AppUser, account: GatewayAccount, premium_price: Price
) -> None:
    order = order_plan(app_user, premium_price)
    app_user.post(
        "/payments", {"order": order["id"], "method": "card", "options": {"sandbox": {"scenario": "decline"}}}
    )
    run_background()

    assert app_user.get("/membership").json()["status"] == "free"
    assert Period.objects.count() == 0


def test_part_of_the_money_back_leaves_the_membership(
    app_user: AppUser, account: GatewayAccount, premium_price: Price
) -> None:
    _order, payment = buy(app_user, premium_price)

    app_user.post("/refunds", {"payment": payment["id"], "reason": "a discount", "amount_minor": 500})
    run_background()

    assert app_user.get("/membership").json()["status"] == "active"


def test_a_dear_refund_waits_for_review_and_the_membership_with_it(
    app_user: AppUser, account: GatewayAccount, premium_price: Price
) -> None:
    platinum = Price.objects.get(plan__code="platinum")
    platform = Order.objects.get(id=order_plan(app_user, platinum)["id"]).merchant
    platform.refund_review_above_minor = 4_000
    platform.save()
    _order, payment = buy(app_user, platinum)
    refund = app_user.post("/refunds", {"payment": payment["id"], "reason": "too dear"}).json()
    run_background()
    assert (refund["status"], app_user.get("/membership").json()["plan"]) == ("requested", "platinum")

    approve_refund(refund["id"], reviewed_by="usr_staff")
    run_background()

    assert app_user.get("/membership").json()["status"] == "free"


def test_a_higher_plan_wins_while_both_run(app_user: AppUser, account: GatewayAccount, premium_price: Price) -> None:
    buy(app_user, premium_price)
    buy(app_user, Price.objects.get(plan__code="platinum"))

    assert app_user.get("/membership").json()["plan"] == "platinum"


def test_an_order_activates_what_it_bought_once(
    app_user: AppUser, account: GatewayAccount, premium_price: Price
) -> None:
    order, _payment = buy(app_user, premium_price)

    assert activate_purchase(order["id"]) is None
    assert Period.objects.count() == 1


@pytest.mark.parametrize("problem", ["unknown", "withdrawn"])
def test_what_is_not_on_sale_cannot_be_bought(app_user: AppUser, premium_price: Price, problem: str) -> None:
    price_id = premium_price.id if problem == "withdrawn" else "pri_00000000000000000000000000"
    Price.objects.filter(id=premium_price.id).update(is_active=False)

    with nothing_changes():
        refused = app_user.post("/membership/orders", {"price": price_id})

    assert (refused.status_code, refused.json()["code"]) == (404, "price_not_found")


def test_the_payer_is_told_once_by_mail(app_user: AppUser, account: GatewayAccount, premium_price: Price) -> None:
    run_background()
    send_due()
    mail.outbox.clear()

    _order, payment = buy(app_user, premium_price)
    run_background()
    while send_due():
        pass

    subjects = sorted(message.subject for message in mail.outbox)
    assert len(subjects) == 2, subjects
    assert all(message.to == [app_user.user.email] for message in mail.outbox)
    assert any("19.99" in message.body for message in mail.outbox)

    mail.outbox.clear()
    app_user.post("/refunds", {"payment": payment["id"], "reason": "x"})
    run_background()
    while send_due():
        pass
    assert len(mail.outbox) == 1


def test_plans_are_named_in_the_callers_language(app_user: AppUser, premium_price: Price) -> None:
    answer = app_user.client.get("/api/v1/plans", headers={"Accept-Language": "zh-Hans"})

    assert [plan["name"] for plan in answer.json()["data"]] == ["免费版", "高级版", "白金版"]
