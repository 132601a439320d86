"""Asking about what is not known: every unfinished payment has a time at which somebody asks the gateway."""

from datetime import datetime, timedelta

import structlog

from paycore.claims import claim_due
from paycore.errors import NotFound
from payments.gateways.contract import (
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    Outcome,
    PaymentResult,
)
from payments.gateways.registry import GATEWAYS
from payments.orders.asking import ask_about, is_answer_lost, is_known_for_the_same
from payments.orders.charging import record_no_answer, record_payment_result, submit_again
from payments.orders.holds import advance_held
from payments.orders.models import Evidence, Order, Payment
from payments.orders.schedule import STUCK_AFTER
from payments.orders.services import close_payment
from payments.routing.models import GatewayAccount
from payments.routing.services import get_account
from riskcontrol.cases import open_case
from riskcontrol.models import Case

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=20)


def due_payments(*, limit: int) -> list[str]:
    """Ids of payments to ask about now, leased so that workers share the work and a dead one's is taken over."""
    return claim_due(Payment, lease=LEASE, limit=limit)


def sync_payment(payment_id: str, *, now: datetime) -> Payment:
    """Ask the gateway once and bring the answer to the door. ``now`` is the database's clock."""
    payment = Payment.objects.select_related("order").filter(id=payment_id).first()
    if payment is None:
        raise NotFound
    if payment.is_final:
        return payment
    if payment.status == Payment.Status.CREATED:
        return advance_held(payment, now=now)
    synced = close_payment(payment) if _is_past_its_time(payment, now=now) else _ask_about(payment, now=now)
    sent_at = synced.held_until or synced.created_at
    if synced.status == Payment.Status.SUBMITTING and now - sent_at > STUCK_AFTER:
        open_case(kind=Case.Kind.STUCK, object_id=synced.id, facts={"status": synced.status})
    return synced


def _ask_about(payment: Payment, *, now: datetime) -> Payment:
    account = get_account(payment.gateway_account_id)
    if account is None:
        raise NotFound
    try:
        result = ask_about(payment, account)
    except (GatewayRejected, GatewayUnavailable, GatewayOutcomeUnknown) as error:
        return record_no_answer(payment.id, code=error.code or "unknown", source=Evidence.Source.QUERY)
    if _should_send_again(payment, account, result, now=now):
        return submit_again(payment)
    return record_payment_result(payment.id, result, source=Evidence.Source.QUERY)


def _should_send_again(payment: Payment, account: GatewayAccount, result: PaymentResult, *, now: datetime) -> bool:
    """No caller will repeat a payment that was held: whoever sent it may have died before. And some providers find a
    payment whose answer was lost only when the same is sent again, as long as they know it for the same."""
    if payment.status != Payment.Status.SUBMITTING or not is_answer_lost(result):
        return False
    if result.outcome is Outcome.NOT_FOUND and payment.held_until is not None:
        return True
    return GATEWAYS[account.gateway].resolves_by_repeating and is_known_for_the_same(payment, account, now=now)


def _is_past_its_time(payment: Payment, *, now: datetime) -> bool:
    """Nobody waits for it any more: better closed at the gateway than paid late. Held money is another matter."""
    is_over = payment.order.status != Order.Status.OPEN or payment.order.expires_at <= now
    return is_over and payment.status != Payment.Status.AUTHORIZED
