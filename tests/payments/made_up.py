"""Rows that are in no database: for decisions, which read and write nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

from merchants.models import Merchant
from payments.gateways.contract import Outcome, PaymentResult
from payments.orders.models import Order, Payment
from payments.orders.outcomes import Known
from payments.orders.transitions import LIVE_PAYMENT
from payments.routing.models import GatewayAccount

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AMOUNT = 10_000


def known(
    *, status: str = "submitting", order_status: str = "open", captured_minor: int = 0, fee_minor: int = 0, **order: Any
) -> Known:
    """A payment of 100.00 USD in ``status``; fees as in tests/conftest.py."""
    merchant = Merchant(id="mer_1", name="Shop", fee_basis_points=50, fee_fixed_minor=10, home_currency="USD")
    account = GatewayAccount(id="gwa_1", gateway="sandbox", fee_basis_points=290, fee_fixed_minor=30)
    made = Order(
        id="ord_1", merchant=merchant, status=order_status, currency="USD", amount_minor=AMOUNT,
        **{"expires_at": NOW + timedelta(minutes=30), **order},
    )  # fmt: skip
    is_held = status in ("authorized", "succeeded") or captured_minor
    payment = Payment(
        id="pay_1", order=made, gateway_account_id="gwa_1", method="card", status=status, currency="USD",
        amount_minor=AMOUNT, captured_minor=captured_minor, fee_minor=fee_minor,
        authorized_minor=AMOUNT if is_held else 0,
        next_attempt_at=NOW if status in LIVE_PAYMENT else None,
    )  # fmt: skip
    return Known(order=made, payment=payment, merchant=merchant, account=account)


def said(outcome: Outcome, **facts: Any) -> PaymentResult:
    return PaymentResult("pay_1", outcome, **facts)
