"""What our Stripe adapter costs above the SDK it stands on: CPU of one ``create_payment`` over the SDK's own call.

Both in one process and one thread, in turn, against the same canned answer; no network and no database.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from stripe import HTTPClient, StripeClient

from benchmarks.rig.rounds import Contestant, Sample, pace, play
from benchmarks.rig.tables import conditions, table
from payments.gateways.contract import GatewayConfiguration, HttpRequest, HttpResponse, PaymentRequest
from payments.gateways.stripe.adapter import StripeGateway
from payments.gateways.stripe.sdk import API_VERSION

SECONDS = min(2.0, float(os.environ.get("BENCH_SECONDS", "2")))
TOKEN = "pm_card_visa"
CHARGE = {
    "id": "ch_1",
    "object": "charge",
    "payment_method_details": {"type": "card", "card": {"brand": "visa", "last4": "4242", "exp_month": 8}},
    "balance_transaction": {
        "id": "txn_1",
        "object": "balance_transaction",
        "amount": 1234,
        "currency": "usd",
        "fee": 66,
    },
}
INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 1234,
    "amount_capturable": 0,
    "amount_received": 1234,
    "capture_method": "automatic",
    "client_secret": "pi_1_secret_1",
    "created": 1_800_000_000,
    "currency": "usd",
    "description": "Premium, one month",
    "last_payment_error": None,
    "latest_charge": CHARGE,
    "livemode": False,
    "metadata": {"reference": "pay_1", "order": "ord_1", "method": "card", "confirmed_by": "server"},
    "next_action": None,
    "payment_method": "pm_1",
    "payment_method_types": ["card"],
    "status": "succeeded",
}
ANSWER = json.dumps(INTENT, indent=2).encode()
HEADERS = {"content-type": "application/json", "request-id": "req_1"}


def main() -> None:
    conditions("no database", f"one process, one thread, a canned answer, {pace()} (here {SECONDS:.1f} s)")
    results = play(
        {
            "stripe 16.1, client.v1.payment_intents.create": _round_of(_bare_call()),
            "paycore, StripeGateway.create_payment": _round_of(_our_call()),
        }
    )
    bare, ours = results.values()
    table(
        ["", "calls/s", "CPU ms each"], [[name, result.per_second, result.cpu_ms] for name, result in results.items()]
    )
    table(["adapter over the SDK's call", "CPU (ours ÷ SDK)"], [["Stripe", ours.cpu_ms / bare.cpu_ms]])


def _round_of(call: Callable[[], object]) -> Contestant:
    def play_round() -> Sample:
        call()
        cpu, started, calls = time.process_time(), time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS:
            call()
            calls += 1
        return Sample(calls, time.perf_counter() - started, time.process_time() - cpu)

    return play_round


class _Canned(HTTPClient):
    name = "canned"

    def request_with_retries(self, *_: Any, **__: Any) -> tuple[bytes, int, Mapping[str, str]]:
        return ANSWER, 200, HEADERS


def _bare_call() -> Callable[[], object]:
    """What a shop would write that uses the SDK alone: the same words, and the intent it answers."""
    client = StripeClient("sk_test_1", stripe_version=API_VERSION, max_network_retries=0, http_client=_Canned())

    def call() -> object:
        intent = client.v1.payment_intents.create(
            {
                "amount": 1234,
                "currency": "usd",
                "allowed_payment_method_types": ["card"],
                "capture_method": "automatic",
                "description": "Premium, one month",
                "metadata": {"reference": "pay_1", "order": "ord_1", "method": "card", "confirmed_by": "server"},
                "expand": ["latest_charge.balance_transaction"],
                "payment_method": TOKEN,
                "confirm": True,
                "return_url": "http://127.0.0.1:8000/pay/cs_1",
            },
            {"idempotency_key": "pay_1"},
        )
        assert intent.status == "succeeded"
        return intent

    return call


def _our_call() -> Callable[[], object]:
    response = HttpResponse(200, HEADERS, ANSWER)

    def canned(_request: HttpRequest) -> HttpResponse:
        return response

    credentials = {"secret_key": "sk_test_1", "webhook_secret": "whsec_1"}
    gateway = StripeGateway(GatewayConfiguration("ga_1", "https://api.stripe.com", credentials, canned))
    request = PaymentRequest(
        reference="pay_1",
        amount_minor=1234,
        currency="USD",
        method="card",
        description="Premium, one month",
        order_reference="ord_1",
        return_url="http://127.0.0.1:8000/pay/cs_1",
        options={"token": TOKEN},
    )

    def call() -> object:
        result = gateway.create_payment(request)
        assert result.captured_minor == 1234
        return result

    return call


if __name__ == "__main__":
    main()
