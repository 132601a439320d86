"""Routing rule sets: written by one person, tried on the past, activated by another."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from paycore.sites import ops_site
from paycore.sites.dialogs import ConfirmForm, asks_first, go_to
from paycore.sites.pages import FactsPage, Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import page_link, tag
from payments.admin.routing_panels import rule_rows, trial_panels, trials_panel
from payments.admin.routing_rule_form import PLACES, RoutingRuleForm
from payments.routing.models import RoutingRule, RoutingRuleSet, RoutingTrial
from payments.routing.rule_sets import Draft, activate, create_draft, fingerprint, note_author, retire
from payments.routing.trials import MOST_DAYS, advance_trial, begin_trial, progress_percent

COLOURS = {"draft": "info", "active": "success", "retired": "default"}
TRIAL_COLOURS = {"running": "info", "done": "success", "failed": "danger"}
AT_ONCE_SECONDS = 1.5


class TrialForm(BaseDialogForm):  # type: ignore[misc]  # Unfold ships no types
    days = forms.IntegerField(
        label=_("Days of the past"),
        min_value=1,
        max_value=MOST_DAYS,
        initial=30,
        widget=UnfoldAdminIntegerFieldWidget,
    )


class ActivateForm(forms.Form):
    """``seen_rules`` binds the yes to what was on the page."""

    seen_rules = forms.CharField(max_length=64, widget=forms.HiddenInput)


@admin.register(RoutingRuleSet, site=ops_site)
class RoutingRuleSetAdmin(FactsPage):
    list_display = ("title", "state", "note", "rule_count", "writers", "activated_by", "activated")
    list_select_related = ("merchant", "activated_by")
    list_filter = (("status", ChoicesDropdownFilter), ("merchant", AutocompleteSelectFilter))
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ("=id", "note", "=merchant__id", "merchant__name")
    search_help_text = _("Id, note, or the merchant's id or name")
    show_full_result_count = False
    ordering = ("-id",)
    autocomplete_fields = ("merchant",)
    readonly_fields: ClassVar = ("id", "state", "version", "writers", "activated_by", "activated_at", "retired_at")
    actions_detail = ("add_rule", "try_out", "activate", "new_version", "retire")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[RoutingRuleSet]":
        rows: QuerySet[RoutingRuleSet] = super().get_queryset(request)
        return rows.annotate(rules_in_it=Count("rules"))

    @admin.display(description=_("Rule set"))
    def title(self, rule_set: RoutingRuleSet) -> str:
        return str(rule_set)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, rule_set: RoutingRuleSet) -> SafeString:
        return tag(rule_set.get_status_display(), COLOURS.get(rule_set.status, "default"))

    @admin.display(description=_("Rules"))
    def rule_count(self, rule_set: RoutingRuleSet) -> int:
        return int(getattr(rule_set, "rules_in_it", 0))

    @admin.display(description=_("Written by"))
    def writers(self, rule_set: RoutingRuleSet) -> SafeString | str:
        links = ((page_link("ops", "accounts_user", author),) for author in rule_set.authors)
        return format_html_join(", ", "{}", links) or "–"

    @admin.display(description=_("Activated"), ordering="activated_at")
    def activated(self, rule_set: RoutingRuleSet) -> SafeString | str:
        return moment(rule_set.activated_at)

    def get_fieldsets(self, request: HttpRequest, obj: RoutingRuleSet | None = None) -> Any:
        if obj is None:
            return ((None, {"fields": ("merchant", "note", "time_zone")}),)
        facts = (("id", "state"), ("merchant", "version"), "note", "time_zone")
        record = ("writers", ("activated_by", "activated_at"), "retired_at")
        return ((None, {"fields": facts}), (_("Record"), {"fields": record}))

    def get_readonly_fields(self, request: HttpRequest, obj: RoutingRuleSet | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "merchant") if obj else self.readonly_fields

    def has_change_permission(self, request: HttpRequest, obj: RoutingRuleSet | None = None) -> bool:
        is_open = obj is None or obj.status == RoutingRuleSet.Status.DRAFT
        return is_open and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: RoutingRuleSet | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: RoutingRuleSet, form: Any, change: bool) -> None:
        author_id = str(request.user.pk)
        if change:
            note_author(obj.id, author_id=author_id)
            obj.save(update_fields=["note", "time_zone"])
            return
        draft = Draft(author_id=author_id, merchant_id=obj.merchant_id, note=obj.note, time_zone=obj.time_zone)
        made = create_draft(draft)
        obj.id, obj.version, obj.authors = made.id, made.version, made.authors
        obj._state.adding = False

    def panels(self, request: HttpRequest, row: RoutingRuleSet) -> Sequence[Panel]:
        headers = (_("Position"), _("Rule"), _("When"), _("What it does"), _("Gateway accounts"))
        shown = Panel(
            title=_("Rules"),
            note=_("Of each kind the first one that matches counts. What either owner leaves out is left out."),
            headers=headers,
            rows=rule_rows(row),
            numbers={0},
            empty=_("No rules: cost and success alone decide."),
        )
        return (shown, trials_panel(row))

    # Deeds

    def fitting_actions(self, row: RoutingRuleSet) -> Collection[str]:
        match row.status:
            case RoutingRuleSet.Status.DRAFT:
                return {"add_rule", "try_out", "activate", "retire"}
            case RoutingRuleSet.Status.ACTIVE:
                return {"try_out", "new_version", "retire"}
        return {"new_version"}

    def has_write_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("payments.change_routingruleset"))

    def has_activate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("payments.activate_routingruleset"))

    def has_try_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("payments.add_routingtrial"))

    @action(description=_("Add a rule"), permissions=["write"], icon="add", variant=ActionVariant.PRIMARY)  # type: ignore[untyped-decorator]  # Unfold ships no types
    def add_rule(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return HttpResponseRedirect(f"{reverse('ops:payments_routingrule_add')}?{urlencode({'rule_set': row.pk})}")

    @asks_first(
        title=_("Try on the past"),
        text=_("Replays the payments of the last days by these rules and by the active ones. Nothing is changed."),
        submit=_("Try"),
        permission="try",
        icon="science",
        form=TrialForm,
    )
    def try_out(self, request: HttpRequest, form: TrialForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        trial = begin_trial(row, days=form.cleaned_data["days"], asked_by_id=str(request.user.pk))
        advance_trial(trial.id, seconds=AT_ONCE_SECONDS)
        return go_to(request, reverse("ops:payments_routingtrial_change", args=[quote(trial.id)]))

    @action(description=_("Activate"), permissions=["activate"], icon="play_arrow", variant=ActionVariant.PRIMARY)  # type: ignore[untyped-decorator]  # Unfold ships no types
    def activate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row: RoutingRuleSet = self.require_row(request, object_id)
        form = ActivateForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            seen, by_id = form.cleaned_data["seen_rules"], str(request.user.pk)
            return self.carry_out(
                request,
                row,
                lambda: activate(row.id, by_id=by_id, seen_rules=seen),
                done=lambda _rule_set: gettext("These rules are active now."),
            )
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Activate"),
            "opts": self.opts,
            "media": self.media,
            "text": gettext(
                "From the next payment on these rules hold, and the ones before are retired. Who wrote them cannot "
                "activate them."
            ),
            "button": gettext("Activate"),
            "back": self.page_address(row),
            "form": ActivateForm(initial={"seen_rules": fingerprint(row)}),
            "panels": self.panels(request, row),
        }
        return TemplateResponse(request, "admin/payments/activate_rules.html", context)

    @asks_first(
        title=_("New version"),
        text=_("Makes a draft with the same rules, which can be changed."),
        submit=_("Make it"),
        permission="write",
        icon="content_copy",
    )
    def new_version(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row: RoutingRuleSet = self.require_row(request, object_id)
        draft = Draft(str(request.user.pk), row.merchant_id, row.note, row.time_zone, copy_of=row)
        made: list[RoutingRuleSet] = []
        answer = self.carry_out(
            request,
            row,
            lambda: made.append(create_draft(draft)),
            done=lambda _nothing: gettext("Version %(version)d is a draft now.") % {"version": made[0].version},
        )
        return go_to(request, self.page_address(made[0])) if made else answer

    @asks_first(
        title=_("Retire"),
        text=_("A draft is dropped. Without active rules, cost and success alone decide."),
        submit=_("Retire"),
        permission="activate",
        icon="stop",
        variant=ActionVariant.DANGER,
    )
    def retire(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request, row, lambda: retire(row.id), done=lambda _nothing: gettext("These rules are retired.")
        )


@admin.register(RoutingRule, site=ops_site)
class RoutingRuleAdmin(FactsPage):
    """One rule; it can be changed while its set is a draft."""

    form = RoutingRuleForm
    list_display = ("name", "set_shown", "kind", "position")
    list_select_related = ("rule_set__merchant",)
    list_filter = (("kind", ChoicesDropdownFilter), ("rule_set", AutocompleteSelectFilter))
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ("=id", "name", "=rule_set__id")
    search_help_text = _("Id or name, or the rule set's id")
    show_full_result_count = False
    ordering = ("-rule_set_id", "position", "id")
    actions: ClassVar = None
    readonly_fields: ClassVar = ("set_shown",)

    @admin.display(description=_("Rule set"))
    def set_shown(self, rule: RoutingRule) -> SafeString:
        text = format_html("{} ({})", rule.rule_set, rule.rule_set.get_status_display())
        return page_link("ops", "payments_routingruleset", rule.rule_set_id, text=text)

    def get_fieldsets(self, request: HttpRequest, obj: RoutingRule | None = None) -> Any:
        of = "set_shown" if obj else "rule_set"
        conditions = ("methods", "currencies", "countries", "merchants", ("min_amount_minor", "max_amount_minor"))
        does: tuple[Any, ...] = ("kind",)
        if obj is None or self.has_change_permission(request, obj):
            does += tuple((f"account_{place}", f"share_{place}") for place in range(1, PLACES + 1))
        else:
            does += ("accounts", "weights")
        return (
            (None, {"fields": (of, ("name", "position"))}),
            (_("When"), {"fields": (*conditions, "weekdays", ("from_hour", "to_hour"))}),
            (_("What it does"), {"fields": does}),
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"rule_set": request.GET.get("rule_set", "")}

    def has_change_permission(self, request: HttpRequest, obj: RoutingRule | None = None) -> bool:
        return _is_open(obj) and bool(request.user.has_perm("payments.change_routingruleset"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("payments.change_routingruleset"))

    def has_delete_permission(self, request: HttpRequest, obj: RoutingRule | None = None) -> bool:
        return obj is not None and self.has_change_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: RoutingRule | None = None) -> bool:
        permissions = ("payments.view_routingruleset", "payments.change_routingruleset")
        return any(request.user.has_perm(permission) for permission in permissions)

    def save_model(self, request: HttpRequest, obj: RoutingRule, form: Any, change: bool) -> None:
        note_author(obj.rule_set_id, author_id=str(request.user.pk))
        obj.save()

    def delete_model(self, request: HttpRequest, obj: RoutingRule) -> None:
        note_author(obj.rule_set_id, author_id=str(request.user.pk))
        obj.delete()

    def response_add(self, request: HttpRequest, obj: RoutingRule, post_url_continue: str | None = None) -> Any:
        return super().response_add(request, obj, post_url_continue) if _goes_on(request) else self._to_set(obj)

    def response_change(self, request: HttpRequest, obj: RoutingRule) -> Any:
        return super().response_change(request, obj) if _goes_on(request) else self._to_set(obj)

    def _to_set(self, rule: RoutingRule) -> HttpResponse:
        return HttpResponseRedirect(reverse("ops:payments_routingruleset_change", args=[quote(rule.rule_set_id)]))


@admin.register(RoutingTrial, site=ops_site)
class RoutingTrialAdmin(FactsPage, ReadOnlyAdmin):
    list_display = ("id", "set_shown", "standing", "days", "looked_at", "asked_by", "created_at")
    list_select_related = ("rule_set__merchant", "asked_by")
    list_filter = (("status", ChoicesDropdownFilter),)
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ("=id", "=rule_set__id")
    search_help_text = _("Id of a trial or a rule set")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "standing"), "set_shown", ("days", "looked_at"), ("asked_by", "created_at"))}),
    )
    readonly_fields: ClassVar = ("standing", "set_shown")
    actions_detail = ("go_on",)

    @admin.display(description=_("Status"), ordering="status")
    def standing(self, trial: RoutingTrial) -> SafeString:
        """Not ``state``: the model has a field of that name, which would be shown instead."""
        text = str(trial.get_status_display())
        if trial.status == RoutingTrial.Status.RUNNING:
            text += f" · {progress_percent(trial)} %"
        return tag(text, TRIAL_COLOURS.get(trial.status, "default"))

    @admin.display(description=_("Rule set"))
    def set_shown(self, trial: RoutingTrial) -> SafeString:
        return page_link("ops", "payments_routingruleset", trial.rule_set_id, text=trial.rule_set)

    def panels(self, request: HttpRequest, row: RoutingTrial) -> Sequence[Panel]:
        return trial_panels(row)

    def fitting_actions(self, row: RoutingTrial) -> Collection[str]:
        return {"go_on"} if row.status == RoutingTrial.Status.RUNNING else ()

    def has_try_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("payments.add_routingtrial"))

    @action(description=_("Look again"), permissions=["try"], icon="refresh")  # type: ignore[untyped-decorator]  # Unfold ships no types
    def go_on(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return HttpResponseRedirect(self.page_address(row))


def _is_open(rule: RoutingRule | None) -> bool:
    return rule is None or rule.rule_set.status == RoutingRuleSet.Status.DRAFT


def _goes_on(request: HttpRequest) -> bool:
    return "_continue" in request.POST or "_addanother" in request.POST
