"""A member's plan over time: the subscription, its periods that tile, and its history."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from memberships import transitions
from memberships.models.catalogue import Plan, PlanVersion, Price
from paycore.bulk import ReadInBulk
from paycore.identifiers import PrefixedIdField
from paycore.money import Money


class TimestampRange(Func):
    function = "tstzrange"
    output_field = DateTimeRangeField()


class HashOfText(Func):
    """Never changes: PostgreSQL's hash partitions depend on it."""

    function = "hashtextextended"
    output_field = models.BigIntegerField()


def count_versions() -> pgtrigger.Trigger:
    """Every change, whoever makes it, raises ``version``."""
    return pgtrigger.Trigger(
        name="count_versions",
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func="NEW.version := OLD.version + 1; NEW.updated_at := clock_timestamp(); RETURN NEW;",
    )


class Subscription(ReadInBulk):
    """One membership of one user over its whole life, whoever takes the money (``rail``).

    Periods end whole intervals after ``anchor_at`` in the calendar of ``time_zone``
    (:mod:`memberships.subscriptions.calendar`), so that the 31st comes back after February. ``due_at`` is when the next
    thing must happen (renewal, retry, end, resumption), ``notice_at`` when the member must next be told something; both
    by the user's clock. A paused or suspended one has a ``due_at`` only when something will happen by itself.
    """

    class Rail(models.TextChoices):
        WEB = "web", _("Web")
        APP_STORE = "app_store", _("App Store")
        GOOGLE_PLAY = "google_play", _("Google Play")

    class Status(models.TextChoices):
        INCOMPLETE = "incomplete", _("Waiting for the first payment")
        SCHEDULED = "scheduled", _("Starts later")
        TRIALING = "trialing", pgettext_lazy("membership", "Trial")
        ACTIVE = "active", pgettext_lazy("membership", "Active")
        PAST_DUE = "past_due", _("Payment overdue, access goes on")
        SUSPENDED = "suspended", pgettext_lazy("membership", "Suspended")
        PAUSED = "paused", _("Paused")
        ENDED = "ended", _("Ended")

    class Collection(models.TextChoices):
        METHOD = "method", _("Saved payment method")
        WALLET = "wallet", _("Wallet")
        LINK = "link", _("Payment link")

    id = PrefixedIdField(prefix="sub")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, verbose_name=_("user"))
    rail = models.CharField(_("sold by"), max_length=12, choices=Rail, default=Rail.WEB)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.INCOMPLETE)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, verbose_name=_("plan"))
    price = models.ForeignKey(
        Price, on_delete=models.PROTECT, null=True, blank=True, related_name="subscriptions", verbose_name=_("price")
    )
    quantity = models.PositiveIntegerField(_("seats"), default=1)
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    country = models.CharField(_("country"), max_length=2, blank=True, default="")
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    anchor_at = models.DateTimeField(_("anchor"), null=True, blank=True)
    period_number = models.PositiveIntegerField(_("number of the period"), default=0)
    period_started_at = models.DateTimeField(_("period started"), null=True, blank=True)
    period_ends_at = models.DateTimeField(_("period ends"), null=True, blank=True)
    starts_at = models.DateTimeField(_("starts"), null=True, blank=True)
    trial_ends_at = models.DateTimeField(_("trial ends"), null=True, blank=True)
    cancel_at_period_end = models.BooleanField(_("ends with the period"), default=False)
    canceled_at = models.DateTimeField(_("canceled"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    end_reason = models.CharField(_("why it ended"), max_length=40, blank=True, default="")
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    resumes_at = models.DateTimeField(_("goes on"), null=True, blank=True)
    unused_seconds = models.BigIntegerField(_("paid time left when paused (seconds)"), default=0)
    next_price = models.ForeignKey(
        Price,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("next price"),
    )
    next_quantity = models.PositiveIntegerField(_("next seats"), null=True, blank=True)
    collection = models.CharField(_("collected by"), max_length=8, choices=Collection, default=Collection.LINK)
    payment_method = models.ForeignKey(
        "payments.PaymentMethod",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("saved payment method"),
    )
    credit_minor = models.BigIntegerField(_("credit (minor units)"), default=0)
    past_due_since = models.DateTimeField(_("overdue since"), null=True, blank=True)
    grace_until = models.DateTimeField(_("grace until"), null=True, blank=True)
    retries = models.PositiveSmallIntegerField(_("attempts to collect that failed"), default=0)
    failure_code = models.CharField(_("last failure"), max_length=64, blank=True, default="")
    store_reference = models.CharField(_("store's reference"), max_length=256, blank=True, default="")
    due_at = models.DateTimeField(_("next step"), null=True, blank=True)
    notice_at = models.DateTimeField(_("next notice"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), db_default=Now())
    version = models.IntegerField(_("version"), default=1)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(status__in=transitions.LIVE), name="subscription_one_live"
            ),
            models.UniqueConstraint(
                fields=["user"], condition=Q(status="incomplete"), name="subscription_one_incomplete"
            ),
            models.UniqueConstraint(
                fields=["rail", "store_reference"], condition=~Q(store_reference=""), name="subscription_one_a_store"
            ),
            models.CheckConstraint(
                condition=~Q(status="ended") | Q(due_at__isnull=True, notice_at__isnull=True, ended_at__isnull=False),
                name="subscription_ended_rests",
            ),
            models.CheckConstraint(
                condition=~Q(rail="web", status__in=["incomplete", "scheduled", "trialing", "active", "past_due"])
                | Q(due_at__isnull=False),
                name="subscription_live_is_looked_at",
            ),
            models.CheckConstraint(
                condition=~Q(rail="web") | Q(price__isnull=False) & ~Q(currency=""), name="subscription_web_has_price"
            ),
            models.CheckConstraint(
                condition=Q(credit_minor__gte=0, quantity__gte=1, quantity__lte=10_000, unused_seconds__gte=0),
                name="subscription_bounded",
            ),
            models.CheckConstraint(
                condition=Q(period_ends_at__isnull=True) | Q(period_ends_at__gt=F("period_started_at")),
                name="subscription_period_forward",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="subscription_by_user"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="subscription_due"),
            models.Index(fields=["notice_at"], condition=Q(notice_at__isnull=False), name="subscription_notice_due"),
        ]
        triggers: ClassVar = [
            transitions.SUBSCRIPTION.trigger(),
            count_versions(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["rail", "store_reference"]),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def has_access(self) -> bool:
        return self.status in transitions.WITH_ACCESS

    @property
    def is_live(self) -> bool:
        return self.status in transitions.LIVE

    @property
    def credit(self) -> Money:
        return Money(self.credit_minor, self.currency)


class Period(ReadInBulk):
    """One span of a subscription. ``ends_at`` is exclusive. ``open`` waits for its money; a ``revoked`` one was given
    back and gives nothing. Periods that count tile: the next one starts where this one ends."""

    class Kind(models.TextChoices):
        TRIAL = "trial", pgettext_lazy("membership", "Trial")
        PAID = "paid", _("Paid")
        BONUS = "bonus", pgettext_lazy("membership", "Given")
        STORE = "store", _("Sold by a store")

    class Status(models.TextChoices):
        OPEN = "open", _("Waiting for money")
        PAID = "paid", _("Paid")
        VOID = "void", _("Never paid")
        REVOKED = "revoked", _("Revoked")

    id = PrefixedIdField(prefix="per")
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        related_name="periods",
        db_index=False,
        verbose_name=_("subscription"),
    )
    number = models.PositiveIntegerField(pgettext_lazy("membership", "number"))
    kind = models.CharField(_("kind"), max_length=6, choices=Kind, default=Kind.PAID)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.OPEN)
    plan_version = models.ForeignKey(
        PlanVersion, on_delete=models.PROTECT, db_index=False, verbose_name=_("plan version")
    )
    price = models.ForeignKey(
        Price, on_delete=models.PROTECT, null=True, blank=True, db_index=False, verbose_name=_("price")
    )
    quantity = models.PositiveIntegerField(_("seats"), default=1)
    starts_at = models.DateTimeField(_("starts"))
    ends_at = models.DateTimeField(_("ends"))
    invoice = models.OneToOneField(
        "memberships.Invoice",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="period",
        verbose_name=_("invoice"),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), db_default=Now())
    version = models.IntegerField(_("version"), default=1)

    class Meta:
        verbose_name = _("membership period")
        verbose_name_plural = _("membership periods")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["subscription", "number"], name="period_once"),
            models.UniqueConstraint(
                fields=["subscription"], condition=Q(status="open"), name="period_one_open"
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="period_runs_forward"),
            ExclusionConstraint(
                name="period_no_two_at_once",
                # The number first: ids of one moment begin alike, and a GiST index cannot tell such texts apart.
                expressions=[
                    (HashOfText("subscription", 0), RangeOperators.EQUAL),
                    ("subscription", RangeOperators.EQUAL),
                    (TimestampRange("starts_at", "ends_at"), RangeOperators.OVERLAPS),
                ],
                condition=Q(status__in=["open", "paid"]),
            ),
        ]  # fmt: skip
        triggers: ClassVar = [
            transitions.PERIOD.trigger(),
            count_versions(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["subscription", "number", "starts_at"]),
        ]

    def __str__(self) -> str:
        return self.id


class SubscriptionChange(models.Model):
    """What happened to a subscription, who did it and why. ``by``: a user's id, ``system``, or a store's name. Written
    for ever, but for the words of a member who is erased: those may be emptied."""

    id = models.BigAutoField(primary_key=True)
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="changes", db_index=False, verbose_name=_("subscription")
    )
    kind = models.CharField(_("what"), max_length=24)
    status = models.CharField(_("status afterwards"), max_length=10)
    by = models.CharField(_("by"), max_length=40)
    reason = models.CharField(_("why"), max_length=300, blank=True, default="")
    details = models.JSONField(_("details"), default=dict, blank=True)
    happened_at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("change of a subscription")
        verbose_name_plural = _("changes of subscriptions")
        indexes: ClassVar = [models.Index(fields=["subscription", "-id"], name="subscription_change_by_sub")]
        triggers: ClassVar = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", exclude=["reason"]),
            pgtrigger.Protect(
                name="only_forgotten",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__reason="") | ~pgtrigger.Q(new__reason=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id} {self.kind}"


class Grant(models.Model):
    """A plan given for a while outside a subscription: a gift, a code, staff's kindness, a month bought at a time when
    there were no subscriptions. ``ends_at`` is exclusive; a revoked one gives nothing."""

    class Source(models.TextChoices):
        PURCHASE = "purchase", _("Bought once")
        GIFT = "gift", _("Gift")
        CODE = "code", pgettext_lazy("membership", "Code")
        STAFF = "staff", _("Given by staff")

    id = PrefixedIdField(prefix="grt")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, verbose_name=_("user"))
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, verbose_name=_("plan"))
    source = models.CharField(_("source"), max_length=8, choices=Source, default=Source.PURCHASE)
    order = models.ForeignKey(
        "payments.Order",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("order"),
    )
    reason = models.CharField(_("reason"), max_length=300, blank=True, default="")
    granted_by = models.CharField(_("given by"), max_length=40, blank=True, default="")
    starts_at = models.DateTimeField(_("starts"))
    ends_at = models.DateTimeField(_("ends"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="grant_forward"),
            ExclusionConstraint(
                name="grant_no_overlap",
                expressions=[
                    ("user", RangeOperators.EQUAL),
                    ("plan", RangeOperators.EQUAL),
                    (TimestampRange("starts_at", "ends_at"), RangeOperators.OVERLAPS),
                ],
                condition=Q(revoked_at__isnull=True),
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["user", "ends_at"], name="grant_by_user")]
        triggers: ClassVar = [pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.id
