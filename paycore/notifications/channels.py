"""The ways out. Mail goes through Django's back-end (``EMAIL_BACKEND``), SMS through ``PAYCORE_SMS_SENDER``."""

import hashlib
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils.module_loading import import_string

from paycore.notifications.rendering import Message

log = structlog.get_logger(__name__)


class SmsSender(Protocol):
    """One provider of short messages. Raises ``OSError`` when the message was not taken."""

    def send(self, *, phone: str, text: str) -> None: ...


class LoggedSmsSender:
    """Sends nothing: notes that there was something to send, without the words or the number."""

    def send(self, *, phone: str, text: str) -> None:
        log.info("sms_not_sent_but_logged", characters=len(text), country=phone[:3])


def send_mail(message: Message, *, email: str, key: str) -> None:
    """A repeat of the same ``key`` has the same Message-ID, so that mailboxes show it once."""
    host = urlsplit(settings.PAYCORE_BASE_URL).hostname or "localhost"
    message_id = f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{host}>"
    mail = EmailMultiAlternatives(
        message.subject,
        message.text,
        to=[email],
        headers={"Message-ID": message_id, "Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(message.html, "text/html")
    mail.send()


def send_sms(message: Message, *, phone: str) -> None:
    """The subject line is the whole of a short message."""
    path = getattr(settings, "PAYCORE_SMS_SENDER", "paycore.notifications.channels.LoggedSmsSender")
    sender: SmsSender = import_string(path)()
    sender.send(phone=phone, text=message.subject)
