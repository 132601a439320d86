"""What merchants are told: the feed of their events, where they want to hear of them, and what became of each telling.

Secrets are sealed. What is history (events, attempts, deeds) is only ever added to, until its keeping time is over.
"""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from merchants.webhooks.transitions import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT
from paycore.encryption import EncryptedTextField
from paycore.identifiers import PrefixedIdField

EXCERPT_BYTES = 2048


def _never_changed() -> pgtrigger.Trigger:
    """Deleting is left to the keeping time."""
    return pgtrigger.Protect(name="never_changed", operation=pgtrigger.Update)


class WebhookFeed(models.Model):
    """A merchant's events are recorded from the moment this row says so; its lock gives out positions without a gap."""

    id = models.BigAutoField(primary_key=True)
    merchant = models.OneToOneField(
        "merchants.Merchant", on_delete=models.PROTECT, related_name="webhook_feed", verbose_name=_("merchant")
    )
    is_recording = models.BooleanField(_("is recording"), default=True)
    last_position = models.BigIntegerField(_("last position"), default=0)
    dropped_until = models.BigIntegerField(
        _("dropped until"), default=0, help_text=_("Events up to this position are past their keeping time.")
    )
    recording_since = models.DateTimeField(_("recording since"), db_default=Now(), editable=False)

    class Meta:
        app_label = "merchants"
        verbose_name = _("event feed")
        verbose_name_plural = _("event feeds")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(dropped_until__gte=0, dropped_until__lte=models.F("last_position")),
                name="webhook_feed_positions",
            )
        ]

    def __str__(self) -> str:
        return f"{self.merchant_id} #{self.last_position}"


class WebhookEvent(models.Model):
    """One piece of news for one merchant. ``body`` is rendered once: every copy that is sent has the same bytes."""

    id = PrefixedIdField(prefix="evt")
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    position = models.BigIntegerField(_("position"), help_text=_("In the merchant's feed, from 1 without a gap."))
    type = models.CharField(_("type"), max_length=60)
    object_id = models.CharField(_("about"), max_length=40, db_collation="C")
    sequence = models.IntegerField(_("sequence"), help_text=_("Among the events about the same object, from 1."))
    body = models.TextField(_("content"))
    occurred_at = models.DateTimeField(_("occurred"))
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        app_label = "merchants"
        verbose_name = _("webhook event")
        verbose_name_plural = _("webhook events")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merchant", "position"], name="webhook_event_position_unique"),
            models.UniqueConstraint(fields=["object_id", "sequence"], name="webhook_event_sequence_unique"),
        ]
        indexes: ClassVar = [models.Index(fields=["merchant", "created_at"], name="webhook_event_by_age")]
        triggers: ClassVar = [_never_changed()]

    def __str__(self) -> str:
        return f"{self.type} {self.object_id}#{self.sequence}"


class WebhookEndpoint(models.Model):
    """Where a merchant wants to be told. ``event_types`` empty: of everything.

    ``hold_until`` leaves an address alone that did not answer, or asked for time; ``failing_since`` is empty unless the
    last attempt failed.
    """

    class Status(models.TextChoices):
        ENABLED = "enabled", _("Enabled")
        DISABLED = "disabled", _("Disabled")
        DISABLED_BY_FAILURES = "disabled_by_failures", _("Disabled after failures")
        DELETED = "deleted", _("Deleted")

    id = PrefixedIdField(prefix="whe")
    merchant = models.ForeignKey(
        "merchants.Merchant",
        on_delete=models.PROTECT,
        related_name="webhook_endpoints",
        verbose_name=_("merchant"),
    )
    url = models.CharField(_("address"), max_length=500)
    description = models.CharField(_("description"), max_length=200, blank=True, default="")
    event_types = models.JSONField(_("event types"), default=list, blank=True)
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.ENABLED)
    disabled_reason = models.CharField(_("why disabled"), max_length=60, blank=True, default="")
    secret = EncryptedTextField(null=True, editable=False, verbose_name=_("signing secret"))
    secret_version = models.IntegerField(_("secret's version"), default=1, editable=False)
    previous_secret = EncryptedTextField(null=True, editable=False, verbose_name=_("previous signing secret"))
    previous_secret_until = models.DateTimeField(_("previous secret signs until"), null=True, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, editable=False)
    hold_until = models.DateTimeField(_("left alone until"), null=True, editable=False)
    silences = models.SmallIntegerField(_("unanswered in a row"), default=0, editable=False)
    created_by = models.CharField(
        _("created by"), max_length=40, blank=True, default="", editable=False, db_collation="C"
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        app_label = "merchants"
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=WEBHOOK_ENDPOINT.states), name="webhook_endpoint_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status="deleted") | Q(secret__isnull=False), name="webhook_endpoint_can_sign"
            ),
            models.CheckConstraint(
                condition=Q(previous_secret__isnull=True) | Q(previous_secret_until__isnull=False),
                name="webhook_endpoint_overlap_ends",
            ),
        ]
        triggers: ClassVar = [
            WEBHOOK_ENDPOINT.trigger(),
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def is_enabled(self) -> bool:
        return self.status == self.Status.ENABLED

    def wants(self, event_type: str) -> bool:
        return not self.event_types or event_type in self.event_types


class WebhookDelivery(models.Model):
    """The duty to tell one endpoint of one event. Due at ``next_attempt_at``; taken by ``lease_token`` meanwhile."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")

    id = PrefixedIdField(prefix="whd")
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries", db_index=False, verbose_name=_("endpoint")
    )
    event = models.ForeignKey(
        WebhookEvent, on_delete=models.PROTECT, related_name="deliveries", db_index=False, verbose_name=_("event")
    )
    event_type = models.CharField(_("event type"), max_length=60)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    attempts = models.SmallIntegerField(_("attempts"), default=0, help_text=_("Since it was last asked for."))
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True, db_default=Now())
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True)
    lease_token = models.UUIDField(_("lease"), null=True, blank=True)
    last_status_code = models.SmallIntegerField(_("last answer"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=40, blank=True, default="")
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        app_label = "merchants"
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "endpoint"], name="webhook_delivery_once"),
            models.CheckConstraint(
                condition=Q(status="pending", next_attempt_at__isnull=False)
                | Q(status__in=["delivered", "failed"], next_attempt_at__isnull=True),
                name="webhook_delivery_pending_is_due",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["endpoint", "next_attempt_at"], condition=Q(status="pending"), name="webhook_delivery_due"
            ),
            models.Index(fields=["merchant", "-id"], name="webhook_delivery_by_merchant"),
            models.Index(fields=["endpoint", "-id"], name="webhook_delivery_by_endpoint"),
        ]
        triggers: ClassVar = [WEBHOOK_DELIVERY.trigger()]

    def __str__(self) -> str:
        return f"{self.event_id} → {self.endpoint_id}"


class WebhookAttempt(models.Model):
    """One POST and what came of it."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(
        WebhookDelivery, on_delete=models.PROTECT, related_name="log", verbose_name=_("delivery")
    )
    started_at = models.DateTimeField(_("time"))
    duration_ms = models.IntegerField(_("duration (ms)"))
    status_code = models.SmallIntegerField(_("answer"), null=True, blank=True)
    error_code = models.CharField(_("error"), max_length=40, blank=True, default="")
    response_excerpt = models.TextField(_("beginning of the answer"), blank=True, default="")

    class Meta:
        app_label = "merchants"
        verbose_name = _("webhook attempt")
        verbose_name_plural = _("webhook attempts")
        triggers: ClassVar = [_never_changed()]

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.status_code or self.error_code}"


class WebhookDeed(models.Model):
    """Who did what to an endpoint: the journal that a look at a signing secret cannot avoid."""

    class Kind(models.TextChoices):
        CREATED = "created", pgettext_lazy("deed", "Created")
        CHANGED = "changed", _("Changed")
        ENABLED = "enabled", _("Enabled")
        DISABLED = "disabled", _("Disabled")
        DELETED = "deleted", _("Deleted")
        SECRET_SHOWN = "secret_shown", _("Signing secret shown")
        SECRET_ROTATED = "secret_rotated", _("Signing secret changed")
        TESTED = "tested", _("Test event sent")
        REPLAYED = "replayed", _("Events sent again")

    id = models.BigAutoField(primary_key=True)
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="deeds", verbose_name=_("endpoint")
    )
    kind = models.CharField(_("deed"), max_length=16, choices=Kind)
    actor = models.CharField(_("who"), max_length=40, db_collation="C")
    detail = models.CharField(_("details"), max_length=200, blank=True, default="")
    done_at = models.DateTimeField(_("time"), db_default=Now())

    class Meta:
        app_label = "merchants"
        verbose_name = _("webhook deed")
        verbose_name_plural = _("webhook deeds")
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.kind} {self.endpoint_id}"
