"""Businesses that take money, the people who act for them, and the keys of their servers."""

from typing import ClassVar

import pghistory
import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from merchants.history import every_change
from merchants.members.models import Invitation
from merchants.onboarding.models import DocumentView, MerchantDocument, MerchantReview
from merchants.transitions import MERCHANT_STATES
from merchants.webhooks.models import (
    WebhookAttempt,
    WebhookDeed,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookFeed,
)
from paycore.encryption import EncryptedTextField
from paycore.identifiers import PrefixedIdField

__all__ = [
    "ApiKey",
    "DocumentView",
    "Invitation",
    "Merchant",
    "MerchantDocument",
    "MerchantMember",
    "MerchantReview",
    "WebhookAttempt",
    "WebhookDeed",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "WebhookFeed",
]


@pghistory.track(*every_change(), append_only=True, exclude=["id", "registration_number"])
class Merchant(models.Model):
    """A business. ``home_currency`` is the one that ``fee_fixed_minor`` and ``refund_review_above_minor`` are in."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SUBMITTED = "submitted", _("Submitted")
        RETURNED = "returned", _("Returned")
        APPROVED = "approved", _("Approved")
        SUSPENDED = "suspended", _("Suspended")
        CLOSED = "closed", _("Closed")

    class Kind(models.TextChoices):
        COMPANY = "company", _("Company")
        PARTNERSHIP = "partnership", _("Partnership")
        SOLE_TRADER = "sole_trader", _("Sole trader")
        NON_PROFIT = "non_profit", _("Non-profit organization")
        PUBLIC_BODY = "public_body", _("Public body")

    id = PrefixedIdField(prefix="mer")
    name = models.CharField(_("name"), max_length=120, help_text=_("What payers see."))
    legal_name = models.CharField(_("legal name"), max_length=200, blank=True, default="")
    business_kind = models.CharField(_("kind of business"), max_length=12, choices=Kind, blank=True, default="")
    registration_number = EncryptedTextField(
        verbose_name=_("registration number"),
        null=True,
        blank=True,
        help_text=_("In the company register or for taxes."),
    )
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
    fees_confirmed_at = models.DateTimeField(_("fees confirmed"), null=True, blank=True, editable=False)
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
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=models.Q(status="submitted"), name="merchant_to_review"),
        ]
        triggers: ClassVar = [
            MERCHANT_STATES.trigger(),
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return self.name


@pghistory.track(*every_change(), append_only=True, exclude=["id"])
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
        triggers: ClassVar = [
            pgtrigger.Trigger(
                name="an_owner_stays",
                when=pgtrigger.After,
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__role="owner"),
                # The lock makes two owners who remove each other wait; the count then sees what the first one did.
                func="""
                    PERFORM 1 FROM merchants_merchant WHERE id = OLD.merchant_id FOR NO KEY UPDATE;
                    IF NOT EXISTS (
                        SELECT 1 FROM merchants_merchantmember WHERE merchant_id = OLD.merchant_id AND role = 'owner'
                    ) THEN
                        RAISE EXCEPTION 'merchant % would be without an owner', OLD.merchant_id;
                    END IF;
                    RETURN NULL;
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} · {self.get_role_display()}"


@pghistory.track(*every_change(), append_only=True, exclude=["id", "secret_hash", "last_used_at"])
class ApiKey(models.Model):
    """A server's key. Only the SHA-256 of the secret is kept: 256 random bits need no slow hash."""

    class Access(models.TextChoices):
        FULL = "full", _("Read and write")
        READ = "read", _("Read only")

    id = PrefixedIdField(prefix="key")
    merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, related_name="api_keys", verbose_name=_("merchant")
    )
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("begins with"), max_length=12, editable=False)
    secret_hash = models.BinaryField(_("fingerprint"), max_length=32, unique=True, editable=False)
    access = models.CharField(_("access"), max_length=4, choices=Access, default=Access.FULL)
    allowed_networks = ArrayField(
        models.CharField(max_length=43),
        verbose_name=_("allowed addresses"),
        default=list,
        blank=True,
        help_text=_("Networks the key may be used from, like 203.0.113.0/24. Empty: from anywhere."),
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    replaced_by = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="replaces",
        verbose_name=_("replaced by"),
    )
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
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(access__in=["full", "read"]), name="api_key_access_known"),
            models.CheckConstraint(condition=models.Q(allowed_networks__len__lte=20), name="api_key_networks_bounded"),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
