"""What the App Store and Google Play sell for us, and what they told."""

import uuid
from typing import ClassVar

import pghistory
import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from memberships.models.catalogue import Plan
from memberships.models.subscriptions import Grant, Subscription, count_versions
from paycore.encryption import EncryptedJSONField
from paycore.identifiers import PrefixedIdField

APPEND_ONLY = pgtrigger.Update | pgtrigger.Delete


class Store(models.TextChoices):
    APP_STORE = "app_store", _("App Store")
    GOOGLE_PLAY = "google_play", _("Google Play")


@pghistory.track(exclude=["credentials"])
class StoreAccount(models.Model):
    """One app at one store. ``sandbox`` accounts are believed in sandbox mode only; no other environments exist, for
    what Xcode and local tests make is not signed."""

    class Environment(models.TextChoices):
        PRODUCTION = "production", _("Production")
        SANDBOX = "sandbox", _("Sandbox")

    id = PrefixedIdField(prefix="sta")
    store = models.CharField(_("store"), max_length=12, choices=Store)
    name = models.CharField(_("name"), max_length=80)
    bundle_id = models.CharField(_("bundle or package id"), max_length=155, db_collation="C")
    environment = models.CharField(_("environment"), max_length=10, choices=Environment, default=Environment.PRODUCTION)
    app_apple_id = models.BigIntegerField(
        _("app's Apple id"),
        null=True,
        blank=True,
        help_text=_("App Store, production: the number in the app's address."),
    )
    push_audience = models.CharField(
        _("audience of pushes"), max_length=300, blank=True, default="", help_text=_("Google Play: as set in Pub/Sub.")
    )
    push_email = models.EmailField(
        _("sender of pushes"),
        blank=True,
        default="",
        help_text=_("Google Play: the service account that Pub/Sub uses."),
    )
    credentials = EncryptedJSONField(
        verbose_name=_("credentials"), default=dict, blank=True, help_text=_("Written, never shown.")
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("store account")
        verbose_name_plural = _("store accounts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["store", "bundle_id", "environment"], name="store_account_once"),
            models.CheckConstraint(
                condition=~Q(store="app_store", environment="production") | Q(app_apple_id__isnull=False),
                name="store_account_apple_id",
            ),
            models.CheckConstraint(
                condition=~Q(store="google_play") | (~Q(push_audience="") & ~Q(push_email="")),
                name="store_account_push",
            ),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.name


@pghistory.track()
class StoreProduct(models.Model):
    """Which plan a product of the store gives."""

    id = PrefixedIdField(prefix="stp")
    account = models.ForeignKey(
        StoreAccount, on_delete=models.PROTECT, related_name="products", verbose_name=_("store account")
    )
    product_id = models.CharField(_("product id"), max_length=255, db_collation="C")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, verbose_name=_("plan"))

    class Meta:
        verbose_name = _("store product")
        verbose_name_plural = _("store products")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "product_id"], name="store_product_once"),
        ]

    def __str__(self) -> str:
        return self.product_id


class StoreCustomer(models.Model):
    """The name a user has at the stores: the app gives it to StoreKit (``appAccountToken``) and to Play Billing
    (``obfuscatedAccountId``), and it comes back with every purchase."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, primary_key=True, verbose_name=_("user")
    )
    token = models.UUIDField(_("account token"), unique=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("store customer")
        verbose_name_plural = _("store customers")

    def __str__(self) -> str:
        return str(self.token)


class StorePurchase(models.Model):
    """What is known of one subscription in a store over its whole life: at Apple one ``originalTransactionId``, at
    Google the first purchase token and those that replaced it. ``signed_at`` is when the store last said something new;
    older words never overwrite newer ones."""

    class State(models.TextChoices):
        UNCLAIMED = "unclaimed", _("Nobody's yet")
        UNMAPPED = "unmapped", _("Product without a plan")
        LINKED = "linked", _("Gives a membership")
        CONFLICT = "conflict", _("Bought beside another membership")

    class Standing(models.TextChoices):
        PENDING = "pending", _("Payment pending")
        ACTIVE = "active", pgettext_lazy("membership", "Active")
        GRACE = "grace", _("Payment overdue, access goes on")
        RETRY = "retry", _("On hold")
        PAUSED = "paused", _("Paused")
        EXPIRED = "expired", _("Expired")
        REVOKED = "revoked", _("Revoked")

    id = PrefixedIdField(prefix="spu")
    account = models.ForeignKey(
        StoreAccount, on_delete=models.PROTECT, related_name="purchases", verbose_name=_("store account")
    )
    reference = models.CharField(_("store's reference"), max_length=1024, db_collation="C")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        verbose_name=_("user"),
    )
    owned_since = models.DateTimeField(_("handed over"), null=True, blank=True)
    """By a transfer; what was before it is the giver's."""
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.UNCLAIMED)
    standing = models.CharField(_("standing at the store"), max_length=8, choices=Standing, blank=True, default="")
    standing_at = models.DateTimeField(_("standing as of"), null=True, blank=True)
    grace_until = models.DateTimeField(_("grace until"), null=True, blank=True)
    auto_renews = models.BooleanField(_("renews by itself"), null=True, blank=True)
    auto_renews_at = models.DateTimeField(_("renews as of"), null=True, blank=True)
    product_id = models.CharField(_("product id"), max_length=255, blank=True, default="", db_collation="C")
    signed_at = models.DateTimeField(_("last told"), null=True, blank=True)
    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="store_purchases",
        verbose_name=_("subscription"),
    )
    next_attempt_at = models.DateTimeField(_("looked at again"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("changed"), db_default=Now())
    version = models.IntegerField(_("version"), default=1)

    class Meta:
        verbose_name = _("store purchase")
        verbose_name_plural = _("store purchases")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "reference"], name="store_purchase_once"),
            models.CheckConstraint(
                condition=Q(state="unclaimed", user__isnull=True) | (~Q(state="unclaimed") & Q(user__isnull=False)),
                name="store_purchase_owner",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="store_purchase_by_user"),
            models.Index(
                fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="store_purchase_due"
            ),
        ]
        triggers: ClassVar = [
            count_versions(),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["account", "reference"]),
        ]

    def __str__(self) -> str:
        return self.id


class StoreTransaction(models.Model):
    """One paid span of a purchase, as the store last signed it.

    Google does not say when a renewal started, only when the first span did (``is_start_open``): it starts where the
    one before ends. An open end only says how long grace may last, and gives way to a real one.
    """

    id = models.BigAutoField(primary_key=True)
    purchase = models.ForeignKey(
        StorePurchase,
        on_delete=models.PROTECT,
        related_name="transactions",
        db_index=False,
        verbose_name=_("store purchase"),
    )
    transaction = models.CharField(_("store's transaction"), max_length=255, db_collation="C")
    product_id = models.CharField(_("product id"), max_length=255, db_collation="C")
    starts_at = models.DateTimeField(_("starts"))
    ends_at = models.DateTimeField(_("ends"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    is_bought = models.BooleanField(_("bought by hand"), default=False)
    is_trial = models.BooleanField(_("trial"), default=False)
    is_start_open = models.BooleanField(_("start is the subscription's"), default=False)
    is_end_open = models.BooleanField(_("end is an estimate"), default=False)
    signed_at = models.DateTimeField(_("told"))
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("subscription")
    )
    grant = models.ForeignKey(
        Grant, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("grant")
    )

    class Meta:
        verbose_name = _("store transaction")
        verbose_name_plural = _("store transactions")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["purchase", "transaction"], name="store_transaction_once"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="store_transaction_forward"),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.transaction


class StoreToken(models.Model):
    """A purchase token of Google's: asked about whenever ``next_attempt_at`` comes, whoever hinted at it."""

    id = PrefixedIdField(prefix="stk")
    account = models.ForeignKey(StoreAccount, on_delete=models.PROTECT, verbose_name=_("store account"))
    token = models.CharField(_("purchase token"), max_length=1024, db_collation="C")
    purchase = models.ForeignKey(
        StorePurchase,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="tokens",
        verbose_name=_("store purchase"),
    )
    is_replaced = models.BooleanField(_("replaced by a newer one"), default=False)
    voided_orders = models.JSONField(_("voided orders"), default=dict, blank=True)
    """Google's order number → when Google took it back (ISO 8601)."""
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("asked again"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("purchase token")
        verbose_name_plural = _("purchase tokens")
        constraints: ClassVar = [models.UniqueConstraint(fields=["account", "token"], name="store_token_once")]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="store_token_due"
            ),
        ]
        triggers: ClassVar = [
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="fixed_terms", fields=["account", "token"]),
        ]

    def __str__(self) -> str:
        return self.id


class StoreNotice(models.Model):
    """One verified message of a store, once. ``facts`` is what of it is believed; people are not in it."""

    id = PrefixedIdField(prefix="stn")
    account = models.ForeignKey(StoreAccount, on_delete=models.PROTECT, db_index=False, verbose_name=_("store account"))
    event_id = models.CharField(_("event id"), max_length=128, db_collation="C")
    kind = models.CharField(_("kind"), max_length=80)
    reference = models.CharField(_("about"), max_length=1024, blank=True, default="", db_collation="C")
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    signed_at = models.DateTimeField(_("signed"))
    received_at = models.DateTimeField(_("received"), db_default=Now())

    class Meta:
        verbose_name = _("store notice")
        verbose_name_plural = _("store notices")
        constraints: ClassVar = [models.UniqueConstraint(fields=["account", "event_id"], name="store_notice_once")]
        indexes: ClassVar = [models.Index(fields=["reference", "-id"], name="store_notice_by_reference")]
        triggers: ClassVar = [pgtrigger.Protect(name="append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"


class StoreTransfer(models.Model):
    """A present owner's consent to hand a purchase over: whoever knows the code may take it, once, while it is good."""

    id = PrefixedIdField(prefix="stt")
    purchase = models.ForeignKey(
        StorePurchase, on_delete=models.PROTECT, related_name="transfers", verbose_name=_("store purchase")
    )
    code_hash = models.BinaryField(_("code (hash)"), max_length=32, unique=True)
    from_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("from")
    )
    to_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=pgettext_lazy("membership", "to"),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"))
    used_at = models.DateTimeField(_("used"), null=True, blank=True)

    class Meta:
        verbose_name = _("transfer of a store purchase")
        verbose_name_plural = _("transfers of store purchases")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(used_at__isnull=True, to_user__isnull=True)
                | Q(used_at__isnull=False, to_user__isnull=False),
                name="store_transfer_used_by_somebody",
            ),
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.id
