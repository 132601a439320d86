"""What takes an invoice back, in whole or in part, and the refunds that were promised and have not come yet."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from memberships import transitions
from memberships.models.invoices import Invoice
from memberships.models.subscriptions import Subscription
from paycore.identifiers import PrefixedIdField
from paycore.money import Money


class CreditNote(models.Model):
    """One a refund or lost dispute (``source_id``) of an invoice's order. ``tax_minor`` is the tax in the total,
    ``lines`` what of the rest is of which plan: ``plan``, ``net_minor`` and of that ``earned_minor``, the part that had
    become revenue. ``credit_minor`` of the total is the member's credit again, the rest went back to the payer. A void
    one takes nothing back any more: its dispute was won after all."""

    class Source(models.TextChoices):
        REFUND = "refund", _("Refund")
        DISPUTE = "dispute", _("Lost dispute")

    id = PrefixedIdField(prefix="crn")
    number = models.CharField(pgettext_lazy("membership", "number"), max_length=32, unique=True)
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="credit_notes", verbose_name=_("invoice")
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, verbose_name=_("user"))
    source = models.CharField(_("because of"), max_length=8, choices=Source)
    source_id = models.CharField(_("refund or dispute"), max_length=40, unique=True, db_collation="C")
    currency = models.CharField(_("currency"), max_length=3)
    total_minor = models.BigIntegerField(_("total (minor units)"))
    tax_minor = models.BigIntegerField(_("tax (minor units)"), default=0)
    credit_minor = models.BigIntegerField(_("credit given back (minor units)"), default=0, db_default=0)
    lines = models.JSONField(_("lines"), default=list)
    language = models.CharField(_("language"), max_length=12, default="en")
    issued_at = models.DateTimeField(_("issued"))
    voided_at = models.DateTimeField(_("void since"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("credit note")
        verbose_name_plural = _("credit notes")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(total_minor__gt=0, tax_minor__gte=0, tax_minor__lte=F("total_minor")),
                name="credit_note_sums",
            ),
            models.CheckConstraint(
                condition=Q(credit_minor__gte=0, credit_minor__lte=F("total_minor")), name="credit_note_credit"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["user", "-id"], name="credit_note_by_user")]
        triggers: ClassVar = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", exclude=["voided_at"]),
            pgtrigger.Protect(
                name="only_voided",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__voided_at__isnull=False) | pgtrigger.Q(new__voided_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @property
    def paid_back(self) -> Money:
        """What went back to the payer."""
        return Money(self.total_minor - self.credit_minor, self.currency)


class PromisedRefund(models.Model):
    """A refund that a membership counted as given when it asked for it: of time that was canceled, or of money that
    came too late for its invoice. ``credit_minor``: of the credit that had paid ``invoice``, what was given back beside
    it. What does not reach the payer is owed, and waits for a person with an open case."""

    class Kind(models.TextChoices):
        CANCELED = "canceled", _("Membership canceled")
        TOO_LATE = "too_late", _("Paid too late")

    class Status(models.TextChoices):
        SENT = "sent", _("On its way")
        DONE = "done", _("Given back")
        OWED = "owed", _("Owed to the member")
        SENT_AGAIN = "sent_again", _("Sent again")
        CREDITED = "credited", _("Given as credit")
        DROPPED = "dropped", _("Kept")

    id = PrefixedIdField(prefix="prf")
    refund = models.OneToOneField(
        "payments.Refund", on_delete=models.PROTECT, related_name="+", verbose_name=_("refund")
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.SENT)
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="promises", verbose_name=_("invoice"))
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="+", verbose_name=_("subscription")
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, verbose_name=_("user"))
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    credit_minor = models.BigIntegerField(_("credit given back (minor units)"), default=0)
    decided_by = models.CharField(_("decided by"), max_length=40, blank=True, default="")
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True, default="")
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("promised refund")
        verbose_name_plural = _("promised refunds")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, credit_minor__gte=0), name="promised_refund_amounts"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(status__in=["sent", "owed"]), name="promised_refund_waiting"),
        ]
        triggers: ClassVar = [
            transitions.PROMISED_REFUND.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms",
                fields=[
                    "refund",
                    "kind",
                    "invoice",
                    "subscription",
                    "user",
                    "currency",
                    "amount_minor",
                    "credit_minor",
                ],
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
