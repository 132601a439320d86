"""Vault v3."""

from tests.payments.gateways.simulators.paypal.orders import PAYER
from tests.payments.gateways.simulators.paypal.world import (
    ADDRESS,
    PAGES,
    Words,
    World,
    invalid,
    link,
    not_found,
    unprocessable,
)


def create_setup(world: World, words: Words, request_id: str) -> tuple[int, Words]:
    known = world.seen.get(("setup", request_id))
    if known is not None:
        return 200, world.setups[known]
    paypal = (words.get("payment_source") or {}).get("paypal")
    if not isinstance(paypal, dict) or paypal.get("usage_type") != "MERCHANT":
        raise invalid("MISSING_REQUIRED_PARAMETER", "/payment_source/paypal/usage_type")
    setup_id = world.new_id("S")
    customer = dict(words.get("customer") or {})
    setup = {
        "id": setup_id,
        "status": "PAYER_ACTION_REQUIRED",
        "customer": {"id": customer.pop("id", "") or world.new_id("C")} | customer,
        "payment_source": {"paypal": {}},
        "links": [
            link("approve", f"{PAGES}/agreements/approve?approval_session_id={setup_id}"),
            link("confirm", f"{ADDRESS}/v3/vault/payment-tokens", "POST"),
        ],
    }
    world.setups[setup_id] = setup
    world.seen["setup", request_id] = setup_id
    return 201, setup


def approve_setup(world: World, setup_id: str) -> None:
    world.setups[setup_id]["status"] = "APPROVED"


def create_token(world: World, words: Words, request_id: str) -> tuple[int, Words]:
    known = world.seen.get(("token", request_id))
    if known is not None:
        return 200, world.tokens[known]
    source = (words.get("payment_source") or {}).get("token") or {}
    setup = world.setups.get(source.get("id", ""))
    if setup is None:
        raise not_found()
    if setup["status"] != "APPROVED" or source.get("type") != "SETUP_TOKEN":
        raise unprocessable("SETUP_TOKEN_NOT_TOKENIZED")
    token_id = world.new_id("T")
    token = {"id": token_id, "customer": setup["customer"], "payment_source": {"paypal": dict(PAYER)}}
    world.tokens[token_id] = token
    setup["status"] = "VAULTED"
    world.seen["token", request_id] = token_id
    world.tell("VAULT.PAYMENT-TOKEN.CREATED", "payment_token", token)
    return 201, token


def list_tokens(world: World, customer_id: str) -> Words:
    found = [token for token in world.tokens.values() if token["customer"]["id"] == customer_id]
    return {"customer": {"id": customer_id}, "payment_tokens": found, "links": []}


def delete_token(world: World, token_id: str) -> None:
    token = world.tokens.pop(token_id, None)
    if token is not None:
        world.tell("VAULT.PAYMENT-TOKEN.DELETED", "payment_token", {"id": token_id, "customer": token["customer"]})
