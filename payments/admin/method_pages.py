"""Saved payment methods and mandates, for staff. What could charge anybody is on no page."""

from collections.abc import Collection, Sequence
from typing import ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, BooleanRadioFilter, ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import money, object_link, state_label
from payments.admin.filters import MadeBetweenFilter
from payments.admin.pages import ConfirmForm, MoneyPage, Panel, asks_first
from payments.admin.panels import events_panel
from payments.checkout.presentation import method_name
from payments.methods.models import Mandate, PaymentMethod
from payments.methods.services import withdraw_mandate
from payments.orders.failure_texts import failure_text


@admin.register(PaymentMethod, site=ops_site)
class PaymentMethodAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "state", "kind", "card", "user", "gateway_account", "is_default", "made")
    list_select_related = ("user", "gateway_account")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("gateway_account", AutocompleteSelectFilter),
        ("is_default", BooleanRadioFilter),
        ("created_at", MadeBetweenFilter),
    )
    searches: ClassVar = {"pm_": ("id",), "usr_": ("user_id",), "man_": ("mandates__id",)}
    search_help_text = _("Id of a saved method, a mandate or a user")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("user", "kind"), ("card", "is_default"), ("label", "country"))}),
        (
            _("At the gateway"),
            {"fields": (("gateway_account", "gateway_reference"), ("why_failed", "merged"), "next_attempt_at")},
        ),
        (_("Dates"), {"fields": (("created_at", "last_used_at"), ("expiry_reminded_for", "removed_at"))}),
    )

    @admin.display(description=_("Status"), ordering="status")
    def state(self, method: PaymentMethod) -> SafeString:
        return state_label(method.status, method.get_status_display())

    @admin.display(description=_("Method"), ordering="method")
    def kind(self, method: PaymentMethod) -> str:
        return method_name(method.method)

    @admin.display(description=_("Card"))
    def card(self, method: PaymentMethod) -> str:
        if not method.last4:
            return method.label or "–"
        expiry = f" · {method.expiry_month:02}/{method.expiry_year}" if method.expiry_month else ""
        return f"{method.brand} •••• {method.last4}{expiry}"

    @admin.display(description=_("Failure"))
    def why_failed(self, method: PaymentMethod) -> str:
        code = method.failure_code
        return f"{failure_text(code).headline} ({code})" if code else "–"

    @admin.display(description=_("Saved before as"))
    def merged(self, method: PaymentMethod) -> SafeString | str:
        return object_link("ops", method.merged_into_id) if method.merged_into_id else "–"

    def panels(self, request: HttpRequest, row: PaymentMethod) -> Sequence[Panel]:
        mandates = row.mandates.select_related("merchant").order_by("-id")
        rows = [
            (object_link("ops", mandate.id), mandate.merchant.name, _standing(mandate), _agreed(mandate))
            for mandate in mandates
        ]
        shown = Panel(
            title=_("Mandates"),
            headers=(_("Mandate"), _("Who may charge"), _("Status"), _("What was agreed")),
            rows=rows,
        )
        return [shown, events_panel([row.id], site="ops")]


class EndForm(ConfirmForm):
    reason = forms.CharField(
        label=_("Reason"), max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3}), help_text=_("For the record.")
    )


@admin.register(Mandate, site=ops_site)
class MandateAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "state", "merchant", "payment_method", "agreed", "accepted_at")
    list_select_related = ("merchant", "payment_method")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("merchant", AutocompleteSelectFilter),
        ("accepted_at", MadeBetweenFilter),
    )
    searches: ClassVar = {"man_": ("id",), "pm_": ("payment_method_id",), "usr_": ("payment_method__user_id",)}
    search_help_text = _("Id of a mandate, a saved method or a user")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("merchant", "payment_method"), "agreed")}),
        (_("Consent"), {"fields": (("text_version", "language"), ("accepted_at", "first_charge_at"))}),
        (_("Device"), {"fields": (("ip_address", "device_id"), "user_agent")}),
        (_("End"), {"fields": (("ended_at", "ended_by"), "end_reason")}),
    )
    actions_detail = ("end",)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, mandate: Mandate) -> SafeString:
        return _standing(mandate)

    @admin.display(description=_("What was agreed"))
    def agreed(self, mandate: Mandate) -> SafeString | str:
        return _agreed(mandate)

    def panels(self, request: HttpRequest, row: Mandate) -> Sequence[Panel]:
        return [events_panel([row.id], site="ops")]

    def fitting_actions(self, row: Mandate) -> Collection[str]:
        return {"end"} if row.status != Mandate.Status.ENDED else ()

    @asks_first(
        title=_("End this mandate"),
        text=_("The merchant can no longer charge the payer unasked. This cannot be taken back."),
        submit=_("End"),
        permission="operate",
        icon="link_off",
        variant=ActionVariant.DANGER,
        form=EndForm,
    )
    def end(self, request: HttpRequest, form: EndForm, object_id: str) -> HttpResponse:
        mandate = self.require_row(request, object_id)
        return self.carry_out(
            request,
            mandate,
            lambda: withdraw_mandate(mandate.id, by=f"staff {request.user.pk}", reason=form.cleaned_data["reason"]),
            done=lambda answer: gettext("The mandate has ended."),
        )


def _standing(mandate: Mandate) -> SafeString:
    return state_label(mandate.status, mandate.get_status_display())


def _agreed(mandate: Mandate) -> SafeString | str:
    """At most how much, how often."""
    parts = []
    if mandate.max_amount_minor is not None:
        amount = money(mandate.max_amount_minor, mandate.currency)
        parts.append(gettext("at most %(amount)s each time") % {"amount": amount})
    if mandate.interval:
        how_often = {"count": mandate.interval_count, "interval": mandate.interval}
        parts.append(gettext("every %(count)s × %(interval)s") % how_often)
    return " · ".join(parts) or gettext("no limit")
