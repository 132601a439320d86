"""What members hear of renewals that did not go well: by mail or, who has no address, by SMS; once an occasion; by day.

Failures, the end of grace and suspension go out as an SMS as well where the number is known to be the member's.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.utils import translation

from accounts.models import User
from memberships.catalogue.known import plan_of
from memberships.models import Dunning, Invoice, Subscription
from memberships.renewals.paying_now import pay_now_url
from memberships.renewals.schedule import PAYMENT_DUE, in_daytime
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import Letter, drop_unsent, notify_many
from payments.orders.failure_texts import failure_text

Facts = Mapping[str, str | int]


def tell_of_failure(subscription: Subscription, dunning: Dunning, *, occasion: str, now: datetime) -> None:
    """Each attempt that failed and each date on which nothing could be tried."""
    facts: dict[str, str | int] = {**_facts(subscription, dunning.invoice), "step": dunning.step}
    if dunning.last_code != PAYMENT_DUE:
        with translation.override(subscription.user.locale):
            words = failure_text(dunning.last_code)
            facts |= {"reason": str(words.headline), "advice": str(words.advice)}
    if not dunning.is_hopeless and dunning.next_retry_at is not None:
        facts["retry_at"] = dunning.next_retry_at.isoformat()
    if subscription.grace_until is not None and subscription.grace_until > now:
        facts["grace_until_at"] = subscription.grace_until.isoformat()
    template = "membership_payment_due" if dunning.last_code == PAYMENT_DUE else "membership_payment_failed"
    _send(subscription, template, facts, key=f"{_prefix(subscription.id)}{dunning.id}:{occasion}", now=now)


def tell_of_grace(subscription: Subscription, dunning: Dunning, *, now: datetime) -> None:
    """Access is about to end."""
    facts: dict[str, str | int] = dict(_facts(subscription, dunning.invoice))
    if subscription.grace_until is not None:
        facts["grace_until_at"] = subscription.grace_until.isoformat()
    _send(subscription, "membership_grace_ending", facts, key=f"{_prefix(subscription.id)}{dunning.id}:grace", now=now)


def tell_of_suspension(subscription: Subscription, dunning: Dunning, *, now: datetime) -> None:
    facts = _facts(subscription, dunning.invoice)
    _send(subscription, "membership_suspended", facts, key=f"{_prefix(subscription.id)}{dunning.id}:suspended", now=now)


def drop_what_was_overdue(subscription_id: str) -> None:
    """What was still to be said of a failure is no longer true."""
    drop_unsent(key_prefix=_prefix(subscription_id))


def tell_of_recovery(subscription: Subscription, dunning: Dunning) -> None:
    """What was still to be said of the failure is dropped: it is no longer true."""
    drop_unsent(key_prefix=_prefix(subscription.id))
    facts = {"plan_name": _plan_name(subscription, subscription.user)}
    if subscription.period_ends_at is not None:
        facts["ends_at"] = subscription.period_ends_at.isoformat()
    key = f"membership_recovered:{dunning.id}"
    notify_many([Letter("membership_recovered", Recipient(user_id=subscription.user_id), facts, key)])


def tell_of_end(subscription: Subscription) -> None:
    """Whatever ended it."""
    drop_unsent(key_prefix=_prefix(subscription.id))
    facts = {"plan_name": _plan_name(subscription, subscription.user), "reason_code": subscription.end_reason}
    if subscription.ended_at is not None:
        facts["ended_at"] = subscription.ended_at.isoformat()
    key = f"membership_ended:{subscription.id}"
    notify_many([Letter("membership_ended", Recipient(user_id=subscription.user_id), facts, key)])


def _send(subscription: Subscription, template: str, facts: Facts, *, key: str, now: datetime) -> None:
    """A mail, and a short message of its own where the member has a proved number."""
    user = subscription.user
    wait = max(timedelta(), in_daytime(now, zone=subscription.time_zone) - now)
    letters = []
    if user.phone and user.phone_verified_at:
        to = Recipient(user_id=user.id, phone=user.phone, language=user.locale)
        letters.append(Letter(f"{template}_sms", to, facts, f"{key}:sms", wait=wait))
    if user.email or not letters:
        letters.append(Letter(template, Recipient(user_id=user.id), facts, f"{key}:mail", wait=wait))
    notify_many(letters)


def _prefix(subscription_id: str) -> str:
    """Of everything that is no longer true once it is paid, or over."""
    return f"membership_overdue:{subscription_id}:"


def _facts(subscription: Subscription, invoice: Invoice) -> Facts:
    return {
        "plan_name": _plan_name(subscription, subscription.user),
        "amount_minor": invoice.due_minor,
        "currency": invoice.currency,
        "number": invoice.number,
        "pay_url": pay_now_url(invoice),
    }


def _plan_name(subscription: Subscription, user: User) -> str:
    return plan_of(subscription.plan_id).name(user.locale)
