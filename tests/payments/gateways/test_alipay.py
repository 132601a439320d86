"""Alipay keeps the contract: charged under an agreement, and by QR code."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from payments.gateways.alipay import words
from payments.gateways.contract import (
    ActionKind,
    GatewayOutcomeUnknown,
    GatewayRejected,
    Outcome,
    RefundResult,
)
from payments.gateways.failures import FAILURES
from tests.payments.gateways.alipay_harness import AlipayHarness, AlipayQrHarness
from tests.payments.gateways.contract_harness import GatewayHarness, a_payment, a_refund, paid
from tests.payments.gateways.contract_tests import GatewayContractTests
from tests.payments.gateways.simulators.alipay import wire


class _RefundNotices:
    def test_refund_callback_says_what_fetch_says(self, harness: GatewayHarness) -> None:
        """All but the amount: a notice names the sum of all refunds of the trade."""
        payment = paid(harness)
        harness.callbacks()
        refund = harness.refund(a_refund(harness, payment, amount_minor=100))
        [told] = harness.notices()
        assert told == replace(refund, amount_minor=None)
        again = harness.refund(replace(a_refund(harness, payment, amount_minor=50), reference="ref_2"))
        [told] = harness.notices()
        assert told == replace(again, amount_minor=None)


class TestAlipayAgreementKeepsTheContract(_RefundNotices, GatewayContractTests):
    @pytest.fixture
    def harness(self) -> GatewayHarness:
        return AlipayHarness()


class TestAlipayQrKeepsTheContract(_RefundNotices, GatewayContractTests):
    @pytest.fixture
    def harness(self) -> GatewayHarness:
        return AlipayQrHarness()


@pytest.fixture
def alipay() -> AlipayHarness:
    harness = AlipayHarness()
    harness.provider.scans_at_once = False
    return harness


# --- what the payer is given -------------------------------------------------------------------------------------


def test_order_string_is_made_without_a_call_and_can_be_paid(alipay: AlipayHarness) -> None:
    result = alipay.create(a_payment(alipay, method="alipay_app", expires_at=alipay.clock.at(900)))
    assert (result.outcome, alipay.provider.requests) == (Outcome.REQUIRES_ACTION, [])
    assert result.action is not None
    assert (result.action.kind, result.action.expires_at) == (ActionKind.APP, alipay.clock.at(900))
    trade = alipay.provider.open(result.action.app_parameters["order_string"])
    assert (str(trade.amount), trade.subject) == ("12.34", "Premium, one month")
    assert alipay.gateway.fetch_payment("pay_1", method="alipay_app").outcome is Outcome.REQUIRES_ACTION
    alipay.approve("pay_1")
    assert alipay.fetch().outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(("scene", "method"), [("", "alipay.trade.page.pay"), ("h5", "alipay.trade.wap.pay")])
def test_page_is_an_address_of_alipays(alipay: AlipayHarness, scene: str, method: str) -> None:
    result = alipay.create(a_payment(alipay, method="alipay_page", options={"scene": scene}))
    assert result.action is not None
    parts = urlsplit(result.action.url)
    parameters = dict(parse_qsl(parts.query))
    assert (parts.netloc, parameters["method"]) == ("alipay.test", method)
    assert parameters["return_url"] == "http://127.0.0.1:8000/pay/cs_1"
    alipay.provider.open(parts.query)
    alipay.approve("pay_1")
    assert alipay.fetch().captured_minor == 1234


def test_qr_code_says_until_when_it_can_be_scanned(alipay: AlipayHarness) -> None:
    soon = alipay.create(a_payment(alipay, method="alipay_qr", expires_at=alipay.clock.at(600)))
    late = alipay.create(a_payment(alipay, reference="pay_2", method="alipay_qr", expires_at=alipay.clock.at(86_400)))
    assert soon.action is not None
    assert late.action is not None
    assert soon.action.expires_at == alipay.clock.at(600)
    assert late.action.expires_at == alipay.clock.at(7200)  # no code lives longer at Alipay


def test_account_may_give_less_time_than_the_order_has(alipay: AlipayHarness) -> None:
    gateway = alipay.connect(minutes_to_pay="15")
    result = gateway.create_payment(a_payment(alipay, method="alipay_app", expires_at=alipay.clock.at(86_400)))
    assert result.action is not None
    assert result.action.expires_at == alipay.clock.at(900)
    alipay.clock.advance(901)
    with pytest.raises(Exception, match="NOW_TIME_AFTER_EXPIRE"):
        alipay.provider.open(result.action.app_parameters["order_string"])
    for nonsense in ("0", "-1", "x", "1.5", "21601", "9" * 50, "１５"):
        with pytest.raises(GatewayRejected) as refused:
            alipay.connect(minutes_to_pay=nonsense).create_payment(a_payment(alipay, method="alipay_app"))
        assert refused.value.code == "account_misconfigured"


def test_what_was_given_out_dies_at_its_expiry(alipay: AlipayHarness) -> None:
    result = alipay.create(a_payment(alipay, method="alipay_app", expires_at=alipay.clock.at(600)))
    assert result.action is not None
    alipay.clock.advance(601)
    with pytest.raises(Exception, match="NOW_TIME_AFTER_EXPIRE"):
        alipay.provider.open(result.action.app_parameters["order_string"])
    assert alipay.payments_made() == 0


def test_payment_whose_time_is_over_is_not_given_out(alipay: AlipayHarness) -> None:
    with pytest.raises(GatewayRejected) as refused:
        alipay.create(a_payment(alipay, method="alipay_app", expires_at=alipay.clock.at(0)))
    assert refused.value.code == "closed"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"currency": "USD"}, "currency_not_supported"),
        ({"amount_minor": 0}, "amount_not_supported"),
        ({"amount_minor": 10_000_000_001}, "amount_not_supported"),
        ({"method": "alipay_mandate"}, "gateway_rejected"),
    ],
)
def test_what_alipay_cannot_take_is_refused_without_a_call(
    alipay: AlipayHarness, changes: dict[str, object], code: str
) -> None:
    request = replace(a_payment(alipay, method="alipay_qr"), **changes)  # type: ignore[arg-type] # fields by name
    with pytest.raises(GatewayRejected) as refused:
        alipay.gateway.create_payment(request)
    assert (refused.value.code, alipay.provider.requests) == (code, [])


def test_title_keeps_nothing_that_alipay_refuses(alipay: AlipayHarness) -> None:
    alipay.create(a_payment(alipay, method="alipay_qr", description="50% off = A/B & <会员>\n" + "x" * 400))
    alipay.create(a_payment(alipay, reference="pay_2", method="alipay_qr", description="/=&"))
    titles = [content["subject"] for content, _url in alipay.provider.codes.values()]
    assert titles[0].startswith("50 off A B 会员 xxx")
    assert (len(titles[0]), titles[1]) == (256, "Order")


# --- closing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["alipay_app", "alipay_page", "alipay_qr"])
def test_unopened_payment_is_canceled_only_when_nobody_can_open_it_any_more(alipay: AlipayHarness, method: str) -> None:
    expires_at = alipay.clock.at(600)
    alipay.create(a_payment(alipay, method=method, expires_at=expires_at))

    def close() -> Outcome:
        return alipay.gateway.close_payment("pay_1", method=method, expires_at=expires_at).outcome

    assert close() is Outcome.NOT_FOUND
    alipay.clock.advance(601)
    assert close() is Outcome.NOT_FOUND  # clocks differ
    alipay.clock.advance(60)
    assert close() is Outcome.CANCELED
    assert alipay.gateway.close_payment("pay_1", method=method).outcome is Outcome.NOT_FOUND


def test_opened_payment_is_closed_at_once(alipay: AlipayHarness) -> None:
    result = alipay.create(a_payment(alipay, method="alipay_app", expires_at=alipay.clock.at(600)))
    assert result.action is not None
    order = result.action.app_parameters["order_string"]
    alipay.provider.open(order)
    assert alipay.gateway.close_payment("pay_1", method="alipay_app").outcome is Outcome.CANCELED
    with pytest.raises(Exception, match="TRADE_HAS_CLOSE"):
        alipay.provider.open(order)
    assert alipay.fetch().outcome is Outcome.CANCELED


def test_closing_that_does_not_name_what_it_closed_is_asked_about(alipay: AlipayHarness) -> None:
    alipay.provider.scans_at_once = True
    alipay.create(a_payment(alipay, method="alipay_qr"))
    unnamed = wire.answer("alipay.trade.close", {"code": "10000"}, key=wire.key_pair("alipay"))
    other = {"code": "10000", "out_trade_no": "pay_2"}
    alipay.provider.tamper = lambda _body: unnamed
    assert alipay.close() == alipay.gateway.fetch_payment("pay_1")
    alipay.provider.trades["pay_1"].status = "WAIT_BUYER_PAY"
    alipay.provider.tamper = lambda _body: wire.answer("alipay.trade.close", other, key=wire.key_pair("alipay"))
    with pytest.raises(GatewayOutcomeUnknown):
        alipay.close()


def test_charge_that_never_arrived_leaves_nothing_to_close(alipay: AlipayHarness) -> None:
    assert alipay.gateway.close_payment("pay_1", method="alipay_mandate").outcome is Outcome.CANCELED


# --- what became of it -------------------------------------------------------------------------------------------


def test_finished_trade_says_what_the_paid_one_said(alipay: AlipayHarness) -> None:
    payment = paid(alipay)
    alipay.callbacks()
    alipay.provider.finish("pay_1")
    assert alipay.fetch() == payment
    assert alipay.notices() == [payment]


def test_finished_trade_after_a_refund_is_still_the_same_payment(alipay: AlipayHarness) -> None:
    payment = paid(alipay)
    alipay.refund(a_refund(alipay, payment, amount_minor=200))
    alipay.callbacks()
    alipay.provider.finish("pay_1")
    assert alipay.notices() == [payment]
    with pytest.raises(GatewayRejected):
        alipay.refund(replace(a_refund(alipay, payment, amount_minor=100), reference="ref_2"))


def test_closed_trade_is_paid_when_it_was_wholly_given_back_and_else_canceled(alipay: AlipayHarness) -> None:
    payment = paid(alipay)
    alipay.refund(a_refund(alipay, payment, amount_minor=1234))
    assert alipay.provider.trades["pay_1"].status == "TRADE_CLOSED"
    assert alipay.fetch() == payment
    alipay.provider.scans_at_once = True
    alipay.create(a_payment(alipay, reference="pay_2", method="alipay_qr", expires_at=alipay.clock.at(600)))
    alipay.clock.advance(601)
    alipay.callbacks()
    assert alipay.fetch("pay_2").outcome is Outcome.CANCELED
    [notice] = alipay.notices()
    assert (notice.reference, notice.outcome) == ("pay_2", Outcome.CANCELED)  # type: ignore[union-attr] # a payment


def test_refused_charge_is_failed_once_its_trade_is_closed(alipay: AlipayHarness) -> None:
    alipay.decline_next_payment("pay_1")
    result = alipay.create(a_payment(alipay))
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "insufficient_funds")
    assert alipay.provider.trades["pay_1"].status == "TRADE_CLOSED"
    alipay.approve("pay_1")
    assert alipay.fetch().outcome is Outcome.CANCELED


def test_refused_charge_whose_trade_cannot_be_closed_is_not_failed(alipay: AlipayHarness) -> None:
    alipay.decline_next_payment("pay_1")
    alipay.dress(a_payment(alipay))
    answers = iter([lambda body: body, lambda _body: b"<html>"])

    def tamper(body: bytes) -> bytes:
        alipay.provider.tamper = tamper
        return next(answers)(body)

    alipay.provider.tamper = tamper
    with pytest.raises(GatewayOutcomeUnknown):
        alipay.create(a_payment(alipay))


def test_charge_under_way_is_pending(alipay: AlipayHarness) -> None:
    alipay.answer_unlisted_state("pay_1")
    assert alipay.create(a_payment(alipay)).outcome is Outcome.PENDING
    alipay.provider.unlisted.clear()
    assert alipay.fetch().outcome is Outcome.PENDING  # WAIT_BUYER_PAY, but no buyer is asked
    alipay.approve("pay_1")
    assert alipay.fetch().outcome is Outcome.SUCCEEDED


def test_other_currency_is_reported_as_said(alipay: AlipayHarness) -> None:
    paid(alipay)
    told = {**{"out_trade_no": "pay_1", "trade_no": "1", "total_amount": "12.34"}, "trans_currency": "USD"}
    from_query = alipay.gateway.translate_webhook(
        b"&".join(
            f"{name}={value}".encode()
            for name, value in (told | {"notify_type": "trade_status_sync", "trade_status": "TRADE_SUCCESS"}).items()
        )
    )
    assert from_query[0].currency == "USD"  # type: ignore[union-attr] # a payment


# --- refunds -----------------------------------------------------------------------------------------------------


def test_repeated_refund_that_moves_nothing_is_known_by_asking(alipay: AlipayHarness) -> None:
    request = a_refund(alipay, paid(alipay), amount_minor=100)
    first = alipay.gateway.create_refund(request)
    assert alipay.gateway.create_refund(request) == first
    with pytest.raises(GatewayRejected):
        alipay.gateway.create_refund(replace(request, amount_minor=101))
    assert alipay.refunds_made() == 1


def test_refund_that_no_query_shows_yet_goes_by_fund_change(alipay: AlipayHarness) -> None:
    request = a_refund(alipay, paid(alipay), amount_minor=100)
    alipay.provider.refund_queries_lag = True
    moved = alipay.gateway.create_refund(request)
    assert (moved.outcome, moved.amount_minor) == (Outcome.SUCCEEDED, None)
    assert alipay.gateway.create_refund(request).outcome is Outcome.PENDING
    assert alipay.fetch_refund() == RefundResult(reference="ref_1", outcome=Outcome.NOT_FOUND)


def test_refund_is_found_by_alipays_number_too(alipay: AlipayHarness) -> None:
    payment = paid(alipay)
    refund = alipay.refund(a_refund(alipay, payment, amount_minor=100))
    found = alipay.gateway.fetch_refund("ref_1", payment_gateway_reference=payment.gateway_reference)
    assert found == refund
    with pytest.raises(GatewayRejected):
        alipay.gateway.fetch_refund("ref_1")


# --- the account -------------------------------------------------------------------------------------------------


def test_probe_proves_the_account(alipay: AlipayHarness) -> None:
    assert alipay.gateway.probe() == "2021000000000001"


def test_probe_with_another_key_tells_that_the_account_is_misconfigured(alipay: AlipayHarness) -> None:
    from_other = alipay.connect(app_private_key=wire.private_pem(wire.key_pair("other")))
    with pytest.raises(GatewayOutcomeUnknown) as unknown:
        from_other.probe()
    assert (unknown.value.code, "invalid-signature" in str(unknown.value)) == ("account_misconfigured", True)


@pytest.mark.parametrize("name", ["app_private_key", "alipay_public_key"])
@pytest.mark.parametrize(
    "value", ["", "nonsense", "AAAA", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_unusable_key_is_refused_before_anything_is_sent(alipay: AlipayHarness, name: str, value: str) -> None:
    gateway = alipay.connect(**{name: value})
    if name == "app_private_key":
        with pytest.raises(GatewayRejected) as refused:
            gateway.create_payment(a_payment(alipay, method="alipay_app"))
        assert refused.value.code == "account_misconfigured"
        assert alipay.provider.requests == []
    else:
        with pytest.raises(GatewayRejected) as refused:
            gateway.probe()
        assert refused.value.code == "account_misconfigured"


def test_every_refusal_has_a_code_of_ours() -> None:
    assert set(words.FAILURE_CODES.values()) <= set(FAILURES)
    assert words.failure_code("ACQ.NEVER_HEARD_OF") in FAILURES
    assert words.failure_code("isv.invalid-app-id") == "account_misconfigured"


def test_system_error_is_unknown_and_not_failed(alipay: AlipayHarness) -> None:
    alipay.dress(a_payment(alipay))
    alipay.provider.declines["pay_1"] = "ACQ.SYSTEM_ERROR"
    with pytest.raises(GatewayOutcomeUnknown):
        alipay.create(a_payment(alipay))
    assert alipay.provider.trades["pay_1"].status == "WAIT_BUYER_PAY"  # and nobody closed it
