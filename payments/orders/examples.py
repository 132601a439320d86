"""Examples and query parameters for the API's description."""

from drf_spectacular.utils import OpenApiExample, OpenApiParameter

_ORDER_ID = "ord_01kaf5n8xw4q2m7r9t3v6y8z0b"
_PAYMENT_ID = "pay_01kaf5nb3e8c5d2f7h9j1k4m6n"

ORDER_REQUEST = OpenApiExample(
    "A membership",
    request_only=True,
    value={
        "merchant_order_number": "2026-000123",
        "currency": "USD",
        "amount_minor": 1999,
        "description": "Premium membership, one month",
        "lines": [{"description": "Premium, one month", "quantity": 1, "amount_minor": 1999}],
    },
)
ORDER = OpenApiExample(
    "An open order",
    response_only=True,
    value={
        "id": _ORDER_ID,
        "object": "order",
        "merchant": "mer_01kaf5n1aa0b1c2d3e4f5g6h7j",
        "merchant_order_number": "2026-000123",
        "status": "open",
        "currency": "USD",
        "amount_minor": 1999,
        "discount_minor": 0,
        "refunded_minor": 0,
        "description": "Premium membership, one month",
        "lines": [{"description": "Premium, one month", "quantity": 1, "amount_minor": 1999, "reference": ""}],
        "metadata": {},
        "capture_method": "automatic",
        "expires_at": "2026-11-21T10:30:00Z",
        "paid_at": None,
        "created_at": "2026-11-21T10:00:00Z",
    },
)
PAY_REQUEST = OpenApiExample(
    "Pay with a test card",
    request_only=True,
    value={"order": _ORDER_ID, "method": "card", "options": {"token": "tok_approve"}},
)
PAYMENT = OpenApiExample(
    "A payment that succeeded",
    response_only=True,
    value={
        "id": _PAYMENT_ID,
        "object": "payment",
        "order": _ORDER_ID,
        "status": "succeeded",
        "method": "card",
        "payment_method": None,
        "off_session": False,
        "currency": "USD",
        "amount_minor": 1999,
        "authorized_minor": 1999,
        "captured_minor": 1999,
        "refunded_minor": 0,
        "next_action": None,
        "failure_code": None,
        "failure": None,
        "version": 2,
        "succeeded_at": "2026-11-21T10:00:01Z",
        "created_at": "2026-11-21T10:00:00Z",
    },
)
REFUND_REQUEST = OpenApiExample(
    "All of it", request_only=True, value={"payment": _PAYMENT_ID, "reason": "Bought by mistake"}
)
REFUND = OpenApiExample(
    "A refund waiting for review",
    response_only=True,
    value={
        "id": "ref_01kaf5p2x7y8z9a0b1c2d3e4f5",
        "object": "refund",
        "payment": _PAYMENT_ID,
        "status": "requested",
        "currency": "USD",
        "amount_minor": 1999,
        "reason": "Bought by mistake",
        "failure_code": None,
        "review_note": None,
        "succeeded_at": None,
        "created_at": "2026-11-21T10:05:00Z",
    },
)
PAGE = [
    OpenApiParameter("limit", int, description="Rows a page, 1 to 100; 25 when not given."),
    OpenApiParameter("cursor", str, description="`next_cursor` or `previous_cursor` of an earlier answer."),
]
STATUS_FILTER = OpenApiParameter("status", str, description="Only orders in this state.")
NUMBER_FILTER = OpenApiParameter("merchant_order_number", str, description="Only the order with this number of yours.")
ORDER_FILTER = OpenApiParameter("order", str, description="Only payments of this order.")
PAYMENT_STATUS_FILTER = OpenApiParameter("status", str, description="Only payments in this state.")
PAYMENT_FILTER = OpenApiParameter("payment", str, description="Only refunds of this payment.")
WAIT_SECONDS = OpenApiParameter(
    "wait_seconds", int, description="Hold the answer until the payment changes, at most this long (10 at most)."
)
AFTER_VERSION = OpenApiParameter(
    "after_version", int, description="Answer at once when the payment's version is already above this one."
)
