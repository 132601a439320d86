"""What a business hands in before it may take money, and what was decided about it."""

from typing import TYPE_CHECKING, ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField

if TYPE_CHECKING:
    _DocumentManager = models.Manager["MerchantDocument"]
else:
    _DocumentManager = models.Manager  # Django's managers take no type arguments when they run


class WithoutContent(_DocumentManager):
    """Lists never read megabytes of sealed bytes that nobody opens."""

    def get_queryset(self) -> "models.QuerySet[MerchantDocument]":
        return super().get_queryset().defer("sealed_content")


class MerchantDocument(models.Model):
    """A file that proves what the application says. Its bytes are sealed, bound to the row (``documents.py``);
    a removed document keeps its row and loses its bytes."""

    class Kind(models.TextChoices):
        REGISTRATION = "registration", _("Proof of registration")
        IDENTITY = "identity", _("Identity of the owner")
        BANK_PROOF = "bank_proof", _("Proof of the bank account")
        OTHER = "other", _("Something else")

    id = PrefixedIdField(prefix="mdoc")
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.PROTECT, related_name="documents", verbose_name=_("merchant")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    file_name = models.CharField(_("file name"), max_length=120)
    content_type = models.CharField(_("file type"), max_length=40)
    size_bytes = models.IntegerField(_("size in bytes"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    sealed_content = models.BinaryField(_("content"), null=True, editable=False)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("uploaded by")
    )
    created_at = models.DateTimeField(_("uploaded"), db_default=Now(), editable=False)
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True, editable=False)

    objects = WithoutContent()

    class Meta:
        app_label = "merchants"
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["registration", "identity", "bank_proof", "other"]),
                name="merchant_document_kind_known",
            ),
            models.CheckConstraint(
                condition=models.Q(content_type__in=["application/pdf", "image/jpeg", "image/png"]),
                name="merchant_document_type_known",
            ),
            models.CheckConstraint(
                condition=models.Q(size_bytes__gt=0, size_bytes__lte=5 * 1024 * 1024),
                name="merchant_document_size_bounded",
            ),
            models.CheckConstraint(
                condition=models.Q(removed_at__isnull=True, sealed_content__isnull=False)
                | models.Q(removed_at__isnull=False, sealed_content__isnull=True),
                name="merchant_document_bytes_until_removed",
            ),
        ]
        triggers: ClassVar = [
            pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_file", fields=["merchant", "kind", "sha256", "size_bytes", "content_type"]),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.file_name}"


class DocumentView(models.Model):
    """Somebody opened a document. Written before the bytes leave. Append-only."""

    id = models.BigAutoField(primary_key=True)
    document = models.ForeignKey(
        MerchantDocument, on_delete=models.PROTECT, related_name="views", verbose_name=_("document")
    )
    viewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("viewed by")
    )
    viewed_at = models.DateTimeField(_("viewed"), db_default=Now())

    class Meta:
        app_label = "merchants"
        verbose_name = _("document view")
        verbose_name_plural = _("document views")
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.document_id} · {self.viewed_by_id}"


class MerchantReview(models.Model):
    """One step of a merchant's life: who took it, when and why. Append-only.

    ``notes`` is a list of ``{"item": "legal_name" | "mdoc_…", "note": "…"}``: what to mend, by field or document.
    """

    class Step(models.TextChoices):
        SUBMITTED = "submitted", _("Submitted for review")
        RETURNED = "returned", _("Sent back")
        APPROVED = "approved", _("Approved")
        SUSPENDED = "suspended", _("Suspended")
        REINSTATED = "reinstated", _("Reinstated")
        CLOSED = "closed", _("Closed")

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.PROTECT, related_name="reviews", verbose_name=_("merchant")
    )
    step = models.CharField(_("step"), max_length=10, choices=Step)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("by")
    )
    reason = models.TextField(_("reason"), blank=True, default="")
    notes = models.JSONField(_("notes"), default=list, blank=True)
    taken_at = models.DateTimeField(_("when"), db_default=Now())

    class Meta:
        app_label = "merchants"
        verbose_name = _("review step")
        verbose_name_plural = _("review steps")
        indexes: ClassVar = [models.Index(fields=["merchant", "-id"], name="merchant_review_newest")]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.merchant_id} · {self.get_step_display()}"
