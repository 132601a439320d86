"""Paying an order: intent, question, door.

``pay_order`` commits a payment whose request number is chosen (tx 1), asks the gateway with no transaction open, and
brings the answer to :func:`record_payment_result` (tx 2), **the door**, where callbacks, queries, statements and
operators end as well. Kill the process anywhere: the row says what to ask.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

import structlog
from django.conf import settings
from django.db import Error, IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from merchants.queries import known_merchant
from paycore import bell, idempotency, metrics
from paycore.clock import database_now
from paycore.errors import NotFound, PaycoreError
from paycore.idempotency import Key, KeyTaken, StoredResponse
from paycore.logs import bind_ids
from payments.errors import OrderHasExpired, OrderNotOpen, OrderNumberTaken, PaymentInProgress
from payments.gateways.contract import (
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    Outcome,
    PaymentRequest,
    PaymentResult,
)
from payments.orders import statements
from payments.orders.models import Evidence, Order, Payment
from payments.orders.outcomes import Change, Known, decide
from payments.orders.schedule import next_query_at
from payments.orders.surplus import handle_surplus
from payments.routing.connections import ask, connect, webhook_url
from payments.routing.models import GatewayAccount
from payments.routing.services import Route, choose_accounts, get_account
from riskcontrol.cases import open_case
from riskcontrol.decisions import Decision, assess

log = structlog.get_logger(__name__)

MAX_COLLISIONS = 8
Render = Callable[[Order, Payment], StoredResponse]


class TooManyCollisions(PaycoreError):
    code, http_status = "busy_try_again", 503
    title = _("Somebody else is changing this right now. Try again.")


@dataclass(frozen=True)
class PayInstruction:
    """How to pay. ``options`` go to the adapter as they are (tokens, scripts of the sandbox; never card numbers)."""

    method: str
    return_url: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


def pay_order(
    order: Order, instruction: PayInstruction, *, key: Key | None = None, render: Render | None = None
) -> Payment:
    """One payment of ``order`` by ``instruction.method``; its row after the gateway's answer (or silence).

    ``order`` may be new (not yet stored): it is then created in the same transaction as the payment. With a ``key``,
    the answer that ``render`` makes of the result is kept under it in the door's own transaction.
    Raises :class:`KeyTaken`, OrderNotOpen, OrderHasExpired, OrderNumberTaken, PaymentInProgress, MethodNotAvailable and
    risk control's refusals; a refusal has no effect and leaves the key unused.
    """
    try:
        decision = assess(merchant_id=order.merchant_id, amount=order.amount)
        route = choose_accounts(merchant_id=order.merchant_id, amount=order.amount, method=instruction.method)
    except PaycoreError:
        _answer_known_key(key)
        raise
    attempts = route.accounts[: settings.PAYCORE_MAX_PAYMENT_ATTEMPTS]
    failed: Payment | None = None
    for account in attempts:
        try:
            payment, now = _begin(order, account, instruction, decision=decision, route=route, key=key, failed=failed)
        except (PaymentInProgress, OrderNotOpen, OrderHasExpired):
            if failed is None:
                raise
            # Somebody else is paying it by now: what this request can tell is its own failed attempt.
            if key and render:
                idempotency.complete(key, render(order, failed))
            return failed
        is_last = account is attempts[-1]
        payment = _submit(payment, account, now=now, key=key, render=render, may_try_elsewhere=not is_last)
        if payment.failure_code != "gateway_unavailable":
            return payment
        failed = payment
    return payment


def resume_payment(payment_id: str, *, key: Key, render: Render) -> StoredResponse:
    """Finish the work of a process that died: ask the gateway again with the same request number, which is safe."""
    payment = _load(payment_id)
    if payment.status in ("created", "submitting"):
        payment = _submit_again(payment, _account_of(payment), key=key, render=render)
    response = render(payment.order, payment)
    idempotency.complete(key, response)
    return response


def record_payment_result(payment_id: str, result: PaymentResult, *, source: Evidence.Source) -> Payment:
    """**The door.** Apply one piece of evidence, once, in one short transaction; the payment as it is afterwards.

    Twice, late or out of order is safe: a result that changes nothing is noted as evidence and that is all.
    """
    return _apply(_load(payment_id), result, source=source, now=database_now())


def record_no_answer(payment_id: str, *, code: str, source: Evidence.Source) -> Payment:
    """The gateway could not say. The payment stays as it is and is asked about again, soon."""
    return _apply(_load(payment_id), None, source=source, now=database_now(), note=code)


def _begin(
    order: Order,
    account: GatewayAccount,
    instruction: PayInstruction,
    *,
    decision: Decision,
    route: Route,
    key: Key | None,
    failed: Payment | None,
) -> tuple[Payment, datetime]:
    """tx 1; ``failed`` is this request's attempt before, at an account that could not be reached."""
    payment = Payment(
        order=order,
        gateway_account_id=account.id,
        method=instruction.method,
        status=Payment.Status.SUBMITTING,
        currency=order.currency,
        amount_minor=order.amount_minor,
        request_options=dict(instruction.options),
        return_url=instruction.return_url,
        risk=decision.as_row(),
        routing=route.trace | {"account": account.id},
    )
    is_new_order = failed is None and order._state.adding
    try:
        answer = statements.begin(
            payment, order=order if is_new_order else None, key=key, is_claimed=failed is not None
        )
    except IntegrityError as error:
        _refuse_collision(error)
    except Error as error:
        _refuse_by_code(error)
    if "claim" in answer:
        raise KeyTaken(answer["claim"])
    now = datetime.fromisoformat(answer["now"])
    payment.created_at = now
    if is_new_order:
        order._state.adding = False
        order.created_at = now
    return payment, now


def _submit(
    payment: Payment,
    account: GatewayAccount,
    *,
    now: datetime,
    key: Key | None,
    render: Render | None,
    may_try_elsewhere: bool,
) -> Payment:
    adapter = connect(account)
    asked = time.monotonic()
    result: PaymentResult | None
    note = ""
    try:
        result = ask(account, adapter.create_payment, request_of(payment, account))
    except GatewayUnavailable as error:
        log.warning("gateway_unavailable", payment_id=payment.id, account=account.id, reason=error.code)
        result = PaymentResult(payment.id, Outcome.FAILED, failure_code="gateway_unavailable")
    except GatewayRejected as error:
        result = PaymentResult(
            payment.id, Outcome.FAILED, failure_code=error.code or "gateway_rejected", failure_message=str(error)
        )
    except GatewayOutcomeUnknown as error:
        result, note = None, error.code or "unknown"
    is_passed_on = may_try_elsewhere and result is not None and result.failure_code == "gateway_unavailable"
    keep = None if is_passed_on else key
    now += timedelta(seconds=time.monotonic() - asked)  # still the database's clock, without asking it again
    return _apply(payment, result, source=Evidence.Source.RESPONSE, now=now, note=note, key=keep, render=render)


def _submit_again(payment: Payment, account: GatewayAccount, *, key: Key, render: Render) -> Payment:
    """Ask first: what was sent before may have arrived. A refusal now says nothing about what happened then."""
    adapter = connect(account)
    result: PaymentResult | None
    note = ""
    try:
        result = ask(account, adapter.fetch_payment, payment.id)
        if result.outcome is Outcome.NOT_FOUND:
            result = ask(account, adapter.create_payment, request_of(payment, account))
    except GatewayError as error:
        result, note = None, error.code or "unknown"
    now = database_now()
    return _apply(payment, result, source=Evidence.Source.RESPONSE, now=now, note=note, key=key, render=render)


def request_of(payment: Payment, account: GatewayAccount) -> PaymentRequest:
    """The same question, byte for byte, however often it is asked."""
    order = payment.order
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
        options=payment.request_options,
    )


def _apply(
    payment: Payment,
    result: PaymentResult | None,
    *,
    source: Evidence.Source,
    now: datetime,
    note: str = "",
    key: Key | None = None,
    render: Render | None = None,
) -> Payment:
    """Decide on the rows as they were read; write only if they still are so, else read again and decide again."""
    for _attempt in range(MAX_COLLISIONS):
        known = _known(payment)
        change = (
            decide(known, result, now=now)
            if result is not None
            else _no_answer(payment, source=source, now=now, note=note)
        )
        before = payment.status
        row = statements.change_as_row(known, change, result, source=source)
        _preview(payment, change)
        response = render(payment.order, payment) if key and render else None
        with transaction.atomic() if change.case else nullcontext():
            if not statements.apply(row, key=key, response=response):
                payment = _load(payment.id)
                continue
            if change.case:
                kind, facts = change.case
                open_case(kind=kind, object_id=payment.id, facts=facts, merchant_id=known.merchant.id)
            if change.surplus:
                handle_surplus(payment)
        if change.events:
            bell.ring_on_commit(bell.OUTBOX)
        if change.moves:
            metrics.PAYMENTS.labels(gateway=known.account.gateway, outcome=payment.status).inc()
            _log_move(payment, source=source, before=before)
        return payment
    raise TooManyCollisions(retry_after_seconds=1)


def _log_move(payment: Payment, *, source: Evidence.Source, before: str) -> None:
    """A request's own access line tells of its payment; every other source gets a line."""
    if source == Evidence.Source.RESPONSE:
        bind_ids(payment_id=payment.id, payment_status=payment.status)
    else:
        log.info("payment_moved", payment_id=payment.id, source=source, before=before, after=payment.status)


def _no_answer(payment: Payment, *, source: Evidence.Source, now: datetime, note: str) -> Change:
    """Silence changes nothing but when somebody asks: soon after a request, ever more seldom after queries."""
    if source == Evidence.Source.RESPONSE and not payment.is_final:
        return Change(payment={"next_attempt_at": next_query_at(now, attempts=0)}, note=note)
    change = decide(_known(payment), PaymentResult(payment.id, Outcome.NOT_FOUND), now=now)
    return replace(change, note=note)


def _preview(payment: Payment, change: Change) -> None:
    """Make the instances in memory what the rows will be."""
    for name, value in change.payment.items():
        is_time = isinstance(value, str) and name.endswith("_at")
        setattr(payment, name, datetime.fromisoformat(value) if is_time else value)
    if change.payment:
        payment.version += 1
    for name, value in (change.order or {}).items():
        is_time = isinstance(value, str) and name.endswith("_at")
        setattr(payment.order, name, datetime.fromisoformat(value) if is_time else value)
    if change.order:
        payment.order.version += 1


def _known(payment: Payment) -> Known:
    return Known(
        order=payment.order,
        payment=payment,
        merchant=known_merchant(payment.order.merchant_id),
        account=_account_of(payment),
    )


def _account_of(payment: Payment) -> GatewayAccount:
    account = get_account(payment.gateway_account_id)
    if account is None:
        raise NotFound
    return account


def _load(payment_id: str) -> Payment:
    payment = Payment.objects.select_related("order").filter(id=payment_id).first()
    if payment is None:
        raise NotFound
    return payment


def _answer_known_key(key: Key | None) -> None:
    """A repeat gets its first answer even if the same request would be refused by now."""
    if key is not None and (state := idempotency.look_up(key)) is not None:
        raise KeyTaken(state)


def _refuse_collision(error: IntegrityError) -> NoReturn:
    text = str(error)
    if "payment_one_live_attempt" in text:
        raise PaymentInProgress from error
    if "order_number_unique" in text:
        raise OrderNumberTaken from error
    raise error


def _refuse_by_code(error: Error) -> NoReturn:
    match getattr(error.__cause__, "pgcode", None):
        case "PC001":
            raise OrderNotOpen from error
        case "PC002":
            raise OrderHasExpired from error
        case "PC003":
            raise idempotency.IdempotencyKeyBusy(retry_after_seconds=1) from error
    raise error
