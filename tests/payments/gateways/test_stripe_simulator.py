"""The simulated Stripe says nothing that the real one's published examples do not: checked on all it answers.

``fixtures/stripe_objects.json`` is a selection of Stripe's own OpenAPI fixtures (github.com/stripe/openapi, MIT
licence), unchanged but for the host names of its developers' machines. What they leave out because it is optional must
be an attribute of the class in Stripe's SDK.
"""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import stripe
from stripe import params

from payments.gateways.abilities import DisputeEvidence, EvidenceFile
from payments.gateways.contract import (
    GatewayConfiguration,
    GatewayOutcomeUnknown,
    HttpRequest,
    HttpResponse,
    Outcome,
    SaveRequest,
)
from payments.gateways.stripe.adapter import StripeGateway
from payments.routing import connections
from tests.payments.gateways.contract_harness import Trouble, a_payment, a_refund
from tests.payments.gateways.contract_tests import GatewayContractTests
from tests.payments.gateways.simulators.serving import serving
from tests.payments.gateways.stripe_harness import StripeHarness, gateway_on

FIXTURES: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "fixtures" / "stripe_objects.json").read_text()
)
CLASSES = {
    "account": stripe.Account,
    "balance_transaction": stripe.BalanceTransaction,
    "charge": stripe.Charge,
    "customer": stripe.Customer,
    "customer_session": stripe.CustomerSession,
    "dispute": stripe.Dispute,
    "ephemeral_key": stripe.EphemeralKey,
    "event": stripe.Event,
    "file": stripe.File,
    "payment_intent": stripe.PaymentIntent,
    "payment_method": stripe.PaymentMethod,
    "radar.early_fraud_warning": stripe.radar.EarlyFraudWarning,
    "refund": stripe.Refund,
    "reporting.report_run": stripe.reporting.ReportRun,
    "reporting.report_type": stripe.reporting.ReportType,
    "setup_intent": stripe.SetupIntent,
}
FREE = {"metadata", "payment_method_options", "data", "parameters", "next_action", "last_payment_error"}
FREE |= {"last_setup_error", "evidence"}
"""Their content depends on what happened; the fixtures show one case of many."""


def _faults(thing: Any, seen: set[str]) -> Iterator[str]:
    if isinstance(thing, list):
        for entry in thing:
            yield from _faults(entry, seen)
    if not isinstance(thing, dict):
        return
    kind = thing.get("object")
    if isinstance(kind, str) and kind in FIXTURES:
        seen.add(kind)
        known = set(CLASSES[kind].__annotations__)
        yield from (f"{kind}.{name} is gone from Stripe's SDK" for name in sorted(set(thing) - known))
        yield from _differences(thing, FIXTURES[kind], where=kind, known=known)
    for value in thing.values():
        yield from _faults(value, seen)


def _differences(said: dict[str, Any], shown: dict[str, Any], *, where: str, known: set[str]) -> Iterator[str]:
    for name, value in said.items():
        if name not in shown:
            if name not in known:
                yield f"{where}.{name} is no field of Stripe's"
            continue
        example = shown[name]
        if value is None or example is None or name in FREE:
            continue
        is_id = isinstance(value, dict) and isinstance(example, str)  # expanded
        if type(value) is not type(example) and not is_id:
            yield f"{where}.{name} is {type(value).__name__}, not {type(example).__name__}"
        elif isinstance(value, dict) and isinstance(example, dict) and "object" not in value:
            yield from _differences(value, example, where=f"{where}.{name}", known=known)


def test_every_answer_and_event_has_stripes_shape() -> None:
    harness = StripeHarness()
    harness.clock.now = datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()
    faults: list[str] = []
    seen: set[str] = set()

    def looking(request: HttpRequest) -> HttpResponse:
        response = harness.simulator(request)
        if response.headers["Content-Type"] == "application/json":
            faults.extend(_faults(json.loads(response.body), seen))
        return response

    gateway = gateway_on(looking, harness.simulator, settings={"request_multicapture": "if_available"})
    harness.gateway = gateway
    _live_a_day(harness)
    for callback in harness.callbacks():
        faults.extend(_faults(json.loads(callback.body), seen))
    assert faults == []
    assert seen == set(FIXTURES)
    assert [fault for request in harness.simulator.seen for fault in _unknown_parameters(request)] == []


PARAMETERS: dict[str, Any] = {
    r"/v1/payment_intents": params.PaymentIntentCreateParams,
    r"/v1/payment_intents/\w+/capture": params.PaymentIntentCaptureParams,
    r"/v1/payment_intents/\w+/cancel": params.PaymentIntentCancelParams,
    r"/v1/setup_intents": params.SetupIntentCreateParams,
    r"/v1/refunds": params.RefundCreateParams,
    r"/v1/customers": params.CustomerCreateParams,
    r"/v1/customer_sessions": params.CustomerSessionCreateParams,
    r"/v1/ephemeral_keys": params.EphemeralKeyCreateParams,
    r"/v1/disputes/\w+": params.DisputeUpdateParams,
    r"/v1/reporting/report_runs": params.reporting.ReportRunCreateParams,
}
INNER: dict[str, Any] = {
    "evidence": params.DisputeUpdateParamsEvidence,
    "components": params.CustomerSessionCreateParamsComponents,
    "parameters": params.reporting.ReportRunCreateParamsParameters,
}
CARD: Any = params.PaymentIntentCreateParamsPaymentMethodOptionsCard


def _unknown_parameters(request: HttpRequest) -> Iterator[str]:
    """What we send, against what Stripe's SDK says that a call takes."""
    path = urlsplit(request.url).path
    if request.method != "POST" or path == "/v1/files":
        return
    [known] = [known for pattern, known in PARAMETERS.items() if re.fullmatch(pattern, path)]
    for name, _value in parse_qsl(request.body.decode()):
        first, *rest = re.split(r"\]\[|\[", name.removesuffix("]"))
        is_known = first in known.__annotations__
        if first in INNER:
            is_known = is_known and rest[0] in INNER[first].__annotations__
        if first == "payment_method_options":
            is_known = is_known and rest[0] == "card" and rest[1] in CARD.__annotations__
        if not is_known:
            yield f"{path} takes no {name}"


def _live_a_day(harness: StripeHarness) -> None:
    payment = harness.create(a_payment(harness, saves_method=True, payer_reference="usr_1"))
    harness.refund(a_refund(harness, payment, amount_minor=100))
    harness.simulator.intents.fail_refund(harness.simulator.book.all_of("refund")[0], "unknown")
    for number, token in enumerate(("pm_card_chargeDeclined", "pm_card_authenticationRequired")):
        harness.create(a_payment(harness, reference=f"pay_a{number}", options={"token": token}))
    harness.create(
        a_payment(
            harness,
            reference="pay_b",
            method="apple_pay",
            saves_method=True,
            payer_reference="usr_1",
            options={"mobile_api_version": "2024-06-20"},
        )
    )
    harness.create(a_payment(harness, reference="pay_c", method="apple_pay", customer_reference="", capture=False))
    sheet = a_payment(harness, reference="pay_d", method="google_pay", saves_method=True, payer_reference="usr_1")
    harness.create(sheet)
    harness.gateway.save_method(
        SaveRequest(reference="pm_1", method="card", payer_reference="usr_1", description="", currency="USD")
    )
    harness.simulator.pay_in_sheet("pm_1")
    harness.gateway.fetch_saved("pm_1")
    harness.create(a_payment(harness, reference="pay_h", capture=False))
    for number, amount in enumerate((500, 734)):
        harness.gateway.capture_payment("pay_h", capture_reference=f"cap_{number}", amount_minor=amount, currency="USD")
    harness.create(a_payment(harness, reference="pay_p", capture=False, must_prove=True))
    harness.gateway.void_payment("pay_p")
    harness.fetch("pay_1")
    harness.told.clear()
    harness.fetch("pay_1")
    charge = harness.simulator.charge_of("pay_1")
    harness.gateway.fetch_dispute(harness.simulator.desk.warn_of_fraud(charge)["id"])
    made = harness.simulator.desk.open_dispute(charge, amount=100, reason="general", status="needs_response")
    file = EvidenceFile("proof.pdf", "application/pdf", "receipt", b"%PDF")
    harness.gateway.submit_evidence(DisputeEvidence(made["id"], {"explanation": "No."}, (file,)))
    harness.gateway.probe()
    harness.clock.advance(86_400)
    harness.gateway.fetch_statement(date(2026, 3, 10))
    harness.simulator.desk.finish_reports()
    assert harness.gateway.fetch_statement(date(2026, 3, 10)) is not None


def test_the_check_of_shapes_sees_a_field_that_stripe_does_not_have() -> None:
    charge = {"object": "charge", "id": "ch_1", "amount_taken": 7, "outcome": {"kind": "x"}, "paid": "yes"}
    assert list(_faults({"data": [charge]}, set())) == [
        "charge.amount_taken is gone from Stripe's SDK",
        "charge.amount_taken is no field of Stripe's",
        "charge.outcome.kind is no field of Stripe's",
        "charge.paid is str, not bool",
    ]


# --- behind real sockets, by paycore's own way out ------------------------------------------------------------------


class HttpStripeHarness(StripeHarness):
    def use(self, address: str) -> None:
        self.gateway = StripeGateway(
            GatewayConfiguration(
                "ga_1",
                address,
                {"secret_key": self.simulator.secret_key, "webhook_secret": self.simulator.webhook_secret},
                connections._send_over_http,
                {"publishable_key": "pk_test_simulated", "request_multicapture": "if_available"},
            ),
            clock=self.clock,
        )

    def trouble_next_payment(self, reference: str, trouble: Trouble) -> None:
        if trouble is Trouble.CONNECTION_REFUSED:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.use(f"http://127.0.0.1:{probe.getsockname()[1]}")
        else:
            super().trouble_next_payment(reference, trouble)


class TestStripeKeepsTheContractOverHttp(GatewayContractTests):
    @pytest.fixture
    def harness(self) -> Iterator[HttpStripeHarness]:
        harness = HttpStripeHarness()
        with serving(harness.simulator) as address:
            harness.use(address)
            yield harness


@contextmanager
def _dripping() -> Iterator[str]:
    """One byte of a good answer a tenth of a second, for ever."""
    server = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def drip() -> None:
        client, _ = server.accept()
        with client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{")
            while not is_over.wait(0.1):
                try:
                    client.sendall(b" ")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        is_over.set()
        thread.join(5)
        server.close()


def test_answer_that_drips_is_unknown_when_its_time_is_up(settings: Any) -> None:
    settings.PAYCORE_GATEWAY_DEADLINE_SECONDS = 0.5
    harness = HttpStripeHarness()
    with _dripping() as address:
        harness.use(address)
        with pytest.raises(GatewayOutcomeUnknown):
            harness.create(a_payment(harness))


def test_same_reference_from_many_threads_at_once_is_one_payment() -> None:
    harness = StripeHarness()
    barrier = threading.Barrier(8)
    outcomes: list[Outcome] = []

    def create() -> None:
        barrier.wait()
        outcomes.append(harness.gateway.create_payment(harness.dress(a_payment(harness))).outcome)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [Outcome.SUCCEEDED] * 8
    assert harness.payments_made() == 1
