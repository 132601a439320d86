"""Closing an account: nobody signs in any more, nothing is erased, staff can open it again."""

from collections.abc import Collection
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from accounts.events import UserClosed, UserReopened
from accounts.leaving.models import Erasure
from accounts.models import User
from accounts.personal_data.sections import refuse_while_in_use, warnings_about
from paycore.errors import Conflict, NotFound
from paycore.events import publish
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify


class ConfirmationNeeded(Conflict):
    """``confirm`` lists what the request must name."""

    code = "confirmation_needed"
    title = _("Closing the account gives something up. Confirm each point listed under confirm.")


class AccountClosed(Conflict):
    code = "account_closed"
    title = _("The account is closed already.")


class AccountNotClosed(Conflict):
    code = "account_not_closed"
    title = _("The account is not closed.")


def close_account(user_id: str, *, reason: str, confirmed: Collection[str], now: datetime) -> User:
    """Refused while orders, refunds or a business need the account; what is given up must be confirmed."""
    with transaction.atomic():
        user = locked_user(user_id)
        if user.closed_at is not None:
            raise AccountClosed
        refuse_while_in_use(user_id)
        require_confirmation(user_id, confirmed=confirmed)
        shut(user, reason=reason, now=now)
        # Whoever waits to be erased is erased all the same.
        notify(template="account_closed", to=Recipient(user_id=user_id), context={}, key=f"closed:{user_id}:{now}")
    return user


def reopen_account(user_id: str) -> User:
    """By staff, after the person asked for it. What was erased stays erased: ``AccountNotClosed``."""
    with transaction.atomic():
        user = locked_user(user_id)
        if user.closed_at is None or user.erased_at is not None:
            raise AccountNotClosed
        if Erasure.objects.filter(user=user, status=Erasure.Status.SCHEDULED).exists():
            raise Conflict(_("An erasure is scheduled. Cancel it first."))
        user.closed_at, user.closing_reason, user.is_active = None, "", True
        user.save(update_fields=["closed_at", "closing_reason", "is_active"])
        publish(UserReopened(user_id=user_id))
    return user


def shut(user: User, *, reason: str, now: datetime) -> None:
    """The caller holds the person's row."""
    user.is_active, user.closed_at, user.closing_reason = False, now, reason
    user.save(update_fields=["is_active", "closed_at", "closing_reason"])
    end_sessions(user)
    publish(UserClosed(user_id=user.pk))


def end_sessions(user: User) -> None:
    """Every session, token and remembered device ends at once, also those that no list shows."""
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(session_generation=F("session_generation") + 1)
        user.refresh_from_db(fields=["session_generation"])
        listed = UserSession.objects.filter(user=user)
        Session.objects.filter(pk__in=list(listed.values_list("session_key", flat=True))).delete()
        listed.delete()


def require_confirmation(user_id: str, *, confirmed: Collection[str]) -> None:
    missing = [warning for warning in warnings_about(user_id) if warning not in confirmed]
    if missing:
        raise ConfirmationNeeded(confirm=missing)


def locked_user(user_id: str) -> User:
    """Locked against new rows that point to it as well: no order can begin meanwhile."""
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise NotFound
    return user
