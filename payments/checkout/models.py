"""The payer's visit to the hosted page."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField
from payments.orders.models import Order


class CheckoutSession(models.Model):
    """A link to pay one order, valid as long as the order is open; its id is unguessable and is the only credential."""

    id = PrefixedIdField(prefix="cs")
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="checkout_sessions", db_index=False, verbose_name=_("order")
    )
    success_url = models.URLField(_("success address"), max_length=500, blank=True, default="")
    cancel_url = models.URLField(_("cancel address"), max_length=500, blank=True, default="")
    created_by = models.CharField(_("created by"), max_length=40)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("checkout session")
        verbose_name_plural = _("checkout sessions")
        indexes: ClassVar = [models.Index(fields=["order"], name="checkout_session_by_order")]

    def __str__(self) -> str:
        return self.id
