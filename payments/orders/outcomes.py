"""What one piece of evidence means for a payment: a pure decision, from rows and a result to a change.

Nothing here reads or writes. The door (:mod:`payments.orders.charging`) carries the change out.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from merchants.models import Merchant
from merchants.queries import merchant_fee
from paycore.events import Event
from paycore.money import Money
from payments.events import OrderPaid, PaymentAuthorized, PaymentCanceled, PaymentFailed, PaymentSucceeded
from payments.gateways.actions import action_as_row
from payments.gateways.contract import Outcome, PaymentResult
from payments.ledger import chart
from payments.ledger.services import Entry, Leg
from payments.orders import transitions
from payments.orders.models import Order, Payment
from payments.orders.schedule import next_query_at
from payments.routing.models import GatewayAccount
from riskcontrol.models import Case


@dataclass
class Change:
    """Columns to set, entries to post, news to tell. ``note`` says why nothing was applied, when nothing was."""

    payment: dict[str, Any] = field(default_factory=dict)
    order: dict[str, Any] | None = None
    entries: list[Entry] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    note: str = ""
    case: tuple[Case.Kind, dict[str, Any]] | None = None
    surplus: bool = False

    @property
    def moves(self) -> bool:
        return "status" in self.payment or bool(self.entries)


@dataclass(frozen=True)
class Known:
    """The rows as they were read, and whose fees apply."""

    order: Order
    payment: Payment
    merchant: Merchant
    account: GatewayAccount


_TARGETS = {
    Outcome.SUCCEEDED: "succeeded",
    Outcome.AUTHORIZED: "authorized",
    Outcome.FAILED: "failed",
    Outcome.CANCELED: "canceled",
    Outcome.PENDING: "processing",
    Outcome.REQUIRES_ACTION: "requires_action",
}


def decide(known: Known, result: PaymentResult, *, now: datetime) -> Change:
    """``now`` is the database's clock, aware UTC."""
    payment = known.payment
    if result.outcome is Outcome.NOT_FOUND:
        # Still unknown: only a closing at the gateway, or a person, ends such a payment.
        return _wait(payment, now=now, note="not_found")
    target = _TARGETS[result.outcome]
    if target in ("canceled", "failed") and payment.captured_minor and not payment.is_final:
        target = "succeeded"  # nothing more will be taken; what was taken is real
    mismatch = _mismatch(known, result, target=target)
    if mismatch and target in ("succeeded", "authorized"):
        change = _wait(payment, now=now, note="mismatch")
        change.case = (Case.Kind.PAYMENT_MISMATCH, mismatch)
        return change
    is_more_captured = target == "authorized" and (result.captured_minor or 0) > payment.captured_minor
    if target == payment.status and not is_more_captured:
        return _wait(payment, now=now, note="already_known")
    if target != payment.status and not transitions.PAYMENT.allows(payment.status, target):
        change = _wait(payment, now=now, note="not_applicable")
        if target == "authorized" and payment.status != "succeeded":
            # Money is held for an attempt that ended: somebody must let it go.
            change.case = (Case.Kind.PAYMENT_MISMATCH, {"held_minor": payment.amount_minor, "status": payment.status})
        return change
    return _move(known, result, target=target, now=now)


def _mismatch(known: Known, result: PaymentResult, *, target: str) -> dict[str, Any]:
    payment = known.payment
    facts: dict[str, Any] = {}
    if result.amount_minor is not None and result.amount_minor != payment.amount_minor:
        facts["amount_minor"] = {"expected": payment.amount_minor, "reported": result.amount_minor}
    if result.currency is not None and result.currency != payment.currency:
        facts["currency"] = {"expected": payment.currency, "reported": result.currency}
    least = 0
    if target == "succeeded" and not payment.captured_minor:
        least = payment.amount_minor if known.order.capture_method == "automatic" else 1
    if result.captured_minor is not None and not least <= result.captured_minor <= payment.amount_minor:
        facts["captured_minor"] = {"expected": payment.amount_minor, "reported": result.captured_minor}
    return facts


def _wait(payment: Payment, *, now: datetime, note: str) -> Change:
    if payment.is_final:
        return Change(note=note)
    return Change(
        payment={
            "poll_attempts": payment.poll_attempts + 1,
            "next_attempt_at": next_query_at(now, attempts=payment.poll_attempts + 1),
        },
        note=note,
    )


def _move(known: Known, result: PaymentResult, *, target: str, now: datetime) -> Change:
    payment = known.payment
    change = Change(payment={"status": target, "hold": ""})
    if result.gateway_reference and not payment.gateway_reference:
        change.payment["gateway_reference"] = result.gateway_reference
    is_final = target in transitions.PAYMENT.final
    change.payment["next_attempt_at"] = None if is_final else next_query_at(now, attempts=0)
    if is_final:
        change.payment["action"] = None
    else:
        change.payment["poll_attempts"] = 0
    match target:
        case "succeeded":
            _succeed(known, result, change, now=now)
        case "authorized":
            _authorize(known, result, change)
        case "failed":
            _fail(known, result, change)
        case "canceled":
            _cancel(known, change, now=now)
        case "requires_action":
            change.payment["action"] = action_as_row(result.action)
    return change


def _fail(known: Known, result: PaymentResult, change: Change) -> None:
    code = result.failure_code or "declined"
    change.payment |= {"failure_code": code[:64], "failure_message": result.failure_message[:300]}
    change.events.append(PaymentFailed(known.payment.id, known.order.id, code[:64], False, known.merchant.id))


def _cancel(known: Known, change: Change, *, now: datetime) -> None:
    if known.order.expires_at <= now:
        change.payment["status"] = "expired"
    change.events.append(PaymentCanceled(known.payment.id, known.order.id, known.merchant.id))


def _succeed(known: Known, result: PaymentResult, change: Change, *, now: datetime) -> None:
    order, payment = known.order, known.payment
    captured = max(payment.captured_minor, _captured(payment, result))
    is_surplus = order.status != Order.Status.OPEN
    change.surplus = is_surplus
    change.payment |= {
        "authorized_minor": max(payment.authorized_minor, payment.amount_minor),
        "captured_minor": captured,
        "succeeded_at": now.isoformat(),
        "is_surplus": is_surplus,
        "failure_code": "",
        "failure_message": "",
    }
    _book_capture(known, result, change, captured=captured, is_surplus=is_surplus)
    change.events.append(
        PaymentSucceeded(
            payment.id, order.id, is_surplus, payment.status in transitions.PAYMENT.final, known.merchant.id
        )
    )
    if is_surplus:
        _move_to_suspense(known, change)
        change.case = (
            Case.Kind.SURPLUS_PAYMENT,
            {"order": order.id, "order_status": order.status, "amount_minor": captured, "currency": payment.currency},
        )
    else:
        change.order = {"status": Order.Status.PAID.value, "paid_at": now.isoformat(), "next_attempt_at": None}
        change.events.append(OrderPaid(order.id, payment.id, order.user_id, known.merchant.id, order.has_codes))


def _move_to_suspense(known: Known, change: Change) -> None:
    """Parts that were taken while the order could still have had them were booked as the merchant's."""
    before = Money(known.payment.captured_minor, known.payment.currency)
    if before.minor:
        owner = chart.merchant_pending(known.merchant.id)
        fee = merchant_fee(known.merchant, before)
        legs = [Leg(chart.REVENUE_FEES, owner, fee), Leg(owner, chart.SUSPENSE, before)]
        change.entries.append(Entry("payment", known.payment.id, "surplus", legs))


def _captured(payment: Payment, result: PaymentResult) -> int:
    if result.captured_minor is not None:
        return result.captured_minor
    return payment.captured_minor or payment.amount_minor


def _authorize(known: Known, result: PaymentResult, change: Change) -> None:
    payment = known.payment
    change.payment["authorized_minor"] = payment.amount_minor
    change.payment["action"] = None
    captured = result.captured_minor or 0
    if captured > payment.captured_minor:
        change.payment["captured_minor"] = captured
        _book_capture(known, result, change, captured=captured, is_surplus=False)
    if payment.status != "authorized":
        change.events.append(PaymentAuthorized(payment.id, known.order.id, known.merchant.id))


def _book_capture(known: Known, result: PaymentResult, change: Change, *, captured: int, is_surplus: bool) -> None:
    """Post what was taken beyond what the books know. ``captured`` is cumulative, so copies and late parts add up."""
    payment, account = known.payment, known.account
    currency = payment.currency
    before, after = Money(payment.captured_minor, currency), Money(captured, currency)
    taken = after - before
    if not taken.minor:
        return
    is_fee_told = result.fee_minor is not None and 0 <= result.fee_minor <= captured
    cost_after = (
        Money(result.fee_minor or 0, currency)
        if is_fee_told
        else account.expected_fee(after, method=payment.method, country=payment.payer_country)
    )
    cost = max(Money.zero(currency), cost_after - Money(payment.fee_minor, currency))
    gateway = chart.gateway(account.id)
    owner = chart.SUSPENSE if is_surplus else chart.merchant_pending(known.merchant.id)
    legs = [Leg(gateway, owner, taken), Leg(chart.EXPENSE_GATEWAY_FEES, gateway, cost)]
    if not is_surplus:
        share = merchant_fee(known.merchant, after)
        if before.minor:
            share -= merchant_fee(known.merchant, before)
        legs.append(Leg(owner, chart.REVENUE_FEES, max(Money.zero(currency), share)))
    change.payment["fee_minor"] = payment.fee_minor + cost.minor
    change.entries.append(Entry("payment", payment.id, f"capture:{captured}", legs))
