"""The machinery, for staff: what was published, what waits, what failed."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Min, QuerySet
from django.http import HttpRequest
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from paycore import outbox
from paycore.models import EventRecord, IdempotencyKey, OutboxMessage
from paycore.notifications import admin as _sms_pages  # noqa: F401 registers its pages
from paycore.notifications.models import Notification
from paycore.notifications.services import retry_notification
from paycore.sites import Card, Dashboard, ops_site, register_dashboard
from paycore.sites.read_only import ReadOnlyAdmin

OUTBOX_COLOURS = {"pending": "info", "done": "success", "quarantined": "danger"}
NOTIFICATION_COLOURS = {"pending": "info", "sent": "success", "failed": "danger"}


@admin.register(EventRecord, site=ops_site)
class EventRecordAdmin(ReadOnlyAdmin):
    list_display = ("id", "name", "object_id", "sequence", "occurred_at", "request_id")
    list_filter = ("name",)
    search_fields = ("object_id", "request_id")
    search_help_text = _("Object or request id")
    ordering = ("-id",)


@admin.register(OutboxMessage, site=ops_site)
class OutboxMessageAdmin(ReadOnlyAdmin):
    list_display = ("id", "handler", "event", "state", "attempts", "next_attempt_at", "done_at")
    list_filter = ("status", "handler")
    list_select_related = ("event",)
    search_fields = ("event__object_id",)
    search_help_text = _("Object id")
    ordering = ("-id",)
    actions = ("requeue",)

    @display(description=_("Status"), ordering="status", label=OUTBOX_COLOURS)  # type: ignore[untyped-decorator]
    def state(self, message: OutboxMessage) -> tuple[str, str]:
        return message.status, message.get_status_display()

    @admin.action(description=_("Try quarantined messages again"), permissions=["requeue"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> None:
        quarantined = queryset.filter(status=OutboxMessage.Status.QUARANTINED).values_list("id", flat=True)
        count = 0
        for message_id in quarantined:
            outbox.requeue(message_id=message_id)
            count += 1
        text = ngettext("%(count)d message will be tried again.", "%(count)d messages will be tried again.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS if count else messages.WARNING)

    def has_requeue_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("paycore.change_outboxmessage"))


@admin.register(IdempotencyKey, site=ops_site)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    """Bodies are never shown: they are the caller's."""

    list_display = ("id", "scope", "key", "resource_id", "response_status", "created_at")
    fields = ("scope", "key", "resource_id", "response_status", "locked_until", "created_at")
    search_fields = ("key", "resource_id")
    search_help_text = _("Key or object id")
    ordering = ("-id",)


@admin.register(Notification, site=ops_site)
class NotificationAdmin(ReadOnlyAdmin):
    list_display = ("id", "template", "user_id", "state", "attempts", "created_at", "sent_at")
    fields = (
        "key",
        "template",
        "user_id",
        "language",
        "status",
        "attempts",
        "next_attempt_at",
        "last_error",
        "created_at",
        "sent_at",
    )
    list_filter = ("status", "template")
    search_fields = ("key", "user_id")
    search_help_text = _("Key or user id")
    ordering = ("-id",)
    actions = ("retry",)

    @display(description=_("Status"), ordering="status", label=NOTIFICATION_COLOURS)  # type: ignore[untyped-decorator]
    def state(self, notification: Notification) -> tuple[str, str]:
        return notification.status, notification.get_status_display()

    @admin.action(description=_("Try failed messages again"), permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        count = sum(retry_notification(notification_id=row_id) for row_id in queryset.values_list("id", flat=True))
        text = ngettext("%(count)d message will be tried again.", "%(count)d messages will be tried again.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS if count else messages.WARNING)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("paycore.change_notification"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # The sealed columns are not shown, so they are not opened either.
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.defer("email", "phone", "context")


def machinery(request: HttpRequest) -> Dashboard:
    """How much waits in the outbox and what a person must look at."""
    waiting = OutboxMessage.objects.filter(status=OutboxMessage.Status.PENDING)
    depth = waiting.count()
    oldest = waiting.aggregate(oldest=Min("event__occurred_at"))["oldest"]
    quarantined = OutboxMessage.objects.filter(status=OutboxMessage.Status.QUARANTINED).count()
    unsent = Notification.objects.filter(status=Notification.Status.FAILED).count()
    age = gettext("Oldest: %(age)s") % {"age": timesince(oldest, depth=1)} if oldest else gettext("Nothing waits")
    return Dashboard(
        cards=[
            Card(title=_("Outbox"), value=str(depth), detail=age),
            Card(title=_("Quarantined"), value=str(quarantined), tone="bad" if quarantined else "good"),
            Card(title=_("Messages not sent"), value=str(unsent), tone="warning" if unsent else "good"),
        ]
    )


register_dashboard(ops_site, machinery, place=90)
