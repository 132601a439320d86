"""Identity checks, the documents people sent for them, and who looked at those."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.kyc.transitions import KYC_CASE_STATES
from paycore.encryption import EncryptedBinaryField, EncryptedTextField
from paycore.identifiers import PrefixedIdField


class KycCase(models.Model):
    """One document that a person sent to be known by. ``next_attempt_at``: when its files are deleted."""

    class Status(models.TextChoices):
        SUBMITTED = "submitted", _("Waiting for review")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        REVOKED = "revoked", _("Revoked")

    class DocumentType(models.TextChoices):
        PASSPORT = "passport", _("Passport")
        ID_CARD = "id_card", _("Identity card")
        DRIVING_LICENCE = "driving_licence", _("Driving licence")

    id = PrefixedIdField(prefix="kyc")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="kyc_cases", verbose_name=_("user")
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.SUBMITTED)
    document_type = models.CharField(_("document"), max_length=16, choices=DocumentType)
    country = models.CharField(_("issuing country"), max_length=2)
    number = EncryptedTextField(null=True, editable=False, verbose_name=_("document number"))
    number_index = models.BinaryField(_("document number's index"), max_length=32, null=True, editable=False)
    reason = models.CharField(_("reason"), max_length=300, blank=True, default="")
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("reviewed by"),
    )
    reviewed_at = models.DateTimeField(_("reviewed at"), null=True, blank=True)
    next_attempt_at = models.DateTimeField(_("files deleted at"), null=True, blank=True)
    created_at = models.DateTimeField(_("sent at"), db_default=Now())

    class Meta:
        app_label = "accounts"
        verbose_name = _("identity check")
        verbose_name_plural = _("identity checks")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user"], condition=Q(status="submitted"), name="kyc_one_waiting"),
            models.UniqueConstraint(fields=["user"], condition=Q(status="approved"), name="kyc_one_approved"),
            models.CheckConstraint(condition=Q(country__regex="^[A-Z]{2}$"), name="kyc_country_code"),
            models.CheckConstraint(
                condition=Q(status="submitted", reviewed_at__isnull=True)
                | (~Q(status="submitted") & Q(reviewed_at__isnull=False)),
                name="kyc_decided_has_moment",
            ),
            models.CheckConstraint(
                condition=Q(reviewed_by__isnull=True) | ~Q(reviewed_by=models.F("user")), name="kyc_not_ones_own"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="kyc_by_user"),
            models.Index(fields=["id"], condition=Q(status="submitted"), name="kyc_waiting"),
            models.Index(fields=["number_index"], name="kyc_by_number"),
            models.Index(fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="kyc_due"),
        ]
        triggers: ClassVar = [
            KYC_CASE_STATES.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["user", "document_type", "country"]),
        ]

    def __str__(self) -> str:
        return self.id


class KycDocument(models.Model):
    """One file of an identity check, sealed. Deleted some time after the decision."""

    id = PrefixedIdField(prefix="kdo")
    case = models.ForeignKey(
        KycCase, on_delete=models.PROTECT, related_name="documents", verbose_name=_("identity check")
    )
    content = EncryptedBinaryField(editable=False, verbose_name=_("content"))
    content_type = models.CharField(_("type"), max_length=40)
    size_bytes = models.IntegerField(_("size in bytes"))
    created_at = models.DateTimeField(_("sent at"), db_default=Now())

    class Meta:
        app_label = "accounts"
        verbose_name = _("identity document")
        verbose_name_plural = _("identity documents")
        triggers: ClassVar = [pgtrigger.Protect(name="no_update", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return self.id


class KycDocumentView(models.Model):
    """Somebody of the staff looked at a document. Kept after the document is gone."""

    id = models.BigAutoField(primary_key=True)
    case = models.ForeignKey(KycCase, on_delete=models.PROTECT, related_name="views", verbose_name=_("identity check"))
    document_id = models.CharField(_("identity document"), max_length=40, db_collation="C")
    viewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("seen by")
    )
    viewed_at = models.DateTimeField(_("seen at"), db_default=Now())

    class Meta:
        app_label = "accounts"
        verbose_name = _("look at an identity document")
        verbose_name_plural = _("looks at identity documents")
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.document_id} {self.viewed_at}"
