"""From sign-up to premium, to platinum and back to free, through the public API only."""

from typing import Any

import pytest
from django.core import mail

from memberships.models import Invoice, Period, PlanChange, Price, Subscription
from paycore.notifications.services import send_due
from payments.orders.models import Refund
from payments.orders.refunds import approve_refund
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.api.row_counts import nothing_changes

pytestmark = pytest.mark.django_db


def subscribe(user: AppUser, price: Price, **more: Any) -> Any:
    response = user.post("/subscriptions", {"price": price.id, **more})
    assert response.status_code == 201, response.content
    return response.json()


def pay(user: AppUser, order: Any, *, scenario: str = "approve") -> Any:
    body = {"order": order["id"], "method": "card", "options": {"sandbox": {"scenario": scenario}}}
    payment = user.post("/payments", body).json()
    run_background()
    return payment


def join(user: AppUser, price: Price, **more: Any) -> Any:
    """A member of ``price`` who paid; the subscription."""
    made = subscribe(user, price, **more)
    assert pay(user, made["order"])["status"] == "succeeded"
    return user.get(f"/subscriptions/{made['id']}").json()


def features(user: AppUser) -> dict[str, Any]:
    return {item["feature"]: item["limit"] for item in user.get("/entitlements").json()["data"]}


def test_a_new_user_subscribes_pays_upgrades_cancels_and_is_refunded(
    app_user: AppUser, account: GatewayAccount, premium_price: Price
) -> None:
    platinum = Price.objects.get(plan__code="platinum")
    before = app_user.get("/membership").json()
    assert (before["plan"], before["status"], before["paid_until"]) == ("free", "free", None)
    assert features(app_user) == {"exports": 3}

    preview = app_user.post("/subscriptions/preview", {"price": premium_price.id}).json()
    made = subscribe(app_user, premium_price)
    assert preview["invoice"]["due_minor"] == made["invoice"]["due_minor"] == made["order"]["amount_minor"] == 1999
    assert (made["status"], made["has_access"]) == ("incomplete", False)
    assert features(app_user) == {"exports": 3}

    pay(app_user, made["order"])
    member = app_user.get("/membership").json()
    assert (member["plan"], member["status"], member["subscription"]["id"]) == ("premium", "active", made["id"])
    assert member["paid_until"] == member["period_ends_at"]
    assert features(app_user) == {"exports": 100, "support": None}

    change = {"price": platinum.id}
    quoted = app_user.post(f"/subscriptions/{made['id']}/preview", change).json()
    kinds = [line["kind"] for line in quoted["invoice"]["lines"]]
    assert kinds == ["plan", "credit"]
    upgraded = app_user.post(f"/subscriptions/{made['id']}/change", {**change, "quoted_at": quoted["effective_at"]})
    assert upgraded.status_code == 200, upgraded.content
    assert upgraded.json()["invoice"]["lines"] == quoted["invoice"]["lines"]
    assert upgraded.json()["plan"] == "premium"
    pay(app_user, upgraded.json()["order"])
    assert app_user.get("/membership").json()["plan"] == "platinum"
    assert features(app_user) == {"exports": None, "support": None}
    first, second = Period.objects.order_by("number")
    assert (first.ends_at, second.kind) == (second.starts_at, "paid")

    canceled = app_user.post(f"/subscriptions/{made['id']}/cancel", {"when": "now", "reason": "changed my mind"}).json()
    run_background()
    assert (canceled["status"], canceled["end_reason"]) == ("ended", "canceled")
    assert app_user.get("/membership").json()["status"] == "free"
    assert features(app_user) == {"exports": 3}
    refunded = sum(refund.amount_minor for refund in Refund.objects.filter(status="succeeded"))
    paid = sum(invoice.due_minor for invoice in Invoice.objects.filter(status="paid"))
    assert paid - 2 <= refunded <= paid  # seconds were used
    history = app_user.get(f"/subscriptions/{made['id']}/history").json()["data"]
    assert [row["kind"] for row in history] == ["canceled", "changed", "change_asked", "started", "subscribed"]
    assert history[0]["by"] == app_user.user.id
    assert_books_are_whole()


def test_nothing_is_active_before_the_money_came(
    app_user: AppUser, account: GatewayAccount, premium_price: Price
) -> None:
    made = subscribe(app_user, premium_price)
    pay(app_user, made["order"], scenario="decline")

    assert app_user.get("/membership").json()["status"] == "free"
    assert Period.objects.count() == 0
    pay(app_user, made["order"])
    assert app_user.get("/membership").json()["status"] == "active"


def test_all_the_money_back_ends_the_membership(
    app_user: AppUser, account: GatewayAccount, premium_price: Price
) -> None:
    made = subscribe(app_user, premium_price)
    payment = pay(app_user, made["order"])

    app_user.post("/refunds", {"payment": payment["id"], "reason": "a discount", "amount_minor": 500})
    run_background()
    assert app_user.get("/membership").json()["status"] == "active"

    app_user.post("/refunds", {"payment": payment["id"], "reason": "changed my mind"})
    run_background()
    assert app_user.get("/membership").json()["status"] == "free"
    ended = app_user.get(f"/subscriptions/{made['id']}").json()
    assert (ended["status"], ended["end_reason"]) == ("ended", "refunded")
    assert features(app_user) == {"exports": 3}
    assert_books_are_whole()


def test_a_dear_refund_waits_for_review_and_the_membership_with_it(
    app_user: AppUser, account: GatewayAccount, premium_price: Price
) -> None:
    platinum = Price.objects.get(plan__code="platinum")
    made = subscribe(app_user, platinum)
    platform = Invoice.objects.get().order.merchant  # type: ignore[union-attr]  # due, so it has an order
    platform.refund_review_above_minor = 4_000
    platform.save()
    payment = pay(app_user, made["order"])
    refund = app_user.post("/refunds", {"payment": payment["id"], "reason": "too dear"}).json()
    run_background()
    assert (refund["status"], app_user.get("/membership").json()["plan"]) == ("requested", "platinum")

    approve_refund(refund["id"], reviewed_by="usr_staff")
    run_background()

    assert app_user.get("/membership").json()["status"] == "free"


@pytest.mark.parametrize("problem", ["unknown", "withdrawn"])
def test_what_is_not_on_sale_cannot_be_bought(app_user: AppUser, premium_price: Price, problem: str) -> None:
    price_id = premium_price.id if problem == "withdrawn" else "pri_00000000000000000000000000"
    Price.objects.filter(id=premium_price.id).update(is_active=False)

    with nothing_changes():
        refused = app_user.post("/subscriptions", {"price": price_id})

    assert (refused.status_code, refused.json()["code"]) == (404, "price_not_found")


def test_a_member_cannot_subscribe_again_and_is_told_where_to_change_it(
    app_user: AppUser, account: GatewayAccount, premium_price: Price
) -> None:
    member = join(app_user, premium_price)

    with nothing_changes():
        refused = app_user.post("/subscriptions", {"price": premium_price.id})

    assert (refused.status_code, refused.json()["code"]) == (409, "already_subscribed")
    assert (refused.json()["subscription"], refused.json()["sold_by"]) == (member["id"], "web")
    assert "manage_url" in refused.json()


def test_an_unpaid_try_makes_room_for_the_next_one(
    app_user: AppUser, account: GatewayAccount, premium_price: Price
) -> None:
    first = subscribe(app_user, premium_price)
    second = join(app_user, Price.objects.get(plan__code="platinum"))

    assert app_user.get(f"/orders/{first['order']['id']}").json()["status"] == "canceled"
    assert app_user.get(f"/subscriptions/{first['id']}").json()["end_reason"] == "replaced"
    assert second["status"] == "active"
    assert Subscription.objects.count() == 2


def test_the_same_key_makes_one_subscription(app_user: AppUser, premium_price: Price) -> None:
    first = app_user.post("/subscriptions", {"price": premium_price.id}, key="once")
    again = app_user.post("/subscriptions", {"price": premium_price.id}, key="once")

    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Subscription.objects.count() == Invoice.objects.count() == 1


def test_the_payer_is_told_by_mail(app_user: AppUser, account: GatewayAccount, premium_price: Price) -> None:
    run_background()
    send_due()
    mail.outbox.clear()

    join(app_user, premium_price)
    while send_due():
        pass

    assert mail.outbox
    assert all(message.to == [app_user.user.email] for message in mail.outbox)
    assert any("19.99" in message.body for message in mail.outbox)
    assert PlanChange.objects.count() == 0
