"""What is for sale: tiers, features, plans with their versions, and prices. Archived, never deleted."""

from typing import ClassVar

import pghistory
import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import get_language, gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField
from paycore.money import Money


def _no_delete() -> pgtrigger.Trigger:
    return pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete)


@pghistory.track()
class Tier(models.Model):
    """A level of membership. ``rank`` orders them; rank 0 is free and everybody's."""

    id = PrefixedIdField(prefix="tie")
    code = models.SlugField(_("code"), max_length=40, unique=True)
    name_en = models.CharField(_("name (English)"), max_length=60)
    name_zh = models.CharField(_("name (Chinese)"), max_length=60)
    rank = models.PositiveSmallIntegerField(_("rank"), unique=True)

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        ordering = ("rank",)
        triggers: ClassVar = [_no_delete()]

    def __str__(self) -> str:
        return self.name_en

    def name(self, language: str) -> str:
        return self.name_zh if language.startswith("zh") else self.name_en


@pghistory.track()
class Feature(models.Model):
    """Something a plan may give. A plan's version says how much of it: a number, or null for without limit."""

    class Kind(models.TextChoices):
        SWITCH = "switch", _("On or off")
        LIMIT = "limit", _("So many at once")
        METERED = "metered", _("So many uses")

    class Reset(models.TextChoices):
        NEVER = "never", pgettext_lazy("membership", "Never")
        PERIOD = "period", _("With every paid period")
        MONTH = "month", _("Every month")
        DAY = "day", _("Every day")

    id = PrefixedIdField(prefix="ftr")
    code = models.SlugField(_("code"), max_length=40, unique=True)
    name_en = models.CharField(_("name (English)"), max_length=80)
    name_zh = models.CharField(_("name (Chinese)"), max_length=80)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.METERED)
    reset = models.CharField(_("counter starts anew"), max_length=8, choices=Reset, default=Reset.PERIOD)
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("feature")
        verbose_name_plural = _("features")
        ordering = ("code",)
        triggers: ClassVar = [_no_delete()]

    def __str__(self) -> str:
        return self.code

    def name(self, language: str) -> str:
        return self.name_zh if language.startswith("zh") else self.name_en


@pghistory.track()
class Plan(models.Model):
    """What is sold: a tier's rights, as its newest version lists them."""

    id = PrefixedIdField(prefix="pln")
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, related_name="plans", verbose_name=_("tier"))
    code = models.SlugField(_("code"), max_length=40, unique=True)
    name_en = models.CharField(_("name (English)"), max_length=60)
    name_zh = models.CharField(_("name (Chinese)"), max_length=60)
    is_active = models.BooleanField(_("on sale"), default=True)
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True)

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        ordering = ("tier__rank", "code")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(archived_at__isnull=True) | Q(is_active=False), name="plan_archived_is_not_sold"
            ),
        ]
        triggers: ClassVar = [_no_delete(), pgtrigger.ReadOnly(name="fixed_terms", fields=["code", "tier"])]

    def __str__(self) -> str:
        return self.name_en

    def name(self, language: str) -> str:
        return self.name_zh if language.startswith("zh") else self.name_en


class PlanVersion(models.Model):
    """What a plan gives from ``published_at`` on. Whoever paid for a period under an older one keeps, until it ends,
    the better of both, feature by feature."""

    id = PrefixedIdField(prefix="plv")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions", verbose_name=_("plan"))
    number = models.PositiveIntegerField(_("version"))
    features = models.JSONField(
        _("features"), default=dict, blank=True, help_text=_("Feature code → limit; null is without limit.")
    )
    seats_included = models.PositiveIntegerField(_("seats included"), default=1)
    seats_most = models.PositiveIntegerField(_("most seats"), default=1)
    published_at = models.DateTimeField(_("published"), db_default=Now())

    class Meta:
        verbose_name = _("plan version")
        verbose_name_plural = _("plan versions")
        ordering = ("plan", "-number")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["plan", "number"], name="plan_version_number"),
            models.CheckConstraint(
                condition=Q(seats_included__gte=1, seats_most__gte=models.F("seats_included"), seats_most__lte=10_000),
                name="plan_version_seats",
            ),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.plan_id} v{self.number}"


@pghistory.track()
class Price(models.Model):
    """What a plan costs for one interval in one currency. Its terms never change: a new amount is a new price, and who
    bought keeps the old one until a price change (:mod:`memberships.price_changes`) moves them."""

    class Interval(models.TextChoices):
        DAY = "day", pgettext_lazy("membership", "day")
        WEEK = "week", _("week")
        MONTH = "month", _("month")
        QUARTER = "quarter", _("quarter")
        YEAR = "year", _("year")

    id = PrefixedIdField(prefix="pri")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="prices", verbose_name=_("plan"))
    currency = models.CharField(_("currency"), max_length=3)
    amount_minor = models.BigIntegerField(_("amount (minor units)"))
    interval = models.CharField(_("interval"), max_length=8, choices=Interval, default=Interval.MONTH)
    interval_count = models.PositiveSmallIntegerField(_("intervals at once"), default=1)
    trial_days = models.PositiveSmallIntegerField(_("trial (days)"), default=0)
    setup_fee_minor = models.BigIntegerField(_("set-up fee (minor units)"), default=0)
    seat_amount_minor = models.BigIntegerField(_("each seat more (minor units)"), default=0)
    is_tax_inclusive = models.BooleanField(_("tax is included"), default=True)
    is_active = models.BooleanField(_("on sale"), default=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["plan", "currency", "interval", "interval_count"],
                condition=Q(is_active=True),
                name="price_one_active_per_interval",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="price_positive"),
            models.CheckConstraint(
                condition=Q(
                    setup_fee_minor__gte=0, seat_amount_minor__gte=0, interval_count__gte=1, interval_count__lte=366,
                    trial_days__lte=730,
                ),
                name="price_terms_bounded",
            ),
        ]  # fmt: skip
        triggers: ClassVar = [
            _no_delete(),
            pgtrigger.ReadOnly(
                name="fixed_terms",
                fields=[
                    "plan",
                    "currency",
                    "amount_minor",
                    "interval",
                    "interval_count",
                    "trial_days",
                    "setup_fee_minor",
                    "seat_amount_minor",
                    "is_tax_inclusive",
                ],
            ),
        ]

    def __str__(self) -> str:
        many = f"{self.interval_count} × " if self.interval_count > 1 else ""
        text = f"{self.plan} · {self.amount.format(get_language() or 'en')} / {many}{self.get_interval_display()}"
        return text if self.is_active else gettext("%(price)s (archived)") % {"price": text}

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    def amount_for(self, *, seats: int, included: int) -> Money:
        """Of one interval for so many seats, ``included`` of which the plan contains."""
        return self.amount + Money(self.seat_amount_minor, self.currency) * max(0, seats - included)
