"""Every field of PayPal's answers, one at a time, as something else: an answer we cannot read is unknown, and nothing
else is ever raised."""

import copy
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from payments.gateways.abilities import StatementUnreadable
from payments.gateways.contract import (
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
    SaveRequest,
    WebhookRefused,
)
from payments.gateways.paypal.adapter import PayPalGateway
from tests.payments.gateways.contract_harness import a_payment, a_refund
from tests.payments.gateways.paypal_harness import PayPalHarness
from tests.payments.gateways.simulators.paypal import disputes, vault

JUNK: tuple[Any, ...] = (None, 7, -1.5, "x", "", [], {}, [7], {"x": 7}, True)
Path = tuple[str | int, ...]


def paths(words: Any, above: Path = ()) -> Iterator[Path]:
    if isinstance(words, dict | list):
        for name, part in words.items() if isinstance(words, dict) else enumerate(words):
            yield (*above, name)
            yield from paths(part, (*above, name))


def with_junk(words: Any, path: Path, junk: Any) -> Any:
    changed = copy.deepcopy(words)
    part = changed
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = junk
    return changed


def answers_of_junk(harness: PayPalHarness, matches: Callable[[HttpRequest], bool]) -> Iterator[Any]:
    """An adapter whose matching answers have one field that is junk; every field and junk in turn."""
    genuine: list[HttpResponse] = []

    def note(request: HttpRequest) -> HttpResponse:
        response = harness.transport(request)
        if matches(request):
            genuine.append(response)
        return response

    yield harness.connect(transport=note)
    words = json.loads(genuine[0].body)
    for path in paths(words):
        for junk in JUNK:
            body = json.dumps(with_junk(words, path, junk)).encode()

            def lie(request: HttpRequest, body: bytes = body) -> HttpResponse:
                return HttpResponse(200, {}, body) if matches(request) else harness.transport(request)

            yield harness.connect(transport=lie)


@pytest.fixture
def harness() -> PayPalHarness:
    return PayPalHarness()


def test_no_field_of_an_order_raises_anything_but_unknown(harness: PayPalHarness) -> None:
    payment = harness.pay(a_payment(harness, saves_method=True))
    harness.refund(a_refund(harness, payment, amount_minor=100))
    tried = 0
    for gateway in answers_of_junk(harness, lambda request: "/checkout/orders/" in request.url):
        tried += 1
        for ask in (
            lambda gateway=gateway: gateway.fetch_payment("pay_1", gateway_reference=harness.told["pay_1"]),
            lambda gateway=gateway: gateway.fetch_refund(
                "ref_1", payment_reference="pay_1", payment_gateway_reference=harness.told["pay_1"]
            ),
        ):
            try:
                ask()
            except GatewayOutcomeUnknown:
                continue
    assert tried > 400


def test_no_field_of_a_held_order_raises_anything_but_unknown(harness: PayPalHarness) -> None:
    harness.pay(a_payment(harness, capture=False))
    for gateway in answers_of_junk(harness, lambda request: "/checkout/orders/" in request.url):
        try:
            gateway.fetch_payment("pay_1", gateway_reference=harness.told["pay_1"])
        except GatewayOutcomeUnknown:
            continue


def test_no_field_of_a_dispute_raises_anything_but_unknown(harness: PayPalHarness) -> None:
    harness.pay(a_payment(harness))
    [capture_id] = harness.world.captures
    fee = {"affected_party": "SELLER", "reason": "DISPUTE_FEE", "amount": {"currency_code": "USD", "value": "15.00"}}
    dispute_id = disputes.open_dispute(
        harness.world,
        "pay_1",
        money_movements=[fee],
        disputed_transactions=[{"seller_transaction_id": capture_id}],
        dispute_outcome={"outcome_code": "NONE"},
    )
    for part in ("/disputes/", "/captures/"):
        for gateway in answers_of_junk(harness, lambda request, part=part: part in request.url):
            try:
                gateway.fetch_dispute(dispute_id)
            except GatewayOutcomeUnknown:
                continue


def test_no_field_of_a_saved_wallet_raises_anything_but_unknown(harness: PayPalHarness) -> None:
    request = SaveRequest("pm_1", "paypal", "usr_1", "Premium", "USD", return_url="http://127.0.0.1/saved")
    setup_id = harness.gateway.save_method(request).gateway_reference
    vault.approve_setup(harness.world, setup_id)
    harness.gateway.fetch_saved("pm_1", gateway_reference=setup_id)
    for part in ("/setup-tokens/", "/payment-tokens?"):
        for gateway in answers_of_junk(harness, lambda request, part=part: part in request.url):
            try:
                gateway.fetch_saved("pm_1", gateway_reference=setup_id)
            except GatewayOutcomeUnknown:
                continue


def test_no_field_of_a_new_order_or_token_raises_anything_but_unknown(harness: PayPalHarness) -> None:
    """What was just made: its answer is read by the call that made it."""
    request = SaveRequest("pm_1", "paypal", "usr_1", "Premium", "USD", return_url="http://127.0.0.1/saved")
    setup_id = harness.gateway.save_method(request).gateway_reference
    vault.approve_setup(harness.world, setup_id)

    def agree(gateway: PayPalGateway) -> None:
        harness.world.setups[setup_id]["status"] = "APPROVED"
        gateway.fetch_saved("pm_1", gateway_reference=setup_id)

    made: tuple[tuple[str, Callable[[PayPalGateway], object]], ...] = (
        ("/checkout/orders", lambda gateway: gateway.create_payment(a_payment(harness))),
        ("/setup-tokens", lambda gateway: gateway.save_method(request)),
        ("/payment-tokens", agree),
    )
    for end, ask in made:
        for gateway in answers_of_junk(harness, lambda sent, end=end: sent.method == "POST" and sent.url.endswith(end)):
            try:
                ask(gateway)
            except GatewayOutcomeUnknown:
                continue
            except GatewayRejected:
                assert end == "/checkout/orders"  # 200 with another amount: our number was used before


def test_no_field_of_an_access_token_lets_a_request_out(harness: PayPalHarness) -> None:
    for gateway in answers_of_junk(harness, lambda request: "/oauth2/token" in request.url):
        try:
            gateway.fetch_payment("pay_1", gateway_reference="NEVER")
        except (GatewayUnavailable, GatewayRejected):
            continue


def test_no_field_of_an_event_raises_anything_but_refused(harness: PayPalHarness) -> None:
    payment = harness.pay(a_payment(harness, saves_method=True))
    harness.refund(a_refund(harness, payment, amount_minor=100))
    disputes.open_dispute(harness.world, "pay_1")
    bodies = [json.loads(callback.body) for callback in harness.callbacks()]
    assert len(bodies) == 5
    for words in bodies:
        for path in paths(words):
            for junk in JUNK:
                try:
                    harness.gateway.translate_webhook(json.dumps(with_junk(words, path, junk)).encode())
                except WebhookRefused:
                    continue


def test_no_field_of_a_statement_raises_anything_but_unreadable(harness: PayPalHarness) -> None:
    harness.pay(a_payment(harness))
    words = [{"transaction_details": harness.world.transactions}]
    for path in paths(words):
        for junk in JUNK:
            file = json.dumps(with_junk(words, path, junk)).encode()
            try:
                list(harness.gateway.read_statement(io.BytesIO(file)))
            except StatementUnreadable:
                continue
