"""Dina pays by what she keeps with us; and a provider that is down is passed over."""

from typing import Any

from paycore.demo.acts import act
from paycore.demo.stage import Caller, Stage
from paycore.money import Money
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount

NOBODY_LISTENS = "http://127.0.0.1:9"
"""The discard port: a connection is refused, so nothing can have happened there."""


@act(order=33, name="one tap", title="Dina keeps a card, fills her wallet with it, and pays in one tap")
def pay_in_one_tap(stage: Stage) -> None:
    dina = stage.sign_up("Dina")
    card = dina.post("/payment-methods", {"method": "card", "currency": "USD", "options": {"token": "tok_approve"}})
    stage.require(card["status"] == "active", "the card is kept", card)
    stage.tell(f"She keeps a card without paying: {card['id']}, {card['card']['brand']} •••• {card['card']['last4']}")
    top_up = dina.post("/wallet/top-ups", {"currency": "USD", "amount_minor": 5_000})
    _tap(stage, dina, {"order": top_up["order"], "payment_method": card["id"]})
    stage.wait_until(dina, f"/wallet/top-ups/{top_up['id']}", status="credited")
    stage.tell(f"One tap on it fills her wallet: {_dollars(_balance(dina))}")
    price = next(
        price
        for plan in dina.get("/plans")["data"]
        for price in plan["prices"]
        if (plan["code"], price["currency"], price["interval"]) == ("family", "USD", "month")
    )
    order = dina.post("/subscriptions", {"price": price["id"], "collected_by": "wallet"})["order"]
    payment = _tap(stage, dina, {"order": order["id"], "method": "wallet"})
    left = _balance(dina)
    stage.require(left == 5_000 - payment["amount_minor"], "the wallet holds the rest", left)
    stage.tell(f"One tap on the wallet pays for Family at once: {_dollars(left)} are left")
    stage.told.setdefault("money moved by", []).append(("payment", payment["id"]))


@act(order=34, name="failover", title="A provider is down, and nobody who pays notices")
def pass_over_a_provider(stage: Stage) -> None:
    """The account is the shop's own, so it comes before the platform's."""
    server = stage.server()
    order = _order(server)
    down, _is_new = GatewayAccount.objects.update_or_create(
        name="Demo: a provider that is down",
        gateway="sandbox",
        defaults={
            "merchant_id": order["merchant"],
            "base_url": NOBODY_LISTENS,
            "credentials": {"secret": "demo"},
            "methods": ["card"],
            "is_enabled": True,
        },
    )
    try:
        payment = stage.wait_for(lambda: _pay(server), lambda paid: _asked_first(paid) == down.id)
    finally:
        down.is_enabled = False
        down.save(update_fields=["is_enabled", "updated_at"])
    _tell_the_trace(stage, payment, down=down)
    server.post(f"/merchant/orders/{order['id']}/cancel", expected=200)


def _tell_the_trace(stage: Stage, paid: dict[str, Any], *, down: GatewayAccount) -> None:
    stage.require(paid["status"] == "succeeded", "the payer paid", paid)
    payment = Payment.objects.select_related("gateway_account").get(id=paid["id"])
    stage.require(payment.gateway_account_id != down.id, "another account took it", payment.gateway_account_id)
    stage.tell(f"“{down.name}” comes first for the shop, but answers nothing: nothing happened there")
    stage.tell(f"“{payment.gateway_account.name}” is asked next and takes {payment.id}: {payment.status}")
    for candidate in payment.routing["candidates"]:
        if not candidate["excluded"]:
            name = GatewayAccount.objects.get(id=candidate["account"]).name
            fee, chance = _dollars(candidate["expected_fee_minor"]), candidate["success_per_mille"] / 10
            stage.tell(f"Its record says why: {name}: expected fee {fee}, success {chance:.1f} %")


def _asked_first(paid: dict[str, Any]) -> str:
    """Routing looks for new accounts every two seconds: the first payments may not know it yet."""
    chosen = Payment.objects.get(id=paid["id"]).routing["chosen"]
    return str(chosen[0])


def _pay(server: Caller) -> dict[str, Any]:
    return server.post(
        "/merchant/payments", {"order": _order(server)["id"], "method": "card", "options": {"token": "tok_approve"}}
    )


def _order(server: Caller) -> dict[str, Any]:
    return server.post("/merchant/orders", {"currency": "USD", "amount_minor": 1_500, "description": "A kite"})


def _tap(stage: Stage, person: Caller, body: dict[str, Any]) -> dict[str, Any]:
    payment = person.post("/payments", body)
    stage.require(payment["status"] == "succeeded", "one tap is enough", payment)
    return payment


def _balance(person: Caller) -> int:
    [wallet] = [row for row in person.get("/wallet")["data"] if row["currency"] == "USD"]
    return int(wallet["spendable_minor"])


def _dollars(minor: int) -> str:
    return Money(minor, "USD").format("en")
