"""Refunds that a membership counted as given when it asked for them, until they are: and who decides when they are not.

What failed, or was refused by who reviews it, is owed to the member: in the books it is members' credit again, and a
case stays open until a person sends it once more, gives it as credit, or says why it is kept.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from memberships.invoices.books import CREDIT_ACCOUNT
from memberships.invoices.credit import adjust_credit
from memberships.invoices.paying import seller_id
from memberships.models import Invoice, PromisedRefund, Subscription
from memberships.subscriptions.recording import SYSTEM, Why, lock_subscription, note_change, save_change
from memberships.transitions import PROMISED_REFUND
from paycore.clock import database_now
from paycore.errors import Conflict, NotFound, PaycoreError
from payments.ledger import chart
from payments.ledger.services import Entry, Leg, post
from payments.orders.models import Payment, Refund
from payments.orders.refunds import RefundOrder, lock_payment, request_refund
from riskcontrol.cases import open_case, resolve_cases
from riskcontrol.models import Case

Status = PromisedRefund.Status
OWED_CASE = Case.Kind.MEMBERSHIP_SURPLUS
_FAILED = (Refund.Status.FAILED, Refund.Status.REJECTED)


class PromiseDecided(Conflict):
    code = "promised_refund_decided"
    title = _("Nothing is owed here any more.")


class KeepingNeedsReason(PaycoreError):
    code, http_status = "keeping_reason_missing", 400
    title = _("Say why.")


def promise(refund: Refund, *, kind: PromisedRefund.Kind, invoice: Invoice, credit: int = 0) -> PromisedRefund:
    """In the transaction that asks for the refund. ``credit`` (minor units): see the model."""
    return PromisedRefund.objects.create(
        refund=refund,
        kind=kind,
        invoice=invoice,
        subscription_id=str(invoice.subscription_id),
        user_id=invoice.user_id,
        currency=refund.currency,
        amount_minor=refund.amount_minor,
        credit_minor=credit,
    )


def is_promised(payment: Payment) -> bool:
    return PromisedRefund.objects.filter(refund__payment=payment).exists()


def settle_promise(refund_id: str) -> None:
    """The refund has ended, as it stands now. Twice, late or in any order is safe; nothing for any other refund."""
    known = PromisedRefund.objects.filter(refund_id=refund_id).first()
    if known is None:
        return
    with transaction.atomic():
        promised, subscription = _lock(known.id)
        if promised.status != Status.SENT:
            return
        if promised.refund.status == Refund.Status.SUCCEEDED:
            _end(promised, Status.DONE)
        elif promised.refund.status in _FAILED:
            _owe(promised, subscription)


def send_again(promise_id: str, *, by: str) -> Refund:
    """A new refund of the same payment. NotFound, PromiseDecided, and what refunds refuse."""
    with transaction.atomic():
        promised, subscription = _lock_owed(promise_id)
        _take_out_of_credit(promised, phase=Status.SENT_AGAIN, now=_now(subscription))
        request = RefundOrder(promised.refund.payment_id, promised.amount, promised.refund.reason, by)
        refund = request_refund(request)
        promise(refund, kind=PromisedRefund.Kind(promised.kind), invoice=promised.invoice)
        _decide(promised, Status.SENT_AGAIN, by=by)
        _write_down(subscription, "refund_sent_again", promised, by=by, refund_id=refund.id)
    return refund


def give_as_credit(promise_id: str, *, by: str) -> None:
    """It pays the member's next period, or their next membership. NotFound, PromiseDecided."""
    with transaction.atomic():
        promised, subscription = _lock_owed(promise_id)
        subscription.credit_minor += promised.amount_minor
        _decide(promised, Status.CREDITED, by=by)
        why = Why("credit_given", by, _now(subscription), details=_details(promised, promised.refund_id))
        save_change(subscription, why, was=subscription.status, fields=("credit_minor",))


def keep(promise_id: str, *, reason: str, by: str) -> None:
    """It is not given back after all. KeepingNeedsReason, NotFound, PromiseDecided."""
    if not reason.strip():
        raise KeepingNeedsReason
    with transaction.atomic():
        promised, subscription = _lock_owed(promise_id)
        _take_out_of_credit(promised, phase=Status.DROPPED, now=_now(subscription))
        _decide(promised, Status.DROPPED, by=by, reason=reason.strip()[:300])
        _write_down(subscription, "refund_kept", promised, by=by, refund_id=promised.refund_id)


def _owe(promised: PromisedRefund, subscription: Subscription) -> None:
    _end(promised, Status.OWED)
    if promised.kind == PromisedRefund.Kind.CANCELED:
        adjust_credit(change=promised.amount, now=_now(subscription), plan=subscription.plan_id)
    else:
        leg = Leg(chart.merchant_pending(seller_id()), CREDIT_ACCOUNT, promised.amount)
        post(Entry("promised_refund", promised.id, str(Status.OWED), [leg]))
    _write_down(subscription, "refund_failed", promised, by=SYSTEM, refund_id=promised.refund_id)
    facts = {
        "user": promised.user_id,
        "subscription": promised.subscription_id,
        "refund": promised.refund_id,
        "refund_status": str(promised.refund.status),
        "why": promised.refund.failure_code or promised.refund.review_note,
        "amount_minor": promised.amount_minor,
        "currency": promised.currency,
    }
    open_case(kind=OWED_CASE, object_id=promised.id, facts=facts)


def _take_out_of_credit(promised: PromisedRefund, *, phase: Status, now: datetime) -> None:
    if promised.kind == PromisedRefund.Kind.CANCELED:
        adjust_credit(change=-promised.amount, now=now, plan=promised.subscription.plan_id)
    else:
        leg = Leg(CREDIT_ACCOUNT, chart.merchant_pending(seller_id()), promised.amount)
        post(Entry("promised_refund", promised.id, str(phase), [leg]))


def _lock(promise_id: str) -> tuple[PromisedRefund, Subscription]:
    """Order, payment, subscription, then the row. NotFound."""
    known = PromisedRefund.objects.select_related("refund").filter(id=promise_id).first()
    if known is None:
        raise NotFound
    lock_payment(known.refund.payment_id)
    subscription = lock_subscription(known.subscription_id)
    rows = PromisedRefund.objects.select_related("refund", "invoice", "subscription")
    return rows.select_for_update(of=("self",), no_key=True).get(id=promise_id), subscription


def _lock_owed(promise_id: str) -> tuple[PromisedRefund, Subscription]:
    promised, subscription = _lock(promise_id)
    if promised.status != Status.OWED:
        raise PromiseDecided(status=str(promised.status))
    return promised, subscription


def _decide(promised: PromisedRefund, status: Status, *, by: str, reason: str = "") -> None:
    promised.decided_by, promised.decided_at, promised.reason = by, database_now(), reason
    _end(promised, status)
    resolve_cases(kind=OWED_CASE, object_id=promised.id, resolution=str(status))


def _end(promised: PromisedRefund, status: Status) -> None:
    PROMISED_REFUND.require(promised.status, status)
    promised.status = status
    promised.save(update_fields=["status", "decided_by", "decided_at", "reason"])


def _write_down(subscription: Subscription, kind: str, promised: PromisedRefund, *, by: str, refund_id: str) -> None:
    note_change(subscription, Why(kind, by, _now(subscription), details=_details(promised, refund_id)))


def _details(promised: PromisedRefund, refund_id: str) -> dict[str, str | int]:
    return {"refund": refund_id, "amount_minor": promised.amount_minor, "currency": promised.currency}


def _now(subscription: Subscription) -> datetime:
    return database_now(subject=subscription.user_id)
