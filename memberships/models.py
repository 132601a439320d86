"""What can be bought, who bought it, and what that gives."""

from typing import ClassVar

import pghistory
import pgtrigger
from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField
from paycore.money import Money


@pghistory.track()
class Plan(models.Model):
    """A level of membership. ``rank`` orders plans; rank 0 is free and everybody's."""

    id = PrefixedIdField(prefix="pln")
    code = models.SlugField(_("code"), max_length=40, unique=True)
    name_en = models.CharField(_("name (English)"), max_length=60)
    name_zh = models.CharField(_("name (Chinese)"), max_length=60)
    rank = models.PositiveSmallIntegerField(_("rank"), unique=True)
    features = models.JSONField(
        _("features"), default=dict, help_text=_("Feature code → limit per month; null is unlimited.")
    )
    is_active = models.BooleanField(_("on sale"), default=True)

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        ordering = ("rank",)

    def __str__(self) -> str:
        return self.name_en

    def name(self, language: str) -> str:
        return self.name_zh if language.startswith("zh") else self.name_en


@pghistory.track()
class Price(models.Model):
    """What a plan costs for one month in one currency. A new amount is a new price; who bought keeps the old."""

    id = PrefixedIdField(prefix="pri")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="prices", verbose_name=_("plan"))
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    is_active = models.BooleanField(_("on sale"), default=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["plan", "currency"], condition=Q(is_active=True), name="price_one_active_per_currency"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="price_positive"),
        ]
        triggers: ClassVar = [
            pgtrigger.ReadOnly(name="fixed_terms", fields=["plan", "currency", "amount_minor"]),
        ]

    def __str__(self) -> str:
        return f"{self.plan_id} {self.amount_minor} {self.currency}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class Purchase(models.Model):
    """The link from an order to the price it buys for a user; kept on this side."""

    id = PrefixedIdField(prefix="pur")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, verbose_name=_("user"))
    price = models.ForeignKey(Price, on_delete=models.PROTECT, verbose_name=_("price"))
    order = models.OneToOneField("payments.Order", on_delete=models.PROTECT, verbose_name=_("order"))
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("purchase")
        verbose_name_plural = _("purchases")
        indexes: ClassVar = [models.Index(fields=["user", "-id"], name="purchase_by_user")]

    def __str__(self) -> str:
        return self.id


class TimestampRange(Func):
    function = "tstzrange"
    output_field = DateTimeRangeField()


class Period(models.Model):
    """One paid span of a plan. ``ends_at`` is exclusive; a revoked one (refunded) gives nothing."""

    id = PrefixedIdField(prefix="per")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, verbose_name=_("user"))
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, verbose_name=_("plan"))
    purchase = models.OneToOneField(Purchase, on_delete=models.PROTECT, verbose_name=_("purchase"))
    starts_at = models.DateTimeField(_("starts"))
    ends_at = models.DateTimeField(_("ends"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("membership period")
        verbose_name_plural = _("membership periods")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="period_forward"),
            ExclusionConstraint(
                name="period_no_overlap",
                expressions=[
                    ("user", RangeOperators.EQUAL),
                    ("plan", RangeOperators.EQUAL),
                    (TimestampRange("starts_at", "ends_at"), RangeOperators.OVERLAPS),
                ],
                condition=Q(revoked_at__isnull=True),
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["user", "ends_at"], name="period_by_user")]

    def __str__(self) -> str:
        return self.id
