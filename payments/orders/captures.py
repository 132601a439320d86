"""Taking held money, in parts, and letting it go."""

from datetime import timedelta

import structlog
from django.db import IntegrityError, transaction

from paycore import bell
from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.money import Money
from payments.bells import CAPTURES
from payments.errors import (
    CaptureExceedsAuthorization,
    CaptureInProgress,
    NotSupportedByGateway,
    PaymentNotAuthorized,
    RefusedByGateway,
)
from payments.gateways.abilities import CaptureCapable
from payments.gateways.contract import GatewayError, GatewayOutcomeUnknown, GatewayRejected, GatewayUnavailable, Outcome
from payments.orders import transitions
from payments.orders.asking import ask_about
from payments.orders.charging import record_no_answer, record_payment_result
from payments.orders.models import Capture, Evidence, Payment
from payments.orders.refunds import lock_payment
from payments.orders.schedule import QUERY_DELAYS_SECONDS
from payments.routing.connections import ask, connect
from payments.routing.models import GatewayAccount
from payments.routing.services import get_account

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=15)


def request_capture(payment_id: str, *, amount: Money | None, is_final: bool) -> Capture:
    """Record the intent to take ``amount`` (None: all that is left); the worker or the caller then sends it.

    With ``is_final`` the rest of the hold is let go. Raises NotFound, PaymentNotAuthorized,
    CaptureExceedsAuthorization, CaptureInProgress.
    """
    try:
        with transaction.atomic():
            _order, payment = lock_payment(payment_id)
            if payment.status != Payment.Status.AUTHORIZED:
                raise PaymentNotAuthorized
            left = payment.authorized_minor - payment.captured_minor
            asked = amount.minor if amount else left
            if (amount and amount.currency != payment.currency) or not 0 < asked <= left:
                raise CaptureExceedsAuthorization(capturable_minor=left, currency=payment.currency)
            capture = Capture.objects.create(
                payment=payment,
                amount_minor=asked,
                captured_before_minor=payment.captured_minor,
                is_final=is_final or asked == left,
                next_attempt_at=database_now() + LEASE,
            )
            bell.ring_on_commit(CAPTURES)
    except IntegrityError as error:
        if "capture_one_under_way" in str(error):
            raise CaptureInProgress from error
        raise
    return capture


def send_capture(capture_id: str) -> Capture:
    """Ask the gateway; repeats carry the same capture reference. The payment's door books what was taken."""
    capture = _mark_attempt(capture_id)
    if capture.status != "submitting":
        return capture
    payment = capture.payment
    account = get_account(payment.gateway_account_id)
    if account is None:
        raise NotFound
    adapter = connect(account)
    if not isinstance(adapter, CaptureCapable):
        return _finish(capture, status="failed", failure_code="not_supported_by_gateway")
    try:
        result = ask(
            account,
            adapter.capture_payment,
            payment.id,
            capture_reference=capture.id,
            amount_minor=capture.amount_minor,
            currency=payment.currency,
            gateway_reference=payment.gateway_reference,
        )
        record_payment_result(payment.id, result, source=Evidence.Source.RESPONSE)
        if capture.is_final and result.outcome is Outcome.AUTHORIZED:
            released = ask(account, adapter.void_payment, payment.id, gateway_reference=payment.gateway_reference)
            record_payment_result(payment.id, released, source=Evidence.Source.RESPONSE)
    except GatewayRejected as error:
        return _finish_refused(capture, account, code=error.code or "gateway_rejected")
    except (GatewayUnavailable, GatewayOutcomeUnknown) as error:
        log.warning("capture_unknown", capture_id=capture.id, reason=error.code or type(error).__name__)
        return capture
    if result.outcome is Outcome.FAILED:
        return _finish(capture, status="failed", failure_code=result.failure_code or "capture_failed")
    return _finish(capture, status="succeeded")


def _finish_refused(capture: Capture, account: GatewayAccount, *, code: str) -> Capture:
    """The first attempt refused is a failure. A repeat may be refused because the first one was done: look."""
    if capture.attempts > 1:
        try:
            result = ask_about(capture.payment, account)
        except GatewayError:
            return capture
        payment = record_payment_result(capture.payment_id, result, source=Evidence.Source.QUERY)
        if payment.captured_minor >= capture.captured_before_minor + capture.amount_minor:
            return _finish(capture, status="succeeded")
    return _finish(capture, status="failed", failure_code=code)


def void_payment(payment_id: str) -> Payment:
    """Let the held money go. PaymentNotAuthorized when nothing is held, or a part was taken already."""
    payment = Payment.objects.filter(id=payment_id).first()
    if payment is None:
        raise NotFound
    if payment.status != Payment.Status.AUTHORIZED or payment.captured_minor:
        raise PaymentNotAuthorized
    if payment.captures.filter(status="submitting").exists():
        raise CaptureInProgress
    account = get_account(payment.gateway_account_id)
    if account is None:
        raise NotFound
    adapter = connect(account)
    if not isinstance(adapter, CaptureCapable):
        raise NotSupportedByGateway
    try:
        result = ask(account, adapter.void_payment, payment.id, gateway_reference=payment.gateway_reference)
    except GatewayRejected as error:
        raise RefusedByGateway(reason=error.code) from error
    except (GatewayUnavailable, GatewayOutcomeUnknown) as error:
        return record_no_answer(payment.id, code=error.code or "unknown", source=Evidence.Source.RESPONSE)
    return record_payment_result(payment.id, result, source=Evidence.Source.RESPONSE)


def due_captures(*, limit: int) -> list[str]:
    """Ids of captures to send or repeat now, leased."""
    return claim_due(Capture, lease=LEASE, limit=limit, condition="status = 'submitting'")


def _mark_attempt(capture_id: str) -> Capture:
    with transaction.atomic():
        payment_id = Capture.objects.filter(id=capture_id).values_list("payment_id", flat=True).first()
        if payment_id is None:
            raise NotFound
        _order, payment = lock_payment(payment_id)
        capture = Capture.objects.select_for_update(no_key=True).get(id=capture_id)
        capture.payment = payment
        if capture.status == "submitting":
            delay = QUERY_DELAYS_SECONDS[min(capture.attempts, len(QUERY_DELAYS_SECONDS) - 1)]
            capture.attempts += 1
            capture.next_attempt_at = database_now() + max(LEASE, timedelta(seconds=delay))
            capture.save(update_fields=["attempts", "next_attempt_at"])
    return capture


def _finish(capture: Capture, *, status: str, failure_code: str = "") -> Capture:
    with transaction.atomic():
        row = Capture.objects.select_for_update(no_key=True).get(id=capture.id)
        if transitions.CAPTURE.allows(row.status, status):
            row.status, row.failure_code, row.next_attempt_at = status, failure_code[:64], None
            row.save(update_fields=["status", "failure_code", "next_attempt_at"])
    return row
