"""Paying an order: intent, question, door.

``pay_order`` commits a payment whose request number is chosen (tx 1), asks the gateway with no transaction open, and
brings the answer to :func:`record_payment_result` (tx 2), **the door**, where callbacks, queries, statements and
operators end as well. Kill the process anywhere: the row says what to ask.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import Error, transaction
from django.utils.translation import gettext_lazy as _

from merchants.queries import known_merchant
from paycore import bell, idempotency, metrics
from paycore.clock import database_now
from paycore.errors import NotFound, PaycoreError
from paycore.events import Event
from paycore.idempotency import Key, KeyTaken, StoredResponse
from paycore.logs import bind_ids
from payments.errors import MethodNotAvailable, OrderHasExpired, OrderNotOpen, PaymentInProgress
from payments.events import PaymentFailed
from payments.gateways.contract import GatewayError, Outcome, PaymentResult
from payments.methods.services import remember_method, require_mandate
from payments.orders import statements
from payments.orders.asking import (
    CONSENT,
    ask_about,
    ask_to_collect,
    is_answer_lost,
    is_known_for_the_same,
    may_succeed_elsewhere,
    request_of,
)
from payments.orders.clearance import Clearance, PayInstruction, clear, give_back
from payments.orders.intents import begin_anywhere, begin_payment
from payments.orders.models import Evidence, Order, Payment
from payments.orders.outcomes import Change, Known, decide
from payments.orders.reading import read_payment
from payments.orders.refusals import QuotaUsedUp
from payments.orders.schedule import STUCK_AFTER, next_query_at
from payments.orders.surplus import handle_surplus
from payments.routing.budget import may_retry
from payments.routing.connections import ask, connect
from payments.routing.models import GatewayAccount
from payments.routing.services import RouteQuestion, choose_accounts, get_account
from riskcontrol.cases import open_case, resolve_cases
from riskcontrol.decisions import refusal_of
from riskcontrol.models import Case

log = structlog.get_logger(__name__)

MAX_COLLISIONS = 8
Render = Callable[[Order, Payment], StoredResponse]


class TooManyCollisions(PaycoreError):
    code, http_status = "busy_try_again", 503
    title = _("Somebody else is changing this right now. Try again.")


def pay_order(
    order: Order, instruction: PayInstruction, *, key: Key | None = None, render: Render | None = None
) -> Payment:
    """One payment of ``order`` by ``instruction.method``; its row after the gateway's answer (or silence).

    ``order`` may be new (not yet stored): it is then created in the same transaction as the payment. With a ``key``,
    the answer that ``render`` makes of the result is kept under it in the door's own transaction.
    Raises :class:`KeyTaken`, OrderNotOpen, OrderHasExpired, OrderNumberTaken, PaymentInProgress, MethodNotAvailable,
    MandateRequired and risk control's refusals; a refusal has no effect and leaves the key unused.
    """
    try:
        if instruction.is_off_session:
            require_mandate(instruction.saved, merchant_id=order.merchant_id, amount=order.amount)
        route = choose_accounts(_question(order, instruction))
        clearance = clear(order, instruction, route)
    except PaycoreError:
        _answer_known_key(key)
        raise
    try:
        if clearance.hold:
            return _hold(order, instruction, clearance, key=key, render=render)
        return _attempt(order, instruction, clearance, key=key, render=render)
    except Error as error:  # a limit of risk control's, taken by others in between; anything else is raised again
        raise refusal_of(error, clearance.decision) from error


def _question(order: Order, instruction: PayInstruction) -> RouteQuestion:
    return RouteQuestion(
        merchant_id=order.merchant_id,
        amount=order.amount,
        method=instruction.method,
        country=instruction.country,
        only_account_id=instruction.saved.gateway_account_id if instruction.saved else "",
        subject=order.id,
    )


def _attempt(
    order: Order, instruction: PayInstruction, clearance: Clearance, *, key: Key | None, render: Render | None
) -> Payment:
    """Account after account, as long as nothing was taken and another one may say yes."""
    accounts = list(clearance.route.accounts)
    sent = 0
    failed: Payment | None = None
    while accounts and sent < settings.PAYCORE_MAX_PAYMENT_ATTEMPTS:
        account = accounts.pop(0)
        try:
            payment, now = begin_payment(order, account, instruction, clearance, key=key, failed=failed)
        except QuotaUsedUp:
            continue
        except (PaymentInProgress, OrderNotOpen, OrderHasExpired):
            if failed is None:
                raise
            break  # somebody else is paying it by now: what this request can tell is its own failed attempt
        sent += 1
        is_last = not accounts or sent == settings.PAYCORE_MAX_PAYMENT_ATTEMPTS
        payment, is_passed_on = submit(payment, account, now=now, key=key, render=render, may_try_elsewhere=not is_last)
        if not is_passed_on:
            return payment
        failed = payment
    if failed is None:
        raise MethodNotAvailable(method=instruction.method, currency=order.currency)
    give_back(failed)
    if key and render:
        idempotency.complete(key, render(order, failed))
    return failed


def resume_payment(payment_id: str, *, key: Key, render: Render) -> StoredResponse:
    """Finish the work of a process that died: ask the gateway again with the same request number, which is safe."""
    payment = load(payment_id)
    if payment.status == Payment.Status.SUBMITTING:
        payment = submit_again(payment, key=key, render=render)
    if payment.status == Payment.Status.FAILED:
        give_back(payment)  # it may have counted on a next account
    response = render(payment.order, payment)
    idempotency.complete(key, response)
    return response


def record_payment_result(payment_id: str, result: PaymentResult, *, source: Evidence.Source) -> Payment:
    """**The door.** Apply one piece of evidence, once, in one short transaction; the payment as it is afterwards.

    Twice, late or out of order is safe: a result that changes nothing is noted as evidence and that is all.
    """
    found = read_payment(payment_id)
    if found is None:
        raise NotFound
    payment, now = found
    return record_result_of(payment, result, source=source, now=now)


def record_result_of(payment: Payment, result: PaymentResult, *, source: Evidence.Source, now: datetime) -> Payment:
    """The door for who has read the payment with its order already, however long ago: if either moved since, both are
    read again. ``now`` is the database's clock."""
    return _apply(payment, result, source=source, now=now)


def record_no_answer(payment_id: str, *, code: str, source: Evidence.Source) -> Payment:
    """The gateway could not say. The payment stays as it is and is asked about again, soon."""
    return _apply(load(payment_id), None, source=source, now=database_now(), note=code)


def _hold(
    order: Order, instruction: PayInstruction, clearance: Clearance, *, key: Key | None, render: Render | None
) -> Payment:
    """The intent alone, with the case when a person must look. :mod:`payments.orders.holds` sends it, or never."""
    with transaction.atomic():
        payment, now = begin_anywhere(order, instruction, clearance, key=key)
        if clearance.hold == Payment.Hold.REVIEW:
            until = now + timedelta(seconds=clearance.hold_seconds)
            facts = {"decision": clearance.decision.id, "reasons": list(clearance.decision.reasons)}
            open_case(
                kind=Case.Kind.RISK_REVIEW,
                object_id=payment.id,
                facts=facts | {"decide_by": until.isoformat(timespec="seconds")},
                merchant_id=order.merchant_id,
            )
        if key and render:
            idempotency.complete(key, render(order, payment))
    bind_ids(payment_id=payment.id, payment_status=payment.status)
    return payment


def submit(
    payment: Payment,
    account: GatewayAccount,
    *,
    now: datetime,
    key: Key | None,
    render: Render | None,
    may_try_elsewhere: bool,
) -> tuple[Payment, bool]:
    """Ask the gateway and bring its answer to the door; the row, and whether another account should try."""
    asked = time.monotonic()
    result, note = ask_to_collect(payment, account)
    is_passed_on = may_try_elsewhere and may_succeed_elsewhere(result) and may_retry()
    now += timedelta(seconds=time.monotonic() - asked)  # still the database's clock, without asking it again
    payment = _apply(
        payment,
        result,
        source=Evidence.Source.RESPONSE,
        now=now,
        note=note,
        key=None if is_passed_on else key,
        render=render,
        is_passed_on=is_passed_on,
    )
    if not is_passed_on or payment.status == Payment.Status.FAILED:
        return payment, is_passed_on
    if key and render:  # other evidence came first: it took money, or may
        idempotency.complete(key, render(payment.order, payment))
    return payment, False


def submit_again(payment: Payment, *, key: Key | None = None, render: Render | None = None) -> Payment:
    """Ask first: what was sent before may have arrived. A refusal now says nothing about what happened then."""
    account = _account_of(payment)
    result: PaymentResult | None
    note = ""
    try:
        result = ask_about(payment, account)
        if is_answer_lost(result) and is_known_for_the_same(payment, account, now=database_now()):
            result = ask(account, connect(account).create_payment, request_of(payment, account))
    except GatewayError as error:
        result, note = None, error.code or "unknown"
    now = database_now()
    return _apply(payment, result, source=Evidence.Source.RESPONSE, now=now, note=note, key=key, render=render)


def _apply(
    payment: Payment,
    result: PaymentResult | None,
    *,
    source: Evidence.Source,
    now: datetime,
    note: str = "",
    key: Key | None = None,
    render: Render | None = None,
    is_passed_on: bool = False,
) -> Payment:
    """Decide on the rows as they were read; write only if they still are so, else read again and decide again."""
    for _attempt in range(MAX_COLLISIONS):
        known = known_of(payment)
        change = (
            decide(known, result, now=now)
            if result is not None
            else _no_answer(payment, source=source, now=now, note=note)
        )
        if is_passed_on:
            change.events = [_passed_on(event) for event in change.events]
        before = payment.status
        row = statements.change_as_row(known, change, result, source=source)
        preview(payment, change)
        response = render(payment.order, payment) if key and render else None
        ends_stuck = change.moves and now - payment.created_at > STUCK_AFTER
        # A capture of what was held tells of the card once more; its owner may have removed it since.
        is_first_news = change.moves and before != Payment.Status.AUTHORIZED
        keeps_method = is_first_news and payment.saves_method and result is not None and result.saved is not None
        with transaction.atomic() if change.case or ends_stuck or keeps_method else nullcontext():
            if not statements.apply(row, key=key, response=response):
                payment = load(payment.id)
                continue
            _settle_cases(payment, change, ends_stuck=ends_stuck)
            if change.surplus:
                handle_surplus(payment)
            if keeps_method:
                _keep_method(payment, result)
        if change.events:
            bell.ring_on_commit(bell.OUTBOX)
        if change.moves:
            metrics.PAYMENTS.labels(gateway=known.account.gateway, outcome=payment.status).inc()
            _log_move(payment, source=source, before=before)
        return payment
    raise TooManyCollisions(retry_after_seconds=1)


def _settle_cases(payment: Payment, change: Change, *, ends_stuck: bool) -> None:
    if change.case:
        kind, facts = change.case
        open_case(kind=kind, object_id=payment.id, facts=facts, merchant_id=payment.order.merchant_id)
    if ends_stuck:
        resolve_cases(kind=Case.Kind.STUCK, object_id=payment.id, resolution=f"known: {payment.status}")


def _keep_method(payment: Payment, result: PaymentResult | None) -> None:
    if result is None or result.saved is None or payment.order.user_id is None:
        return
    remember_method(
        user_id=payment.order.user_id,
        gateway_account_id=payment.gateway_account_id,
        method=payment.method,
        saved=result.saved,
        merchant_id=payment.order.merchant_id,
        consent=payment.request_options.get(CONSENT),
    )


def _passed_on(event: Event) -> Event:
    return replace(event, is_passed_on=True) if isinstance(event, PaymentFailed) else event


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
    change = decide(known_of(payment), PaymentResult(payment.id, Outcome.NOT_FOUND), now=now)
    return replace(change, note=note)


def preview(payment: Payment, change: Change) -> None:
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


def known_of(payment: Payment) -> Known:
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


def load(payment_id: str) -> Payment:
    payment = Payment.objects.select_related("order").filter(id=payment_id).first()
    if payment is None:
        raise NotFound
    return payment


def _answer_known_key(key: Key | None) -> None:
    """A repeat gets its first answer even if the same request would be refused by now."""
    if key is not None and (state := idempotency.look_up(key)) is not None:
        raise KeyTaken(state)
