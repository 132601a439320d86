"""Published texts that people agree to, and the journal of who agreed or withdrew."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField


class ConsentDocument(models.Model):
    """One version of a text. Once published it never changes: a new wording is a new version."""

    class Kind(models.TextChoices):
        TERMS = "terms", _("Terms of service")
        PRIVACY = "privacy", _("Privacy notice")
        MARKETING = "marketing", _("News and offers")

    id = PrefixedIdField(prefix="cnd")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    version = models.CharField(_("version"), max_length=20, help_text=_("As people cite it, e.g. 2026-11."))
    text_en = models.TextField(_("text (English)"), max_length=50_000)
    text_zh = models.TextField(_("text (Chinese)"), max_length=50_000)
    url = models.URLField(_("address"), max_length=500, blank=True, default="")
    published_at = models.DateTimeField(_("published at"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        app_label = "accounts"
        verbose_name = _("consent text")
        verbose_name_plural = _("consent texts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "version"], name="consent_version_unique"),
            models.CheckConstraint(
                condition=Q(url="") | Q(url__startswith="https://"), name="consent_document_address_https"
            ),
        ]
        triggers: ClassVar = [
            pgtrigger.Protect(
                name="published_for_ever",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__published_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.version}"

    def text(self, language: str) -> str:
        return self.text_zh if language.startswith("zh") else self.text_en


class Consent(models.Model):
    """One act: given or withdrawn. The newest of a kind counts. The network is kept without its last part."""

    class Act(models.TextChoices):
        GIVEN = "given", _("Given")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    id = PrefixedIdField(prefix="con")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="consents", verbose_name=_("user")
    )
    document = models.ForeignKey(ConsentDocument, on_delete=models.PROTECT, verbose_name=_("consent text"))
    kind = models.CharField(_("kind"), max_length=10, choices=ConsentDocument.Kind)
    act = models.CharField(_("act"), max_length=10, choices=Act)
    network = models.CharField(_("network"), max_length=50, blank=True, default="")
    device_index = models.BinaryField(_("device's index"), max_length=32, null=True, editable=False)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        app_label = "accounts"
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        indexes: ClassVar = [models.Index(fields=["user", "kind", "-id"], name="consent_by_user")]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.id
