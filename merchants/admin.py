"""Merchants as staff see them, and what merchants see of themselves."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from merchants.console import DEVELOPERS, OWNER, MerchantScopedAdmin, may_enter_console, require_membership
from merchants.models import ApiKey, Merchant, MerchantMember
from merchants.services import (
    approve_merchant,
    close_merchant,
    create_api_key,
    return_merchant,
    revoke_api_key,
    submit_merchant,
    suspend_merchant,
)
from paycore.errors import PaycoreError
from paycore.sites import admit_merchants_by, merchant_site, ops_site
from paycore.sites.read_only import ReadOnlyAdmin

admit_merchants_by(may_enter_console)

_SECRET_ATTRIBUTE = "paycore_new_secret"  # noqa: S105 the name of an attribute
STATUS_COLOURS = {
    "draft": "info",
    "submitted": "info",
    "returned": "warning",
    "approved": "success",
    "suspended": "danger",
    "closed": "danger",
}


class MemberInline(TabularInline):  # type: ignore[misc]  # Unfold ships no types
    model = MerchantMember
    extra = 0
    raw_id_fields = ("user",)


@admin.register(Merchant, site=ops_site)
class MerchantAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    """The status moves by actions only, each one function of the services."""

    list_display = ("name", "id", "state", "country", "is_platform", "created_at")
    list_filter = ("status", "country")
    search_fields = ("id", "name", "legal_name")
    readonly_fields = ("id", "status", "is_platform", "created_at", "updated_at")
    ordering = ("-id",)
    inlines = (MemberInline,)
    actions = ("submit", "approve", "send_back", "suspend", "close")

    def get_fields(self, request: HttpRequest, obj: Merchant | None = None) -> Any:
        """What only a stored row has is not shown while adding one."""
        fields = super().get_fields(request, obj)
        return fields if obj else [name for name in fields if name not in self.readonly_fields]

    @display(description=_("Status"), ordering="status", label=STATUS_COLOURS)  # type: ignore[untyped-decorator]
    def state(self, merchant: Merchant) -> tuple[str, str]:
        return merchant.status, merchant.get_status_display()

    @admin.action(description=_("Submit for review"), permissions=["change"])
    def submit(self, request: HttpRequest, queryset: QuerySet[Merchant]) -> None:
        self._advance(request, queryset, submit_merchant)

    @admin.action(description=_("Approve"), permissions=["change"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Merchant]) -> None:
        self._advance(request, queryset, approve_merchant)

    @admin.action(description=_("Send back to the merchant"), permissions=["change"])
    def send_back(self, request: HttpRequest, queryset: QuerySet[Merchant]) -> None:
        self._advance(request, queryset, return_merchant)

    @admin.action(description=_("Suspend"), permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Merchant]) -> None:
        self._advance(request, queryset, suspend_merchant)

    @admin.action(description=_("Close for good"), permissions=["change"])
    def close(self, request: HttpRequest, queryset: QuerySet[Merchant]) -> None:
        self._advance(request, queryset, close_merchant)

    def has_delete_permission(self, request: HttpRequest, obj: Merchant | None = None) -> bool:
        return False

    def _advance(self, request: HttpRequest, queryset: QuerySet[Merchant], service: Any) -> None:
        done = 0
        for merchant in queryset:
            try:
                service(merchant_id=merchant.id)
                done += 1
            except PaycoreError as refusal:
                self.message_user(request, f"{merchant.name}: {refusal.title}", messages.ERROR)
        if done:
            text = ngettext("%(count)d merchant was changed.", "%(count)d merchants were changed.", done)
            self.message_user(request, text % {"count": done}, messages.SUCCESS)


@admin.register(ApiKey, site=ops_site)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "shown_prefix", "merchant", "created_at", "last_used_at", "revoked_at")
    fields = ("name", "shown_prefix", "merchant", "created_by", "created_at", "last_used_at", "revoked_at")
    list_select_related = ("merchant",)
    search_fields = ("id", "name", "merchant__id", "merchant__name")
    ordering = ("-id",)
    actions = ("revoke",)

    @display(description=_("Begins with"))  # type: ignore[untyped-decorator]
    def shown_prefix(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @admin.action(description=_("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        _revoke(self, request, queryset)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("merchants.change_apikey"))


@admin.register(Merchant, site=merchant_site)
class OwnMerchantAdmin(MerchantScopedAdmin):
    """The business itself; terms and status are the platform's to change."""

    merchant_lookup = "pk"
    change_roles = OWNER
    list_display = ("name", "state", "country", "website")
    fields = (
        "name",
        "logo_url",
        "support_email",
        "website",
        "legal_name",
        "country",
        "status",
        "home_currency",
        "fee_basis_points",
        "fee_fixed_minor",
        "refund_review_above_minor",
    )
    readonly_fields = fields[4:]

    @display(description=_("Status"), label=STATUS_COLOURS)  # type: ignore[untyped-decorator]
    def state(self, merchant: Merchant) -> tuple[str, str]:
        return merchant.status, merchant.get_status_display()


@admin.register(MerchantMember, site=merchant_site)
class OwnMemberAdmin(MerchantScopedAdmin):
    list_display = ("user", "role", "created_at")
    list_select_related = ("user",)
    fields = ("user", "role", "created_at")


@admin.register(ApiKey, site=merchant_site)
class OwnApiKeyAdmin(MerchantScopedAdmin):
    view_roles = DEVELOPERS
    add_roles = DEVELOPERS
    list_display = ("name", "shown_prefix", "created_at", "last_used_at", "revoked_at")
    fields = ("name", "shown_prefix", "created_by", "created_at", "last_used_at", "revoked_at")
    ordering = ("-id",)
    actions = ("revoke",)

    @display(description=_("Begins with"))  # type: ignore[untyped-decorator]
    def shown_prefix(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return self.fields if obj else ("name",)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        membership = require_membership(request)
        if change:
            raise NotImplementedError("nobody has the role to change a key")
        key, secret = create_api_key(merchant=membership.merchant, name=obj.name, created_by=membership.user)
        obj.__dict__.update(key.__dict__)
        setattr(request, _SECRET_ATTRIBUTE, secret)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """The secret is in this one answer: not in a message, for those travel in cookies and sessions."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Your new API key"),
            "opts": self.opts,
            "key": obj,
            "secret": getattr(request, _SECRET_ATTRIBUTE),
        }
        response = TemplateResponse(request, "merchants/api_key_created.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description=_("Revoke"), permissions=["add"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        _revoke(self, request, queryset)


def _revoke(model_admin: Any, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
    count = sum(revoke_api_key(key_id=key.id, merchant_id=key.merchant_id) for key in queryset)
    text = ngettext("%(count)d key was revoked.", "%(count)d keys were revoked.", count)
    model_admin.message_user(request, text % {"count": count}, messages.SUCCESS if count else messages.WARNING)
