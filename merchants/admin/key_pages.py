"""Keys of merchants' servers: made, renamed, rotated and revoked. A secret is in one answer only."""

from collections.abc import Collection
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.utils import display_for_label
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget

from accounts.models import User
from merchants.console import DEVELOPERS, MerchantScopedAdmin, may_act, require_membership
from merchants.models import ApiKey
from merchants.services import (
    MOST_NETWORKS,
    KeyTerms,
    change_api_key,
    create_api_key,
    parse_networks,
    revoke_api_key,
    rotate_api_key,
)
from paycore.errors import PaycoreError
from paycore.sites import merchant_site, ops_site
from paycore.sites.dialogs import asks_first
from paycore.sites.pages import FactsPage
from paycore.sites.read_only import ReadOnlyAdmin

_SECRET_ATTRIBUTE = "paycore_new_secret"  # noqa: S105 the name of an attribute
_COLOURS = {"active": "success", "replaced": "warning", "expired": "default", "revoked": "danger"}


class KeyColumns(FactsPage):
    @admin.display(description=_("Begins with"))
    def shown_prefix(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    @admin.display(description=_("Status"))
    def state(self, key: ApiKey) -> SafeString:
        name, text = _state(key)
        label: SafeString = display_for_label((name, str(text)), "–", _COLOURS)
        return label

    @admin.display(description=_("Allowed addresses"))
    def networks(self, key: ApiKey) -> str:
        return ", ".join(key.allowed_networks) or gettext("From anywhere")


def _state(key: ApiKey) -> tuple[str, Any]:
    if key.revoked_at:
        return "revoked", _("Revoked")
    if key.expires_at and key.expires_at <= timezone.now():
        return "expired", _("Expired")
    return ("replaced", _("Replaced, still works")) if key.replaced_by_id else ("active", _("Active"))


@admin.register(ApiKey, site=ops_site)
class ApiKeyAdmin(KeyColumns, ReadOnlyAdmin):
    list_display = ("name", "shown_prefix", "merchant", "access", "state", "created_at", "last_used_at")
    fields = (
        ("name", "shown_prefix"),
        ("merchant", "access"),
        "networks",
        ("created_by", "created_at"),
        ("last_used_at", "expires_at"),
        ("revoked_at", "replaced_by"),
    )
    list_select_related = ("merchant",)
    list_filter = (("access", ChoicesDropdownFilter), ("merchant", AutocompleteSelectFilter))
    list_filter_submit = True
    search_fields = ("=id", "name", "=prefix", "=merchant__id", "merchant__name")
    search_help_text = _("Name, beginning or id of a key; id or name of a merchant")
    ordering = ("-id",)
    actions = ("revoke",)

    @admin.action(description=_("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        _revoke(self, request, queryset)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("merchants.change_apikey"))


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    networks_text = forms.CharField(
        label=_("Allowed addresses"),
        required=False,
        max_length=1000,
        help_text=_("Addresses or networks, like 203.0.113.7 or 203.0.113.0/24, one a line. Empty: from anywhere."),
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )

    class Meta:
        model = ApiKey
        fields = ("name", "access", "expires_at")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not self.instance._state.adding and "networks_text" in self.fields:
            self.fields["networks_text"].initial = "\n".join(self.instance.allowed_networks)

    def clean_networks_text(self) -> list[str]:
        try:
            networks = parse_networks(self.cleaned_data["networks_text"])
        except ValueError as error:
            raise forms.ValidationError(_("One of these is not an address or a network.")) from error
        if len(networks) > MOST_NETWORKS:
            raise forms.ValidationError(_("At most %(most)d networks.") % {"most": MOST_NETWORKS})
        return networks

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at and expires_at <= timezone.now():
            raise forms.ValidationError(_("This moment has passed."))
        return expires_at


class RotateForm(forms.Form):
    keep_hours = forms.IntegerField(
        label=_("The old key keeps working for (hours)"),
        min_value=0,
        max_value=168,
        initial=24,
        help_text=_("0: it stops at once. At most 168, a week."),
        widget=UnfoldAdminIntegerFieldWidget,
    )


@admin.register(ApiKey, site=merchant_site)
class OwnApiKeyAdmin(KeyColumns, MerchantScopedAdmin):
    view_roles = DEVELOPERS
    add_roles = DEVELOPERS
    change_roles = DEVELOPERS
    form = KeyForm
    list_display = ("name", "shown_prefix", "access", "state", "created_at", "last_used_at")
    list_filter = (("access", ChoicesDropdownFilter),)
    list_filter_submit = True
    search_fields = ("name", "=prefix", "=id")
    search_help_text = _("Name or beginning of a key")
    ordering = ("-id",)
    actions = ("revoke",)
    actions_detail = ("rotate", "revoke_this")

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "access", "networks_text", "expires_at")
        editable = "networks_text" if self.has_change_permission(request, obj) else "networks"
        shown = ("shown_prefix", "state", "access", "created_by", "created_at", "last_used_at", "expires_at")
        return ("name", editable, *shown, "replaced_by")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return tuple(name for name in self.get_fields(request, obj) if name not in ("name", "networks_text"))

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        membership = require_membership(request)
        networks = form.cleaned_data["networks_text"]
        if change:
            change_api_key(key_id=obj.pk, merchant_id=membership.merchant_id, name=obj.name, allowed_networks=networks)
            return
        terms = KeyTerms(access=obj.access, allowed_networks=networks, expires_at=obj.expires_at)
        key, secret = create_api_key(
            merchant=membership.merchant, name=obj.name, created_by=membership.user, terms=terms
        )
        obj.__dict__.update(key.__dict__)
        setattr(request, _SECRET_ATTRIBUTE, secret)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        return self._show_secret(request, obj, secret=getattr(request, _SECRET_ATTRIBUTE))

    def fitting_actions(self, row: ApiKey) -> Collection[str]:
        if _state(row)[0] in ("revoked", "expired"):
            return ()
        return {"revoke_this"} if row.replaced_by_id else {"rotate", "revoke_this"}

    def has_manage_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return may_act(request, DEVELOPERS)

    @admin.action(description=_("Revoke"), permissions=["add"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        _revoke(self, request, queryset)

    @asks_first(
        title=_("Revoke"),
        text=_("The key stops working at once, for good."),
        submit=_("Revoke"),
        permission="manage",
        icon="block",
        variant=ActionVariant.DANGER,
    )
    def revoke_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        key = self.require_row(request, object_id)
        return self.carry_out(
            request,
            key,
            lambda: revoke_api_key(key_id=key.id, merchant_id=key.merchant_id),
            done=lambda _answer: gettext("The key was revoked."),
        )

    @action(description=_("Rotate"), permissions=["manage"], icon="autorenew", variant=ActionVariant.PRIMARY)  # type: ignore[untyped-decorator]  # Unfold ships no types
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A page of its own, not a dialog: its answer shows the new secret once."""
        old = self.require_row(request, object_id)
        form = RotateForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                new, secret = rotate_api_key(
                    key_id=old.id,
                    merchant_id=old.merchant_id,
                    created_by=User.objects.get(pk=request.user.pk),
                    keep_hours=form.cleaned_data["keep_hours"],
                )
            except PaycoreError as refusal:
                self.message_user(request, self.refusal_text(refusal), messages.ERROR)
            else:
                self.log_change(request, old, gettext("Rotated"))
                return self._show_secret(request, new, secret=secret)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Rotate %(name)s") % {"name": old.name},
            "opts": self.opts,
            "form": form,
            "text": gettext("You get a new key with the same rights. Put it on your server before the old one ends."),
            "button": gettext("Make a new key"),
            "back": self.page_address(old),
        }
        return TemplateResponse(request, "merchants/form_page.html", context)

    def _show_secret(self, request: HttpRequest, key: ApiKey, *, secret: str) -> HttpResponse:
        """The secret is in this one answer: not in a message, for those travel in cookies and sessions."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Your new API key"),
            "opts": self.opts,
            "key": key,
            "secret": secret,
        }
        response = TemplateResponse(request, "merchants/api_key_created.html", context)
        response["Cache-Control"] = "no-store"
        return response


def _revoke(model_admin: Any, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
    count = sum(revoke_api_key(key_id=key.id, merchant_id=key.merchant_id) for key in queryset)
    text = ngettext("%(count)d key was revoked.", "%(count)d keys were revoked.", count)
    model_admin.message_user(request, text % {"count": count}, messages.SUCCESS if count else messages.WARNING)
