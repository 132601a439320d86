"""Many orders and many payments that nobody is there to wait for: renewals, a few hundred at a time.

What :mod:`payments.orders.charging` does for one payment in three round trips happens here for a hundred in three: tx 1
commits all intents, the gateways are asked with no transaction open, several at once, and tx 2, the door, records what
they said. A process that dies leaves rows that say what to ask. The number of an attempt is derived from what it is, so
the same attempt made again (twice, by two workers, after a backup was restored) is the same request to the gateway.
"""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from merchants.queries import may_sell
from paycore import bell, http, metrics
from paycore.bulk import new_row
from paycore.clock import database_now
from paycore.identifiers import derived_id
from payments.errors import MethodNotAvailable, OrderHasExpired, OrderNotOpen, PaymentInProgress
from payments.gateways.contract import PaymentResult, SavedToken
from payments.methods.models import Mandate, PaymentMethod
from payments.orders import statements
from payments.orders.asking import ask_to_collect, options_to_keep
from payments.orders.charging import known_of, preview, record_no_answer, record_payment_result, record_result_of
from payments.orders.clearance import Clearance, PayInstruction
from payments.orders.intents import begin_payment
from payments.orders.models import Evidence, Order, Payment
from payments.orders.outcomes import decide
from payments.orders.refusals import QuotaUsedUp
from payments.orders.services import OrderDraft, build_order
from payments.routing.models import GatewayAccount
from payments.routing.services import Route, RouteQuestion, choose_accounts, quotas_taken
from riskcontrol.decisions import Decision
from riskcontrol.lists import blocked_values
from riskcontrol.models import ListEntry

CHUNK = 100
"""Intents that are committed before the first of them is sent."""
FIRST_QUERY_SECONDS = 30
"""When somebody else asks about an intent whose process died before it came to it."""
WALLET = "wallet"
Answer = tuple[PaymentResult | None, str]


@dataclass(frozen=True, slots=True)
class UnaskedCharge:
    """Collect ``order_id`` from a saved ``method`` under its mandate, or (None) from its user's wallet. ``attempt``
    counts from 1, ``at`` is when it became due, as it is stored: both together with the order are the request's
    number."""

    order_id: str
    attempt: int
    method: PaymentMethod | None
    at: datetime
    order: Order | None = None
    """Where it was read just now. That it is open still is seen when the payment is begun."""


@dataclass(frozen=True, slots=True)
class Charged:
    """The payment as it is afterwards, or why there is none: ``mandate_required``, ``method_not_ready``,
    ``method_not_available``, ``merchant_takes_no_payments``, ``refused_by_risk``, ``order_not_open``,
    ``order_expired``, ``payment_in_progress``, ``quota_used_up``, ``not_found``."""

    order_id: str
    payment: Payment | None
    refusal: str = ""


@dataclass(slots=True)
class _Intent:
    charge: UnaskedCharge
    order: Order
    instruction: PayInstruction
    route: Route
    payment: Payment

    @property
    def account(self) -> GatewayAccount:
        return self.route.accounts[0]


def create_orders(drafts: Sequence[OrderDraft], *, now: datetime) -> list[Order]:
    """Store open orders and say so, in the running transaction, in one round trip. ``now`` is the database's clock.
    ``IntegrityError`` when one of them, or its number, exists."""
    orders = [build_order(draft) for draft in drafts]
    for order, draft in zip(orders, drafts, strict=True):
        lifetime = timedelta(seconds=draft.lifetime_seconds or settings.PAYCORE_ORDER_LIFETIME_SECONDS)
        order.created_at = order.updated_at = now
        order.expires_at = order.next_attempt_at = now + lifetime
        order._state.adding = False
    if orders:
        statements.create_many(orders)
        bell.ring_on_commit(bell.OUTBOX)
    return orders


def charge_unasked(charges: Sequence[UnaskedCharge]) -> list[Charged]:
    """What became of each, in their order. Safe to repeat with the same attempts: one that was begun before is answered
    as it is. Nothing is asked twice at once for an order: the database allows one live attempt."""
    http.refuse_open_transaction()
    charged: list[Charged] = []
    for start in range(0, len(charges), CHUNK):
        charged += _charge(charges[start : start + CHUNK])
    return charged


def _charge(charges: Sequence[UnaskedCharge]) -> list[Charged]:
    intents, done = _prepare(charges)
    done |= _begin(intents)
    begun = [intent for intent in intents if intent.order.id not in done]
    answers = _ask_all(begun)
    _record(begun, answers)
    for intent in begun:
        done[intent.order.id] = Charged(intent.order.id, intent.payment)
    return [done[charge.order_id] for charge in charges]


def _prepare(charges: Sequence[UnaskedCharge]) -> tuple[list[_Intent], dict[str, Charged]]:
    """Intents not yet stored, and what is refused before anything is written."""
    orders = {charge.order_id: charge.order for charge in charges if charge.order}
    unread = [charge.order_id for charge in charges if charge.order is None]
    orders |= Order.objects.in_bulk(unread) if unread else {}
    mandates = _mandates(charges)
    blocked = blocked_values(ListEntry.Kind.USER, {order.user_id for order in orders.values() if order.user_id})
    now = database_now()
    intents: list[_Intent] = []
    refused: dict[str, Charged] = {}
    for charge in charges:
        order = orders.get(charge.order_id)
        refusal = _refusal(charge, order, mandates=mandates, blocked=blocked, now=now)
        if order is None or refusal:
            refused[charge.order_id] = Charged(charge.order_id, None, refusal)
            continue
        instruction = PayInstruction(
            method=charge.method.method if charge.method else WALLET,
            saved=charge.method,
            is_off_session=charge.method is not None,
        )
        try:
            route = choose_accounts(_question(order, instruction))
        except MethodNotAvailable as error:
            refused[charge.order_id] = Charged(charge.order_id, None, error.code)
            continue
        payment = _payment(charge, order, instruction, route, now=now)
        intents.append(_Intent(charge, order, instruction, route, payment))
    return intents, refused


def _refusal(
    charge: UnaskedCharge,
    order: Order | None,
    *,
    mandates: dict[tuple[str, str], Mandate],
    blocked: frozenset[str],
    now: datetime,
) -> str:
    if order is None:
        return "not_found"
    if not may_sell(order.merchant_id):
        return "merchant_takes_no_payments"
    if order.user_id in blocked:
        return "refused_by_risk"
    if charge.method is None:
        return ""
    if charge.method.status != PaymentMethod.Status.ACTIVE or charge.method.token is None:
        return "method_not_ready"
    mandate = mandates.get((charge.method.id, order.merchant_id))
    if charge.method.user_id != order.user_id or mandate is None or not mandate.allows(order.amount, now=now):
        return "mandate_required"
    return ""


def _mandates(charges: Sequence[UnaskedCharge]) -> dict[tuple[str, str], Mandate]:
    """The newest one in force by method and merchant."""
    methods = [charge.method.id for charge in charges if charge.method]
    rows = Mandate.objects.filter(payment_method_id__in=methods, status=Mandate.Status.ACTIVE).order_by("id")
    return {(row.payment_method_id, row.merchant_id): row for row in rows}


def _question(order: Order, instruction: PayInstruction) -> RouteQuestion:
    return RouteQuestion(
        merchant_id=order.merchant_id,
        amount=order.amount,
        method=instruction.method,
        only_account_id=instruction.saved.gateway_account_id if instruction.saved else "",
        subject=order.id,
    )


def _payment(
    charge: UnaskedCharge, order: Order, instruction: PayInstruction, route: Route, *, now: datetime
) -> Payment:
    account = route.accounts[0]
    payment = new_row(
        Payment,
        id=derived_id("pay", min(charge.at, now), order.id, charge.attempt),
        gateway_account_id=account.id,
        method=instruction.method,
        status=Payment.Status.SUBMITTING,
        currency=order.currency,
        amount_minor=order.amount_minor,
        payment_method_id=charge.method.id if charge.method else None,
        is_off_session=instruction.is_off_session,
        request_options=options_to_keep(order, account, instruction),
        routing=route.trace | {"account": account.id},
    )
    payment.order = order
    if charge.method and charge.method.token:
        payment.saved_token = SavedToken(charge.method.token, customer_reference=charge.method.customer_reference)
    return payment


def _begin(intents: Sequence[_Intent]) -> dict[str, Charged]:
    """tx 1; what was not begun, and why. Accounts with quotas take theirs one by one, each in its own transaction."""
    limited: list[_Intent] = []
    free: list[_Intent] = []
    for intent in intents:
        (limited if quotas_taken(intent.account, intent.order.amount) else free).append(intent)
    not_begun: dict[str, Charged] = {}
    if free:
        answer = statements.begin_many([intent.payment for intent in free], first_query_seconds=FIRST_QUERY_SECONDS)
        for intent in free:
            why = answer["refused"].get(intent.payment.id)
            if why:
                not_begun[intent.order.id] = _not_begun(intent, why)
                continue
            intent.order.version = answer["begun"][intent.payment.id]
            intent.payment.created_at = datetime.fromisoformat(answer["now"])
    for intent in limited:
        refusal = _begin_limited(intent)
        if refusal:
            not_begun[intent.order.id] = _not_begun(intent, refusal)
    return not_begun


def _not_begun(intent: _Intent, why: str) -> Charged:
    if why != "begun_before":
        return Charged(intent.order.id, None, why)
    return Charged(intent.order.id, Payment.objects.select_related("order").get(id=intent.payment.id))


def _begin_limited(intent: _Intent) -> str:
    if Payment.objects.filter(id=intent.payment.id).exists():
        return "begun_before"
    nobody_asked = Decision(id="", action="allow", reasons=())
    clearance = Clearance(nobody_asked, intent.route)
    try:
        payment, _now = begin_payment(
            intent.order,
            intent.account,
            intent.instruction,
            clearance,
            key=None,
            failed=None,
            number=intent.payment.id,
        )
    except QuotaUsedUp:
        return "quota_used_up"
    except (OrderNotOpen, OrderHasExpired, PaymentInProgress) as error:
        return error.code
    payment.saved_token = intent.payment.saved_token
    intent.payment = payment
    return ""


def _ask_all(intents: Sequence[_Intent]) -> list[Answer]:
    """Over the network several at once; providers of this process (the wallet) one after the other, for they use this
    thread's connection to the database."""
    near: list[_Intent] = []
    far: list[_Intent] = []
    for intent in intents:
        (near if intent.account.base_url.startswith("inprocess://") else far).append(intent)
    answers: dict[str, Answer] = {}
    waiting = deque(far)
    workers = min(settings.PAYCORE_CHARGES_AT_ONCE, len(far))
    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="charge") as pool:
        asking = [pool.submit(_ask_waiting, waiting, answers) for _number in range(workers)]
        answers |= {intent.payment.id: _ask(intent) for intent in near}
        for one in asking:
            one.result()
    return [answers[intent.payment.id] for intent in intents]


def _ask_waiting(waiting: "deque[_Intent]", answers: dict[str, Answer]) -> None:
    """One after the other, until none waits: several threads share ``waiting``, which costs less than a future each."""
    while True:
        try:
            intent = waiting.popleft()
        except IndexError:
            return
        answers[intent.payment.id] = _ask(intent)


def _ask(intent: _Intent) -> Answer:
    return ask_to_collect(intent.payment, intent.account)


def _record(intents: Sequence[_Intent], answers: Sequence[Answer]) -> None:
    """**The door**, for many: what one piece of evidence means is decided as for one; what needs a case, keeps a method
    or met a row that moved goes through the door alone."""
    now = database_now()
    rows, together = [], []
    for intent, (result, note) in zip(intents, answers, strict=True):
        payment = intent.payment
        if result is None:
            intent.payment = record_no_answer(payment.id, code=note, source=Evidence.Source.RESPONSE)
            continue
        known = known_of(payment)
        change = decide(known, result, now=now)
        if change.case or change.surplus:
            intent.payment = record_result_of(payment, result, source=Evidence.Source.RESPONSE, now=now)
            continue
        rows.append(statements.change_as_row(known, change, result, source=Evidence.Source.RESPONSE))
        preview(payment, change)
        together.append((intent, result))
    applied = statements.apply_many(rows)
    if applied:
        bell.ring_on_commit(bell.OUTBOX)
    for intent, result in together:
        if intent.payment.id not in applied:
            intent.payment = record_payment_result(intent.payment.id, result, source=Evidence.Source.RESPONSE)
        metrics.PAYMENTS.labels(gateway=intent.account.gateway, outcome=intent.payment.status).inc()
