"""Ada buys Premium, is declined, pays, enjoys it and gets her money back; then the books are opened."""

from typing import Any

from accounts.demo_acts import download_everything
from paycore.demo.acts import act
from paycore.demo.stage import Caller, Stage
from paycore.http import OutboundRequest, client
from paycore.money import Money


@act(order=10, name="membership", title="Ada becomes a member, and changes her mind")
def become_a_member(stage: Stage) -> None:
    ada = stage.sign_up("Ada")
    membership = ada.get("/membership")
    stage.require(membership["plan"] == "free", "a new user is on the free plan", membership)
    order = _order_premium(stage, ada)
    _get_declined(stage, ada, order)
    payment = _pay(stage, ada, order)
    _enjoy(stage, ada)
    refund = _get_refunded(stage, ada, payment)
    _keep_receipt(stage, ada, order)
    stage.told.setdefault("money moved by", []).extend([("payment", payment["id"]), ("refund", refund["id"])])


def _order_premium(stage: Stage, ada: Caller) -> dict[str, Any]:
    plans = ada.get("/plans")["data"]
    stage.tell("On sale: " + ", ".join(plan["name"] for plan in plans))
    premium = next(plan for plan in plans if plan["code"] == "premium")
    price = next(price for price in premium["prices"] if price["currency"] == "USD")
    order = ada.post("/membership/orders", {"price": price["id"]})
    stage.tell(f"She orders {order['description']}: {_dollars(order['amount_minor'])}, {order['id']}")
    session = ada.post("/checkout-sessions", {"order": order["id"]})
    stage.tell(f"A hosted page could take the money as well: {session['url']}")
    return order


def _get_declined(stage: Stage, ada: Caller, order: dict[str, Any]) -> None:
    body = {"order": order["id"], "method": "card", "options": {"token": "tok_decline_insufficient_funds"}}
    payment = ada.post("/payments", body)
    stage.require(payment["status"] == "failed", "an empty card is declined", payment)
    stage.tell(f"Her first card is declined: {payment['failure_code']}; the order stays open")


def _pay(stage: Stage, ada: Caller, order: dict[str, Any]) -> dict[str, Any]:
    body = {"order": order["id"], "method": "sandbox_redirect", "return_url": stage.base_url}
    payment = ada.post("/payments", body)
    stage.require(payment["status"] == "requires_action", "the provider wants her approval", payment)
    url = payment["next_action"]["url"]
    stage.tell(f"She is sent to the provider's page: {url}")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    client().send(OutboundRequest(method="POST", url=url, headers=headers, body=b"decision=approve"))
    payment = stage.wait_until(ada, f"/payments/{payment['id']}", status="succeeded", version=payment["version"])
    stage.tell(f"She approves there; the provider's signed callback makes {payment['id']} succeeded")
    paid = ada.get(f"/orders/{order['id']}")
    stage.require(paid["status"] == "paid", "the order is paid", paid)
    return payment


def _enjoy(stage: Stage, ada: Caller) -> None:
    membership = stage.wait_for(lambda: ada.get("/membership"), lambda answer: answer["plan"] == "premium")
    stage.tell(f"Premium is active until {membership['period_ends_at'][:10]}")
    rights = ", ".join(f"{row['feature']} {row['limit']}" for row in ada.get("/entitlements")["data"])
    stage.tell(f"She may use: {rights}")


def _get_refunded(stage: Stage, ada: Caller, payment: dict[str, Any]) -> dict[str, Any]:
    refund = ada.post("/refunds", {"payment": payment["id"], "reason": "Changed my mind"})
    stage.tell(f"She asks for her money back: {refund['id']} is {refund['status']}")
    refund = stage.wait_until(ada, f"/refunds/{refund['id']}", status="succeeded")
    stage.tell(f"{_dollars(refund['amount_minor'])} is on its way to her; the refund succeeded")
    stage.wait_for(lambda: ada.get("/membership"), lambda answer: answer["plan"] == "free")
    stage.tell("Premium has ended; she is on the free plan again")
    return refund


def _keep_receipt(stage: Stage, ada: Caller, order: dict[str, Any]) -> None:
    _link, archive = download_everything(stage, ada)
    receipt = archive.read(f"receipts/{order['id']}.txt").decode()
    stage.require("19.99" in receipt, "the receipt names what she paid", receipt)
    stage.tell("The receipt of her order is in it")


def _dollars(minor: int) -> str:
    return Money(minor, "USD").format("en")
