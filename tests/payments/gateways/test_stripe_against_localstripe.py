"""The adapter against localstripe, a Stripe that somebody else wrote.

It knows an older and smaller Stripe. What it refuses or does not say is bent here, in the transport between the two,
and never in the adapter: the lists below are all of it.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection  # noqa: TID251 — the tests are a client of their own
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from payments.gateways.contract import (
    ActionKind,
    GatewayConfiguration,
    GatewayRejected,
    HttpRequest,
    HttpResponse,
    Outcome,
    PaymentRequest,
    PaymentResult,
    RefundRequest,
    SavedToken,
    SaveRequest,
    SaveResult,
    WebhookRefused,
)
from payments.gateways.stripe.adapter import StripeGateway

SERVER = Path(__file__).parents[2] / "counterparts" / "localstripe_server.py"
KEY, SECRET = "sk_test_localstripe", "whsec_localstripe"
REFUSED_PARAMETERS = (
    "allowed_payment_method_types[0]",
    "description",
    "return_url",
    "setup_future_usage",
    "cancellation_reason",
    "payment_method_options[card][request_three_d_secure]",
)
"""It answers 400 to any that it does not know."""


@dataclass
class LocalStripe:
    address: str
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The transport: strips what localstripe refuses, adds what it does not say."""
        body = request.body
        is_capture = urlsplit(request.url).path.endswith("/capture")
        if body:
            said = [pair for pair in parse_qsl(body.decode()) if pair[0] not in REFUSED_PARAMETERS]
            body = urlencode([pair for pair in said if not (is_capture and pair[0].startswith("metadata"))]).encode()
        response = self.call(request.method, request.url, body=body, headers=dict(request.headers))
        return replace(response, body=_with_what_was_received(response.body))

    def call(self, method: str, url: str, *, body: bytes = b"", headers: dict[str, str] | None = None) -> HttpResponse:
        parts = urlsplit(url)
        connection = HTTPConnection(urlsplit(self.address).netloc, timeout=10)
        try:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
            connection.request(method, path, body=body, headers=headers or {"Authorization": f"Bearer {KEY}", **form})
            answer = connection.getresponse()
            return HttpResponse(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def card(self, number: str) -> str:
        said = {"type": "card", "card[number]": number, "card[exp_month]": 8, "card[exp_year]": 2030, "card[cvc]": 123}
        made = self.call("POST", "/v1/payment_methods", body=urlencode(said).encode())
        identifier: str = json.loads(made.body)["id"]
        return identifier


def _with_what_was_received(body: bytes) -> bytes:
    """localstripe books a partial capture as a refund of the rest and has no amount_received."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    if answer.get("object") != "payment_intent":
        return body
    charge = answer.get("latest_charge") or {}
    answer["amount_received"] = charge["amount"] - charge["amount_refunded"] if charge.get("captured") else 0
    return json.dumps(answer).encode()


@pytest.fixture(scope="module")
def localstripe() -> Iterator[LocalStripe]:
    pytest.importorskip("localstripe")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(port)], env={"PATH": os.environ["PATH"]}, stderr=subprocess.DEVNULL
    )
    stripe = LocalStripe(f"http://127.0.0.1:{port}")
    listener = _listen(stripe)
    try:
        _wait_for(port)
        said = {"url": f"http://127.0.0.1:{listener.server_port}/", "secret": SECRET}
        stripe.call("POST", "/_config/webhooks/ours", body=urlencode(said).encode())
        yield stripe
    finally:
        process.terminate()
        process.wait(10)
        listener.shutdown()
        listener.server_close()


def _wait_for(port: int) -> None:
    give_up_at = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < give_up_at, "localstripe did not start"
            time.sleep(0.05)
        else:
            return


def _listen(stripe: LocalStripe) -> ThreadingHTTPServer:
    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            stripe.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


@pytest.fixture
def gateway(localstripe: LocalStripe) -> StripeGateway:
    localstripe.told.clear()
    credentials = {"secret_key": KEY, "webhook_secret": SECRET}
    settings = {"publishable_key": "pk_test_localstripe"}
    return StripeGateway(GatewayConfiguration("ga_1", localstripe.address, credentials, localstripe, settings))


def _payment(**changes: Any) -> PaymentRequest:
    facts: dict[str, Any] = {
        "reference": "pay_1",
        "amount_minor": 1234,
        "currency": "USD",
        "method": "card",
        "description": "Premium, one month",
        "order_reference": "ord_1",
    }
    return PaymentRequest(**(facts | changes))


def _fetch(gateway: StripeGateway, made: PaymentResult) -> PaymentResult:
    return gateway.fetch_payment("pay_1", gateway_reference=made.gateway_reference)


def test_card_is_charged_with_a_token(gateway: StripeGateway, localstripe: LocalStripe) -> None:
    made = gateway.create_payment(_payment(options={"token": localstripe.card("4242424242424242")}))
    assert (made.outcome, made.amount_minor, made.captured_minor) == (Outcome.SUCCEEDED, 1234, 1234)
    assert (made.currency, made.fee_minor) == ("USD", 0)
    assert _fetch(gateway, made) == made


def test_sheet_is_opened_with_the_client_secret(gateway: StripeGateway) -> None:
    made = gateway.create_payment(_payment(method="apple_pay"))
    assert made.outcome is Outcome.REQUIRES_ACTION
    assert made.action is not None
    assert made.action.app_parameters["client_secret"].startswith(made.gateway_reference)
    closed = gateway.close_payment("pay_1", gateway_reference=made.gateway_reference)
    assert closed.outcome is Outcome.CANCELED
    assert _fetch(gateway, made).outcome is Outcome.CANCELED


def test_declined_card_says_so(gateway: StripeGateway, localstripe: LocalStripe) -> None:
    with pytest.raises(GatewayRejected) as refused:  # localstripe's 402 names no intent
        gateway.create_payment(_payment(options={"token": localstripe.card("4000000000000341")}))
    assert refused.value.code == "card_declined"


@pytest.mark.parametrize(("success", "outcome"), [("true", Outcome.SUCCEEDED), ("false", Outcome.FAILED)])
def test_proof_of_who_pays(gateway: StripeGateway, localstripe: LocalStripe, success: str, outcome: Outcome) -> None:
    made = gateway.create_payment(_payment(options={"token": localstripe.card("4000002500003155")}))
    assert made.action is not None
    assert (made.outcome, made.action.kind) == (Outcome.REQUIRES_ACTION, ActionKind.APP)
    said = urlencode({"client_secret": made.action.app_parameters["client_secret"], "success": success}).encode()
    path = f"/v1/payment_intents/{made.gateway_reference}/_authenticate"
    assert localstripe.call("POST", path, body=said).status == 200
    result = _fetch(gateway, made)
    assert result.outcome is outcome
    assert result.failure_code == ("authentication_failed" if outcome is Outcome.FAILED else "")


@pytest.mark.parametrize("amount", [1234, 1000])
def test_hold_is_taken_whole_or_in_part(gateway: StripeGateway, localstripe: LocalStripe, amount: int) -> None:
    made = gateway.create_payment(_payment(capture=False, options={"token": localstripe.card("4242424242424242")}))
    assert made.outcome is Outcome.AUTHORIZED
    taken = gateway.capture_payment(
        "pay_1",
        capture_reference="cap_1",
        amount_minor=amount,
        currency="USD",
        gateway_reference=made.gateway_reference,
    )
    assert (taken.outcome, taken.captured_minor) == (Outcome.SUCCEEDED, amount)


def test_hold_is_let_go(gateway: StripeGateway, localstripe: LocalStripe) -> None:
    made = gateway.create_payment(_payment(capture=False, options={"token": localstripe.card("4242424242424242")}))
    voided = gateway.void_payment("pay_1", gateway_reference=made.gateway_reference)
    assert voided.outcome is Outcome.CANCELED
    assert _fetch(gateway, made).outcome is Outcome.CANCELED


def test_part_is_given_back(gateway: StripeGateway, localstripe: LocalStripe) -> None:
    made = gateway.create_payment(_payment(options={"token": localstripe.card("4242424242424242")}))
    back = gateway.create_refund(
        RefundRequest(
            reference="ref_1",
            payment_reference="pay_1",
            payment_gateway_reference=made.gateway_reference,
            amount_minor=234,
            currency="USD",
            reason="changed my mind",
        )
    )
    assert (back.outcome, back.amount_minor, back.currency) == (Outcome.SUCCEEDED, 234, "USD")
    assert gateway.fetch_refund("ref_1", payment_gateway_reference=made.gateway_reference) == back
    missing = gateway.fetch_refund("ref_2", payment_gateway_reference=made.gateway_reference)
    assert missing.outcome is Outcome.NOT_FOUND


def test_card_is_kept_charged_unasked_and_forgotten(gateway: StripeGateway, localstripe: LocalStripe) -> None:
    card = localstripe.card("4242424242424242")
    started = gateway.save_method(
        SaveRequest(reference="pm_1", method="card", payer_reference="usr_1", description="Your card", currency="USD")
    )
    assert started.outcome is Outcome.REQUIRES_ACTION
    confirm = f"/v1/setup_intents/{started.gateway_reference}/confirm"
    localstripe.call("POST", confirm, body=urlencode({"payment_method": card}).encode())
    kept = gateway.fetch_saved("pm_1", gateway_reference=started.gateway_reference)
    assert kept.saved is not None
    assert (kept.outcome, kept.saved.token, kept.saved.last4) == (Outcome.SUCCEEDED, card, "4242")
    assert isinstance(kept, SaveResult)
    saved = SavedToken(kept.saved.token, kept.saved.customer_reference)
    assert gateway.create_payment(_payment(saved=saved, is_off_session=True)).outcome is Outcome.SUCCEEDED
    for _ in range(2):
        gateway.forget_method(saved, method="card")


def test_its_signed_callback_is_believed_and_a_changed_one_is_not(
    gateway: StripeGateway, localstripe: LocalStripe
) -> None:
    made = gateway.create_payment(_payment(options={"token": localstripe.card("4242424242424242")}))
    headers, body = _told_about(localstripe, made.gateway_reference)
    assert gateway.verify_webhook(headers, body).event_type == "payment_intent.succeeded"
    [notice] = gateway.translate_webhook(body)
    assert isinstance(notice, PaymentResult)
    assert (notice.outcome, notice.gateway_reference) == (Outcome.SUCCEEDED, made.gateway_reference)
    with pytest.raises(WebhookRefused):
        gateway.verify_webhook(headers, body.replace(b"1234", b"1235"))


def test_unknown_key_is_refused_there_too(localstripe: LocalStripe) -> None:
    credentials = {"secret_key": "rk", "webhook_secret": SECRET}
    stranger = StripeGateway(GatewayConfiguration("ga_1", localstripe.address, credentials, localstripe))
    with pytest.raises(GatewayRejected) as refused:
        stranger.create_payment(_payment(method="apple_pay"))
    assert refused.value.code == "account_misconfigured"


def _told_about(localstripe: LocalStripe, intent: str) -> tuple[dict[str, str], bytes]:
    """Callbacks come a second later, also those of the tests before."""
    give_up_at = time.monotonic() + 15
    while True:
        for headers, body in list(localstripe.told):
            if intent.encode() in body:
                return headers, body
        assert time.monotonic() < give_up_at, "no callback came"
        time.sleep(0.05)
