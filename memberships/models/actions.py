"""What staff do to memberships, one or thousands: who asked, why, who else agreed, and how far it is."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from memberships import transitions
from memberships.models.subscriptions import Subscription
from paycore.identifiers import PrefixedIdField


class MemberAction(models.Model):
    """One deed for the subscriptions that its items name. ``terms`` are what the kind needs (days, a price's id, …);
    an approval is of ``fingerprint``, the hash of kind, terms, reason and subscriptions, and of nothing else."""

    class Kind(models.TextChoices):
        EXTEND = "extend", _("Extend")
        CANCEL_AT_END = "cancel_at_end", _("Cancel at the end of the period")
        CANCEL_NOW = "cancel_now", _("Cancel now")
        PAUSE = "pause", _("Pause")
        CHANGE_NOW = "change_now", _("Change the plan now")
        MOVE_TO_PRICE = "move_to_price", _("Move to another price with the next period")
        REFUND = "refund", _("Refund")
        FORGIVE = "forgive", _("Forgive the open period")

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waits for a second person")
        RUNNING = "running", _("Under way")
        DONE = "done", _("Done")
        REJECTED = "rejected", _("Rejected")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    id = PrefixedIdField(prefix="mac")
    kind = models.CharField(_("what"), max_length=16, choices=Kind)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.WAITING)
    terms = models.JSONField(_("terms"), default=dict, blank=True)
    reason = models.CharField(_("reason"), max_length=300)
    fingerprint = models.CharField(_("fingerprint of what was asked"), max_length=64)
    total = models.PositiveIntegerField(_("subscriptions"))
    done = models.PositiveIntegerField(pgettext_lazy("membership", "done"), default=0)
    refused = models.PositiveIntegerField(_("refused"), default=0)
    amounts = models.JSONField(_("money that moves (minor units, by currency)"), default=dict, blank=True)
    asked_by = models.CharField(_("asked by"), max_length=40)
    decided_by = models.CharField(_("decided by"), max_length=40, blank=True, default="")
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("deed of staff")
        verbose_name_plural = _("deeds of staff")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(total__gte=F("done") + F("refused")), name="member_action_counts"),
            models.CheckConstraint(
                condition=Q(decided_by="")
                | ~Q(status__in=["running", "done", "rejected"])
                | ~Q(decided_by=F("asked_by")),
                name="member_action_two_people",
            ),
            models.CheckConstraint(
                condition=Q(status="running", next_attempt_at__isnull=False)
                | ~Q(status="running") & Q(next_attempt_at__isnull=True),
                name="member_action_is_worked_on",
            ),
        ]  # fmt: skip
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(status="running"), name="member_action_due"),
        ]
        triggers: ClassVar = [
            transitions.MEMBER_ACTION.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms", fields=["kind", "terms", "reason", "fingerprint", "total", "asked_by"]
            ),
        ]

    def __str__(self) -> str:
        return self.id


class MemberActionItem(models.Model):
    """One subscription of a deed."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting")
        DONE = "done", _("Done")
        REFUSED = "refused", _("Refused")

    id = models.BigAutoField(primary_key=True)
    action = models.ForeignKey(
        MemberAction, on_delete=models.PROTECT, related_name="items", db_index=False, verbose_name=_("deed")
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="+", verbose_name=_("subscription")
    )
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.PENDING)
    note = models.CharField(_("note"), max_length=300, blank=True, default="")
    done_at = models.DateTimeField(_("done at"), null=True, blank=True)

    class Meta:
        verbose_name = _("subscription of a deed")
        verbose_name_plural = _("subscriptions of deeds")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["action", "subscription"], name="member_action_item_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["action", "id"], condition=Q(status="pending"), name="member_action_item_pending"),
        ]
        triggers: ClassVar = [
            transitions.MEMBER_ACTION_ITEM.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.action_id} {self.subscription_id}"
