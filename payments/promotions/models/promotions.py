"""What is given off, to whom and how often; and the codes that open it."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from paycore.identifiers import PrefixedIdField
from payments.promotions.transitions import CODE_BATCH, PROMOTION

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

REFERENCE = 64
"""The longest reference to a plan, a price or an interval; payments know none of them."""
MOST_NAMED_USERS = 1_000

TERMS = (
    "kind", "percent_basis_points", "amounts", "most_off", "free_days", "duration", "periods", "applies_to", "least",
    "currencies", "plans", "excluded_plans", "prices", "excluded_prices", "intervals", "is_first_only", "users",
    "joined_from", "joined_until", "starts_at", "ends_at", "stacking", "position", "max_uses", "max_per_person",
    "max_per_day", "budget_minor", "budget_currency", "funded_by", "authors", "needs_second_person",
)  # fmt: skip
"""What was agreed to by whoever activated it: nothing of it changes afterwards."""
_AGREED = f"""
    IF OLD.status <> 'draft'
        AND ({", ".join(f"NEW.{name}" for name in TERMS)}) IS DISTINCT FROM ({", ".join(f"OLD.{n}" for n in TERMS)})
    THEN
        RAISE EXCEPTION 'only a draft can be changed';
    END IF;
    IF NEW.status = 'active' AND NEW.needs_second_person AND NEW.activated_by = ANY(NEW.authors) THEN
        RAISE EXCEPTION 'who wrote a promotion of this size does not activate it';
    END IF;
    RETURN NEW;
"""


def _references(label: "StrOrPromise", help_text: "StrOrPromise") -> "ArrayField[list[str], list[str]]":
    return ArrayField(
        models.CharField(max_length=REFERENCE), default=list, blank=True, verbose_name=label, help_text=help_text
    )


class Promotion(models.Model):
    """``merchant`` is the seller whose prices it lowers; none: any merchant's, at the platform's cost.

    ``amounts``, ``most_off`` and ``least`` are minor units by currency. ``used``, ``used_on_day`` and
    ``reserved_minor`` count what is not released; only ``promotions_take`` and ``promotions_settle`` write them. Terms
    are a draft's to change.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ACTIVE = "active", pgettext_lazy("membership", "Active")
        PAUSED = "paused", _("Paused")
        ENDED = "ended", _("Ended")

    class Kind(models.TextChoices):
        PERCENT = "percent", _("Percentage off")
        FIXED = "fixed", _("Amount off")
        FREE_DAYS = "free_days", _("Free days")

    class Duration(models.TextChoices):
        ONCE = "once", _("Once")
        PERIODS = "periods", _("The first periods")
        FOREVER = "forever", _("Every period")

    class AppliesTo(models.TextChoices):
        ANY = "any", _("Orders and memberships")
        ORDER = "order", _("Orders")
        MEMBERSHIP = "membership", _("Memberships")

    class Stacking(models.TextChoices):
        EXCLUSIVE = "exclusive", _("Alone only")
        WITH_OTHERS = "with_others", _("Together with others")

    class FundedBy(models.TextChoices):
        MERCHANT = "merchant", _("Merchant")
        PLATFORM = "platform", _("Platform")

    id = PrefixedIdField(prefix="prm")
    merchant = models.ForeignKey(
        "merchants.Merchant",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("seller"),
        help_text=_("Empty: the orders of every merchant, at the platform's cost."),
    )
    name = models.CharField(_("name"), max_length=80, help_text=_("For yourself. Payers do not see it."))
    title = models.CharField(
        _("title (English)"), max_length=80, blank=True, default="", help_text=_("Payers see it. Empty: what is off.")
    )
    title_zh = models.CharField(_("title (Chinese)"), max_length=80, blank=True, default="")
    status = models.CharField(_("status"), max_length=6, choices=Status, default=Status.DRAFT)
    kind = models.CharField(_("kind"), max_length=9, choices=Kind)
    percent_basis_points = models.PositiveSmallIntegerField(_("hundredths of a percent"), default=0)
    amounts = models.JSONField(_("amounts off (minor units by currency)"), default=dict, blank=True)
    most_off = models.JSONField(_("most off (minor units by currency)"), default=dict, blank=True)
    free_days = models.PositiveSmallIntegerField(_("free days"), default=0)
    duration = models.CharField(_("how long"), max_length=7, choices=Duration, default=Duration.ONCE)
    periods = models.PositiveSmallIntegerField(_("number of periods"), default=1)
    applies_to = models.CharField(_("for"), max_length=10, choices=AppliesTo, default=AppliesTo.ANY)
    least = models.JSONField(_("smallest amounts (minor units by currency)"), default=dict, blank=True)
    currencies = ArrayField(
        models.CharField(max_length=3),
        default=list,
        blank=True,
        verbose_name=_("currencies"),
        help_text=_("Empty: any."),
    )
    plans = _references(_("plans"), _("Empty: any."))
    excluded_plans = _references(_("excluded plans"), _("Never for these."))
    prices = _references(_("prices"), _("Empty: any."))
    excluded_prices = _references(_("excluded prices"), _("Never for these."))
    intervals = _references(_("intervals"), _("For example month or year. Empty: any."))
    is_first_only = models.BooleanField(_("first purchase only"), default=False)
    users = ArrayField(
        models.CharField(max_length=40),
        default=list,
        blank=True,
        verbose_name=_("people"),
        help_text=_("Ids of users. Empty: anybody."),
    )
    joined_from = models.DateTimeField(_("signed up since"), null=True, blank=True)
    joined_until = models.DateTimeField(_("signed up before"), null=True, blank=True)
    starts_at = models.DateTimeField(_("starts"), null=True, blank=True)
    ends_at = models.DateTimeField(_("ends"), null=True, blank=True)
    stacking = models.CharField(_("stacking"), max_length=11, choices=Stacking, default=Stacking.EXCLUSIVE)
    position = models.SmallIntegerField(
        _("position"), default=10, help_text=_("Of several, the lowest is taken off first.")
    )
    max_uses = models.PositiveIntegerField(_("most uses"), null=True, blank=True)
    max_per_person = models.PositiveIntegerField(_("most uses by one person"), null=True, blank=True, default=1)
    max_per_day = models.PositiveIntegerField(_("most uses a day"), null=True, blank=True, help_text=_("Days are UTC."))
    budget_minor = models.BigIntegerField(
        _("budget (minor units)"), null=True, blank=True, help_text=_("No more is given than this.")
    )
    budget_currency = models.CharField(_("currency of the budget"), max_length=3, blank=True, default="")
    funded_by = models.CharField(_("paid by"), max_length=8, choices=FundedBy, default=FundedBy.MERCHANT)
    used = models.PositiveIntegerField(_("uses"), default=0, editable=False)
    day = models.DateField(_("day of the last use"), null=True, editable=False)
    used_on_day = models.PositiveIntegerField(_("uses on that day"), default=0, editable=False)
    reserved_minor = models.BigIntegerField(_("taken of the budget (minor units)"), default=0, editable=False)
    authors = ArrayField(models.CharField(max_length=40), default=list, editable=False, verbose_name=_("written by"))
    needs_second_person = models.BooleanField(_("needs a second person"), default=False, editable=False)
    activated_by = models.CharField(_("activated by"), max_length=40, blank=True, default="", editable=False)
    activated_at = models.DateTimeField(_("activated"), null=True, editable=False)
    ended_at = models.DateTimeField(_("ended"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        app_label = "payments"
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(kind="percent", percent_basis_points__range=(1, 10_000))
                | ~Q(kind="percent") & Q(percent_basis_points=0),
                name="promotion_percent_bounded",
            ),
            models.CheckConstraint(
                condition=Q(kind="fixed") & ~Q(amounts={}) | ~Q(kind="fixed") & Q(amounts={}),
                name="promotion_fixed_has_amounts",
            ),
            models.CheckConstraint(
                condition=Q(kind="free_days", free_days__range=(1, 366), duration="once", applies_to="membership")
                | ~Q(kind="free_days") & Q(free_days=0),
                name="promotion_free_days_bounded",
            ),
            models.CheckConstraint(
                condition=Q(duration="periods", periods__range=(1, 120)) | ~Q(duration="periods") & Q(periods=1),
                name="promotion_periods_bounded",
            ),
            models.CheckConstraint(
                condition=Q(merchant__isnull=False) | Q(funded_by="platform", applies_to="order"),
                name="promotion_for_all_is_ours",
            ),
            models.CheckConstraint(
                condition=Q(budget_minor__isnull=True, budget_currency="")
                | Q(budget_minor__gt=0) & ~Q(budget_currency="") & ~Q(duration="forever"),
                name="promotion_budget_is_finite",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(starts_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="promotion_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(status="draft")
                | Q(status="ended", ended_at__isnull=False)
                | Q(activated_at__isnull=False) & ~Q(activated_by=""),
                name="promotion_activated_by_somebody",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["merchant", "-id"], name="promotion_by_merchant"),
            models.Index(fields=["status", "-id"], name="promotion_by_status"),
        ]
        triggers: ClassVar = [
            PROMOTION.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_seller", fields=["merchant"]),
            pgtrigger.Trigger(name="agreed_terms", when=pgtrigger.Before, operation=pgtrigger.Update, func=_AGREED),
        ]

    def __str__(self) -> str:
        return self.name

    def validate_constraints(self, exclude: Any = None) -> None:
        """Not in the database's words: forms ask :func:`payments.promotions.terms.wrong_terms`."""


class CodeBatch(models.Model):
    """Many codes of one promotion, made in the background."""

    class Status(models.TextChoices):
        MAKING = "making", _("Being made")
        DONE = "done", _("Done")
        STOPPED = "stopped", _("Stopped")

    id = PrefixedIdField(prefix="pcb")
    promotion = models.ForeignKey(
        Promotion, on_delete=models.PROTECT, related_name="batches", verbose_name=_("promotion")
    )
    status = models.CharField(_("status"), max_length=7, choices=Status, default=Status.MAKING)
    wanted = models.PositiveIntegerField(_("codes wanted"))
    made = models.PositiveIntegerField(_("codes made"), default=0)
    prefix = models.CharField(_("prefix"), max_length=12, blank=True, default="")
    length = models.PositiveSmallIntegerField(_("random characters"), default=10)
    max_uses = models.PositiveIntegerField(_("most uses of each code"), null=True, blank=True, default=1)
    note = models.CharField(_("note"), max_length=120, blank=True, default="")
    requested_by = models.CharField(_("requested by"), max_length=40)
    next_attempt_at = models.DateTimeField(_("next step"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        app_label = "payments"
        verbose_name = _("batch of codes")
        verbose_name_plural = _("batches of codes")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(wanted__range=(1, 100_000), made__lte=F("wanted"), length__range=(8, 20)),
                name="promotion_code_batch_bounded",
            ),
            models.CheckConstraint(
                condition=Q(status="making", next_attempt_at__isnull=False)
                | ~Q(status="making") & Q(next_attempt_at__isnull=True),
                name="promotion_code_batch_unfinished_is_looked_at",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(status="making"), name="promotion_code_batch_due"),
        ]
        triggers: ClassVar = [
            CODE_BATCH.trigger(),
            pgtrigger.ReadOnly(name="fixed_wish", fields=["promotion", "wanted", "prefix", "length", "max_uses"]),
        ]

    def __str__(self) -> str:
        return self.id

    def finish(self, *, now: datetime) -> tuple[str, ...]:
        """As :class:`paycore.code_batches.CodeMill` asks for it."""
        CODE_BATCH.require(self.status, self.Status.DONE)
        self.status, self.next_attempt_at, self.finished_at = self.Status.DONE, None, now
        return ("status", "finished_at")


class PromotionCode(models.Model):
    """What a person types. ``code`` is in capitals; one means one promotion at a seller, for ever."""

    id = PrefixedIdField(prefix="prc")
    promotion = models.ForeignKey(
        Promotion, on_delete=models.PROTECT, db_index=False, related_name="codes", verbose_name=_("promotion")
    )
    merchant = models.ForeignKey(
        "merchants.Merchant",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        verbose_name=_("seller"),
    )
    code = models.CharField(_("code"), max_length=40, db_collation="C")
    batch = models.ForeignKey(
        CodeBatch,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="codes",
        verbose_name=_("batch"),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    max_uses = models.PositiveIntegerField(_("most uses"), null=True, blank=True)
    max_per_person = models.PositiveIntegerField(_("most uses by one person"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    used = models.PositiveIntegerField(_("uses"), default=0, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        app_label = "payments"
        verbose_name = _("promotion code")
        verbose_name_plural = _("promotion codes")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merchant", "code"], name="promotion_code_unique", nulls_distinct=False),
            models.CheckConstraint(
                condition=Q(code__regex="^[A-Z0-9][A-Z0-9_-]{2,39}$"), name="promotion_code_is_plain"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["promotion", "-id"], name="promotion_code_by_promotion"),
            models.Index(fields=["batch", "id"], condition=Q(batch__isnull=False), name="promotion_code_by_batch"),
            models.Index(fields=["code"], name="promotion_code_by_code"),
        ]
        triggers: ClassVar = [
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["promotion", "merchant", "code", "batch"]),
        ]

    def __str__(self) -> str:
        return self.code
