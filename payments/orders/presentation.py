"""Orders, payments and refunds as the API shows them."""

from typing import Any

from payments.gateways.actions import action_for_others
from payments.orders.failure_texts import present_failure
from payments.orders.models import Capture, Order, Payment, Refund
from payments.orders.queries import Viewer


def present_order(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "object": "order",
        "merchant": order.merchant_id,
        "merchant_order_number": order.merchant_order_number,
        "status": str(order.status),
        "currency": order.currency,
        "amount_minor": order.amount_minor,
        "discount_minor": order.discount_minor,
        "promotion_codes": order.promotion_codes.split(),
        "refunded_minor": order.refunded_minor,
        "description": order.description,
        "lines": order.lines,
        "metadata": order.metadata,
        "capture_method": order.capture_method,
        "expires_at": order.expires_at,
        "paid_at": order.paid_at,
        "created_at": order.created_at,
    }


def present_payment(payment: Payment, *, viewer: Viewer | None = None) -> dict[str, Any]:
    """Without a ``viewer``, as for a merchant: what opens the payer's methods at a provider is for the payer only."""
    is_payer = viewer is not None and bool(viewer.user_id)
    return {
        "id": payment.id,
        "object": "payment",
        "order": payment.order_id,
        "status": str(payment.status),
        "method": payment.method,
        "payment_method": payment.payment_method_id,
        "off_session": payment.is_off_session,
        "currency": payment.currency,
        "amount_minor": payment.amount_minor,
        "authorized_minor": payment.authorized_minor,
        "captured_minor": payment.captured_minor,
        "refunded_minor": payment.refunded_minor,
        "next_action": payment.action if is_payer else action_for_others(payment.action),
        "hold": payment.hold or None,
        "failure_code": payment.failure_code or None,
        "failure": present_failure(payment.failure_code),
        "version": payment.version,
        "succeeded_at": payment.succeeded_at,
        "created_at": payment.created_at,
    }


def present_refund(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "object": "refund",
        "payment": refund.payment_id,
        "status": str(refund.status),
        "currency": refund.currency,
        "amount_minor": refund.amount_minor,
        "reason": refund.reason,
        "failure_code": refund.failure_code or None,
        "review_note": refund.review_note or None,
        "succeeded_at": refund.succeeded_at,
        "created_at": refund.created_at,
    }


def present_capture(capture: Capture) -> dict[str, Any]:
    return {
        "id": capture.id,
        "object": "capture",
        "payment": capture.payment_id,
        "status": str(capture.status),
        "currency": capture.payment.currency,
        "amount_minor": capture.amount_minor,
        "is_final": capture.is_final,
        "failure_code": capture.failure_code or None,
    }
