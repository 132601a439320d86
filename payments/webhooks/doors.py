"""From what a gateway tells us to the door it belongs to: payments, refunds, disputes, saved methods."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from paycore.errors import NotFound
from payments.gateways.contract import DisputeNotice, PaymentResult, RefundResult, SaveResult, WebhookNotice
from payments.methods.saving import record_save_result
from payments.orders.charging import record_result_of
from payments.orders.disputes.recording import record_dispute_notice
from payments.orders.models import Evidence, Payment, Refund
from payments.orders.reading import read_payment
from payments.orders.refunds import record_refund_result
from payments.routing.models import GatewayAccount
from riskcontrol.cases import open_case
from riskcontrol.models import Case


def bring_to_door(notice: WebhookNotice, *, account: GatewayAccount, source: Evidence.Source) -> None:
    """One account may speak of its own objects only; what it says of others becomes a case."""
    try:
        _door_of(notice)(notice, account, source)
    except NotFound:
        # Intent is committed before a byte leaves, so a number we do not know is a discrepancy, not a delay.
        facts = {"account": account.id, "kind": type(notice).__name__}
        open_case(kind=Case.Kind.UNKNOWN_PAYMENT, object_id=_reference(notice)[:64] or "(none)", facts=facts)


def payment_of(notice: PaymentResult, account: GatewayAccount) -> tuple[Payment, datetime]:
    """With its order, and the database's clock; by our number, else by the provider's. NotFound when the account has
    no such payment."""
    payment_id = notice.reference
    if not payment_id and notice.gateway_reference:
        payments = Payment.objects.filter(gateway_account_id=account.id, gateway_reference=notice.gateway_reference)
        payment_id = payments.values_list("id", flat=True).first() or ""
    found = read_payment(payment_id, account_id=account.id) if payment_id else None
    if found is None:
        raise NotFound
    return found


def refund_of(notice: RefundResult, account: GatewayAccount) -> Refund:
    """NotFound when the account has no such refund."""
    found = Refund.objects.select_related("payment").filter(id=notice.reference, payment__gateway_account_id=account.id)
    refund = found.first()
    if refund is None:
        raise NotFound
    return refund


def _door_of(notice: WebhookNotice) -> Callable[..., None]:
    match notice:
        case PaymentResult():
            return _payment
        case RefundResult():
            return _refund
        case DisputeNotice():
            return _dispute
        case SaveResult():
            return _saved


def _payment(notice: PaymentResult, account: GatewayAccount, source: Evidence.Source) -> None:
    payment, now = payment_of(notice, account)
    record_result_of(payment, replace(notice, reference=payment.id), source=source, now=now)


def _refund(notice: RefundResult, account: GatewayAccount, source: Evidence.Source) -> None:
    record_refund_result(refund_of(notice, account).id, notice, source=source)


def _dispute(notice: DisputeNotice, account: GatewayAccount, source: Evidence.Source) -> None:
    record_dispute_notice(account, notice, source=source)


def _saved(notice: SaveResult, account: GatewayAccount, _source: Evidence.Source) -> None:
    record_save_result(account.id, notice)


def _reference(notice: WebhookNotice) -> str:
    return getattr(notice, "reference", "") or notice.gateway_reference
