"""The ways out: one provider for mail, one for short messages, chosen by ``PAYCORE_MAIL_PROVIDER`` and
``PAYCORE_SMS_PROVIDER``. Each raises ``OSError`` when it did not take the message; trying again is the caller's.
"""

import hashlib
import json
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from paycore import clock
from paycore.http import OutboundError, OutboundRequest, client
from paycore.notifications.rendering import Message
from paycore.signing import sign_headers

DEADLINE_SECONDS = 10.0

log = structlog.get_logger(__name__)


class NotTaken(OSError):
    """The provider refused the message or did not answer."""


class MailProvider(Protocol):
    """``key`` names the occasion: a repeat of it is the same message."""

    def send(self, message: Message, *, email: str, key: str) -> None: ...


class SmsProvider(Protocol):
    """``text`` is the whole message; ``phone`` is E.164."""

    def send(self, text: str, *, phone: str, key: str) -> None: ...


class DjangoMail:
    """Whatever ``EMAIL_BACKEND`` says: SMTP, a file, a test's outbox."""

    def send(self, message: Message, *, email: str, key: str) -> None:
        mail = EmailMultiAlternatives(
            message.subject,
            message.text,
            to=[email],
            headers={"Message-ID": f"<{_digest(key)}@{_host()}>", "Auto-Submitted": "auto-generated"},
        )
        mail.attach_alternative(message.html, "text/html")
        mail.send()


class WebhookMail:
    def send(self, message: Message, *, email: str, key: str) -> None:
        document = {
            "type": "mail",
            "to": email,
            "from": settings.DEFAULT_FROM_EMAIL,
            "subject": message.subject,
            "text": message.text,
            "html": message.html,
        }
        _post(document, url=settings.PAYCORE_MAIL_WEBHOOK_URL, secret=settings.PAYCORE_MAIL_WEBHOOK_SECRET, key=key)


class WebhookSms:
    def send(self, text: str, *, phone: str, key: str) -> None:
        document = {"type": "sms", "to": phone, "text": text}
        _post(document, url=settings.PAYCORE_SMS_WEBHOOK_URL, secret=settings.PAYCORE_SMS_WEBHOOK_SECRET, key=key)


class Logged:
    """Sends nothing: notes that there was something to send, without the words or the address."""

    def send(self, message: Message | str, *, key: str, email: str = "", phone: str = "") -> None:
        words = message if isinstance(message, str) else message.text
        log.info("message_not_sent_but_logged", channel="mail" if email else "sms", characters=len(words))


_MAIL: dict[str, type[MailProvider]] = {"django": DjangoMail, "webhook": WebhookMail, "log": Logged}
_SMS: dict[str, type[SmsProvider]] = {"webhook": WebhookSms, "log": Logged}


def send_mail(message: Message, *, email: str, key: str) -> None:
    """A repeat of the same ``key`` has the same Message-ID, so that mailboxes show it once."""
    _MAIL[settings.PAYCORE_MAIL_PROVIDER]().send(message, email=email, key=key)


def send_sms(message: Message, *, phone: str, key: str) -> None:
    """The subject line is the whole of a short message."""
    _SMS[settings.PAYCORE_SMS_PROVIDER]().send(message.subject, phone=phone, key=key)


def providers() -> tuple[list[str], list[str]]:
    """The names that may be configured: for mail, for SMS."""
    return sorted(_MAIL), sorted(_SMS)


def _post(document: dict[str, str], *, url: str, secret: str, key: str) -> None:
    """Signed as Standard Webhooks; the id is the same in every attempt, so that the receiver may drop repeats."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    signature = sign_headers(
        secrets_in_use=[secret],
        message_id=f"msg_{_digest(key)}",
        timestamp=int(clock.now().timestamp()),
        body=body,
    )
    request = OutboundRequest(
        method="POST",
        url=url,
        headers={"Content-Type": "application/json", **signature},
        body=body,
        deadline_seconds=DEADLINE_SECONDS,
    )
    try:
        response = client().send(request)
    except OutboundError as error:
        raise NotTaken(type(error).__name__) from error
    if not 200 <= response.status < 300:
        raise NotTaken(f"status {response.status}")


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _host() -> str:
    return urlsplit(settings.PAYCORE_BASE_URL).hostname or "localhost"
