"""What payments' news means for members."""

from typing import Protocol

from memberships.catalogue.freshness import tell_again
from memberships.disputing import credit_lost_dispute, lose, win
from memberships.entitlements.news import record_change
from memberships.events import MembershipChanged, RightsNotTold, StoreNoticeReceived
from memberships.invoices.receipts import has_own_receipt
from memberships.renewals.collecting import note_failed_payment
from memberships.renewals.paying_now import adopt_method, retry_at_once
from memberships.renewals.recovery import note_end, note_recovery
from memberships.seats.services import end_surplus
from memberships.seats.telling import tell_who_shares
from memberships.settling import end_order, is_all_gone, settle_order, take_back
from memberships.stores.apple.receiving import process_apple_notice
from memberships.stores.owners import reconsider
from memberships.subscriptions.promises import settle_promise
from memberships.subscriptions.refunded import credit_refund
from merchants.errors import NoPlatformMerchant
from merchants.queries import platform_merchant
from merchants.webhooks.feed import listens
from paycore.clock import database_now
from paycore.events import current_occurrence, handles
from paycore.fresh import Fresh
from payments.events import (
    DisputeLost,
    DisputeWon,
    MandateAgreed,
    OrderCanceled,
    OrderClosed,
    OrderExpired,
    OrderPaid,
    PaymentCanceled,
    PaymentFailed,
    RefundFailed,
    RefundRejected,
    RefundSucceeded,
)
from payments.orders.receipts import register_teller

register_teller(has_own_receipt)


class _OfMerchant(Protocol):
    @property
    def merchant_id(self) -> str: ...


def _seller_id(_key: str) -> str:
    try:
        return platform_merchant().id
    except NoPlatformMerchant:
        return ""


_seller = Fresh(_seller_id)


def is_ours(event: _OfMerchant) -> bool:
    """Memberships are sold by the platform's own merchant."""
    return event.merchant_id == _seller.get("")


def _is_of_store(event: MembershipChanged) -> bool:
    """Of a running subscription that a store sells."""
    state = event.state
    return state.get("object") == "subscription" and state["sold_by"] != "web" and state["status"] != "ended"


def _is_over(event: MembershipChanged) -> bool:
    return event.state.get("object") == "subscription" and event.state["status"] == "ended"


def _is_end(event: MembershipChanged) -> bool:
    """Of a subscription that was more than an unpaid order."""
    return _is_over(event) and event.state["period_number"] > 0


@handles(OrderPaid, when=lambda event: event.user_id is not None and is_ours(event))
def give_what_was_paid(event: OrderPaid) -> None:
    settle_order(event.order_id, payment_id=event.payment_id)


@handles(OrderCanceled, when=is_ours)
def drop_what_was_canceled(event: OrderCanceled) -> None:
    end_order(event.order_id)


@handles(OrderExpired, when=is_ours)
def drop_what_was_not_paid(event: OrderExpired) -> None:
    end_order(event.order_id)


@handles(OrderClosed, when=is_ours)
def take_back_what_was_refunded(event: OrderClosed) -> None:
    take_back(event.order_id, end_reason="refunded")


@handles(DisputeLost, when=is_ours)
def take_back_what_was_disputed(event: DisputeLost) -> None:
    lose(event.dispute_id)


@handles(DisputeWon, when=is_ours)
def restore_what_was_disputed(event: DisputeWon) -> None:
    win(event.dispute_id)


@handles(RefundSucceeded, when=is_ours)
def credit_what_went_back(event: RefundSucceeded) -> None:
    credit_refund(event.refund_id)


@handles(RefundSucceeded, when=is_ours)
def take_back_the_rest_of_a_dispute(event: RefundSucceeded) -> None:
    """An order that refunds and disputes emptied together is not closed: payments tells so of refunds alone."""
    if is_all_gone(event.order_id):
        take_back(event.order_id, end_reason="refunded")


@handles(RefundSucceeded, when=is_ours)
def keep_promise(event: RefundSucceeded) -> None:
    settle_promise(event.refund_id)


@handles(RefundFailed, when=is_ours)
def owe_what_failed(event: RefundFailed) -> None:
    settle_promise(event.refund_id)


@handles(RefundRejected, when=is_ours)
def owe_what_was_refused(event: RefundRejected) -> None:
    settle_promise(event.refund_id)


@handles(DisputeLost, when=is_ours)
def credit_what_was_disputed(event: DisputeLost) -> None:
    credit_lost_dispute(event.dispute_id)


@handles(PaymentFailed, when=lambda event: is_ours(event) and not event.is_passed_on)
def note_failed_attempt(event: PaymentFailed) -> None:
    note_failed_payment(event.payment_id)


@handles(PaymentCanceled, when=is_ours)
def note_canceled_attempt(event: PaymentCanceled) -> None:
    note_failed_payment(event.payment_id)


@handles(MembershipChanged, when=lambda event: event.why == "recovered")
def note_recovered_membership(event: MembershipChanged) -> None:
    note_recovery(event.subject_id, now=database_now(subject=event.user_id))


@handles(MembershipChanged, when=lambda event: event.why == "collection_changed")
def collect_in_the_new_way(event: MembershipChanged) -> None:
    retry_at_once(event.subject_id)


@handles(MembershipChanged, when=_is_end)
def note_ended_membership(event: MembershipChanged) -> None:
    note_end(event.subject_id, now=database_now(subject=event.user_id))


@handles(MembershipChanged, when=_is_of_store)
def end_seats_that_are_too_many(event: MembershipChanged) -> None:
    end_surplus(event.subject_id, now=database_now(subject=event.user_id))


@handles(MembershipChanged, when=_is_over)
def reconsider_store_purchases(event: MembershipChanged) -> None:
    reconsider(event.user_id)


@handles(StoreNoticeReceived)
def believe_store_notice(event: StoreNoticeReceived) -> None:
    process_apple_notice(event.notice_id)


@handles(MandateAgreed, when=is_ours)
def collect_what_is_overdue(event: MandateAgreed) -> None:
    """Who saves another way to pay while something is overdue wants it paid so."""
    adopt_method(event.payment_method_id)


@handles(MembershipChanged, when=lambda event: listens(_seller.get("")))
def tell_platforms_server(event: MembershipChanged) -> None:
    record_change(event, merchant_id=_seller.get(""))
    if event.state.get("object") == "subscription":
        tell_who_shares(event.subject_id)


@handles(RightsNotTold)
def tell_redis_again(event: RightsNotTold) -> None:
    tell_again(event.user_ids, since=current_occurrence().occurred_at, now=database_now())
