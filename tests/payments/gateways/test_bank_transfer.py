"""The adapter of bank transfers. It has no provider, so what the contract tests move does not exist here."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from stdnum import iso11649

from paycore.identifiers import new_id
from payments.gateways.abilities import CaptureCapable, CloseCapable
from payments.gateways.bank_transfer import BankTransferGateway, creditor_reference
from payments.gateways.contract import (
    ActionKind,
    GatewayConfiguration,
    GatewayRejected,
    HttpRequest,
    HttpResponse,
    Outcome,
    PaymentRequest,
    RefundRequest,
    SavedToken,
    WebhookRefused,
)
from payments.gateways.registry import build_gateway

ACCOUNT = {"iban": "DE89 3704 0044 0532 0130 00", "bic": "COBADEFFXXX", "holder": "Paycore Ltd", "bank_name": "Bank"}


def no_network(_request: HttpRequest) -> HttpResponse:
    raise AssertionError("a bank transfer asks nobody")


def gateway(**changes: str) -> BankTransferGateway:
    settings = {**ACCOUNT, **changes}
    made = build_gateway("bank_transfer", GatewayConfiguration("gwa_1", "https://x.example", {}, no_network, settings))
    assert isinstance(made, BankTransferGateway)
    return made


def request(**changes: Any) -> PaymentRequest:
    made = PaymentRequest(
        reference="pay_01jd3abcdefghjkmnpqrstvwxy",
        amount_minor=1234,
        currency="EUR",
        method="bank_transfer",
        description="Gloves",
        order_reference="ord_1",
        expires_at=datetime(2026, 12, 1, tzinfo=UTC),
    )
    return replace(made, **changes)


def test_the_payer_is_told_what_to_transfer() -> None:
    result = gateway().create_payment(request())
    assert (result.outcome, result.amount_minor, result.currency) == (Outcome.REQUIRES_ACTION, 1234, "EUR")
    assert result.gateway_reference == "RF91FGHJKMNPQRSTVWXY"
    action = result.action
    assert action is not None
    assert (action.kind, action.expires_at) == (ActionKind.BANK_TRANSFER, datetime(2026, 12, 1, tzinfo=UTC))
    assert action.app_parameters == {
        "iban": "DE89 3704 0044 0532 0130 00",
        "bic": "COBADEFFXXX",
        "holder": "Paycore Ltd",
        "bank_name": "Bank",
        "reference": "RF91 FGHJ KMNP QRST VWXY",
        "amount": "12.34 EUR",
    }
    assert action.qr_text == (
        "BCD\n002\n1\nSCT\nCOBADEFFXXX\nPaycore Ltd\nDE89370400440532013000\nEUR12.34\n\nRF91FGHJKMNPQRSTVWXY"
    )


@pytest.mark.parametrize(("currency", "minor"), [("USD", 1234), ("JPY", 500), ("EUR", 100_000_000_000)])
def test_other_money_than_euros_has_no_qr(currency: str, minor: int) -> None:
    action = gateway().create_payment(request(currency=currency, amount_minor=minor)).action
    assert action is not None
    assert action.qr_text == ""


def test_references_are_valid_and_no_two_payments_share_one() -> None:
    references = {creditor_reference(new_id("pay")) for _number in range(500)}
    assert len(references) == 500
    assert all(iso11649.is_valid(reference) and len(reference) == 20 for reference in references)


def test_the_same_payment_has_the_same_reference_however_often_it_is_sent() -> None:
    assert gateway().create_payment(request()) == gateway().create_payment(request())


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "card"},
        {"capture": False},
        {"is_off_session": True},
        {"saved": SavedToken("x")},
        {"reference": "pay_1"},
    ],
)
def test_what_a_transfer_cannot_do_is_rejected(changes: dict[str, Any]) -> None:
    with pytest.raises(GatewayRejected):
        gateway().create_payment(request(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"iban": "DE89370400440532013001"},
        {"iban": ""},
        {"iban": "DE8937040044053201300"},
        {"bic": "COBADEFFXX"},
        {"bic": ""},
        {"holder": "  "},
    ],
)
def test_an_account_that_cannot_exist_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="account"):
        gateway(**changes)


def test_asking_never_says_more_than_that_the_payer_is_to_pay() -> None:
    made = gateway()
    told = made.create_payment(request())
    asked = made.fetch_payment(told.reference, gateway_reference=told.gateway_reference)
    assert (asked.outcome, asked.gateway_reference) == (Outcome.REQUIRES_ACTION, told.gateway_reference)
    assert made.fetch_payment("pay_x").outcome is Outcome.NOT_FOUND
    assert made.resolves_by_repeating


def test_a_payment_can_be_closed_and_not_held() -> None:
    made = gateway()
    assert isinstance(made, CloseCapable)
    assert not isinstance(made, CaptureCapable)
    assert made.close_payment("pay_x").outcome is Outcome.CANCELED


def test_a_refund_is_pending_until_a_statement_says_otherwise() -> None:
    made = gateway()
    asked = RefundRequest("ref_1", "pay_1", "RF1", 100, "EUR")
    assert made.create_refund(asked).outcome is Outcome.PENDING
    assert made.fetch_refund("ref_1").outcome is Outcome.PENDING


def test_no_callback_is_ever_believed() -> None:
    with pytest.raises(WebhookRefused):
        gateway().verify_webhook({}, b"{}")
    assert gateway().translate_webhook(b"{}") == []
