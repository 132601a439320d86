"""Rules: how often each matched, what it says, what it would have done, and what it once said."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from paycore.clock import now
from paycore.sites import ops_site
from paycore.sites.columns import tag
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.pages import FactsPage, Panel, moment
from riskcontrol.admin.own_pages import console_page
from riskcontrol.admin.panels import action_label
from riskcontrol.admin.rule_versions import versions_panel
from riskcontrol.admin.tryout import TryoutForm, tryout_panels
from riskcontrol.facts import FACTS, TYPE_NAMES
from riskcontrol.language import check_expression
from riskcontrol.models import Action, Rule
from riskcontrol.models.rules import MAX_DELAY_SECONDS, Mode
from riskcontrol.queries import HitCounts, hit_counts
from riskcontrol.rule_modes import set_mode
from riskcontrol.rules import forget_rules

MODE_COLOURS = {"active": "success", "shadow": "info", "off": "default"}


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """``seen_version`` is the version that was on the page: a change made meanwhile is not overwritten unseen."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Rule
        fields = ("name", "description", "expression", "action", "delay_seconds", "priority", "on_unavailable")
        widgets: ClassVar = {
            "expression": UnfoldAdminTextareaWidget({"rows": 6, "spellcheck": "false", "class": "risk-expression"})
        }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not self.instance._state.adding and "seen_version" in self.fields:
            self.fields["seen_version"].initial = self.instance.version

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        delay = cleaned.get("delay_seconds") or 0
        if cleaned.get("action") == Action.DELAY:
            if not 1 <= delay <= MAX_DELAY_SECONDS:
                self.add_error("delay_seconds", _("How long? From 1 second to one day (86400)."))
        elif cleaned.get("action") and delay:
            self.add_error("delay_seconds", _("Only the action Delay has one: write 0."))
        if not self.instance._state.adding:
            present = Rule.objects.values_list("version", flat=True).get(pk=self.instance.pk)
            if cleaned.get("seen_version") != present:
                raise ValidationError(
                    _("The rule was changed meanwhile (it is at version %(version)d). Load the page again."),
                    params={"version": present},
                )
        return cleaned


@admin.register(Rule, site=ops_site)
class RuleAdmin(FactsPage):
    """A new rule begins in shadow; whether a rule acts is changed by an action that asks first."""

    form = RuleForm
    list_display = ("priority", "name", "state", "action_shown", "hits_day", "hits_week", "hits_quarter", "changed")
    list_display_links = ("name",)
    list_filter = (
        ("mode", ChoicesDropdownFilter),
        ("action", ChoicesDropdownFilter),
        ("on_unavailable", ChoicesDropdownFilter),
    )
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("=id", "name", "description", "expression")
    search_help_text = _("Name, description, condition or id")
    ordering = ("priority", "id")
    readonly_fields = ("state", "version_shown", "updated_by", "updated_at")
    actions_detail = ("activate", "to_shadow", "switch_off")
    change_form_outer_after_template = "admin/riskcontrol/rule_page.html"

    class Media:
        css: ClassVar = {"all": ("riskcontrol/console.css",)}

    @admin.display(description=_("Mode"), ordering="mode")
    def state(self, rule: Rule) -> SafeString:
        return tag(rule.get_mode_display(), MODE_COLOURS.get(rule.mode, "default"))

    @admin.display(description=_("Action"), ordering="action")
    def action_shown(self, rule: Rule) -> SafeString:
        return action_label(rule.action)

    @admin.display(description=_("Changed"), ordering="updated_at")
    def changed(self, rule: Rule) -> SafeString | str:
        return moment(rule.updated_at)

    @admin.display(description=_("Version"))
    def version_shown(self, rule: Rule) -> int:
        return rule.version

    @admin.display(description=_("24 hours"))
    def hits_day(self, rule: Rule) -> str:
        counts = _counts(rule)
        return _hits(counts.day, counts.shadow_day)

    @admin.display(description=_("7 days"))
    def hits_week(self, rule: Rule) -> str:
        counts = _counts(rule)
        return _hits(counts.week, counts.shadow_week)

    @admin.display(description=_("90 days"))
    def hits_quarter(self, rule: Rule) -> str:
        counts = _counts(rule)
        return _hits(counts.quarter, counts.shadow_quarter)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The numbers of all rules on the page, in one query."""
        changelist = super().get_changelist_instance(request)
        counts = hit_counts([rule.id for rule in changelist.result_list], now=now())
        for rule in changelist.result_list:
            rule.hit_counts = counts[rule.id]
        return changelist

    def get_fieldsets(self, request: HttpRequest, obj: Rule | None = None) -> Any:
        what = (None, {"fields": ("name", "description", "expression")})
        does = (
            _("What it does"),
            {"fields": (("action", "delay_seconds"), ("priority", "on_unavailable"))},
        )
        if obj is None:
            note = _("A new rule begins in shadow: it is counted and never acts until you activate it.")
            return ((None, {**what[1], "description": note}), does)
        fields = (("state", "version_shown"), ("updated_by", "updated_at"), "seen_version")
        return (
            what,
            does,
            (_("State"), {"fields": fields if self.has_change_permission(request, obj) else fields[:2]}),
        )

    def save_model(self, request: HttpRequest, obj: Rule, form: Any, change: bool) -> None:
        obj.updated_by_id = str(request.user.pk)
        if change:
            obj.save(update_fields=[*RuleForm.Meta.fields, "updated_by"])
        else:
            obj.mode = Mode.SHADOW
            obj.save()
        forget_rules()

    def has_delete_permission(self, request: HttpRequest, obj: Rule | None = None) -> bool:
        return False

    def has_switch_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("riskcontrol.change_rule"))

    def fitting_actions(self, row: Rule) -> Collection[str]:
        names = {Mode.ACTIVE: "activate", Mode.SHADOW: "to_shadow", Mode.OFF: "switch_off"}
        return {name for mode, name in names.items() if mode != row.mode}

    def panels(self, request: HttpRequest, row: Rule) -> Sequence[Panel]:
        counts = hit_counts([row.id], now=now())[row.id]
        shown = Panel(
            title=_("How often it matched"),
            headers=("", _("24 hours"), _("7 days"), _("90 days")),
            rows=[
                (_("Acted"), counts.day, counts.week, counts.quarter),
                (_("Would have acted (shadow)"), counts.shadow_day, counts.shadow_week, counts.shadow_quarter),
            ],
            numbers={1, 2, 3},
        )
        return (shown, versions_panel(row))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **options: Any) -> HttpResponse:
        context["facts"] = [(fact, TYPE_NAMES[fact.type]) for fact in FACTS]
        if request.user.has_perm("riskcontrol.view_decision"):
            context["tryout"] = TryoutForm()
            context["tryout_address"] = reverse("ops:riskcontrol_rule_tryout")
        return super().render_change_form(request, context, **options)

    def get_urls(self) -> list[URLPattern]:
        view = require_POST(self.admin_site.admin_view(self.try_out))
        return [path("try/", view, name="riskcontrol_rule_tryout"), *super().get_urls()]

    def try_out(self, request: HttpRequest) -> HttpResponse:
        """The draft on the page, run against the journal. Saves nothing."""
        if not (self.has_view_permission(request) and request.user.has_perm("riskcontrol.view_decision")):
            raise PermissionDenied
        form = TryoutForm(request.POST)
        context: dict[str, Any] = {"form": form, "panels": (), "errors": ()}
        if form.is_valid():
            try:
                check_expression(form.cleaned_data["expression"])
            except ValidationError as error:
                context["errors"] = error.messages
            else:
                context |= tryout_panels(form)
        else:
            context["errors"] = [message for messages in form.errors.values() for message in messages]
        if request.headers.get("HX-Request"):
            return TemplateResponse(request, "admin/riskcontrol/_tryout.html", context)
        return console_page(self, request, "admin/riskcontrol/tryout.html", {"title": _("Try out"), **context})

    @asks_first(
        title=_("Activate"),
        text=_("From the next payment on the rule acts. Try it out or leave it in shadow first if you are not sure."),
        submit=_("Activate"),
        permission="switch",
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
    )
    def activate(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        return self._switch(request, object_id, mode=Mode.ACTIVE)

    @asks_first(
        title=_("Put in shadow"),
        text=_("The rule is counted and never acts."),
        submit=_("Put in shadow"),
        permission="switch",
        icon="visibility",
    )
    def to_shadow(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        return self._switch(request, object_id, mode=Mode.SHADOW)

    @asks_first(
        title=_("Switch off"),
        text=_("The rule is neither evaluated nor counted. Its versions and numbers stay."),
        submit=_("Switch off"),
        permission="switch",
        icon="stop",
        variant=ActionVariant.DANGER,
    )
    def switch_off(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        return self._switch(request, object_id, mode=Mode.OFF)

    def _switch(self, request: HttpRequest, object_id: str, *, mode: Mode) -> HttpResponse:
        rule = self.require_row(request, object_id)
        return self.carry_out(
            request,
            rule,
            lambda: set_mode(rule.id, mode=mode, by_id=str(request.user.pk)),
            done=lambda _nothing: gettext("Mode: %(mode)s") % {"mode": mode.label},
        )


def _counts(rule: Rule) -> HitCounts:
    counts: HitCounts = getattr(rule, "hit_counts", HitCounts())
    return counts


def _hits(acted: int, in_shadow: int) -> str:
    if not in_shadow:
        return str(acted)
    shadow = gettext("%(count)d in shadow") % {"count": in_shadow}
    return f"{acted} + {shadow}" if acted else shadow
