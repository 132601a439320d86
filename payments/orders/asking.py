"""What a gateway is asked about a payment: the same question, byte for byte, however often."""

from datetime import datetime, timedelta
from typing import Any

import structlog

from payments.gateways.contract import (
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    Outcome,
    PaymentRequest,
    PaymentResult,
    SavedToken,
)
from payments.gateways.failures import Advice, failure_of
from payments.gateways.registry import GATEWAYS
from payments.methods.queries import customer_reference_of, token_of
from payments.orders.clearance import PayInstruction
from payments.orders.models import Order, Payment
from payments.routing.connections import ask, connect, fetch_payment, webhook_url
from payments.routing.models import GatewayAccount

log = structlog.get_logger(__name__)

CUSTOMER, CONSENT = "customer_reference", "mandate"
"""Kept among the request's options so that a repeat asks the same; never sent to the adapter as options."""


def options_to_keep(order: Order, account: GatewayAccount, instruction: PayInstruction) -> dict[str, Any]:
    """Everything of the request that is not the order's."""
    options = dict(instruction.options)
    if instruction.saved:
        options[CUSTOMER] = instruction.saved.customer_reference
    elif instruction.saves_method and order.user_id:
        options[CUSTOMER] = customer_reference_of(order.user_id, account.id)
    if instruction.consent:
        options[CONSENT] = dict(instruction.consent)
    if instruction.method in GATEWAYS[account.gateway].methods_that_need_ip:
        options["payer_ip"] = instruction.payer.ip
    return options


def request_of(payment: Payment, account: GatewayAccount) -> PaymentRequest:
    """GatewayOutcomeUnknown when its saved method was removed meanwhile: what was sent before may have arrived."""
    order = payment.order
    options = dict(payment.request_options)
    customer = options.pop(CUSTOMER, "")
    options.pop(CONSENT, None)
    return PaymentRequest(
        reference=payment.id,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        method=payment.method,
        description=order.description,
        order_reference=order.id,
        capture=order.capture_method == "automatic",
        return_url=payment.return_url,
        webhook_url=webhook_url(account),
        expires_at=order.expires_at,
        options=options,
        must_prove=payment.risk.get("must_prove", False),
        payer_reference=order.user_id or "",
        customer_reference=customer,
        saved=_token(payment) if payment.payment_method_id else None,
        is_off_session=payment.is_off_session,
        saves_method=payment.saves_method,
    )


def _token(payment: Payment) -> SavedToken:
    token = payment.saved_token if payment.saved_token is not None else token_of(payment.payment_method_id or "")
    if token is None:
        raise GatewayOutcomeUnknown("the saved method was removed", code="method_removed")
    return token


def ask_to_collect(payment: Payment, account: GatewayAccount) -> tuple[PaymentResult | None, str]:
    """The first question. What is known by now (None: nothing) and, then, why."""
    try:
        return ask(account, connect(account).create_payment, request_of(payment, account)), ""
    except GatewayUnavailable as error:
        log.warning("gateway_unavailable", payment_id=payment.id, account=account.id, reason=error.code)
        return PaymentResult(payment.id, Outcome.FAILED, failure_code="gateway_unavailable"), ""
    except GatewayRejected as error:
        code = error.code or "gateway_rejected"
        return PaymentResult(payment.id, Outcome.FAILED, failure_code=code, failure_message=str(error)), ""
    except GatewayOutcomeUnknown as error:
        return None, error.code or "unknown"


def ask_about(payment: Payment, account: GatewayAccount) -> PaymentResult:
    """What the gateway knows of it. Raises the three GatewayErrors."""
    return fetch_payment(account, payment.id, gateway_reference=payment.gateway_reference, method=payment.method)


def is_answer_lost(result: PaymentResult) -> bool:
    """The gateway knows nothing of it, or waits for a payer who was never told what to do."""
    waits_for_nothing = result.outcome is Outcome.REQUIRES_ACTION and result.action is None
    return result.outcome is Outcome.NOT_FOUND or waits_for_nothing


def is_known_for_the_same(payment: Payment, account: GatewayAccount, *, now: datetime) -> bool:
    """Whether a repeat by now is no second request to the provider, which forgets our numbers some day."""
    seconds = GATEWAYS[account.gateway].repeats_for_seconds
    return seconds is None or now - (payment.held_until or payment.created_at) < timedelta(seconds=seconds)


def may_succeed_elsewhere(result: PaymentResult | None) -> bool:
    """Nothing was taken, and another account may say yes."""
    if result is None or result.outcome is not Outcome.FAILED:
        return False
    return failure_of(result.failure_code).advice is Advice.RETRY_ELSEWHERE
