"""Block, allow and watch lists and what is on them; many entries at once by paste."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.enums import ActionVariant

from paycore.clock import now
from paycore.errors import PaycoreError
from paycore.sites import ops_site
from paycore.sites.columns import page_link, tag
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.pages import FactsPage, moment
from riskcontrol.admin.import_form import ImportForm
from riskcontrol.admin.links import about_link
from riskcontrol.admin.own_pages import console_page
from riskcontrol.lists import add_entry, canonical_value, forget_lists, networks_of, remove_entry
from riskcontrol.models import ListEntry, RiskList

EFFECT_COLOURS = {"block": "danger", "allow": "success", "watch": "info"}
_ON_THE_LIST = Q(removed_at__isnull=True) & (Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))


@admin.register(RiskList, site=ops_site)
class RiskListAdmin(FactsPage):
    """A list keeps its name and effect, for rules and people rely on them; it may be switched off."""

    list_display = ("name", "effect_shown", "state", "entries_now", "description", "created")
    list_filter = (("effect", ChoicesDropdownFilter), "is_active")
    list_filter_submit = True
    list_fullwidth = True
    show_full_result_count = False
    search_fields = ("=id", "name", "description")
    search_help_text = _("Name, description or id")
    ordering = ("name",)

    @admin.display(description=_("Effect"), ordering="effect")
    def effect_shown(self, risk_list: RiskList) -> SafeString:
        return tag(risk_list.get_effect_display(), EFFECT_COLOURS.get(risk_list.effect, "default"))

    @admin.display(description=_("Status"), ordering="is_active")
    def state(self, risk_list: RiskList) -> SafeString:
        return tag(_("Active"), "success") if risk_list.is_active else tag(_("Off"), "default")

    @admin.display(description=_("Entries"))
    def entries_now(self, risk_list: RiskList) -> SafeString:
        address = reverse("ops:riskcontrol_listentry_changelist") + f"?risk_list__id__exact={risk_list.pk}&state=on"
        return format_html('<a class="paycore-link" href="{}">{}</a>', address, getattr(risk_list, "entry_count", 0))

    @admin.display(description=_("Created"), ordering="created_at")
    def created(self, risk_list: RiskList) -> SafeString | str:
        return moment(risk_list.created_at)

    @admin.display(description=_("Many at once"))
    def import_link(self, risk_list: RiskList) -> SafeString:
        address = reverse("ops:riskcontrol_risklist_import", args=[risk_list.pk])
        return format_html('<a class="paycore-link" href="{}">{}</a>', address, gettext("Paste many entries"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[RiskList]":
        lists: QuerySet[RiskList] = super().get_queryset(request)
        on_the_list = Q(entries__removed_at__isnull=True) & (
            Q(entries__expires_at__isnull=True) | Q(entries__expires_at__gt=Now())
        )
        return lists.annotate(entry_count=Count("entries", filter=on_the_list))

    def get_fields(self, request: HttpRequest, obj: RiskList | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "effect", "description", "is_active")
        shown = ("name", "effect_shown", "entries_now", "description", "is_active")
        return (*shown, "import_link") if request.user.has_perm("riskcontrol.add_listentry") else shown

    def get_readonly_fields(self, request: HttpRequest, obj: RiskList | None = None) -> tuple[str, ...]:
        return ("name", "effect_shown", "entries_now", "import_link") if obj else ()

    def save_model(self, request: HttpRequest, obj: RiskList, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget_lists()

    def has_delete_permission(self, request: HttpRequest, obj: RiskList | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.import_entries)
        return [path("<path:object_id>/import/", view, name="riskcontrol_risklist_import"), *super().get_urls()]

    def import_entries(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """All lines or none: whoever pastes corrects the lines that were refused and sends all again."""
        risk_list = self.get_object(request, unquote(object_id))
        if not (self.has_view_permission(request) and request.user.has_perm("riskcontrol.add_listentry")):
            raise PermissionDenied
        if risk_list is None:
            raise Http404
        form = ImportForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            added = form.save(risk_list, by_id=str(request.user.pk), now=now())
            text = ngettext("%(count)d entry is on the list.", "%(count)d entries are on the list.", added)
            self.log_change(request, risk_list, text % {"count": added})
            self.message_user(request, text % {"count": added}, messages.SUCCESS)
            return HttpResponseRedirect(self.page_address(risk_list))
        context = {
            "title": gettext("Paste entries: %(list)s") % {"list": risk_list.name},
            "form": form,
            "back": self.page_address(risk_list),
            "media": self.media + form.media,
        }
        return console_page(self, request, "admin/riskcontrol/import_entries.html", context)


class EntryStateFilter(DropdownFilter):  # type: ignore[misc]  # Unfold ships no types
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("on", _("On the list")), ("expired", _("Expired")), ("removed", _("Removed"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[ListEntry]") -> "QuerySet[ListEntry]":
        wanted = {
            "on": _ON_THE_LIST,
            "expired": Q(removed_at__isnull=True, expires_at__lte=Now()),
            "removed": Q(removed_at__isnull=False),
        }.get(self.value() or "")
        return queryset.filter(wanted) if wanted is not None else queryset


class NewEntryForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    class Meta:
        model = ListEntry
        fields = ("risk_list", "kind", "value", "reason", "expires_at")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("kind") and cleaned.get("value"):
            try:
                canonical_value(cleaned["kind"], cleaned["value"])
            except PaycoreError as refusal:
                self.add_error("value", str(refusal.detail or refusal.title))
        if cleaned.get("expires_at") and cleaned["expires_at"] <= now():
            self.add_error("expires_at", _("This time is past."))
        return cleaned

    def validate_constraints(self) -> None:
        """What is on the list already is no error: the service answers with it."""


@admin.register(ListEntry, site=ops_site)
class ListEntryAdmin(FactsPage):
    """Added and removed, never edited: the row says who did what and why."""

    form = NewEntryForm
    list_display = ("written", "kind", "risk_list", "state", "reason", "added_by", "added", "expires_at")
    list_select_related = ("risk_list", "added_by")
    list_filter = (
        EntryStateFilter,
        ("risk_list", AutocompleteSelectFilter),
        ("kind", ChoicesDropdownFilter),
    )
    list_filter_submit = True
    list_fullwidth = True
    list_disable_select_all = True
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("=id",)
    search_help_text = _("A value, also an e-mail address, an address inside a listed network, or an entry's id")
    ordering = ("-id",)
    autocomplete_fields = ("risk_list",)
    actions_detail = ("remove",)

    @admin.display(description=_("Value"), ordering="value")
    def written(self, entry: ListEntry) -> str:
        return gettext("address …%(end)s") % {"end": entry.value[-8:]} if entry.kind == "email" else entry.value

    @admin.display(description=_("State"))
    def state(self, entry: ListEntry) -> SafeString:
        if entry.removed_at:
            return tag(_("Removed"), "default")
        if entry.expires_at and entry.expires_at <= now():
            return tag(_("Expired"), "warning")
        return tag(_("On the list"), "success")

    @admin.display(description=_("Added"), ordering="id")
    def added(self, entry: ListEntry) -> SafeString | str:
        return moment(entry.added_at)

    @admin.display(description=_("About"))
    def about(self, entry: ListEntry) -> SafeString | str:
        return about_link(entry.value)

    @admin.display(description=_("List"))
    def list_link(self, entry: ListEntry) -> SafeString:
        return page_link("ops", "riskcontrol_risklist", entry.risk_list_id, text=entry.risk_list.name)

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[ListEntry]", search_term: str
    ) -> tuple["QuerySet[ListEntry]", bool]:
        """Equality with whatever the term could mean on a list: an index answers each."""
        term = search_term.strip()
        if not term:
            return queryset, False
        values = {term, *networks_of(term)}
        for kind in (ListEntry.Kind.EMAIL, ListEntry.Kind.IP):
            try:
                values.add(canonical_value(kind, term))
            except PaycoreError:
                continue
        return queryset.filter(Q(value__in=values) | Q(id=term)), False

    def get_fieldsets(self, request: HttpRequest, obj: ListEntry | None = None) -> Any:
        if obj is None:
            return ((None, {"fields": ("risk_list", ("kind", "value"), "reason", "expires_at")}),)
        return (
            (None, {"fields": (("list_link", "state"), ("kind", "value"), "about", "reason", "expires_at")}),
            (_("Who and when"), {"fields": (("added_by", "added_at"), ("removed_by", "removed_at"))}),
        )

    def has_change_permission(self, request: HttpRequest, obj: ListEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ListEntry | None = None) -> bool:
        return False

    def has_remove_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("riskcontrol.change_listentry"))

    def fitting_actions(self, row: ListEntry) -> set[str]:
        return set() if row.removed_at else {"remove"}

    def save_model(self, request: HttpRequest, obj: ListEntry, form: Any, change: bool) -> None:
        """The service makes the row (or finds it); the form's object becomes that one."""
        made = add_entry(
            risk_list=obj.risk_list,
            kind=obj.kind,
            value=obj.value,
            reason=obj.reason,
            added_by_id=str(request.user.pk),
            expires_at=obj.expires_at,
        )
        for field in ListEntry._meta.concrete_fields:
            setattr(obj, field.attname, getattr(made, field.attname))
        obj._state.adding = False

    @asks_first(
        title=_("Take off the list"),
        text=_("Counts for payments from now on. The row stays, with your name."),
        submit=_("Take off"),
        permission="remove",
        icon="playlist_remove",
        variant=ActionVariant.DANGER,
    )
    def remove(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        entry = self.require_row(request, object_id)
        return self.carry_out(
            request,
            entry,
            lambda: remove_entry(entry.id, removed_by_id=str(request.user.pk)),
            done=lambda _nothing: gettext("It is off the list."),
        )
