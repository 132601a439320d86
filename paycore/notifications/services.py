"""Writing a message down, and sending what is due."""

import smtplib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.template.exceptions import TemplateDoesNotExist, TemplateSyntaxError

from paycore.clock import database_now
from paycore.encryption import CannotUnseal, blind_index
from paycore.notifications.addresses import Address, Recipient, find_address
from paycore.notifications.channels import send_mail, send_sms
from paycore.notifications.models import MAX_ATTEMPTS, Notification
from paycore.notifications.rendering import render, require_template

LEASE = timedelta(seconds=60)
RETRY_AFTER = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))

log = structlog.get_logger(__name__)

# As many columns as rows would take long to tell one by one: renewals write hundreds.
_WRITE_DOWN = """
    INSERT INTO paycore_notification (key, template, user_id, email, phone, language, context, expires_at,
                                      next_attempt_at, status, attempts, last_error)
    SELECT key, template, user_id, email, phone, language, context, expires_at, statement_timestamp() + wait,
           'pending', 0, ''
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[], %s::bytea[], %s::text[], %s::bytea[],
                %s::timestamptz[], %s::interval[])
        AS letter(key, template, user_id, email, phone, language, context, expires_at, wait)
    ON CONFLICT DO NOTHING
"""
_CLAIM = """
    UPDATE paycore_notification
    SET attempts = attempts + 1, lease_token = %(token)s, next_attempt_at = clock_timestamp() + %(lease)s
    WHERE id = (
        SELECT id FROM paycore_notification
        WHERE status = 'pending' AND next_attempt_at <= statement_timestamp() AND attempts < %(max)s
        ORDER BY next_attempt_at, id
        FOR UPDATE SKIP LOCKED LIMIT 1
    )
    RETURNING id
"""
# Only the lease's holder may write: a sender that was too slow must not undo what a later one found out.
_SENT = """
    UPDATE paycore_notification
    SET status = 'sent', sent_at = clock_timestamp(), next_attempt_at = NULL, lease_token = NULL, last_error = ''
    WHERE id = %(id)s AND lease_token = %(token)s AND status = 'pending'
"""
_NOT_SENT = """
    UPDATE paycore_notification
    SET status = %(status)s, last_error = %(error)s, lease_token = NULL,
        next_attempt_at = CASE WHEN %(status)s = 'pending' THEN clock_timestamp() + %(delay)s END
    WHERE id = %(id)s AND lease_token = %(token)s AND status = 'pending'
"""
_GIVE_UP_ABANDONED = """
    UPDATE paycore_notification
    SET status = 'failed', next_attempt_at = NULL, lease_token = NULL,
        last_error = 'its process died in the last attempt'
    WHERE status = 'pending' AND attempts >= %s AND next_attempt_at <= statement_timestamp()
"""
# By the key alone: the oldest rows come first, and none of them stays pending for long.
_PURGE = """
    DELETE FROM paycore_notification WHERE id IN (
        SELECT id FROM (SELECT id, status, created_at FROM paycore_notification ORDER BY id LIMIT %(limit)s) AS oldest
        WHERE status <> 'pending' AND created_at < statement_timestamp() - make_interval(days => %(days)s)
    )
"""
_PURGE_BATCH, _PURGE_BATCHES = 1000, 100


class NoAddress(Exception):
    """The person cannot be reached; trying again would not help."""


class Expired(Exception):
    """What the message says is no longer true."""


_HOPELESS: dict[type[Exception], str] = {NoAddress: "no address", Expired: "expired"}


@dataclass(frozen=True, slots=True)
class Letter:
    """One message as :func:`notify` takes it; not sent before ``wait`` is over."""

    template: str
    to: Recipient
    context: Mapping[str, str | int]
    key: str
    expires_at: datetime | None = None
    wait: timedelta = timedelta()


def notify(
    *,
    template: str,
    to: Recipient,
    context: Mapping[str, str | int],
    key: str,
    expires_at: datetime | None = None,
) -> None:
    """Write a message down in the running transaction; a second one with the same ``key`` is dropped.

    ``key`` names the occasion, e.g. ``"payment_received:pay_01…"``. Amounts go as ``amount_minor`` and ``currency``.
    After ``expires_at`` it is not sent any more.
    """
    notify_many([Letter(template=template, to=to, context=context, key=key, expires_at=expires_at)])


def notify_many(letters: Sequence[Letter]) -> None:
    """As :func:`notify` for each, in one statement."""
    for template in {letter.template for letter in letters}:
        require_template(template)
    if not letters:
        return
    columns = [
        [letter.key for letter in letters],
        [letter.template for letter in letters],
        [letter.to.user_id for letter in letters],
        [_sealed("email", letter.to.email or None) for letter in letters],
        [_sealed("phone", letter.to.phone or None) for letter in letters],
        [letter.to.language for letter in letters],
        [_sealed("context", dict(letter.context)) for letter in letters],
        [letter.expires_at for letter in letters],
        [letter.wait for letter in letters],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE_DOWN, columns)


def _sealed(name: str, value: Any) -> Any:
    field: Any = Notification._meta.get_field(name)  # one of those that seal
    return field.get_db_prep_value(value, connection)


def drop_unsent(*, key_prefix: str) -> int:
    """Nothing of the kind needs to be said any more; how many were not sent yet."""
    dropped, _by_model = Notification.objects.filter(key__startswith=key_prefix, status="pending", attempts=0).delete()
    return dropped


def bring_forward(user_id: str, *, by: timedelta) -> None:
    """The user's time was moved in the sandbox: what waits for an hour of their day has waited so much longer."""
    waiting = Notification.objects.filter(user_id=user_id, status="pending", attempts=0)
    waiting.filter(next_attempt_at__gt=database_now()).update(next_attempt_at=F("next_attempt_at") - by)


def sent_to_key(address: str) -> str:
    """What the keys of messages to one e-mail address or number begin with, where somebody must find them again."""
    return f"to:{blind_index(address.lower(), context='message.to').hex()[:32]}:"


def send_due(*, limit: int = 50) -> int:
    """Send what is due, at most ``limit`` messages; how many were tried. No transaction is open while one is sent."""
    _give_up_abandoned()
    tried = 0
    while tried < limit:
        token = uuid.uuid4()
        notification_id = _claim(token=token)
        if notification_id is None:
            break
        tried += 1
        _attempt(notification_id, token=token)
    return tried


def retry_notification(*, notification_id: int) -> bool:
    """A person has mended the cause: give a failed message five new attempts. Whether it was failed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE paycore_notification SET status = 'pending', attempts = 0, next_attempt_at = clock_timestamp()"
            " WHERE id = %s AND status = 'failed'",
            [notification_id],
        )
        return bool(cursor.rowcount == 1)


def purge() -> int:
    """Forget messages older than ``PAYCORE_MESSAGES_KEEP_DAYS`` that wait for nothing; how many."""
    parameters = {"limit": _PURGE_BATCH, "days": settings.PAYCORE_MESSAGES_KEEP_DAYS}
    purged = 0
    for _batch in range(_PURGE_BATCHES):
        with connection.cursor() as cursor:
            cursor.execute(_PURGE, parameters)
            purged += cursor.rowcount
            if cursor.rowcount == 0:
                break
    return purged


def _claim(*, token: uuid.UUID) -> int | None:
    # Durable: refuses to run inside somebody's transaction, which would then be open while the mail goes out.
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        parameters: dict[str, Any] = {"token": str(token), "lease": LEASE, "max": MAX_ATTEMPTS}
        cursor.execute(_CLAIM, parameters)
        row = cursor.fetchone()
    return row[0] if row else None


def _attempt(notification_id: int, *, token: uuid.UUID) -> None:
    attempt = 0
    try:
        notification = Notification.objects.get(id=notification_id)
        attempt = notification.attempts
        _send(notification)
    except (NoAddress, Expired) as error:
        _record_failure(notification_id, token=token, attempt=MAX_ATTEMPTS, error=_HOPELESS[type(error)])
    except (smtplib.SMTPException, OSError, TemplateDoesNotExist, TemplateSyntaxError, CannotUnseal) as error:
        # The class only: a mail server's refusal quotes the address.
        _record_failure(notification_id, token=token, attempt=attempt, error=type(error).__name__)
    else:
        with connection.cursor() as cursor:
            cursor.execute(_SENT, {"id": notification_id, "token": str(token)})


def _send(notification: Notification) -> None:
    if notification.expires_at is not None and notification.expires_at <= database_now():
        raise Expired
    address = _address_of(notification)
    language = notification.language or address.language
    message = render(notification.template, context=notification.context, language=language)
    if address.email:
        send_mail(message, email=address.email, key=notification.key)
    elif address.phone:
        send_sms(message, phone=address.phone, key=notification.key)
    else:
        raise NoAddress


def _address_of(notification: Notification) -> Address:
    if notification.email or notification.phone:
        return Address(email=notification.email or "", phone=notification.phone or "")
    if notification.user_id:
        found = find_address(notification.user_id)
        if found is None:
            raise NoAddress
        return found
    return Address()


def _record_failure(notification_id: int, *, token: uuid.UUID, attempt: int, error: str) -> None:
    is_last = attempt >= MAX_ATTEMPTS
    parameters: dict[str, Any] = {
        "status": "failed" if is_last else "pending",
        "error": error,
        "delay": RETRY_AFTER[min(max(attempt, 1), len(RETRY_AFTER)) - 1],
        "id": notification_id,
        "token": str(token),
    }
    with connection.cursor() as cursor:
        cursor.execute(_NOT_SENT, parameters)
    log.warning("notification_not_sent", notification_id=notification_id, attempt=attempt, error=error, final=is_last)


def _give_up_abandoned() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_UP_ABANDONED, [MAX_ATTEMPTS])
