"""What takes an invoice back, in whole or in part."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from memberships.models.invoices import Invoice
from paycore.identifiers import PrefixedIdField
from paycore.money import Money


class CreditNote(models.Model):
    """One a refund or lost dispute (``source_id``) of an invoice's order. ``tax_minor`` is the tax in the total,
    ``lines`` what of the rest is of which plan: ``plan``, ``net_minor`` and of that ``earned_minor``, the part that had
    become revenue."""

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
    lines = models.JSONField(_("lines"), default=list)
    language = models.CharField(_("language"), max_length=12, default="en")
    issued_at = models.DateTimeField(_("issued"))
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("credit note")
        verbose_name_plural = _("credit notes")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(total_minor__gt=0, tax_minor__gte=0, tax_minor__lte=F("total_minor")),
                name="credit_note_sums",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["user", "-id"], name="credit_note_by_user")]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.number

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)
