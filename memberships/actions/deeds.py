"""What each kind of deed does to one subscription, by the same services as the member's own requests."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from memberships.actions.errors import RiseNeedsPriceChange, TermsNotValid
from memberships.catalogue.known import newest_version, price_of
from memberships.gifts.granting import GrantDraft, grant_time
from memberships.models import Grant, Invoice, MemberAction, Price, PriceChange, Subscription
from memberships.renewals.forgiving import RENEWAL, forgive_period, what_is_let_go
from memberships.subscriptions.bonus import append_bonus, takes_bonus
from memberships.subscriptions.cancelling import cancel_at_period_end, cancel_now, ends_at_once
from memberships.subscriptions.changing import ChangeWish, change_at_period_end, change_now, preview_change, same_rhythm
from memberships.subscriptions.clearing import ANY_KIND, close_at_gateway
from memberships.subscriptions.guarding import require_ours
from memberships.subscriptions.pausing import pause
from memberships.subscriptions.recording import Why, lock_subscription
from memberships.subscriptions.refunding import FULL, NONE, PRORATED, money_back
from memberships.subscriptions.worth import put_aside, time_left
from paycore.errors import NotFound
from paycore.money import Money
from payments.orders.models import Payment
from payments.orders.refunds import RefundOrder, request_refund

Kind = MemberAction.Kind
Terms = Mapping[str, Any]
MOST_DAYS = 366
_DAYS = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}
_CLOSES: Mapping[str, tuple[str, ...]] = {
    Kind.CANCEL_NOW: ANY_KIND,
    Kind.PAUSE: (Invoice.Kind.CHANGE,),
    Kind.CHANGE_NOW: (Invoice.Kind.CHANGE,),
    Kind.FORGIVE: RENEWAL,
}


def check_terms(kind: str, terms: Terms) -> None:
    """TermsNotValid."""
    if not _CHECKS[kind](terms):
        raise TermsNotValid


def close_first(kind: str, subscription: Subscription) -> None:
    """With no transaction open: payments of open invoices that the deed makes away with are closed at the gateway."""
    ends = kind == Kind.CANCEL_AT_END and ends_at_once(subscription)
    kinds = ANY_KIND if ends else _CLOSES.get(kind, ())
    if kinds and subscription.rail == Subscription.Rail.WEB:
        close_at_gateway(subscription.id, kinds=kinds)


def perform(kind: str, subscription: Subscription, terms: Terms, why: Why) -> str:
    """In the running transaction; a note for the record. Raises what the service refuses."""
    return _PERFORM[kind](subscription, terms, why)


def money_of(kind: str, subscription: Subscription, terms: Terms, *, now: datetime) -> Money | None:
    """What the deed gives away or sends back, or asks for; None when no money moves. Changes nothing."""
    weigh = _WEIGH.get(kind)
    return weigh(subscription, terms, now) if weigh and subscription.currency else None


def preview_lines(kind: str, subscription: Subscription, terms: Terms, *, now: datetime) -> list[tuple[str, Money]]:
    """What a change of plan would charge and give back, line by line, its total last; nothing for other deeds."""
    if kind != Kind.CHANGE_NOW:
        return []
    quote = preview_change(subscription.id, _wish(terms), user_id=subscription.user_id, now=now)
    if quote.draft is None:
        return []
    draft = quote.draft
    lines = [(line["description"], Money(line["amount_minor"], draft.currency)) for line in draft.lines]
    lines += [(tax["name"], Money(tax["tax_minor"], draft.currency)) for tax in draft.taxes]
    return [*lines, (gettext("To pay"), draft.due)]


def _extend(subscription: Subscription, terms: Terms, why: Why) -> str:
    User.objects.select_for_update(no_key=True).get(id=subscription.user_id)
    locked = lock_subscription(subscription.id)
    require_ours(locked)
    if takes_bonus(locked, now=why.now):
        return append_bonus(locked, why, interval="day", interval_count=terms["days"]).id
    draft = GrantDraft(
        locked.user_id, locked.plan_id, Grant.Source.STAFF, "day", terms["days"], by=why.by, reason=why.reason
    )
    return grant_time(draft, now=why.now).id


def _cancel_at_end(subscription: Subscription, terms: Terms, why: Why) -> str:
    cancel_at_period_end(subscription.id, user_id=subscription.user_id, why=why)
    return ""


def _cancel_now(subscription: Subscription, terms: Terms, why: Why) -> str:
    canceled = cancel_now(subscription.id, user_id=subscription.user_id, why=why, policy=terms["policy"])
    return ", ".join(refund.id for refund in canceled.refunds)


def _pause(subscription: Subscription, terms: Terms, why: Why) -> str:
    until = datetime.fromisoformat(terms["until"]) if terms.get("until") else None
    pause(subscription.id, until=until, user_id=subscription.user_id, why=why)
    return ""


def _change_now(subscription: Subscription, terms: Terms, why: Why) -> str:
    changed = change_now(subscription.id, _wish(terms), user_id=subscription.user_id, why=why)
    if changed.invoice is None or changed.invoice.status == Invoice.Status.PAID:
        return ""
    return str(_("The member must pay the invoice %(number)s first.") % {"number": changed.invoice.number})


def _move_to_price(subscription: Subscription, terms: Terms, why: Why) -> str:
    _require_no_mere_rise(subscription, price_of(terms["price"]))
    change_at_period_end(subscription.id, _wish(terms), user_id=subscription.user_id, why=why)
    return ""


def _require_no_mere_rise(subscription: Subscription, after: Price) -> None:
    """RiseNeedsPriceChange: of the same plan members keep the old price until they agree or a notice is over."""
    if subscription.price_id is None:
        return
    before = price_of(subscription.price_id)
    is_same = before.plan_id == after.plan_id and same_rhythm(before, after)
    if is_same and PriceChange(from_price=before, to_price=after).is_rise:
        raise RiseNeedsPriceChange


def _refund(subscription: Subscription, terms: Terms, why: Why) -> str:
    payment = payment_of(subscription, terms["payment"])
    amount = Money(terms["amount_minor"], payment.currency)
    return request_refund(RefundOrder(payment.id, amount, why.reason, why.by)).id


def _forgive(subscription: Subscription, terms: Terms, why: Why) -> str:
    return forgive_period(subscription.id, why=why).id


def payment_of(subscription: Subscription, payment_id: str) -> Payment:
    """A payment of one of its invoices. NotFound."""
    orders = Invoice.objects.filter(subscription=subscription, order__isnull=False).values("order_id")
    payment = Payment.objects.filter(id=payment_id, order_id__in=orders).first()
    if payment is None:
        raise NotFound
    return payment


def _wish(terms: Terms) -> ChangeWish:
    return ChangeWish(price_id=terms["price"], quantity=terms.get("quantity"))


def _weigh_days(subscription: Subscription, terms: Terms, now: datetime) -> Money:
    """At the price of the plan and the seats."""
    price = price_of(str(subscription.price_id))
    whole = _of_a_period(price, seats=subscription.quantity).minor
    return Money(whole * terms["days"] // (_DAYS[price.interval] * price.interval_count), price.currency)


def _weigh_cancel(subscription: Subscription, terms: Terms, now: datetime) -> Money:
    times = time_left(subscription, at=now)
    amount = money_back(subscription, times, policy=terms["policy"], at=now, credit=subscription.credit)
    return amount if terms["policy"] == NONE else amount + put_aside(subscription)


def _weigh_change(subscription: Subscription, terms: Terms, now: datetime) -> Money | None:
    quote = preview_change(subscription.id, _wish(terms), user_id=subscription.user_id, now=now)
    if quote.draft is None:
        return None
    return Money(max(quote.draft.due_minor, quote.draft.new_credit_minor), subscription.currency)


def _weigh_move(subscription: Subscription, terms: Terms, now: datetime) -> Money:
    """What a period costs less or more."""
    before, after = price_of(str(subscription.price_id)), price_of(terms["price"])
    was = _of_a_period(before, seats=subscription.quantity)
    will_be = _of_a_period(after, seats=terms.get("quantity") or subscription.quantity)
    return Money(abs(will_be.minor - was.minor), subscription.currency)


def _of_a_period(price: Price, *, seats: int) -> Money:
    return price.amount_for(seats=seats, included=newest_version(price.plan_id).seats_included)


def _weigh_refund(subscription: Subscription, terms: Terms, now: datetime) -> Money:
    return Money(terms["amount_minor"], payment_of(subscription, terms["payment"]).currency)


def _weigh_forgiveness(subscription: Subscription, terms: Terms, now: datetime) -> Money:
    return what_is_let_go(subscription)


def _is_number(value: Any, *, most: int) -> bool:
    return type(value) is int and 1 <= value <= most


_PERFORM: Mapping[str, Callable[[Subscription, Terms, Why], str]] = {
    Kind.EXTEND: _extend,
    Kind.CANCEL_AT_END: _cancel_at_end,
    Kind.CANCEL_NOW: _cancel_now,
    Kind.PAUSE: _pause,
    Kind.CHANGE_NOW: _change_now,
    Kind.MOVE_TO_PRICE: _move_to_price,
    Kind.REFUND: _refund,
    Kind.FORGIVE: _forgive,
}
_WEIGH: Mapping[str, Callable[[Subscription, Terms, datetime], Money | None]] = {
    Kind.EXTEND: _weigh_days,
    Kind.CANCEL_NOW: _weigh_cancel,
    Kind.CHANGE_NOW: _weigh_change,
    Kind.MOVE_TO_PRICE: _weigh_move,
    Kind.REFUND: _weigh_refund,
    Kind.FORGIVE: _weigh_forgiveness,
}
_CHECKS: Mapping[str, Callable[[Terms], bool]] = {
    Kind.EXTEND: lambda terms: _is_number(terms.get("days"), most=MOST_DAYS),
    Kind.CANCEL_AT_END: lambda terms: not terms,
    Kind.CANCEL_NOW: lambda terms: terms.get("policy") in (NONE, PRORATED, FULL),
    Kind.PAUSE: lambda terms: set(terms) <= {"until"},
    Kind.FORGIVE: lambda terms: not terms,
    Kind.CHANGE_NOW: lambda terms: bool(terms.get("price")),
    Kind.MOVE_TO_PRICE: lambda terms: bool(terms.get("price")),
    Kind.REFUND: lambda terms: bool(terms.get("payment")) and _is_number(terms.get("amount_minor"), most=10**15),
}
