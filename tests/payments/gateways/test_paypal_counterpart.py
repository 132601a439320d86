"""PayPal's own description of Orders v2 as the judge: Prism stands as a proxy between the adapter and the simulator and
answers with an error when a request or an answer is not as described. So the simulator is held to PayPal's words too.
"""

import gzip
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.client import HTTPConnection  # noqa: TID251 — the tests are a client of their own
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from payments.gateways.contract import GatewayOutcomeUnknown, HttpRequest, HttpResponse, Outcome, SavedToken
from tests.payments.gateways.contract_harness import a_payment, a_refund, hold
from tests.payments.gateways.paypal_harness import PayPalHarness
from tests.payments.gateways.simulators.serving import serving

HERE = Path(__file__).parent
DESCRIPTION = HERE / "fixtures" / "paypal_checkout_orders_v2.json.gz"
PRISM = HERE.parents[1] / "counterparts" / "node_modules" / ".bin" / "prism"
ORDERS = "/v2/checkout/orders"
START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def description(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("paypal") / "orders.json"
    path.write_bytes(gzip.decompress(DESCRIPTION.read_bytes()))
    return path


class Judged(PayPalHarness):
    """Orders go through Prism to the simulator; what the description does not have goes there directly."""

    judge: str = ""

    def __init__(self) -> None:
        super().__init__()
        self.judgements: list[bytes] = []
        self.gateway = self.connect(transport=self.judged)

    def judged(self, request: HttpRequest) -> HttpResponse:
        if ORDERS not in request.url:
            return self.transport(request)
        response = self.over_http(request)
        if response.headers.get("sl-violations") or b"stoplight.io/prism" in response.body:
            self.judgements.append(response.headers.get("sl-violations", "").encode() + response.body)
        return response

    def over_http(self, request: HttpRequest) -> HttpResponse:
        parts = urlsplit(request.url)
        connection = HTTPConnection(self.judge.removeprefix("http://"), timeout=30)
        connection.request(request.method, parts.path, body=request.body or None, headers=dict(request.headers))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return HttpResponse(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)


@pytest.fixture(scope="module")
def judged(description: Path) -> Iterator[Judged]:
    node = shutil.which("node")
    if node is None or not PRISM.exists():
        pytest.skip("Prism is not installed (make counterparts)")
    harness = Judged()
    with ExitStack() as stack:
        address = stack.enter_context(serving(harness.transport))
        port = free_port()
        words = [str(PRISM), "proxy", "--errors", "--port", str(port), str(description), address]
        prism = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        stack.callback(prism.wait, 10)
        stack.callback(prism.terminate)
        harness.judge = f"http://127.0.0.1:{port}"
        wait_for(port, prism)
        yield harness


def wait_for(port: int, prism: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and prism.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(
        f"Prism did not start: {prism.stdout.read(2000) if prism.stdout and prism.poll() is not None else b''!r}"
    )


@pytest.fixture
def harness(judged: Judged) -> Iterator[Judged]:
    """Fresh memory behind the same judge. No judgement may be left at the end."""
    for table in (judged.world.orders, judged.world.seen, judged.world.captures, judged.world.authorizations):
        table.clear()
    judged.world.refunds.clear()
    judged.world.paid_invoices.clear()
    judged.world.declines.clear()
    judged.told.clear()
    judged.judgements.clear()
    yield judged
    assert judged.judgements == []


def test_payment_with_everything_is_as_paypal_describes(harness: Judged) -> None:
    created = harness.create(a_payment(harness, saves_method=True, customer_reference="CX1"))
    assert created.outcome is Outcome.REQUIRES_ACTION
    harness.approve("pay_1")
    result = harness.fetch()
    assert (result.outcome, result.captured_minor) == (Outcome.SUCCEEDED, 1234)
    assert result.saved is not None
    again = harness.create(a_payment(harness, saves_method=True, customer_reference="CX1"))
    assert again.gateway_reference == created.gateway_reference
    saved = SavedToken(result.saved.token)
    charged = harness.create(a_payment(harness, reference="pay_2", saved=saved, is_off_session=True))
    assert charged.outcome is Outcome.SUCCEEDED


def test_hold_with_parts_voids_and_refunds_is_as_paypal_describes(harness: Judged) -> None:
    payment = hold(harness)
    assert harness.take(amount_minor=400).captured_minor == 400
    assert harness.void().outcome is Outcome.SUCCEEDED
    assert harness.refund(a_refund(harness, payment, amount_minor=100)).outcome is Outcome.SUCCEEDED
    assert harness.fetch_refund().outcome is Outcome.SUCCEEDED


def test_close_before_and_after_is_as_paypal_describes(harness: Judged) -> None:
    harness.create(a_payment(harness))
    assert harness.close().outcome is Outcome.CANCELED
    assert harness.fetch().outcome is Outcome.CANCELED
    assert harness.close("pay_never").outcome is Outcome.CANCELED


@pytest.mark.parametrize(
    "issue", ["INSTRUMENT_DECLINED", "TRANSACTION_REFUSED", "PAYER_CANNOT_PAY", "PAYER_ACTION_REQUIRED"]
)
def test_refusals_are_as_paypal_describes(harness: Judged, issue: str) -> None:
    harness.create(a_payment(harness))
    harness.approve("pay_1")
    harness.world.declines["pay_1"] = issue
    assert harness.fetch().outcome in (Outcome.REQUIRES_ACTION, Outcome.FAILED)


def test_second_order_for_a_paid_invoice_is_refused_as_paypal_describes(harness: Judged) -> None:
    harness.create(a_payment(harness))
    harness.approve("pay_1")
    harness.world.paid_invoices.add("pay_1")
    with pytest.raises(GatewayOutcomeUnknown):
        harness.fetch()


def test_order_that_was_paid_meanwhile_cannot_be_closed_as_paypal_describes(harness: Judged) -> None:
    harness.create(a_payment(harness))
    harness.approve("pay_1")
    harness.fetch()
    order = harness.gateway._required_order("pay_1", harness.told["pay_1"])
    assert harness.gateway._close(order, "pay_1").outcome is Outcome.SUCCEEDED


def test_unknown_order_is_as_paypal_describes(harness: Judged) -> None:
    assert harness.gateway.fetch_payment("pay_1", gateway_reference="NEVER").outcome is Outcome.NOT_FOUND


@pytest.mark.parametrize(
    "words", [{"intent": "TAKE"}, {"purchase_units": []}, {"purchase_units": [{"amount": {"value": 7}}]}]
)
def test_the_judge_refuses_a_request_that_is_not_as_described(judged: Judged, words: dict[str, object]) -> None:
    """That it judges at all: a proxy that let everything through would prove nothing."""
    request = HttpRequest(
        "POST",
        f"http://paypal.test{ORDERS}",
        {"Authorization": "Bearer x", "Content-Type": "application/json"},
        json.dumps(
            {"intent": "CAPTURE", "purchase_units": [{"amount": {"currency_code": "USD", "value": "1"}}]} | words
        ).encode(),
    )
    response = judged.over_http(request)
    assert response.status == 422
    assert b"stoplight.io/prism" in response.body


def test_the_judge_refuses_an_answer_that_is_not_as_described(judged: Judged) -> None:
    judged.create(a_payment(judged, reference="pay_9"))
    judged.world.states["pay_9"] = "not a state!"
    request = HttpRequest("GET", f"http://paypal.test{ORDERS}/{judged.told['pay_9']}", {})
    token = next(iter(judged.world.access_tokens))
    response = judged.over_http(replace(request, headers={"Authorization": f"Bearer {token}"}))
    judged.judgements.clear()
    del judged.world.states["pay_9"]
    assert response.status == 500
    assert b"stoplight.io/prism" in response.body
