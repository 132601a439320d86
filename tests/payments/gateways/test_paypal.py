import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from payments.gateways.abilities import (
    CaptureCapable,
    CloseCapable,
    DisputeCapable,
    ProbeCapable,
    StatementReader,
    StatementSource,
    VaultCapable,
)
from payments.gateways.contract import (
    ActionKind,
    GatewayConfiguration,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
    Outcome,
)
from payments.gateways.failures import FAILURES
from payments.gateways.paypal.adapter import PayPalGateway
from payments.gateways.paypal.issues import CAPTURE_REASONS, DECLINES
from payments.gateways.paypal.money import NotAnAmount, money_words, read_money
from tests.payments.gateways.contract_harness import GatewayHarness, a_payment, paid
from tests.payments.gateways.contract_tests import GatewayContractTests
from tests.payments.gateways.paypal_harness import PayPalHarness


class TestPayPalKeepsTheContract(GatewayContractTests):
    @pytest.fixture
    def harness(self) -> GatewayHarness:
        return PayPalHarness()


@pytest.fixture
def harness() -> PayPalHarness:
    return PayPalHarness()


@pytest.mark.parametrize(
    "ability",
    [CaptureCapable, CloseCapable, DisputeCapable, ProbeCapable, StatementReader, StatementSource, VaultCapable],
)
def test_paypal_has_the_ability(harness: PayPalHarness, ability: type) -> None:
    assert isinstance(harness.gateway, ability)


def test_every_failure_code_is_one_of_ours() -> None:
    assert set(DECLINES.values()) | set(CAPTURE_REASONS.values()) <= set(FAILURES)


# --- what PayPal is told -----------------------------------------------------------------------------------------


def test_order_carries_our_number_twice_and_sends_the_payer_to_paypals_page(harness: PayPalHarness) -> None:
    result = harness.create(a_payment(harness))
    assert result.action is not None
    assert result.action.kind is ActionKind.REDIRECT
    assert result.action.url.startswith("https://www.sandbox.paypal.com/checkoutnow?token=")
    [unit] = harness.world.orders[result.gateway_reference]["purchase_units"]
    assert (unit["custom_id"], unit["invoice_id"]) == ("pay_1", "pay_1")
    [asked] = harness.transport.asked("^POST /v2/checkout/orders$")
    assert asked.headers["PayPal-Request-Id"] == "pay_1"


@pytest.mark.parametrize(
    ("amount_minor", "currency", "value"),
    [(1234, "USD", "12.34"), (5, "EUR", "0.05"), (1234, "JPY", "1234"), (123_400, "HUF", "1234"), (100, "TWD", "1")],
)
def test_amount_is_written_as_paypal_writes_it_and_read_back(amount_minor: int, currency: str, value: str) -> None:
    words = money_words(amount_minor, currency)
    assert words == {"currency_code": currency, "value": value}
    assert read_money(words) == (amount_minor, currency)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "code"),
    [
        (1250, "HUF", "amount_not_supported"),
        (1, "TWD", "amount_not_supported"),
        (0, "USD", "amount_not_supported"),
        (-5, "USD", "amount_not_supported"),
        (100, "KWD", "currency_not_supported"),
    ],
)
def test_amount_that_paypal_cannot_take_is_refused_before_it_is_asked(
    harness: PayPalHarness, amount_minor: int, currency: str, code: str
) -> None:
    with pytest.raises(GatewayRejected) as refused:
        harness.create(a_payment(harness, amount_minor=amount_minor, currency=currency))
    assert refused.value.code == code
    assert harness.transport.requests == []


@pytest.mark.parametrize("value", ["12.345", "1e3", "", " 1", "0x10", "١٢", "12,34", "9" * 18, None, 12])
def test_malformed_amount_is_no_amount(value: object) -> None:
    with pytest.raises(NotAnAmount):
        read_money({"currency_code": "USD", "value": value})


# --- taking what was approved ------------------------------------------------------------------------------------


def test_approved_order_is_taken_only_by_asking_and_only_once(harness: PayPalHarness) -> None:
    harness.create(a_payment(harness))
    harness.approve("pay_1")
    assert harness.world.captures == {}
    results = [harness.fetch() for _ in range(3)]
    assert {result.outcome for result in results} == {Outcome.SUCCEEDED}
    assert len(harness.world.captures) == 1
    assert len(harness.transport.asked("/capture$")) == 1


def test_fee_is_what_paypal_keeps(harness: PayPalHarness) -> None:
    assert paid(harness).fee_minor == 92  # 3.49 % of 12.34, and 0.49


def test_many_threads_that_ask_at_once_take_once(harness: PayPalHarness) -> None:
    harness.create(a_payment(harness))
    harness.approve("pay_1")
    barrier = threading.Barrier(8)

    def ask(_: int) -> Outcome:
        barrier.wait()
        return harness.fetch().outcome

    with ThreadPoolExecutor(8) as pool:
        outcomes = set(pool.map(ask, range(8)))
    assert outcomes == {Outcome.SUCCEEDED}
    assert len(harness.world.captures) == 1


def test_lost_answer_to_the_capture_is_unknown_and_the_next_question_finds_it(harness: PayPalHarness) -> None:
    harness.create(a_payment(harness))
    harness.approve("pay_1")
    harness.transport.trouble("/capture$", "timeout_after_effect")
    with pytest.raises(GatewayOutcomeUnknown):
        harness.fetch()
    assert harness.fetch().captured_minor == 1234
    assert len(harness.world.captures) == 1


def test_declined_instrument_sends_the_payer_back_and_another_one_pays(harness: PayPalHarness) -> None:
    harness.create(a_payment(harness))
    harness.approve("pay_1")
    harness.world.declines["pay_1"] = "INSTRUMENT_DECLINED"
    again = harness.fetch()
    assert again.outcome is Outcome.REQUIRES_ACTION
    assert again.action is not None
    assert again.action.url
    harness.clock.advance(60)
    assert harness.fetch().outcome is Outcome.SUCCEEDED


def test_refused_order_cannot_be_approved_into_a_late_success(harness: PayPalHarness) -> None:
    harness.create(a_payment(harness))
    harness.approve("pay_1")
    harness.world.declines["pay_1"] = "TRANSACTION_REFUSED"
    refused = harness.fetch()
    assert (refused.outcome, refused.failure_code) == (Outcome.FAILED, "declined")
    assert harness.fetch().outcome is Outcome.CANCELED
    assert harness.world.captures == {}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("PENDING", Outcome.PENDING),
        ("DECLINED", Outcome.FAILED),
        ("FAILED", Outcome.FAILED),
        ("REFUNDED", Outcome.SUCCEEDED),
        ("PARTIALLY_REFUNDED", Outcome.SUCCEEDED),
        ("SOMETHING_NEW", Outcome.PENDING),
    ],
)
def test_state_of_the_capture_decides(harness: PayPalHarness, status: str, outcome: Outcome) -> None:
    paid(harness)
    [capture] = harness.world.captures.values()
    capture["status"] = status
    assert harness.fetch().outcome is outcome


def test_duplicate_invoice_is_unknown_for_it_says_that_another_order_was_paid(harness: PayPalHarness) -> None:
    harness.create(a_payment(harness))
    harness.approve("pay_1")
    harness.world.paid_invoices.add("pay_1")
    with pytest.raises(GatewayOutcomeUnknown):
        harness.fetch()
    assert harness.world.captures == {}


def test_short_answer_to_a_capture_is_completed_by_asking(harness: PayPalHarness) -> None:
    def forgetful(request: HttpRequest) -> HttpResponse:
        headers = {name: value for name, value in request.headers.items() if name != "Prefer"}
        return harness.transport(replace(request, headers=headers))

    harness.gateway = harness.connect(transport=forgetful)
    assert paid(harness).captured_minor == 1234


def test_order_that_does_not_show_right_after_its_capture_is_unknown_and_not_refused(harness: PayPalHarness) -> None:
    harness.create(a_payment(harness))
    harness.approve("pay_1")

    def forgetful(request: HttpRequest) -> HttpResponse:
        """Minimal answers; and the order is not yet there when it is asked for after the capture."""
        headers = {name: value for name, value in request.headers.items() if name != "Prefer"}
        if request.method == "GET" and harness.world.captures:
            return harness.transport(replace(request, url=request.url[:-1]))
        return harness.transport(replace(request, headers=headers))

    racing = harness.connect(transport=forgetful)
    with pytest.raises(GatewayOutcomeUnknown):
        racing.fetch_payment("pay_1", gateway_reference=harness.told["pay_1"])
    assert harness.fetch().captured_minor == 1234


# --- answers that prove nothing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", ["<html>Sorry</html>", "", "[]", "null", '{"id": "X"}', '{"id": 7, "purchase_units": []}', "{" * 3000]
)
def test_answer_that_is_no_order_is_unknown(harness: PayPalHarness, answer: str) -> None:
    harness.create(a_payment(harness))
    harness.transport.trouble("^GET /v2/checkout/orders/", f"answer:{answer}")
    with pytest.raises(GatewayOutcomeUnknown):
        harness.fetch()


def test_answer_about_another_order_is_unknown(harness: PayPalHarness) -> None:
    other = paid(harness)
    harness.create(a_payment(harness, reference="pay_2"))

    def misdirected(request: HttpRequest) -> HttpResponse:
        url = request.url.replace(harness.told["pay_2"], other.gateway_reference)
        return harness.transport(replace(request, url=url))

    with pytest.raises(GatewayOutcomeUnknown):
        harness.connect(transport=misdirected).fetch_payment("pay_2", gateway_reference=harness.told["pay_2"])


def test_order_of_another_payment_is_unknown(harness: PayPalHarness) -> None:
    other = paid(harness)
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.fetch_payment("pay_2", gateway_reference=other.gateway_reference)


def test_capture_in_another_currency_than_its_order_is_unknown(harness: PayPalHarness) -> None:
    paid(harness)
    [capture] = harness.world.captures.values()
    capture["amount"] = {"currency_code": "JPY", "value": "1234"}
    with pytest.raises(GatewayOutcomeUnknown):
        harness.fetch()


def test_amount_and_currency_are_reported_as_paypal_says_them(harness: PayPalHarness) -> None:
    paid(harness)
    money = {"currency_code": "EUR", "value": "99.00"}
    [order], [capture] = harness.world.orders.values(), harness.world.captures.values()
    order["purchase_units"][0]["amount"] = capture["amount"] = money
    result = harness.fetch()
    assert (result.amount_minor, result.currency) == (9900, "EUR")


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ("refuse:429:RATE_LIMIT_REACHED", GatewayUnavailable),
        ("refuse:429:SOMETHING_ELSE", GatewayOutcomeUnknown),
        ("refuse:409:RESOURCE_CONFLICT", GatewayOutcomeUnknown),
        ("refuse:408:TIMEOUT", GatewayOutcomeUnknown),
        ("refuse:500:INTERNAL_SERVER_ERROR", GatewayOutcomeUnknown),
        ("refuse:422:DUPLICATE_INVOICE_ID", GatewayOutcomeUnknown),
        ("refuse:403:NOT_AUTHORIZED", GatewayRejected),
        ("refuse:400:INVALID_REQUEST", GatewayRejected),
    ],
)
def test_refusal_says_whether_anything_happened(
    harness: PayPalHarness, trouble: str, error: type[GatewayError]
) -> None:
    harness.transport.trouble("^POST /v2/checkout/orders$", trouble)
    with pytest.raises(error):
        harness.create(a_payment(harness))
    assert harness.payments_made() == 0


# --- access ------------------------------------------------------------------------------------------------------


def test_access_token_is_fetched_once_by_many_threads_and_anew_when_it_ends(harness: PayPalHarness) -> None:
    barrier = threading.Barrier(8)

    def ask(number: int) -> Outcome:
        barrier.wait()
        return harness.gateway.fetch_payment(f"pay_{number}", gateway_reference="NEVER").outcome

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {Outcome.NOT_FOUND}
    assert harness.world.tokens_given == 1
    harness.clock.advance(32_400)
    harness.fetch()
    harness.create(a_payment(harness))
    assert harness.world.tokens_given == 2


def test_revoked_access_token_is_replaced_and_the_call_repeated(harness: PayPalHarness) -> None:
    harness.create(a_payment(harness))
    harness.world.access_tokens.clear()
    assert harness.pay(a_payment(harness, reference="pay_2")).outcome is Outcome.SUCCEEDED
    assert harness.world.tokens_given == 2


def test_wrong_credentials_are_a_misconfigured_account(harness: PayPalHarness) -> None:
    harness.world.client_secret = "changed at PayPal"
    gateway = PayPalGateway(
        GatewayConfiguration(
            "ga_1", "https://p.test", {"client_id": "client-id", "client_secret": "old"}, harness.transport
        )
    )
    with pytest.raises(GatewayRejected) as refused:
        gateway.create_payment(a_payment(harness))
    assert refused.value.code == "account_misconfigured"
    assert "old" not in str(refused.value)
    assert harness.payments_made() == 0


@pytest.mark.parametrize("trouble", ["timeout_after_effect", "error_5xx_after_effect", "torn_answer", "answer:<html>"])
def test_without_an_access_token_nothing_was_sent(harness: PayPalHarness, trouble: str) -> None:
    harness.transport.trouble("/oauth2/token$", trouble)
    with pytest.raises(GatewayUnavailable):
        harness.create(a_payment(harness))
    assert harness.payments_made() == 0


def test_probe_names_the_webhook_and_refuses_a_wrong_one(harness: PayPalHarness) -> None:
    assert harness.gateway.probe() == "webhook at https://pay.example.com/webhooks/ga_1"
    with pytest.raises(GatewayRejected) as refused:
        harness.connect(webhook_id="0XX00000XX000000X").probe()
    assert refused.value.code == "account_misconfigured"
