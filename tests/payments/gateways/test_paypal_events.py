"""What each kind of callback names: something to ask about, and nothing to believe."""

import json
from typing import Any

import pytest

from payments.gateways.contract import (
    DisputeNotice,
    PaymentResult,
    RefundResult,
    SaveResult,
    WebhookRefused,
)
from tests.payments.gateways.contract_harness import a_payment
from tests.payments.gateways.paypal_harness import PayPalHarness


@pytest.fixture
def harness() -> PayPalHarness:
    return PayPalHarness()


def event(event_type: str, resource: Any) -> bytes:
    return json.dumps({"id": "WH-1", "event_type": event_type, "resource": resource}).encode()


def test_approved_order_names_its_payment(harness: PayPalHarness) -> None:
    harness.create(a_payment(harness))
    harness.approve("pay_1")
    [notice] = harness.notices()
    assert isinstance(notice, PaymentResult)
    assert (notice.reference, notice.gateway_reference) == ("pay_1", harness.told["pay_1"])


def test_closed_order_still_names_its_payment(harness: PayPalHarness) -> None:
    [notice] = harness.gateway.translate_webhook(
        event("CHECKOUT.ORDER.APPROVED", {"id": "O1", "purchase_units": [{"custom_id": "closed:pay_1"}]})
    )
    assert isinstance(notice, PaymentResult)
    assert notice.reference == "pay_1"


def test_wallet_kept_with_a_payment_names_its_order(harness: PayPalHarness) -> None:
    harness.pay(a_payment(harness, saves_method=True))
    notices = [one for one in harness.notices() if isinstance(one, PaymentResult) and not one.reference]
    assert [one.gateway_reference for one in notices] == [harness.told["pay_1"]]


def test_ended_token_is_named(harness: PayPalHarness) -> None:
    [notice] = harness.gateway.translate_webhook(
        event("VAULT.PAYMENT-TOKEN.DELETED", {"id": "T1", "customer": {"id": "C1"}})
    )
    assert isinstance(notice, SaveResult)
    assert notice.saved is not None
    assert (notice.saved.token, notice.saved.customer_reference) == ("T1", "C1")


def test_refund_made_elsewhere_is_named_by_what_it_carries(harness: PayPalHarness) -> None:
    [notice] = harness.gateway.translate_webhook(
        event("PAYMENT.CAPTURE.REFUNDED", {"id": "R1", "custom_id": "pay_1", "invoice_id": "pay_1"})
    )
    assert isinstance(notice, RefundResult)
    assert (notice.reference, notice.gateway_reference) == ("pay_1", "R1")


def test_dispute_is_named_and_nothing_of_it_believed(harness: PayPalHarness) -> None:
    [notice] = harness.gateway.translate_webhook(
        event("CUSTOMER.DISPUTE.RESOLVED", {"dispute_id": "PP-D-1", "status": "RESOLVED"})
    )
    assert isinstance(notice, DisputeNotice)
    assert (notice.gateway_reference, notice.amount_minor) == ("PP-D-1", 0)


@pytest.mark.parametrize(
    ("event_type", "resource"),
    [
        ("BILLING.PLAN.CREATED", {"id": "P1"}),
        ("VAULT.PAYMENT-TOKEN.CREATED", {"id": "T1"}),
        ("PAYMENT.CAPTURE.COMPLETED", {"id": "P1"}),
        ("CHECKOUT.ORDER.APPROVED", {}),
    ],
)
def test_event_that_names_nothing_of_ours_says_nothing(
    harness: PayPalHarness, event_type: str, resource: dict[str, Any]
) -> None:
    assert harness.gateway.translate_webhook(event(event_type, resource)) == []


@pytest.mark.parametrize(
    ("event_type", "resource"),
    [
        ("PAYMENT.CAPTURE.COMPLETED", {"custom_id": 7}),
        ("PAYMENT.CAPTURE.COMPLETED", {"custom_id": "pay_1", "supplementary_data": "x"}),
        ("CHECKOUT.ORDER.APPROVED", {"id": ["O1"]}),
        ("CUSTOMER.DISPUTE.CREATED", {"dispute_id": 1}),
        ("PAYMENT.CAPTURE.COMPLETED", []),
        ("PAYMENT.CAPTURE.COMPLETED", None),
    ],
)
def test_malformed_event_is_refused(harness: PayPalHarness, event_type: str, resource: Any) -> None:
    with pytest.raises(WebhookRefused):
        harness.gateway.translate_webhook(event(event_type, resource))
