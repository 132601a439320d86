"""How an open period can be collected now: read for a whole batch in a few queries, decided one by one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max

from memberships.models import ChargeNotice, Invoice, Period, Subscription
from memberships.renewals.mandate_rules import Announcement, announcement_for, next_interval
from memberships.renewals.schedule import PAYMENT_DUE
from payments.gateways.registry import GATEWAYS
from payments.methods.models import Mandate, PaymentMethod
from payments.orders.batches import UnaskedCharge
from payments.orders.models import Order, Payment
from payments.routing.services import get_account

MOST_WAIT = timedelta(days=1)
"""A mandate that may be charged by then is waited for; otherwise the member is asked."""
PAID_ORDER = (Order.Status.PAID, Order.Status.CLOSED)


@dataclass(frozen=True, slots=True)
class Settle:
    """Nothing is due, or its order is paid."""


@dataclass(frozen=True, slots=True)
class Charge:
    charge: UnaskedCharge


@dataclass(frozen=True, slots=True)
class Wait:
    """``announce`` tells what the provider must announce first."""

    until: datetime
    announce: Announcement | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nothing can be charged without the member: ``code`` is why."""

    code: str


@dataclass(frozen=True, slots=True)
class OrderOver:
    """Its order was canceled or has expired: no money can come."""


Way = Settle | Charge | Wait | Refuse | OrderOver


@dataclass(frozen=True, slots=True)
class Waiting:
    """A period that waits for its money, and its attempt that is next: the same one until it is known to have failed,
    whoever asks and however often."""

    period: Period
    subscription: Subscription
    invoice: Invoice

    @property
    def attempt(self) -> int:
        return self.subscription.retries + 1

    @property
    def charged_at(self) -> datetime:
        """Part of the request's number, so it must be a stored date: the period's, or the order's where a sandbox
        user's time is ahead."""
        made_at = self.invoice.order.created_at if self.invoice.order else self.period.starts_at
        return min(self.period.starts_at, made_at)


@dataclass(frozen=True, slots=True)
class _Facts:
    mandates: Mapping[str, Mandate]
    last_charges: Mapping[str, datetime]
    notices: Mapping[str, Sequence[ChargeNotice]]


def waiting_periods(subscription_ids: Sequence[str]) -> list[Waiting]:
    rows = Period.objects.filter(subscription_id__in=subscription_ids, status=Period.Status.OPEN)
    rows = rows.select_related("subscription__payment_method", "invoice__order").order_by("subscription_id")
    return [Waiting(row, row.subscription, row.invoice) for row in rows if row.invoice is not None]


def ways_of(waiting: Sequence[Waiting], *, nows: Mapping[str, datetime]) -> list[Way]:
    facts = _facts_of(waiting)
    return [_way(one, facts, now=nows[one.subscription.id]) for one in waiting]


def notice_days_of(method: PaymentMethod) -> int:
    """How many days ahead its provider must announce a charge; 0: not at all."""
    account = get_account(method.gateway_account_id)
    gateway = GATEWAYS.get(account.gateway) if account else None
    is_mandate = method.method in getattr(gateway, "mandate_methods", frozenset())
    return int(getattr(gateway, "notice_days", 0)) if is_mandate else 0


def _way(one: Waiting, facts: _Facts, *, now: datetime) -> Way:
    order = one.invoice.order
    if order is None or order.status in PAID_ORDER:
        return Settle()
    if order.status != Order.Status.OPEN:
        return OrderOver()
    match one.subscription.collection:
        case Subscription.Collection.WALLET:
            return Charge(UnaskedCharge(order.id, one.attempt, None, one.charged_at, order))
        case Subscription.Collection.METHOD:
            return _by_method(one, order, facts, now=now)
    return Refuse(PAYMENT_DUE)


def _by_method(one: Waiting, order: Order, facts: _Facts, *, now: datetime) -> Way:
    method = one.subscription.payment_method
    if method is None or method.status != PaymentMethod.Status.ACTIVE:
        return Refuse("method_not_ready")
    mandate = facts.mandates.get(method.id)
    if mandate is not None:
        opens = next_interval(mandate, last_charged_at=facts.last_charges.get(method.id))
        if opens is not None and opens > now:
            return Wait(opens) if opens <= now + MOST_WAIT else Refuse("mandate_required")
    days = notice_days_of(method)
    if days:
        notices = [row for row in facts.notices.get(one.subscription.id, ()) if row.payment_method_id == method.id]
        announced = announcement_for(notices, amount_minor=order.amount_minor, notice_days=days, now=now)
        if announced.is_refused:
            return Refuse("notice_refused")
        if announced.is_needed or announced.charge_from > now:
            return Wait(announced.charge_from, announced if announced.is_needed else None)
    return Charge(UnaskedCharge(order.id, one.attempt, method, one.charged_at, order))


def _facts_of(waiting: Sequence[Waiting]) -> _Facts:
    """Mandates with an agreed interval are few, and most batches have none."""
    methods = {one.subscription.payment_method_id for one in waiting if one.subscription.payment_method_id}
    timed = Mandate.objects.filter(payment_method_id__in=methods, status=Mandate.Status.ACTIVE).exclude(interval="")
    mandates = {row.payment_method_id: row for row in timed.order_by("id")}
    return _Facts(mandates, _last_charges(list(mandates)), _notices_of(waiting))


def _last_charges(method_ids: Sequence[str]) -> dict[str, datetime]:
    if not method_ids:
        return {}
    taken = Payment.objects.filter(
        payment_method_id__in=method_ids, is_off_session=True, status=Payment.Status.SUCCEEDED
    )
    rows = taken.values("payment_method_id").annotate(last=Max("succeeded_at"))
    return {row["payment_method_id"]: row["last"] for row in rows}


def _notices_of(waiting: Sequence[Waiting]) -> dict[str, list[ChargeNotice]]:
    announced = [
        one
        for one in waiting
        if one.subscription.payment_method is not None and notice_days_of(one.subscription.payment_method)
    ]
    found: defaultdict[str, list[ChargeNotice]] = defaultdict(list)
    if announced:
        numbers = {one.subscription.id: one.period.number for one in announced}
        for row in ChargeNotice.objects.filter(subscription_id__in=list(numbers)).order_by("id"):
            if row.period_number == numbers[row.subscription_id]:
                found[row.subscription_id].append(row)
    return found
