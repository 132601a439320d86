"""Unpaid invoices that staff let go of."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from memberships import transitions
from memberships.models.invoices import Invoice
from paycore.identifiers import PrefixedIdField


class InvoiceVoiding(models.Model):
    """Somebody's wish that an invoice need not be paid; above a limit another person decides."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waits for a second person")
        DONE = "done", _("Done")
        REJECTED = "rejected", _("Rejected")

    id = PrefixedIdField(prefix="ivv")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="voidings", verbose_name=_("invoice"))
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.WAITING)
    reason = models.CharField(_("reason"), max_length=300)
    needs_second_person = models.BooleanField(_("needs a second person"))
    asked_by = models.CharField(_("asked by"), max_length=40)
    decided_by = models.CharField(_("decided by"), max_length=40, blank=True, default="")
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("voided invoice")
        verbose_name_plural = _("voided invoices")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["invoice"], condition=Q(status="waiting"), name="invoice_voiding_one_waiting"
            ),
            models.CheckConstraint(
                condition=Q(status="waiting") | Q(needs_second_person=False) | ~Q(decided_by=F("asked_by")),
                name="invoice_voiding_two_people",
            ),
        ]  # fmt: skip
        triggers: ClassVar = [
            transitions.INVOICE_VOIDING.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["invoice", "reason", "needs_second_person", "asked_by"]),
        ]

    def __str__(self) -> str:
        return self.id
