"""A shop sells and gives money back, and its server is told; and, at the end of the story, the books are opened."""

import json
from typing import Any

from accounts.models import User
from merchants.demo_acts import Shop, open_a_shop
from paycore.demo.acts import act
from paycore.demo.receiver import WebhookReceiver
from paycore.demo.stage import Caller, Stage
from paycore.money import Money
from payments.ledger.invariants import run_checks
from payments.ledger.queries import transfers_of
from payments.orders.refunds import approve_refund
from payments.routing_demo import pass_over_a_provider, pay_in_one_tap

__all__ = ["answer_a_dispute", "open_the_books", "pass_over_a_provider", "pay_in_one_tap", "sell_and_be_told"]

# What the shop's server must have been told when all is over.
NEWS = {
    "order.created",
    "payment.succeeded",
    "order.paid",
    "refund.requested",
    "refund.approved",
    "refund.succeeded",
    "order.closed",
}


@act(order=31, name="shop", title="The bookshop sells, gives money back, and is told by webhook")
def sell_and_be_told(stage: Stage) -> None:
    shop: Shop = stage.told.get("shop") or open_a_shop(stage)
    with WebhookReceiver() as receiver:
        endpoint = shop.server.post("/merchant/webhook-endpoints", {"url": receiver.url, "description": "demo"})
        receiver.secret = endpoint["secret"]
        stage.tell(f"The shop's server listens at {receiver.url}; it got the signing secret, once")
        _sell_and_refund(stage, shop)
        _be_told(stage, shop.server, receiver)
        shop.server.send("DELETE", f"/merchant/webhook-endpoints/{endpoint['id']}", expected=204)


def _sell_and_refund(stage: Stage, shop: Shop) -> None:
    details = {"currency": "USD", "amount_minor": 4_200, "description": "Three novels"}
    order = shop.server.post("/merchant/orders", details)
    body = {"order": order["id"], "method": "card", "options": {"token": "tok_approve"}}
    payment = shop.server.post("/merchant/payments", body)
    stage.require(payment["status"] == "succeeded", "the card pays", payment)
    stage.tell(f"It creates {order['id']} and collects {_dollars(payment['amount_minor'])}: {payment['status']}")
    refund = shop.server.post("/merchant/refunds", {"payment": payment["id"], "reason": "Arrived wet"})
    stage.require(refund["status"] == "requested", "a refund above the shop's limit waits for a person", refund)
    stage.tell(f"A refund above its limit waits for the platform: {refund['id']} is {refund['status']}")
    rafael = User.objects.get(email="review@demo.example")
    approve_refund(refund["id"], reviewed_by=rafael.id, note="The carrier confirms it")
    stage.wait_until(shop.server, f"/merchant/refunds/{refund['id']}", status="succeeded")
    stage.tell("Rafael approves it in the operations console; the refund succeeded")
    moved = [("payment", payment["id"]), ("refund", refund["id"])]
    stage.told.setdefault("money moved by", []).extend(moved)


def _be_told(stage: Stage, server: Caller, receiver: WebhookReceiver) -> None:
    def feed() -> list[dict[str, Any]]:
        return list(server.get("/merchant/events", after="0")["data"])

    events = stage.wait_for(feed, lambda found: {event["type"] for event in found} >= NEWS)
    told = stage.wait_for(lambda: sorted(receiver.bodies), lambda ids: len(ids) >= len(events))
    stage.require(sorted(event["id"] for event in events) == told, "the feed and the webhooks tell the same", told)
    stage.require(receiver.refused == 0, "every webhook is signed by paycore", receiver.refused)
    same = all(json.loads(receiver.bodies[event["id"]]) == event for event in events)
    stage.require(same, "a webhook and the feed hold the same text of an event", receiver.bodies)
    positions = [event["position"] for event in events]
    stage.require(positions == list(range(1, len(events) + 1)), "the feed has an order and no gap", positions)
    for event in events:
        stage.tell(f"Webhook {event['position']}, signature verified: {event['type']} ({event['object_id']})")
    stage.tell("The event feed lists the same, in order and without a gap")


@act(order=32, name="dispute", title="A buyer's bank takes money back, and the bookshop wins it again")
def answer_a_dispute(stage: Stage) -> None:
    shop: Shop = stage.told.get("shop") or open_a_shop(stage)
    order = shop.server.post(
        "/merchant/orders", {"currency": "USD", "amount_minor": 2_400, "description": "An atlas, by parcel"}
    )
    script = {"sandbox": {"scenario": "approve+dispute(not_received)+dispute_decided_for(shop)"}}
    payment = shop.server.post("/merchant/payments", {"order": order["id"], "method": "card", "options": script})
    path = "/merchant/disputes"
    [dispute] = stage.wait_for(lambda: shop.server.get(path, payment=payment["id"])["data"], lambda found: found)
    stage.tell(f"The buyer's bank disputes it ({dispute['reason']}): {_dollars(dispute['withdrawn_minor'])} are gone")
    said = {"explanation": "The parcel was signed for.", "tracking_number": "1Z999", "carrier": "UPS"}
    path, words = f"{path}/{dispute['id']}", json.dumps(said).encode()
    shop.server.ask("PUT", f"{path}/evidence", words, headers={"Content-Type": "application/json"})
    shop.server.upload(f"{path}/documents", {"kind": "delivery"}, {"files": b"%PDF-1.4 signed by the buyer"})
    sent = shop.server.post(f"{path}/submit", expected=200)
    stage.tell(f"The shop writes what happened, adds the carrier's proof and sends it: {sent['answer']}")
    won = stage.wait_until(shop.server, path, status="won")
    stage.require(won["withdrawn_minor"] == 0, "the money is back", won)
    stage.tell("The bank decides for the shop, and the money is the shop's again; the fee of 15 dollars is not")
    stage.told.setdefault("money moved by", []).extend([("payment", payment["id"]), ("dispute", dispute["id"])])


@act(order=90, name="books", title="The books")
def open_the_books(stage: Stage) -> None:
    for kind, business_id in stage.told.get("money moved by", []):
        for transfer in transfers_of(kind, business_id):
            amount = Money(transfer.amount_minor, transfer.debit_account.currency).format("en")
            stage.tell(
                f"{transfer.posting.phase:<14} {amount:>10}   "
                f"debit {transfer.debit_account.code}, credit {transfer.credit_account.code}"
            )
    findings = run_checks()
    stage.require(not findings, "every invariant of the books holds", findings)
    stage.tell("Every invariant of the books holds (manage.py check_books)")


def _dollars(minor: int) -> str:
    return Money(minor, "USD").format("en")
