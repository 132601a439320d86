"""The payer's visit to the hosted page."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.identifiers import PrefixedIdField
from payments.orders.models import Order


class CheckoutSession(models.Model):
    """A link to pay one order, valid as long as the order is open; its id is unguessable and is all that paying takes.

    What is the payer's own (saved methods, the wallet) takes the payer token as well, once, soon after it was made.
    ``customer_keys`` recognise a merchant's customer for codes that are limited per person; they are keyed hashes.
    """

    id = PrefixedIdField(prefix="cs")
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="checkout_sessions", db_index=False, verbose_name=_("order")
    )
    success_url = models.URLField(_("success address"), max_length=500, blank=True, default="")
    cancel_url = models.URLField(_("cancel address"), max_length=500, blank=True, default="")
    app_return_url = models.CharField(_("way back to the app"), max_length=500, blank=True, default="")
    country = models.CharField(_("payer's country"), max_length=2, blank=True, default="")
    wechat_openid = models.CharField(_("payer's WeChat id"), max_length=128, blank=True, default="")
    payer_token_hash = models.BinaryField(_("payer token (hash)"), max_length=32, null=True, blank=True)
    payer_token_expires_at = models.DateTimeField(_("payer token good until"), null=True, blank=True)
    allows_codes = models.BooleanField(_("takes a promotion code"), default=False, db_default=False)
    customer_keys = models.JSONField(_("who the customer is (hashes)"), default=list, blank=True, editable=False)
    is_first_purchase = models.BooleanField(_("customer's first purchase"), default=False, db_default=False)
    created_by = models.CharField(_("created by"), max_length=40)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        app_label = "payments"
        verbose_name = _("checkout session")
        verbose_name_plural = _("checkout sessions")
        indexes: ClassVar = [models.Index(fields=["order"], name="checkout_session_by_order")]

    def __str__(self) -> str:
        return self.id
