"""Places in somebody else's membership."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from memberships import transitions
from memberships.models.subscriptions import Subscription
from paycore.encryption import EncryptedTextField
from paycore.identifiers import PrefixedIdField


class Seat(models.Model):
    """A member's place beside the owner, who has no row here: the owner's place is the subscription itself.

    An ``active`` seat gives its user what the subscription gives, while that has access. ``claimed`` waits for the
    owner's yes, for somebody with another address than the invited one came with the link. Only the SHA-256 of the
    mailed token is kept.
    """

    class Status(models.TextChoices):
        INVITED = "invited", _("Invited")
        CLAIMED = "claimed", _("Waits for the owner's yes")
        ACTIVE = "active", pgettext_lazy("membership", "Active")
        REMOVED = "removed", _("Removed")

    id = PrefixedIdField(prefix="sea")
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="seats", verbose_name=_("subscription")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("user"),
    )
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.INVITED)
    email = EncryptedTextField(verbose_name=_("e-mail address"))
    email_index = models.BinaryField(_("e-mail index"), max_length=32, editable=False)
    token_hash = models.BinaryField(_("fingerprint"), max_length=32, unique=True, editable=False)
    expires_at = models.DateTimeField(_("invitation expires"))
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)
    removed_at = models.DateTimeField(_("removed at"), null=True, blank=True)
    removed_by = models.CharField(_("removed by"), max_length=40, blank=True, default="")
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("seat")
        verbose_name_plural = _("seats")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user"], condition=Q(status="active"), name="seat_one_active_a_user"),
            models.UniqueConstraint(
                fields=["subscription", "email_index"],
                condition=Q(status__in=["invited", "claimed"]),
                name="seat_one_invitation_an_address",
            ),
            models.CheckConstraint(
                condition=Q(status="removed") | Q(status="invited", user__isnull=True)
                | Q(status__in=["claimed", "active"], user__isnull=False),
                name="seat_has_user_once_taken",
            ),
            models.CheckConstraint(
                condition=~Q(status="removed") | Q(removed_at__isnull=False), name="seat_removed_when"
            ),
        ]  # fmt: skip
        triggers: ClassVar = [
            transitions.SEAT.trigger(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["subscription"]),
        ]

    def __str__(self) -> str:
        return self.id
