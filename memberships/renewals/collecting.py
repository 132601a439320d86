"""Collecting open periods: ask for their money unasked, as one batch, and carry out what came of it.

Nothing is chosen here that a second worker would choose otherwise: the attempt's number is what the subscription's row
says until the attempt is known to have failed. So two workers, a killed one's heir and a restored database all make the
same request, and the one that brings the result first changes the rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction

from memberships.bells import CHARGE_NOTICES
from memberships.models import ChargeNotice, Dunning, Invoice, Subscription
from memberships.renewals.clocks import nows_of
from memberships.renewals.dunning import Failure, give_up, record_failure
from memberships.renewals.mandate_rules import Announcement
from memberships.renewals.settling_many import settle_many
from memberships.renewals.ways import Charge, OrderOver, Refuse, Settle, Wait, Waiting, Way, waiting_periods, ways_of
from memberships.subscriptions.recording import lock_subscription
from paycore import bell
from paycore.clock import database_now
from paycore.identifiers import derived_id
from payments.orders.batches import Charged, charge_unasked
from payments.orders.charging import submit_again
from payments.orders.models import Payment
from payments.orders.services import close_payment

IN_THE_WAY = frozenset({"payment_in_progress"})
"""Another payment of the order is under way, the member's own for one: its end decides."""
NOT_THE_MEMBERS = frozenset({"merchant_takes_no_payments", "quota_used_up"})
"""It is the seller who cannot take money now: no attempt of the member's has failed."""
LOOK_AGAIN = timedelta(minutes=10)
SOON = timedelta(minutes=1)

Outcome = Literal["settled", "failed", "pending", "waiting", "over"]


@dataclass(slots=True)
class Collected:
    """By subscription. Who is not named had nothing to collect."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)


def collect(subscription_ids: Sequence[str], *, nows: Mapping[str, datetime] | None = None) -> Collected:
    """Bring the open period of each further. ``nows``: by subscription; None: the users' clocks. Safe to repeat, and
    beside others that do the same. No transaction may be open."""
    waiting = waiting_periods(subscription_ids)
    if not waiting:
        return Collected()
    nows = nows or _nows(waiting)
    ways = ways_of(waiting, nows=nows)
    charges = {one.subscription.id: way.charge for one, way in _pairs(waiting, ways) if isinstance(way, Charge)}
    charged = dict(zip(charges, charge_unasked(list(charges.values())), strict=True))
    settled = [one for one, way in _pairs(waiting, ways) if _is_paid(way, charged.get(one.subscription.id))]
    settle_many([one.invoice.id for one in settled], nows=nows)
    collected = Collected({one.subscription.id: "settled" for one in settled})
    for one, way in _pairs(waiting, ways):
        if one.subscription.id not in collected.outcomes:
            now = nows[one.subscription.id]
            collected.outcomes[one.subscription.id] = _carry_out(one, way, charged.get(one.subscription.id), now=now)
    return collected


def note_failed_payment(payment_id: str) -> bool:
    """A payment failed, or was canceled: when it is the attempt that a period waits for, it did; whether so. The
    database only."""
    payment = Payment.objects.select_related("order").filter(id=payment_id).first()
    if payment is None:
        return False
    invoice = Invoice.objects.filter(order_id=payment.order_id, kind=Invoice.Kind.RENEWAL).first()
    if invoice is None or invoice.subscription_id is None:
        return False
    for one in waiting_periods([invoice.subscription_id]):
        if one.invoice.id == invoice.id and payment.id == attempt_id(one) and payment.is_final:
            if payment.status == Payment.Status.SUCCEEDED:
                return False
            now = nows_of([one.subscription.user_id])[one.subscription.user_id]
            return record_failure(_failure(one, code=_code_of(payment), payment_id=payment.id), now=now)
    return False


def attempt_id(one: Waiting) -> str:
    """The payment of the attempt that is next, as :func:`charge_unasked` numbers it."""
    return derived_id("pay", one.charged_at, str(one.invoice.order_id), one.attempt)


def _pairs(waiting: Sequence[Waiting], ways: Sequence[Way]) -> list[tuple[Waiting, Way]]:
    return list(zip(waiting, ways, strict=True))


def _nows(waiting: Sequence[Waiting]) -> dict[str, datetime]:
    by_user = nows_of({one.subscription.user_id for one in waiting})
    return {one.subscription.id: by_user[one.subscription.user_id] for one in waiting}


def _is_paid(way: Way, charged: Charged | None) -> bool:
    if isinstance(way, Settle):
        return True
    return charged is not None and charged.payment is not None and charged.payment.status == Payment.Status.SUCCEEDED


def _carry_out(one: Waiting, way: Way, charged: Charged | None, *, now: datetime) -> Outcome:
    match way:
        case Wait():
            _wait(one, way)
            return "waiting"
        case Refuse():
            record_failure(_failure(one, code=way.code), now=now)
            return "failed"
        case OrderOver():
            return "over" if give_up(one.subscription.id, end_reason="unpaid", now=now) else "pending"
    return _after_charge(one, charged, now=now) if charged is not None else "pending"


def _after_charge(one: Waiting, charged: Charged, *, now: datetime) -> Outcome:
    payment = charged.payment
    if payment is None:
        return _after_refusal(one, charged.refusal, now=now)
    if payment.status == Payment.Status.SUBMITTING and database_now() - payment.created_at > SOON:
        # Begun by a process that died, perhaps before it asked: asked about first, then asked for under its number.
        payment = submit_again(payment)
    if payment.status == Payment.Status.REQUIRES_ACTION:
        # Nobody is there to act. Closed, so that the member can pay it at the page; the gateway may need a while.
        payment = close_payment(payment)
    if payment.status == Payment.Status.SUCCEEDED:
        settle_many([one.invoice.id], nows={one.subscription.id: now})
        return "settled"
    if not payment.is_final:
        _look_again(one, at=now + LOOK_AGAIN)
        return "pending"
    record_failure(_failure(one, code=_code_of(payment), payment_id=payment.id), now=now)
    return "failed"


def _after_refusal(one: Waiting, refusal: str, *, now: datetime) -> Outcome:
    if refusal in IN_THE_WAY | NOT_THE_MEMBERS:
        _look_again(one, at=now + LOOK_AGAIN)
        return "pending"
    if refusal in ("order_not_open", "order_expired", "not_found"):
        _look_again(one, at=now + SOON)
        return "pending"
    record_failure(_failure(one, code=refusal), now=now)
    return "failed"


def _code_of(payment: Payment) -> str:
    """An attempt that was closed or lapsed waited for a confirmation that nobody was there to give."""
    is_failed = payment.status == Payment.Status.FAILED
    return payment.failure_code or "declined" if is_failed else "authentication_required"


def _failure(one: Waiting, *, code: str, payment_id: str = "") -> Failure:
    details = {"payment": payment_id} if payment_id else {}
    return Failure(one.subscription.id, one.invoice.id, one.attempt, code, details)


def _wait(one: Waiting, way: Wait) -> None:
    """Nothing is charged before ``way.until``; what must be announced for then is written down."""
    with transaction.atomic():
        subscription = lock_subscription(one.subscription.id)
        is_over = subscription.period_number != one.subscription.period_number or not subscription.is_live
        if is_over or subscription.retries + 1 != one.attempt:
            return
        Dunning.objects.filter(
            subscription=subscription, status=Dunning.Status.OPEN, next_retry_at__lt=way.until
        ).update(next_retry_at=way.until)
        subscription.due_at = _before_grace_ends(subscription, way.until)
        subscription.save(update_fields=["due_at"])
        if way.announce is not None and one.subscription.payment_method_id is not None:
            write_announcement(
                subscription,
                method_id=one.subscription.payment_method_id,
                period_number=one.period.number,
                amount_minor=one.invoice.due_minor,
                announcement=way.announce,
            )


def write_announcement(
    subscription: Subscription, *, method_id: str, period_number: int, amount_minor: int, announcement: Announcement
) -> None:
    """In the running transaction, due at once; the same one twice is one."""
    notice = ChargeNotice(
        subscription=subscription,
        payment_method_id=method_id,
        period_number=period_number,
        currency=subscription.currency,
        amount_minor=amount_minor,
        charge_at=announcement.charge_from,
        next_attempt_at=database_now(),
    )
    ChargeNotice.objects.bulk_create([notice], ignore_conflicts=True)
    bell.ring_on_commit(CHARGE_NOTICES)


def _before_grace_ends(subscription: Subscription, until: datetime) -> datetime:
    is_in_grace = subscription.status == Subscription.Status.PAST_DUE and subscription.grace_until is not None
    return min(until, subscription.grace_until) if is_in_grace and subscription.grace_until else until


def _look_again(one: Waiting, *, at: datetime) -> None:
    """Unless its row was moved on meanwhile."""
    seen = one.subscription
    rows = Subscription.objects.filter(id=seen.id, period_number=seen.period_number, retries=seen.retries)
    rows.filter(status=seen.status).update(due_at=at)
