"""The journal of decisions: found by what the attempt was about or came from, shown with facts, rules and history."""

import ipaddress
from collections.abc import Collection, Iterable, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.paginator import InfinitePaginator

from paycore.clock import now
from paycore.sites import ops_site
from paycore.sites.columns import facts, money, page_link
from paycore.sites.dialogs import asks_first
from paycore.sites.filters import CurrencyFilter, MadeBetweenFilter
from paycore.sites.pages import FactsPage, Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin
from riskcontrol.admin.links import about_link
from riskcontrol.admin.listing_forms import ListingForm, listable
from riskcontrol.admin.panels import action_label, decision_panels
from riskcontrol.gathering import network_of
from riskcontrol.lists import add_entry
from riskcontrol.models import Case, Decision, Hit, PaymentLimit, Rule

_BREAK = mark_safe("<br>")
_MOST_RULES = 200


class RuleFilter(DropdownFilter):  # type: ignore[misc]  # Unfold ships no types
    """Decisions that a rule matched, acting or in shadow."""

    title = _("rule")
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(Rule.objects.order_by("priority", "id").values_list("id", "name")[:_MOST_RULES])

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Decision]") -> "QuerySet[Decision]":
        if not self.value():
            return queryset
        return queryset.filter(id__in=Hit.objects.filter(rule_id=self.value()).values("decision_id"))


@admin.register(Decision, site=ops_site)
class DecisionAdmin(FactsPage, ReadOnlyAdmin):
    list_display = ("id", "verdict", "amount", "why", "decided", "about", "payer", "merchant", "ip", "method")
    list_select_related = ("merchant",)
    list_filter = (
        ("action", ChoicesDropdownFilter),
        RuleFilter,
        ("merchant", AutocompleteSelectFilter),
        CurrencyFilter,
        ("decided_at", MadeBetweenFilter),
    )
    paginator = InfinitePaginator
    list_filter_submit = True
    list_fullwidth = True
    list_disable_select_all = True
    search_fields = ("=id",)
    search_help_text = _(
        "Id of a decision, a payment, an order, a payer or a merchant; an IP address, a device or a saved method"
    )
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "verdict"), ("amount", "method"), ("about", "decided"), ("why", "case"))}),
        (_("From"), {"fields": (("payer", "merchant_link"), ("ip", "device_id"), "payment_method_key")}),
        (_("Effect"), {"fields": (("refusal", "delay_seconds"), "taken")}),
    )
    actions_detail = ("put_on_list",)

    class Media:
        css: ClassVar = {"all": ("riskcontrol/console.css",)}

    @admin.display(description=_("Action"), ordering="action")
    def verdict(self, decision: Decision) -> SafeString:
        return action_label(decision.action)

    @admin.display(description=_("Amount"))
    def amount(self, decision: Decision) -> str:
        return money(decision.amount_minor, decision.currency)

    @admin.display(description=_("About"))
    def about(self, decision: Decision) -> SafeString | str:
        return about_link(decision.subject_id)

    @admin.display(description=_("Payer"))
    def payer(self, decision: Decision) -> SafeString | str:
        return about_link(decision.user_id)

    @admin.display(description=_("Merchant"))
    def merchant_link(self, decision: Decision) -> SafeString | str:
        return page_link("ops", "merchants_merchant", decision.merchant_id, text=decision.merchant)

    @admin.display(description=_("Decided"), ordering="id")
    def decided(self, decision: Decision) -> SafeString | str:
        return moment(decision.decided_at)

    @admin.display(description=_("Why"))
    def why(self, decision: Decision) -> SafeString | str:
        names = getattr(decision, "rule_names", None) or rule_names([decision])
        lines = ((reason_text(str(reason), names=names),) for reason in decision.reasons)
        return format_html_join(_BREAK, "{}", lines) or "–"

    @admin.display(description=_("Case"))
    def case(self, decision: Decision) -> SafeString | str:
        found = Case.objects.filter(kind=Case.Kind.RISK_REVIEW, facts__decision=decision.id)
        # The facts have no index: only the merchant's newest reviews are looked through.
        newest = Case.objects.filter(merchant_id=decision.merchant_id, kind=Case.Kind.RISK_REVIEW).order_by("-id")
        case = found.filter(id__in=newest.values("id")[:500]).first()
        return about_link(case.id) if case else "–"

    @admin.display(description=_("Taken of limits"))
    def taken(self, decision: Decision) -> SafeString | str:
        ids = [str(entry.get("limit")) for entry in decision.reserved if isinstance(entry, dict)]
        limits = PaymentLimit.objects.in_bulk(ids)
        return facts({str(limits.get(limit_id, limit_id)): limit_id for limit_id in ids})

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Decision]", search_term: str
    ) -> tuple["QuerySet[Decision]", bool]:
        """Equality on an indexed column: a part of an id would read the whole journal."""
        term = search_term.strip()
        if not term:
            return queryset, False
        columns = {"rsk": "id", "usr": "user_id", "mer": "merchant_id"}
        prefix = term.partition("_")[0]
        if prefix == "pay":
            cases = Case.objects.filter(kind=Case.Kind.RISK_REVIEW, object_id=term).values_list("facts", flat=True)[:50]
            return queryset.filter(Q(subject_id=term) | Q(id__in=[str(f.get("decision")) for f in cases])), False
        if prefix in columns and "_" in term:
            return queryset.filter(**{columns[prefix]: term}), False
        if _is_address(term):
            return queryset.filter(ip=network_of(term) or term), False
        return queryset.filter(Q(subject_id=term) | Q(device_id=term) | Q(payment_method_key=term)), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The names of all rules on the page, in one query."""
        changelist = super().get_changelist_instance(request)
        names = rule_names(changelist.result_list)
        for decision in changelist.result_list:
            decision.rule_names = names
        return changelist

    def panels(self, request: HttpRequest, row: Decision) -> Sequence[Panel]:
        return decision_panels(row)

    def fitting_actions(self, row: Decision) -> Collection[str]:
        return {"put_on_list"} if listable(row) else set()

    def has_list_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("riskcontrol.add_listentry"))

    @asks_first(
        title=_("Put on a list"),
        text=_("Counts for payments from now on."),
        submit=_("Put on the list"),
        permission="list",
        icon="playlist_add",
        form=ListingForm,
    )
    def put_on_list(self, request: HttpRequest, form: ListingForm, object_id: str) -> HttpResponse:
        decision = self.require_row(request, object_id)
        return self.carry_out(
            request,
            decision,
            lambda: add_entry(**form.entry(now=now()), added_by_id=str(request.user.pk)),
            done=lambda entry: gettext("%(entry)s is on the list.") % {"entry": entry},
        )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def rule_names(decisions: Iterable[Decision]) -> dict[str, str]:
    """Of the rules that the reasons name; one query."""
    ids = {_rule_id(str(reason)) for decision in decisions for reason in decision.reasons} - {""}
    return dict(Rule.objects.filter(id__in=ids).values_list("id", "name")) if ids else {}


def _rule_id(reason: str) -> str:
    return reason.rpartition("rule:")[2].partition("@")[0] if "rule:" in reason else ""


def reason_text(reason: str, *, names: dict[str, str]) -> SafeString | str:
    """``rule:rul_…@3``, ``not_evaluated:rule:rul_…@3``, ``list:name``, ``limit:lim_…`` as a person reads them."""
    rule_id = _rule_id(reason)
    kind, _colon, rest = reason.partition(":")
    if rule_id:
        name = names.get(rule_id, rule_id)
        text = gettext("Not evaluated: %(rule)s") if kind == "not_evaluated" else gettext("Rule: %(rule)s")
        return page_link("ops", "riskcontrol_rule", rule_id, text=text % {"rule": name})
    if kind == "list":
        return gettext("On the list %(name)s") % {"name": rest}
    if kind == "limit":
        return gettext("Over a limit: %(limit)s") % {"limit": rest}
    return reason
