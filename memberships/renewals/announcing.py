"""Telling payers through their provider of a charge to come, where it demands that (WeChat mandates): a row is the
work, and no charge is made before its announcement was accepted."""

from datetime import datetime, timedelta

from django.db import transaction

from memberships.models import ChargeNotice, Subscription
from memberships.renewals.schedule import OUTSIDE_HOURS, next_opening_hours
from memberships.subscriptions.recording import lock_subscription
from paycore.claims import claim_due
from paycore.clock import database_now
from payments.gateways.abilities import MandateCapable
from payments.gateways.contract import GatewayOutcomeUnknown, GatewayRejected, GatewayUnavailable
from payments.methods.queries import token_of
from payments.routing.connections import ask, connect
from payments.routing.services import get_account

LEASE = timedelta(minutes=2)
MOST_ATTEMPTS = 12


def due_notices(*, limit: int) -> list[str]:
    return claim_due(ChargeNotice, lease=LEASE, limit=limit, condition="status = 'due'")


def announce(notice_id: str) -> None:
    """Ask the provider, with no transaction open. What it cannot say is asked again, for the same day."""
    notice = ChargeNotice.objects.select_related("payment_method").get(id=notice_id)
    if notice.status != ChargeNotice.Status.DUE:
        return
    account, saved = get_account(notice.payment_method.gateway_account_id), token_of(notice.payment_method_id)
    adapter = connect(account) if account else None
    if account is None or saved is None or not isinstance(adapter, MandateCapable):
        _record(notice_id, code="mandate_ended", is_final=True)
        return
    terms = {"amount_minor": notice.amount_minor, "currency": notice.currency, "charge_at": notice.charge_at}
    try:
        ask(account, adapter.announce_charge, saved, **terms)
    except GatewayRejected as error:
        _record(notice_id, code=error.code or "gateway_rejected", is_final=error.code != OUTSIDE_HOURS)
    except (GatewayUnavailable, GatewayOutcomeUnknown) as error:
        _record(notice_id, code=error.code or "unknown", is_final=False)
    else:
        _accept(notice_id)


def _accept(notice_id: str) -> None:
    with transaction.atomic():
        notice = ChargeNotice.objects.select_for_update(no_key=True).get(id=notice_id)
        if notice.status == ChargeNotice.Status.DUE:
            notice.status, notice.next_attempt_at = ChargeNotice.Status.ACCEPTED, None
            notice.accepted_at, notice.failure_code = database_now(), ""
            notice.save(update_fields=["status", "next_attempt_at", "accepted_at", "failure_code"])


def _record(notice_id: str, *, code: str, is_final: bool) -> None:
    """Refused for good, or after as many attempts as a day has: the period is then collected with the member's help."""
    with transaction.atomic():
        notice = ChargeNotice.objects.select_for_update(no_key=True).get(id=notice_id)
        if notice.status != ChargeNotice.Status.DUE:
            return
        now = database_now()
        notice.attempts += 1
        notice.failure_code = code[:64]
        if is_final or notice.attempts >= MOST_ATTEMPTS or now >= notice.charge_at:
            notice.status, notice.next_attempt_at = ChargeNotice.Status.REFUSED, None
        else:
            notice.next_attempt_at = _again(code, attempts=notice.attempts, now=now)
        notice.save(update_fields=["status", "next_attempt_at", "attempts", "failure_code"])
        if notice.status == ChargeNotice.Status.REFUSED:
            _look_now(notice.subscription_id)


def _again(code: str, *, attempts: int, now: datetime) -> datetime:
    return next_opening_hours(now) if code == OUTSIDE_HOURS else now + timedelta(minutes=min(2**attempts, 120))


def _look_now(subscription_id: str) -> None:
    """A period that waits for this announcement goes another way; one that is not open yet is not touched."""
    subscription = lock_subscription(subscription_id)
    if subscription.periods.filter(status="open").exists() and subscription.status != Subscription.Status.ENDED:
        subscription.due_at = database_now(subject=subscription.user_id)
        subscription.save(update_fields=["due_at"])
