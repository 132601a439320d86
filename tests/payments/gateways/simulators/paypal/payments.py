"""Payments v2: captures and voids of what is held, refunds of what was taken."""

from decimal import Decimal

from tests.payments.gateways.simulators.paypal.orders import add_capture
from tests.payments.gateways.simulators.paypal.world import (
    ADDRESS,
    Words,
    World,
    link,
    not_found,
    read_amount,
    unprocessable,
)


def capture_authorization(world: World, authorization_id: str, words: Words, request_id: str) -> tuple[int, Words]:
    authorization = world.authorizations.get(authorization_id)
    if authorization is None:
        raise not_found()
    known = world.seen.get(("capture-of-authorization", request_id))
    if known is not None:
        return 200, world.captures[known]
    if authorization["status"] == "VOIDED":
        raise unprocessable("AUTHORIZATION_VOIDED")
    if authorization["status"] == "CAPTURED":
        raise unprocessable("AUTHORIZATION_ALREADY_CAPTURED")
    amount = read_amount(words.get("amount") or authorization["amount"])
    order = world.orders[world.order_of[authorization_id]]
    captures = order["purchase_units"][0]["payments"].get("captures", [])
    taken = sum(Decimal(capture["amount"]["value"]) for capture in captures) + Decimal(amount["value"])
    if taken > Decimal(authorization["amount"]["value"]) * Decimal("1.15"):
        raise unprocessable("MAX_CAPTURE_AMOUNT_EXCEEDED")
    is_final = bool(words.get("final_capture"))
    capture = add_capture(world, order, amount, invoice_id=words.get("invoice_id", ""), is_final=is_final)
    is_all = is_final or taken >= Decimal(authorization["amount"]["value"])
    authorization["status"] = "CAPTURED" if is_all else "PARTIALLY_CAPTURED"
    world.seen["capture-of-authorization", request_id] = capture["id"]
    return 201, capture


def void_authorization(world: World, authorization_id: str) -> tuple[int, Words]:
    authorization = world.authorizations.get(authorization_id)
    if authorization is None:
        raise not_found()
    if authorization["status"] == "CAPTURED":
        raise unprocessable("PREVIOUSLY_CAPTURED")
    if authorization["status"] == "VOIDED":
        raise unprocessable("PREVIOUSLY_VOIDED")
    authorization["status"], authorization["update_time"] = "VOIDED", world.now()
    world.tell("PAYMENT.AUTHORIZATION.VOIDED", "authorization", authorization)
    return 200, authorization


def show_capture(world: World, capture_id: str) -> Words:
    capture = world.captures.get(capture_id)
    if capture is None:
        raise not_found()
    return capture | {"supplementary_data": {"related_ids": {"order_id": world.order_of[capture_id]}}}


def refund_capture(world: World, capture_id: str, words: Words, request_id: str) -> tuple[int, Words]:
    capture = world.captures.get(capture_id)
    if capture is None:
        raise not_found()
    known = world.seen.get(("refund", request_id))
    if known is not None:
        return 200, world.refunds[known]
    payments = world.orders[world.order_of[capture_id]]["purchase_units"][0]["payments"]
    given = sum(
        Decimal(refund["amount"]["value"])
        for refund in payments.get("refunds", [])
        if refund["_of"] == capture_id and refund["status"] != "FAILED"
    )
    whole = Decimal(capture["amount"]["value"])
    if given >= whole:
        raise unprocessable("CAPTURE_FULLY_REFUNDED")
    amount = read_amount(words.get("amount") or capture["amount"])
    if given + Decimal(amount["value"]) > whole:
        raise unprocessable("REFUND_AMOUNT_EXCEEDED")
    refund = {
        "id": world.new_id("R"),
        "_of": capture_id,
        "status": world.refund_states.get(words.get("custom_id", ""), "COMPLETED"),
        "amount": amount,
        "custom_id": words.get("custom_id", capture["custom_id"]),
        "invoice_id": words.get("invoice_id", capture["invoice_id"]),
        "create_time": world.now(),
        "update_time": world.now(),
        "links": [link("up", f"{ADDRESS}/v2/payments/captures/{capture_id}")],
    }
    world.refunds[refund["id"]] = refund
    payments.setdefault("refunds", []).append(refund)
    capture["status"] = "REFUNDED" if given + Decimal(amount["value"]) == whole else "PARTIALLY_REFUNDED"
    world.seen["refund", request_id] = refund["id"]
    world.record(kind=refund, code="T1107", amount=amount, fee=Decimal(0), sign=-1)
    world.tell("PAYMENT.CAPTURE.REFUNDED", "refund", refund)
    return 201, refund
