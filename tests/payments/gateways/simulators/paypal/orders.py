"""Orders v2."""

from decimal import Decimal
from typing import Any

from tests.payments.gateways.simulators.paypal.world import (
    ADDRESS,
    PAGES,
    Words,
    World,
    fee_on,
    invalid,
    link,
    money,
    not_found,
    read_amount,
    unprocessable,
)

PAYER = {"email_address": "jane.doe@example.com", "account_id": "QYR5Z8XDVJNXQ"}
_CLOSED_TO_CHANGES = ("COMPLETED", "VOIDED")


def create(world: World, words: Words, request_id: str) -> tuple[int, Words]:
    known = world.seen.get(("order", request_id)) if request_id else None
    if known is not None:
        return 200, show(world, known)
    order = _new_order(world, words)
    source = (words.get("payment_source") or {}).get("paypal")
    if source is not None:
        _set_source(world, order, source)
    if source is not None and source.get("vault_id"):
        _charge_saved(world, order, source)
    world.orders[order["id"]] = order
    if request_id:
        world.seen["order", request_id] = order["id"]
    return 201, show(world, order["id"])


def show(world: World, order_id: str) -> Words:
    order = world.orders.get(order_id)
    if order is None:
        raise not_found()
    shown = {name: value for name, value in order.items() if not name.startswith("_")}
    reference = order["purchase_units"][0].get("custom_id", "")
    return shown | ({"status": world.states[reference]} if reference in world.states else {})


def patch(world: World, order_id: str, changes: Any) -> None:
    order = world.orders.get(order_id)
    if order is None:
        raise not_found()
    if order["status"] in _CLOSED_TO_CHANGES:
        raise unprocessable("ORDER_ALREADY_COMPLETED")
    for change in changes:
        if change.get("op") != "replace":
            raise invalid("INVALID_PATCH_OPERATION", "/op")
        if change.get("path") == "/intent":
            order["intent"] = change["value"]
        elif change.get("path") == "/purchase_units/@reference_id=='default'/custom_id":
            order["purchase_units"][0]["custom_id"] = change["value"]
        else:
            raise unprocessable("NOT_PATCHABLE")
    order["update_time"] = world.now()


def approve(world: World, reference: str) -> None:
    """The payer says yes on PayPal's page, where PayPal shows one."""
    for order in world.orders.values():
        unit = order["purchase_units"][0]
        if unit.get("invoice_id") == reference and order["status"] == "PAYER_ACTION_REQUIRED":
            order["status"], order["update_time"] = "APPROVED", world.now()
            order["payment_source"]["paypal"] |= PAYER
            world.tell("CHECKOUT.ORDER.APPROVED", "checkout-order", show(world, order["id"]))


def finish(world: World, order_id: str, verb: str, request_id: str) -> tuple[int, Words]:
    """``capture`` or ``authorize`` an approved order."""
    order = world.orders.get(order_id)
    if order is None:
        raise not_found()
    if world.seen.get((verb, request_id)) == order_id:
        return 200, show(world, order_id)
    wanted = "CAPTURE" if verb == "capture" else "AUTHORIZE"
    if order["status"] == "COMPLETED":
        raise unprocessable("ORDER_ALREADY_CAPTURED" if verb == "capture" else "ORDER_ALREADY_AUTHORIZED")
    if order["intent"] != wanted:
        raise unprocessable("ACTION_DOES_NOT_MATCH_INTENT")
    if order["status"] != "APPROVED":
        raise unprocessable("ORDER_NOT_APPROVED")
    _refuse_declined(world, order)
    _complete(world, order)
    world.seen[verb, request_id] = order_id
    return 201, show(world, order_id)


def _new_order(world: World, words: Words) -> Words:
    units = words.get("purchase_units")
    if words.get("intent") not in ("CAPTURE", "AUTHORIZE") or not units:
        raise invalid("MISSING_REQUIRED_PARAMETER", "/intent")
    unit = {name: units[0][name] for name in ("custom_id", "invoice_id", "description") if name in units[0]}
    order_id = world.new_id()
    return {
        "id": order_id,
        "intent": words["intent"],
        "status": "CREATED",
        "purchase_units": [{"reference_id": "default", "amount": read_amount(units[0].get("amount"))} | unit],
        "create_time": world.now(),
        "update_time": world.now(),
        "links": [link("self", f"{ADDRESS}/v2/checkout/orders/{order_id}")],
    }


def _set_source(world: World, order: Words, source: Words) -> None:
    order["payment_source"] = {"paypal": {}}
    order["_vault"] = (source.get("attributes") or {}).get("vault")
    order["_customer"] = ((source.get("attributes") or {}).get("customer") or {}).get("id", "")
    context = source.get("experience_context") or {}
    if source.get("vault_id"):
        return
    if not context.get("return_url") or not context.get("cancel_url"):
        raise unprocessable("RETURN_URL_REQUIRED")
    order["status"] = "PAYER_ACTION_REQUIRED"
    order["links"].append(link("payer-action", f"{PAGES}/checkoutnow?token={order['id']}"))


def _charge_saved(world: World, order: Words, source: Words) -> None:
    if source["vault_id"] not in world.tokens:
        raise unprocessable("TOKEN_ID_NOT_FOUND")
    reference = order["purchase_units"][0].get("custom_id", "")
    if world.declines.get(reference) == "PAYER_ACTION_REQUIRED":
        order["status"] = "PAYER_ACTION_REQUIRED"
        order["links"].append(link("payer-action", f"{PAGES}/checkoutnow?token={order['id']}"))
        return
    _refuse_declined(world, order)
    order["payment_source"]["paypal"] |= PAYER
    world.orders[order["id"]] = order
    _complete(world, order)


def _refuse_declined(world: World, order: Words) -> None:
    unit = order["purchase_units"][0]
    issue = world.declines.pop(unit.get("custom_id", ""), "")
    if issue:
        redirect = [link("redirect", f"{PAGES}/checkoutnow?token={order['id']}")]
        raise unprocessable(issue, links=redirect if issue == "INSTRUMENT_DECLINED" else None)
    if unit.get("invoice_id") in world.paid_invoices:
        raise unprocessable("DUPLICATE_INVOICE_ID")


def _complete(world: World, order: Words) -> None:
    unit = order["purchase_units"][0]
    order["status"], order["update_time"] = "COMPLETED", world.now()
    if unit.get("invoice_id"):
        world.paid_invoices.add(unit["invoice_id"])
    _keep_wallet(world, order)
    if order["intent"] == "AUTHORIZE":
        _authorize(world, order)
    else:
        add_capture(world, order, unit["amount"], invoice_id=unit.get("invoice_id", ""), is_final=True)


def _keep_wallet(world: World, order: Words) -> None:
    if not order.get("_vault"):
        return
    token_id = world.new_id("T")
    customer = {"id": order["_customer"] or world.new_id("C")}
    world.tokens[token_id] = {"id": token_id, "customer": customer, "payment_source": {"paypal": dict(PAYER)}}
    kept = {"id": token_id, "status": "VAULTED", "customer": customer}
    order["payment_source"]["paypal"]["attributes"] = {"vault": kept}
    resource = {"id": token_id, "customer": customer, "metadata": {"order_id": order["id"]}}
    world.tell("VAULT.PAYMENT-TOKEN.CREATED", "payment_token", resource)


def _authorize(world: World, order: Words) -> None:
    unit = order["purchase_units"][0]
    authorization = {
        "id": world.new_id("A"),
        "status": "CREATED",
        "amount": unit["amount"],
        "invoice_id": unit.get("invoice_id", ""),
        "custom_id": unit.get("custom_id", ""),
        "create_time": world.now(),
        "update_time": world.now(),
    }
    world.authorizations[authorization["id"]] = authorization
    world.order_of[authorization["id"]] = order["id"]
    unit["payments"] = {"authorizations": [authorization]}
    _tell(world, "PAYMENT.AUTHORIZATION.CREATED", "authorization", authorization, order)


def add_capture(world: World, order: Words, amount: Words, *, invoice_id: str, is_final: bool) -> Words:
    unit = order["purchase_units"][0]
    fee = fee_on(amount)
    currency = amount["currency_code"]
    capture: Words = {
        "id": world.new_id("P"),
        "status": "COMPLETED",
        "amount": amount,
        "invoice_id": invoice_id,
        "custom_id": unit.get("custom_id", ""),
        "final_capture": is_final,
        "seller_receivable_breakdown": {
            "gross_amount": amount,
            "paypal_fee": money(fee, currency),
            "net_amount": money(Decimal(amount["value"]) - fee, currency),
        },
        "create_time": world.now(),
        "update_time": world.now(),
    }
    world.captures[capture["id"]] = capture
    world.order_of[capture["id"]] = order["id"]
    unit.setdefault("payments", {}).setdefault("captures", []).append(capture)
    world.record(kind=capture, code="T0006", amount=amount, fee=fee, sign=1)
    _tell(world, "PAYMENT.CAPTURE.COMPLETED", "capture", capture, order)
    return capture


def _tell(world: World, event_type: str, resource_type: str, resource: Words, order: Words) -> None:
    related = {"supplementary_data": {"related_ids": {"order_id": order["id"]}}}
    world.tell(event_type, resource_type, resource | related)
