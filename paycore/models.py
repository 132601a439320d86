"""The kernel's rows: what was published, what waits to be handled, which keys were used."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.notifications.models import Notification, SmsPause, SmsUsage

__all__ = ["ClockOffset", "EventRecord", "IdempotencyKey", "Notification", "OutboxMessage", "SmsPause", "SmsUsage"]


class EventRecord(models.Model):
    """Something that happened, for ever. ``sequence`` counts per object from 1 without a gap."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(_("name"), max_length=60)
    object_id = models.CharField(_("about"), max_length=40, db_collation="C")
    sequence = models.IntegerField(_("sequence"))
    payload = models.JSONField(_("payload"))
    request_id = models.CharField(_("request id"), max_length=64, blank=True, default="")
    occurred_at = models.DateTimeField(_("occurred"), db_default=Now())

    class Meta:
        db_table = "paycore_event"
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["object_id", "sequence"], name="event_sequence_unique"),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.name} {self.object_id}#{self.sequence}"


class OutboxMessage(models.Model):
    """One handler's duty towards one event."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        DONE = "done", _("Done")
        QUARANTINED = "quarantined", _("Quarantined")

    id = models.BigAutoField(primary_key=True)
    event = models.ForeignKey(
        EventRecord, on_delete=models.PROTECT, related_name="messages", db_index=False, verbose_name=_("event")
    )
    handler = models.CharField(_("handler"), max_length=120)
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.PENDING)
    attempts = models.SmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, db_default=Now())
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True)
    lease_token = models.UUIDField(_("lease"), null=True, blank=True)
    last_error = models.TextField(_("last error"), blank=True, default="")
    done_at = models.DateTimeField(_("done"), null=True, blank=True)

    class Meta:
        verbose_name = _("outbox message")
        verbose_name_plural = _("outbox messages")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "handler"], name="outbox_event_handler_unique"),
            models.CheckConstraint(condition=models.Q(attempts__lte=5), name="outbox_attempts_bounded"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=models.Q(status="pending"), name="outbox_due"),
            models.Index(fields=["id"], condition=models.Q(status="quarantined"), name="outbox_quarantined"),
        ]

    def __str__(self) -> str:
        return f"{self.handler} ← {self.event_id}"


class ClockOffset(models.Model):
    """How far ahead of the database's clock one subject lives, in sandbox mode (``paycore/clock.py``)."""

    subject = models.CharField(_("subject"), max_length=40, primary_key=True, db_collation="C")
    offset = models.DurationField(_("ahead by"))

    class Meta:
        verbose_name = _("sandbox clock")
        verbose_name_plural = _("sandbox clocks")

    def __str__(self) -> str:
        return f"{self.subject} +{self.offset}"


class IdempotencyKey(models.Model):
    """A caller's key on one route: what it asked (fingerprint) and, once finished, what it was answered."""

    id = models.BigAutoField(primary_key=True)
    scope = models.CharField(_("scope"), max_length=120, db_collation="C")
    key = models.CharField(_("key"), max_length=255, db_collation="C")
    fingerprint = models.BinaryField(_("fingerprint"), max_length=32)
    resource_id = models.CharField(_("object"), max_length=40, blank=True, default="")
    locked_until = models.DateTimeField(_("locked until"), null=True)
    lease_token = models.UUIDField(_("lease"), null=True)
    response_status = models.SmallIntegerField(_("answer status"), null=True)
    response_body = models.BinaryField(_("answer"), null=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["scope", "key"], name="idempotency_scope_key_unique"),
        ]
        indexes: ClassVar = [models.Index(fields=["created_at"], name="idempotency_created")]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"
