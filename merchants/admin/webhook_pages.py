"""Webhooks as a merchant's owners and developers see them: where events go, what became of them, and again."""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from merchants.admin.webhook_columns import (
    EndpointColumns,
)
from merchants.console import DEVELOPERS, MerchantScopedAdmin, active_membership, may_act, require_membership
from merchants.models import WebhookEndpoint
from merchants.webhooks import services
from merchants.webhooks.errors import WebhookAddressRefused
from merchants.webhooks.event_types import EVENT_TYPES
from merchants.webhooks.services import EndpointDraft
from paycore.sites import merchant_site
from paycore.sites.dialogs import asks_first, go_to
from paycore.sites.second_step import has_passed_recently

_ENDPOINT_ATTRIBUTE = "paycore_new_endpoint"


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    url = forms.CharField(
        label=_("Address"),
        max_length=500,
        help_text=_("Where your server takes events: https, on the public internet."),
        widget=UnfoldAdminTextInputWidget,
    )
    event_types = forms.MultipleChoiceField(
        label=_("Event types"),
        required=False,
        choices=[(name, f"{name}") for name in sorted(EVENT_TYPES)],
        help_text=_("None chosen: all of them, also those that come later."),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("url", "description", "event_types")

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        try:
            services.check_address(url)
        except WebhookAddressRefused as refusal:
            raise forms.ValidationError(str(refusal.detail or refusal.title)) from refusal
        return url

    @property
    def draft(self) -> EndpointDraft:
        data = self.cleaned_data
        return EndpointDraft(url=data["url"], description=data["description"], event_types=tuple(data["event_types"]))


class RotationForm(forms.Form):
    overlap_hours = forms.IntegerField(
        label=_("The old secret signs as well for (hours)"),
        min_value=0,
        max_value=168,
        initial=24,
        help_text=_("0: it stops at once. At most 168, a week."),
        widget=UnfoldAdminIntegerFieldWidget,
    )


class ReplayForm(BaseDialogForm):  # type: ignore[misc]  # Unfold ships no types
    after = forms.IntegerField(
        label=_("After position"),
        min_value=0,
        max_value=2**63 - 1,
        initial=0,
        help_text=_("The position of the last event that you know of; 0 is the beginning."),
        widget=UnfoldAdminIntegerFieldWidget,
    )


@admin.register(WebhookEndpoint, site=merchant_site)
class OwnEndpointAdmin(EndpointColumns, MerchantScopedAdmin):
    view_roles = add_roles = change_roles = DEVELOPERS
    form = EndpointForm
    list_display = ("url", "state", "description", "kinds", "made")
    list_filter = (("status", ChoicesDropdownFilter),)
    search_fields = ("id__exact", "url", "description")
    search_help_text = _("Address, description or id of an endpoint")
    ordering = ("-id",)
    actions_detail = ("send_test", "replay", "show_secret", "rotate", "enable", "disable", "remove")
    shown = ("state", "reason", "failing_since", "hold_until", "previous_secret_until", "made")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).exclude(status=WebhookEndpoint.Status.DELETED)
        return rows.defer("secret", "previous_secret")

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> tuple[str, ...]:
        editable = ("url", "description", "event_types")
        return (*editable, *self.shown) if obj else editable

    def get_readonly_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> tuple[str, ...]:
        return self.shown if obj else ()

    def save_model(self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool) -> None:
        membership, actor = require_membership(request), str(request.user.pk)
        merchant_id = membership.merchant_id
        if change:
            services.change_endpoint(merchant_id=merchant_id, endpoint_id=obj.pk, draft=form.draft, actor=actor)
            return
        made = services.create_endpoint(merchant_id=merchant_id, draft=form.draft, actor=actor)
        obj.__dict__.update(made.__dict__)
        setattr(request, _ENDPOINT_ATTRIBUTE, made)

    def has_add_permission(self, request: HttpRequest) -> bool:
        membership = active_membership(request)
        if membership is None or not super().has_add_permission(request):
            return False
        return bool(services.endpoints_of(membership.merchant_id).count() < services.MAX_ENDPOINTS)

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        made: WebhookEndpoint = getattr(request, _ENDPOINT_ATTRIBUTE)
        return self._secret_page(request, made, secret=str(made.secret))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **options: Any) -> HttpResponse:
        """Without Django's history: the journal below says more, and six buttons fill the line."""
        return super().render_change_form(request, context | {"show_history": False}, **options)

    def fitting_actions(self, row: WebhookEndpoint) -> Collection[str]:
        if row.is_enabled:
            return {"send_test", "replay", "show_secret", "rotate", "disable", "remove"}
        return {"show_secret", "rotate", "enable", "remove"}

    def has_manage_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return may_act(request, DEVELOPERS)

    @asks_first(
        title=_("Test"),
        text=_("One event of the type webhook_endpoint.test goes to this endpoint, signed like every other."),
        submit=_("Send"),
        permission="manage",
        icon="send",
        variant=ActionVariant.PRIMARY,
    )
    def send_test(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        return self._do(
            request, object_id, services.send_test, done=lambda _answer: gettext("The test event is on its way.")
        )

    @asks_first(
        title=_("Replay"),
        text=_("Failed deliveries, and events that this endpoint was never told of, are sent; at most 1,000 at once."),
        submit=_("Send"),
        permission="manage",
        icon="replay",
        form=ReplayForm,
    )
    def replay(self, request: HttpRequest, form: ReplayForm, object_id: str) -> HttpResponse:
        def again(*, merchant_id: str, endpoint_id: str, actor: str) -> int:
            after = form.cleaned_data["after"]
            return services.replay(merchant_id=merchant_id, endpoint_id=endpoint_id, after=after, actor=actor)

        def told(count: int) -> str:
            text = ngettext("%(count)d event is sent again.", "%(count)d events are sent again.", count)
            return text % {"count": count}

        return self._do(request, object_id, again, done=told)

    @asks_first(
        title=_("Enable"),
        text=_("New events are sent again. Have the missed ones sent after that."),
        submit=_("Enable"),
        permission="manage",
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
    )
    def enable(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        return self._do(
            request, object_id, services.enable_endpoint, done=lambda _answer: gettext("The endpoint is enabled.")
        )

    @asks_first(
        title=_("Disable"),
        text=_("Nothing more is sent to it. What waits counts as failed and can be sent again later."),
        submit=_("Disable"),
        permission="manage",
        icon="pause",
        variant=ActionVariant.WARNING,
    )
    def disable(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        return self._do(
            request, object_id, services.disable_endpoint, done=lambda _answer: gettext("The endpoint is disabled.")
        )

    @asks_first(
        title=_("Delete"),
        text=_("The endpoint and its signing secret are gone for good; what waits for it is given up."),
        submit=_("Delete"),
        permission="manage",
        icon="delete",
        variant=ActionVariant.DANGER,
    )
    def remove(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        answer = self._do(
            request, object_id, services.delete_endpoint, done=lambda _answer: gettext("The endpoint is deleted.")
        )
        is_gone = not self.get_queryset(request).filter(pk=object_id).exists()
        return go_to(request, self.list_address()) if is_gone else answer

    @action(description=_("Secret"), permissions=["manage"], icon="key")  # type: ignore[untyped-decorator]  # Unfold ships no types
    def show_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.require_row(request, object_id)
        if not has_passed_recently(request):
            return self._second_step(request)
        if request.method == "POST":
            secret = services.show_secret(
                merchant_id=endpoint.merchant_id, endpoint_id=endpoint.id, actor=str(request.user.pk)
            )
            return self._secret_page(request, endpoint, secret=secret)
        return self._form_page(
            request,
            endpoint,
            forms.Form(),
            title=gettext("Show the signing secret"),
            text=gettext("Who knows it can forge events. The journal keeps that you looked."),
            submit=gettext("Show"),
        )

    @action(description=_("New secret"), permissions=["manage"], icon="autorenew")  # type: ignore[untyped-decorator]  # Unfold ships no types
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = self.require_row(request, object_id)
        if not has_passed_recently(request):
            return self._second_step(request)
        form = RotationForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            changed = services.rotate_secret(
                merchant_id=endpoint.merchant_id,
                endpoint_id=endpoint.id,
                overlap=timedelta(hours=form.cleaned_data["overlap_hours"]),
                actor=str(request.user.pk),
            )
            return self._secret_page(request, changed, secret=str(changed.secret))
        return self._form_page(
            request,
            endpoint,
            form,
            title=gettext("Change the signing secret"),
            text=gettext("You get a new secret. Until the old one stops, every event carries both signatures."),
            submit=gettext("Make a new secret"),
        )

    def _do(
        self, request: HttpRequest, object_id: str, deed: Callable[..., Any], *, done: Callable[[Any], str]
    ) -> HttpResponse:
        row = self.require_row(request, object_id)
        actor = str(request.user.pk)
        return self.carry_out(
            request, row, lambda: deed(merchant_id=row.merchant_id, endpoint_id=row.id, actor=actor), done=done
        )

    def _second_step(self, request: HttpRequest) -> HttpResponse:
        messages.info(request, gettext("Prove that it is you, then repeat the change."))
        address = reverse(f"{self.admin_site.name}:second_step")
        return HttpResponseRedirect(f"{address}?{urlencode({'next': request.get_full_path()})}")

    def _form_page(
        self, request: HttpRequest, endpoint: WebhookEndpoint, form: forms.Form, *, title: str, text: str, submit: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "form": form,
            "text": text,
            "submit": submit,
            "back": self.page_address(endpoint),
        }
        return TemplateResponse(request, "merchants/form_page.html", context)

    def _secret_page(self, request: HttpRequest, endpoint: WebhookEndpoint, *, secret: str) -> HttpResponse:
        """The secret is in this one answer: not in a message, for those travel in cookies and sessions."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("The signing secret"),
            "opts": self.opts,
            "endpoint": endpoint,
            "secret": secret,
            "back": self.page_address(endpoint),
        }
        response = TemplateResponse(request, "merchants/webhook_secret.html", context)
        response["Cache-Control"] = "no-store"
        return response
