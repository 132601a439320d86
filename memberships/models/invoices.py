"""What a member is asked for, numbered: one invoice a period and change."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from memberships import transitions
from memberships.models.subscriptions import Subscription, count_versions
from paycore.bulk import ReadInBulk
from paycore.identifiers import PrefixedIdField
from paycore.money import Money


class NumberSeries(models.Model):
    """Numbers without a gap: taken under the row's lock, given back by a rollback. ``prefix`` e.g. ``2026``."""

    kind = models.CharField(_("kind"), max_length=12)
    prefix = models.CharField(_("prefix"), max_length=12)
    last_number = models.BigIntegerField(_("last number"), default=0)

    class Meta:
        verbose_name = _("number series")
        verbose_name_plural = _("number series")
        constraints: ClassVar = [models.UniqueConstraint(fields=["kind", "prefix"], name="number_series_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.prefix}"


class Invoice(ReadInBulk):
    """``total = subtotal - discount + tax``, and ``due = total - credit`` is what its order asks for; an invoice with
    nothing due has no order and is paid at once. ``lines`` and ``taxes`` are as they were printed
    (:mod:`memberships.invoices.drafting` says their shape)."""

    class Kind(models.TextChoices):
        START = "start", _("Start")
        RENEWAL = "renewal", _("Renewal")
        CHANGE = "change", _("Change")
        GIFT = "gift", _("Gift")

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        PAID = "paid", _("Paid")
        VOID = "void", _("Void")
        UNCOLLECTIBLE = "uncollectible", _("Not collectible")

    id = PrefixedIdField(prefix="inv")
    number = models.CharField(pgettext_lazy("membership", "number"), max_length=32, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, verbose_name=_("user"))
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoices",
        db_index=False,
        verbose_name=_("subscription"),
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    status = models.CharField(_("status"), max_length=13, choices=Status, default=Status.OPEN)
    currency = models.CharField(_("currency"), max_length=3)
    subtotal_minor = models.BigIntegerField(_("subtotal (minor units)"))
    discount_minor = models.BigIntegerField(_("discount (minor units)"), default=0)
    tax_minor = models.BigIntegerField(_("tax (minor units)"), default=0)
    total_minor = models.BigIntegerField(_("total (minor units)"))
    credit_minor = models.BigIntegerField(_("credit used (minor units)"), default=0)
    due_minor = models.BigIntegerField(_("due (minor units)"))
    lines = models.JSONField(_("lines"), default=list)
    taxes = models.JSONField(_("taxes"), default=list, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True, default="")
    language = models.CharField(_("language"), max_length=12, default="en")
    order = models.OneToOneField(
        "payments.Order",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("order"),
    )
    issued_at = models.DateTimeField(_("issued"))
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), db_default=Now())
    version = models.IntegerField(_("version"), default=1)

    class Meta:
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(
                    discount_minor__gte=0,
                    tax_minor__gte=0,
                    credit_minor__gte=0,
                    total_minor__gte=0,
                    due_minor__gte=0,
                    due_minor=F("total_minor") - F("credit_minor"),
                ),
                name="invoice_sums",
            ),
            models.CheckConstraint(
                condition=Q(order__isnull=False) | Q(due_minor=0) | ~Q(status="open"), name="invoice_due_has_order"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="invoice_by_user"),
            models.Index(fields=["subscription", "-id"], name="invoice_by_subscription"),
        ]
        triggers: ClassVar = [
            transitions.INVOICE.trigger(),
            count_versions(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="fixed_terms",
                fields=[
                    "number",
                    "user",
                    "subscription",
                    "kind",
                    "currency",
                    "subtotal_minor",
                    "discount_minor",
                    "tax_minor",
                    "total_minor",
                    "credit_minor",
                    "due_minor",
                    "lines",
                    "taxes",
                    "issued_at",
                ],
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @property
    def due(self) -> Money:
        return Money(self.due_minor, self.currency)
