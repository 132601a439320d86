"""Renewals that did not go well: the way back to the money, and charges that must be announced first."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from memberships import transitions
from memberships.models.invoices import Invoice
from memberships.models.subscriptions import Subscription
from paycore.identifiers import PrefixedIdField


class Dunning(models.Model):
    """One period whose first collection failed, until its money came or was given up. ``next_retry_at`` is the next
    attempt, or, where no attempt can help (``is_hopeless``), the next reminder."""

    class Status(models.TextChoices):
        OPEN = "open", _("Under way")
        RECOVERED = "recovered", _("Recovered")
        LOST = "lost", pgettext_lazy("membership", "Lost")

    class RecoveredBy(models.TextChoices):
        RETRY = "retry", _("Another attempt")
        MEMBER = "member", _("The member paid")

    id = PrefixedIdField(prefix="dun")
    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, related_name="dunning", verbose_name=_("invoice"))
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="dunnings", verbose_name=_("subscription")
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.OPEN)
    first_code = models.CharField(_("first failure"), max_length=64)
    last_code = models.CharField(_("last failure"), max_length=64)
    failures = models.PositiveSmallIntegerField(_("attempts that failed"), default=0)
    step = models.PositiveSmallIntegerField(_("step"), default=0, help_text=_("How many retry dates have passed."))
    is_hopeless = models.BooleanField(_("no attempt can help"), default=False)
    next_retry_at = models.DateTimeField(_("next attempt or reminder"), null=True, blank=True)
    recovered_by = models.CharField(_("recovered by"), max_length=8, choices=RecoveredBy, blank=True, default="")
    opened_at = models.DateTimeField(_("first failure at"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("overdue renewal")
        verbose_name_plural = _("overdue renewals")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["subscription"], condition=Q(status="open"), name="dunning_one_open"),
            models.CheckConstraint(
                condition=Q(status="open", closed_at__isnull=True, next_retry_at__isnull=False)
                | ~Q(status="open") & Q(closed_at__isnull=False, next_retry_at__isnull=True),
                name="dunning_closed_rests",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["opened_at"], name="dunning_by_time")]
        triggers: ClassVar = [
            transitions.DUNNING.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["invoice", "subscription", "first_code", "opened_at"]),
        ]

    def __str__(self) -> str:
        return self.id


class ChargeNotice(models.Model):
    """A charge that its provider must announce to the payer days before (WeChat mandates). It may be made from
    ``charge_at`` on, once the announcement was accepted."""

    class Status(models.TextChoices):
        DUE = "due", _("Waiting to be sent")
        ACCEPTED = "accepted", _("Accepted")
        REFUSED = "refused", _("Refused")

    id = PrefixedIdField(prefix="cno")
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="charge_notices", verbose_name=_("subscription")
    )
    payment_method = models.ForeignKey(
        "payments.PaymentMethod", on_delete=models.PROTECT, related_name="+", verbose_name=_("saved payment method")
    )
    period_number = models.PositiveIntegerField(_("number of the period"))
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    charge_at = models.DateTimeField(_("charge from"))
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.DUE)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    failure_code = models.CharField(_("failure code"), max_length=64, blank=True, default="")
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("announced charge")
        verbose_name_plural = _("announced charges")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["subscription", "period_number", "payment_method", "amount_minor", "charge_at"],
                name="charge_notice_once",
            ),
            models.CheckConstraint(
                condition=Q(status="due", next_attempt_at__isnull=False)
                | ~Q(status="due") & Q(next_attempt_at__isnull=True),
                name="charge_notice_due_is_sent",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="charge_notice_amount_positive"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(status="due"), name="charge_notice_due"),
        ]
        triggers: ClassVar = [
            transitions.CHARGE_NOTICE.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.id
