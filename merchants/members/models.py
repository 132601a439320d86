"""People who were asked to join a merchant and have not answered yet."""

from typing import ClassVar

import pghistory
import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from merchants.history import every_change
from paycore.encryption import EncryptedTextField
from paycore.identifiers import PrefixedIdField


@pghistory.track(*every_change(), append_only=True, exclude=["id", "token_hash", "email", "email_index"])
class Invitation(models.Model):
    """A role offered to whoever reads the mail at ``email``. Only the SHA-256 of the mailed token is kept."""

    id = PrefixedIdField(prefix="inv")
    merchant = models.ForeignKey(
        "merchants.Merchant", on_delete=models.PROTECT, related_name="invitations", verbose_name=_("merchant")
    )
    email = EncryptedTextField(verbose_name=_("e-mail address"))
    email_index = models.BinaryField(_("e-mail index"), max_length=32, editable=False)
    role = models.CharField(
        _("role"),
        max_length=10,
        choices=[
            ("owner", _("Owner")),
            ("finance", _("Finance")),
            ("developer", _("Developer")),
            ("viewer", _("Viewer")),
        ],
    )
    token_hash = models.BinaryField(_("fingerprint"), max_length=32, unique=True, editable=False)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("invited by")
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    expires_at = models.DateTimeField(_("expires"))
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("accepted by"),
    )
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)

    class Meta:
        app_label = "merchants"
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["merchant", "email_index"],
                condition=models.Q(accepted_at__isnull=True, withdrawn_at__isnull=True),
                name="invitation_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at__isnull=True) | models.Q(withdrawn_at__isnull=True),
                name="invitation_ends_once",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at__isnull=True, accepted_by__isnull=True)
                | models.Q(accepted_at__isnull=False, accepted_by__isnull=False),
                name="invitation_accepted_by_somebody",
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "finance", "developer", "viewer"]), name="invitation_role_known"
            ),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.id
