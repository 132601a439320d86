"""Businesses that take money, the people who act for them, and the keys of their servers."""

from typing import ClassVar

import pghistory
import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from merchants.transitions import MERCHANT_STATES
from paycore.identifiers import PrefixedIdField


def _every_change() -> tuple[pghistory.RowEvent, ...]:
    """Fresh trackers for each model: pghistory binds an instance to the first model it meets. Their ``pgh_obj_id`` is
    the row's id, so ``id`` is left out of the history."""
    return pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent()


@pghistory.track(*_every_change(), append_only=True, exclude=["id"])
class Merchant(models.Model):
    """A business. ``home_currency`` is the one that ``fee_fixed_minor`` and ``refund_review_above_minor`` are in."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SUBMITTED = "submitted", _("Submitted")
        RETURNED = "returned", _("Returned")
        APPROVED = "approved", _("Approved")
        SUSPENDED = "suspended", _("Suspended")
        CLOSED = "closed", _("Closed")

    id = PrefixedIdField(prefix="mer")
    name = models.CharField(_("name"), max_length=120, help_text=_("What payers see."))
    legal_name = models.CharField(_("legal name"), max_length=200, blank=True, default="")
    country = models.CharField(_("country"), max_length=2, help_text=_("ISO 3166-1 code of two letters."))
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.DRAFT)
    home_currency = models.CharField(_("home currency"), max_length=3, default="USD")
    fee_basis_points = models.IntegerField(_("fee in basis points"), default=0, help_text=_("290 is 2.9 %."))
    fee_fixed_minor = models.BigIntegerField(
        _("fixed fee"), default=0, help_text=_("In the smallest unit of the home currency; other currencies pay none.")
    )
    refund_review_above_minor = models.BigIntegerField(
        _("review refunds above"),
        null=True,
        blank=True,
        help_text=_("In the smallest unit of the home currency. Empty: a person reviews every refund."),
    )
    is_platform = models.BooleanField(_("is the platform itself"), default=False)
    logo_url = models.URLField(_("logo"), blank=True, default="")
    support_email = models.EmailField(_("support e-mail"), blank=True, default="")
    website = models.URLField(_("website"), blank=True, default="")
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("merchant")
        verbose_name_plural = _("merchants")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_platform"], condition=models.Q(is_platform=True), name="merchant_one_platform"
            ),
            models.CheckConstraint(condition=models.Q(status__in=MERCHANT_STATES.states), name="merchant_status_known"),
            models.CheckConstraint(
                condition=models.Q(fee_basis_points__range=(0, 10_000), fee_fixed_minor__gte=0),
                name="merchant_fee_bounded",
            ),
            models.CheckConstraint(
                condition=models.Q(refund_review_above_minor__isnull=True) | models.Q(refund_review_above_minor__gte=0),
                name="merchant_review_limit_positive",
            ),
            models.CheckConstraint(condition=models.Q(country__regex="^[A-Z]{2}$"), name="merchant_country_code"),
            models.CheckConstraint(
                condition=models.Q(home_currency__regex="^[A-Z]{3}$"), name="merchant_currency_code"
            ),
        ]
        triggers: ClassVar = [
            MERCHANT_STATES.trigger(),
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.name


@pghistory.track(*_every_change(), append_only=True, exclude=["id"])
class MerchantMember(models.Model):
    """A person who acts for a merchant, in one role."""

    class Role(models.TextChoices):
        OWNER = "owner", _("Owner")
        FINANCE = "finance", _("Finance")
        DEVELOPER = "developer", _("Developer")
        VIEWER = "viewer", _("Viewer")

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="members", verbose_name=_("merchant"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="merchant_roles", verbose_name=_("user")
    )
    role = models.CharField(_("role"), max_length=10, choices=Role)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merchant", "user"], name="merchant_member_unique"),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "finance", "developer", "viewer"]), name="merchant_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} · {self.get_role_display()}"


@pghistory.track(*_every_change(), append_only=True, exclude=["id", "secret_hash", "last_used_at"])
class ApiKey(models.Model):
    """A server's key. Only the SHA-256 of the secret is kept: 256 random bits need no slow hash."""

    id = PrefixedIdField(prefix="key")
    merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, related_name="api_keys", verbose_name=_("merchant")
    )
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("begins with"), max_length=12, editable=False)
    secret_hash = models.BinaryField(max_length=32, unique=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        triggers: ClassVar = [pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
