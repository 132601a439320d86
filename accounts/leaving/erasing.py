"""Erasing a person: asked for, waited out, done in one transaction, and told."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from accounts.events import UserErased
from accounts.leaving.closing import locked_user, require_confirmation, shut
from accounts.leaving.models import Erasure
from accounts.leaving.transitions import ERASURE_STATES
from accounts.models import User
from accounts.personal_data.sections import refuse_while_in_use, sections, what_is_kept
from paycore.claims import claim_due
from paycore.errors import Conflict, NotFound, PaycoreError
from paycore.events import publish
from paycore.models import Notification
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify

LEASE = timedelta(minutes=2)
LOOK_AGAIN_AFTER = timedelta(hours=6)
"""Something holds the erasure up: an open order, a refund under way."""
LOOK_FOR_LAST_MAIL_AFTER = timedelta(minutes=10)


class ErasureScheduled(Conflict):
    code = "erasure_scheduled"
    title = _("The erasure of this account is scheduled already.")


class NoErasureScheduled(NotFound):
    code = "no_erasure_scheduled"
    title = _("No erasure is scheduled.")


def request_erasure(user_id: str, *, requested_by: User, confirmed: Collection[str], now: datetime) -> Erasure:
    """Erase after the days of grace. Until then everything works as before, and whoever signs in may cancel."""
    due_at = now + timedelta(days=settings.PAYCORE_ERASURE_GRACE_DAYS)
    with transaction.atomic():
        user = locked_user(user_id)
        if Erasure.objects.filter(user=user).exclude(status=Erasure.Status.CANCELED).exists():
            raise ErasureScheduled
        refuse_while_in_use(user_id)
        require_confirmation(user_id, confirmed=confirmed)
        erasure = Erasure.objects.create(user=user, requested_by=requested_by, due_at=due_at, next_attempt_at=due_at)
        notify(
            template="erasure_scheduled",
            to=Recipient(user_id=user_id),
            context={"due_at": due_at.isoformat(), "kept": kept_in(user.locale)},
            key=f"erasure_scheduled:{erasure.id}",
        )
    erasure.refresh_from_db()
    return erasure


def cancel_erasure(user_id: str) -> Erasure:
    with transaction.atomic():
        locked_user(user_id)
        erasure = Erasure.objects.select_for_update().filter(user_id=user_id, status="scheduled").first()
        if erasure is None:
            raise NoErasureScheduled
        ERASURE_STATES.require(erasure.status, Erasure.Status.CANCELED)
        erasure.status, erasure.next_attempt_at, erasure.blocked_by = Erasure.Status.CANCELED, None, ""
        erasure.save(update_fields=["status", "next_attempt_at", "blocked_by"])
        notify(
            template="erasure_canceled",
            to=Recipient(user_id=user_id),
            context={},
            key=f"erasure_canceled:{erasure.id}",
        )
    return erasure


def scheduled_erasure(user_id: str) -> Erasure | None:
    return Erasure.objects.filter(user_id=user_id, status=Erasure.Status.SCHEDULED).first()


def due_erasures(*, limit: int) -> list[str]:
    return claim_due(Erasure, lease=LEASE, limit=limit, condition="status IN ('scheduled', 'telling')")


def continue_erasure(erasure_id: str, *, now: datetime) -> str:
    """The next step of an erasure that is due; its status afterwards."""
    with transaction.atomic():
        owner = Erasure.objects.values_list("user_id", flat=True).get(id=erasure_id)
        user = locked_user(owner)
        erasure = Erasure.objects.select_for_update().get(id=erasure_id)
        if erasure.status == Erasure.Status.SCHEDULED and erasure.due_at <= now:
            _erase_or_wait(erasure, user=user, now=now)
        elif erasure.status == Erasure.Status.TELLING:
            _forget_last_mail(erasure, now=now)
    return str(erasure.status)


def kept_in(language: str) -> str:
    """What stays and why, one sentence a line."""
    with translation.override(language):
        return "\n".join(what_is_kept())


def _erase_or_wait(erasure: Erasure, *, user: User, now: datetime) -> None:
    try:
        refuse_while_in_use(user.pk)
    except PaycoreError as obstacle:
        erasure.blocked_by, erasure.next_attempt_at = obstacle.code, now + LOOK_AGAIN_AFTER
        erasure.save(update_fields=["blocked_by", "next_attempt_at"])
        return
    email, phone, language = user.email or "", user.phone or "", user.locale
    if user.closed_at is None:
        shut(user, reason="", now=now)
    for section in reversed(sections()):  # the account itself last: the others may look for its addresses
        section.erase(user.pk)
    User.objects.filter(pk=user.pk).update(erased_at=now)
    ERASURE_STATES.require(erasure.status, Erasure.Status.TELLING)
    erasure.status, erasure.erased_at, erasure.blocked_by = Erasure.Status.TELLING, now, ""
    erasure.next_attempt_at = now + LOOK_FOR_LAST_MAIL_AFTER
    erasure.save(update_fields=["status", "erased_at", "blocked_by", "next_attempt_at"])
    if email or phone:
        notify(
            template="account_erased",
            to=Recipient(email=email, phone="" if email else phone, language=language),
            context={"kept": kept_in(language)},
            key=_last_mail(erasure),
        )
    publish(UserErased(user_id=user.pk))


def _forget_last_mail(erasure: Erasure, *, now: datetime) -> None:
    """The one address left is the last mail's: it goes when the mail is out, or can never go out."""
    mail = Notification.objects.filter(key=_last_mail(erasure))
    if mail.filter(status=Notification.Status.PENDING).exists():
        erasure.next_attempt_at = now + LOOK_FOR_LAST_MAIL_AFTER
        erasure.save(update_fields=["next_attempt_at"])
        return
    mail.delete()
    ERASURE_STATES.require(erasure.status, Erasure.Status.DONE)
    erasure.status, erasure.next_attempt_at = Erasure.Status.DONE, None
    erasure.save(update_fields=["status", "next_attempt_at"])


def _last_mail(erasure: Erasure) -> str:
    return f"account_erased:{erasure.id}"
