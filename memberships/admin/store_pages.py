"""The app stores, for staff: accounts and their products, what was bought, what was told. Keys go in and never come
out, and a purchase token is on no page: whoever has it could claim the purchase."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter, BooleanRadioFilter, ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminTextareaWidget

from memberships.models import Store, StoreAccount, StoreNotice, StoreProduct, StorePurchase, StoreTransfer
from memberships.stores.google.play_api import checked_credentials
from memberships.stores.owners import look_again, note_products_mapped
from paycore.sites import ops_site
from paycore.sites.columns import facts, page_link, tag
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.pages import FactsPage, Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.filters import MadeBetweenFilter
from payments.admin.pages import MoneyPage

_STATES = {"linked": "success", "conflict": "danger", "unmapped": "warning", "unclaimed": "info"}
_STANDINGS = {
    "active": "success",
    "grace": "warning",
    "retry": "danger",
    "paused": "info",
    "pending": "info",
    "expired": "default",
    "revoked": "danger",
}


class StoreAccountForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    key_file = forms.CharField(
        label=_("Service account's key file (JSON)"),
        required=False,
        max_length=16_000,
        help_text=_("Google Play: paste the file. Written, never shown; empty keeps what is stored."),
        widget=UnfoldAdminTextareaWidget({"rows": 4, "autocomplete": "off"}),
    )

    class Meta:
        model = StoreAccount
        fields = (
            "store", "name", "bundle_id", "environment", "app_apple_id", "push_audience", "push_email", "is_enabled",
        )  # fmt: skip

    def clean_key_file(self) -> dict[str, str] | None:
        text = self.cleaned_data["key_file"].strip()
        if not text:
            return None
        try:
            return checked_credentials(text)
        except (ValueError, TypeError, AttributeError):
            self.data = {**self.data, "key_file": ""}  # what was typed is not sent back
            raise forms.ValidationError(_("This is not a service account's key file.")) from None

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        store = cleaned.get("store") or self.instance.store
        if store == Store.APP_STORE and cleaned.get("environment") == "production" and not cleaned.get("app_apple_id"):
            self.add_error("app_apple_id", _("The App Store's notices name the app by this number."))
        if store == Store.GOOGLE_PLAY:
            for name in ("push_audience", "push_email"):
                if not cleaned.get(name):
                    self.add_error(name, _("Without it a push could be anybody's."))
        return cleaned

    def save(self, commit: bool = True) -> Any:
        if self.cleaned_data.get("key_file"):
            self.instance.credentials = self.cleaned_data["key_file"]
        return super().save(commit=commit)


class StoreProductInline(TabularInline):  # type: ignore[misc]  # Unfold ships no types
    """A product that was sold once keeps its row: purchases are read by it."""

    model = StoreProduct
    fields = ("product_id", "plan")
    extra = 0
    can_delete = False
    hide_title = True
    verbose_name = _("product")
    verbose_name_plural = _("products and the plans they give")


@admin.register(StoreAccount, site=ops_site)
class StoreAccountAdmin(FactsPage):
    form = StoreAccountForm
    list_display = ("name", "standing", "store", "bundle_id", "environment", "updated_at")
    list_filter = (
        ("store", ChoicesDropdownFilter),
        ("environment", ChoicesDropdownFilter),
        ("is_enabled", BooleanRadioFilter),
    )
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ("=id", "name", "bundle_id")
    search_help_text = _("Id, name, or bundle or package id")
    show_full_result_count = False
    ordering = ("-id",)
    inlines = (StoreProductInline,)
    readonly_fields: ClassVar = ("id", "stored", "told_at", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": (("store", "environment"), "name", ("bundle_id", "app_apple_id"), "is_enabled", "told_at")}),
        (_("Google Play"), {"fields": (("push_audience", "push_email"), "stored", "key_file")}),
        (_("Record"), {"fields": ("id", ("created_at", "updated_at"))}),
    )

    @admin.display(description=_("Status"), ordering="is_enabled")
    def standing(self, account: StoreAccount) -> SafeString:
        return tag(_("Enabled"), "success") if account.is_enabled else tag(_("Switched off"), "danger")

    @admin.display(description=_("Key"))
    def stored(self, account: StoreAccount) -> str:
        email = account.credentials.get("client_email", "") if account.pk else ""
        return gettext("set, of %(email)s") % {"email": email} if email else "–"

    @admin.display(description=_("Address for the store's notices"))
    def told_at(self, account: StoreAccount) -> str:
        return f"/webhooks/{str(account.store).replace('_', '-')}/" if account.store else "–"

    def get_readonly_fields(self, request: HttpRequest, obj: StoreAccount | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "store", "bundle_id", "environment") if obj else self.readonly_fields

    def get_fieldsets(self, request: HttpRequest, obj: StoreAccount | None = None) -> Any:
        """Who may only look sees no form."""
        may_write = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        google = ("push_audience", "push_email")
        secret = ("stored", "key_file") if may_write else ("stored",)
        return (self.fieldsets[0], (_("Google Play"), {"fields": (google, *secret)}), self.fieldsets[2])

    def has_delete_permission(self, request: HttpRequest, obj: StoreAccount | None = None) -> bool:
        return False

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        note_products_mapped(form.instance.pk)


@admin.register(StorePurchase, site=ops_site)
class StorePurchaseAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "what", "at_store", "account", "product_id", "user", "subscription", "made")
    list_select_related = ("account", "user", "subscription")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("standing", ChoicesDropdownFilter),
        ("account", AutocompleteSelectFilter),
        ("created_at", MadeBetweenFilter),
    )
    searches: ClassVar = {
        "spu_": ("id",),
        "sub_": ("subscription_id",),
        "usr_": ("user_id",),
        "GPA.": ("transactions__transaction",),
        "": ("reference", "transactions__transaction"),
    }
    search_help_text = _("Id of a purchase, subscription or user, or the store's own number of a purchase or order")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "what"), ("user", "subscription"), ("account", "product_id"), "owned_since")}),
        (
            _("At the store"),
            {
                "fields": (
                    ("at_store", "standing_at"),
                    ("auto_renews", "grace_until"),
                    ("signed_at", "number"),
                )
            },
        ),
        (_("Record"), {"fields": (("created_at", "updated_at"), "next_attempt_at")}),
    )
    actions_detail = ("look",)

    @admin.display(description=_("State"), ordering="state")
    def what(self, purchase: StorePurchase) -> SafeString:
        return tag(purchase.get_state_display(), _STATES[purchase.state])

    @admin.display(description=_("Standing"), ordering="standing")
    def at_store(self, purchase: StorePurchase) -> SafeString | str:
        standing = purchase.standing
        return tag(purchase.get_standing_display(), _STANDINGS.get(standing, "default")) if standing else "–"

    @admin.display(description=_("Store's reference"))
    def number(self, purchase: StorePurchase) -> str:
        """Apple's is a number like any other; Google's is a bearer token."""
        if purchase.account.store == Store.APP_STORE:
            return purchase.reference
        return gettext("a token ending in %(end)s") % {"end": purchase.reference[-6:]}

    def panels(self, request: HttpRequest, row: StorePurchase) -> Sequence[Panel]:
        return (_transactions_panel(row), _notices_panel(row))

    def fitting_actions(self, row: StorePurchase) -> Collection[str]:
        return {"look"}

    @asks_first(
        title=_("Look at it again"),
        text=_("Works the membership out anew from everything the store told. Nobody is asked, nothing is charged."),
        submit=_("Look"),
        permission="operate",
        icon="refresh",
    )
    def look(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        purchase: StorePurchase = self.require_row(request, object_id)
        return self.carry_out(
            request,
            purchase,
            lambda: look_again(purchase.id),
            done=lambda _nothing: gettext("The membership is as the store told."),
        )


def _transactions_panel(purchase: StorePurchase) -> Panel:
    rows = [
        (
            row.transaction,
            row.product_id,
            moment(row.starts_at),
            moment(row.ends_at),
            moment(row.revoked_at),
            page_link("ops", "memberships_subscription", row.subscription_id) if row.subscription_id else "–",
            row.grant_id or "–",
        )
        for row in purchase.transactions.order_by("-ends_at", "-id")[:50]
    ]
    return Panel(
        title=_("Transactions"),
        headers=(_("Number"), _("Product"), _("Starts"), _("Ends"), _("Revoked"), _("Subscription"), _("Grant")),
        rows=rows,
    )


def _notices_panel(purchase: StorePurchase) -> Panel:
    told = StoreNotice.objects.filter(account_id=purchase.account_id, reference=purchase.reference).order_by("-id")[:50]
    rows = [(row.kind, moment(row.signed_at), moment(row.received_at), row.event_id) for row in told]
    return Panel(
        title=_("What the store told"),
        headers=(_("Kind"), _("Signed"), _("Received"), _("Event id")),
        rows=rows,
    )


@admin.register(StoreNotice, site=ops_site)
class StoreNoticeAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "kind", "account", "event_id", "signed", "received")
    list_select_related = ("account",)
    list_filter = (("account", AutocompleteSelectFilter), ("received_at", MadeBetweenFilter))
    searches: ClassVar = {"stn_": ("id",), "": ("event_id", "reference")}
    search_help_text = _("Id of a notice, the store's event id, or its number of the purchase")
    ordering = ("-id",)
    fields = (("id", "kind"), ("account", "event_id"), ("signed", "received"), "believed")

    @admin.display(description=_("Signed"))
    def signed(self, notice: StoreNotice) -> SafeString | str:
        return moment(notice.signed_at)

    @admin.display(description=_("Received"), ordering="id")
    def received(self, notice: StoreNotice) -> SafeString | str:
        return moment(notice.received_at)

    @admin.display(description=_("Facts"))
    def believed(self, notice: StoreNotice) -> SafeString | str:
        return facts(notice.facts)


@admin.register(StoreTransfer, site=ops_site)
class StoreTransferAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "standing", "purchase", "from_user", "to_user", "made")
    list_select_related = ("purchase", "from_user", "to_user")
    list_filter = (("created_at", MadeBetweenFilter),)
    searches: ClassVar = {"stt_": ("id",), "spu_": ("purchase_id",), "usr_": ("from_user_id", "to_user_id")}
    search_help_text = _("Id of a transfer, a purchase or a user")
    ordering = ("-id",)
    fields = (("id", "standing"), "purchase", ("from_user", "to_user"), ("created_at", "expires_at"), "used_at")

    @admin.display(description=_("Status"))
    def standing(self, transfer: StoreTransfer) -> SafeString:
        return tag(_("Done"), "success") if transfer.used_at else tag(_("Offered"), "info")
