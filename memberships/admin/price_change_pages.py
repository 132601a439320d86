"""Price changes, for staff: written by one person, looked at as a dry run, announced by another."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.paginator import InfinitePaginator

from memberships.admin.catalogue_pages import price_text
from memberships.models import PriceChange, PriceMove, Subscription
from memberships.price_changes.announcing import (
    Draft,
    advance_change,
    announce,
    create_change,
    progress_percent,
    withdraw,
)
from memberships.price_changes.touched import CHANGING, ENDED, LEAVING, NOT_STARTED, amount_of, dry_run, everybody
from paycore.errors import PaycoreError
from paycore.sites import ops_site
from paycore.sites.columns import money, page_link, tag
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.pages import FactsPage, Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin
from paycore.spreadsheets import csv_response

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

COLOURS = {"draft": "info", "announced": "warning", "done": "success", "withdrawn": "default"}
MOVE_COLOURS = {"waiting": "info", "agreed": "success", "refused": "warning", "applied": "success", "void": "default"}
SAMPLE = 20
AT_ONCE_SECONDS = 1.5
_REASONS: "Mapping[str, StrOrPromise]" = {
    "": _("Is told"),
    ENDED: _("The membership ended"),
    NOT_STARTED: _("Waits for the first payment"),
    LEAVING: _("Ends with its period"),
    CHANGING: _("Changes to another price anyway"),
}


class PriceChangeForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Checked by writing it and taking that back, so that the rules are in one place."""

    class Meta:
        model = PriceChange
        fields = ("from_price", "to_price", "kind", "notice_days", "unanswered", "note")

    author_id = ""

    @property
    def draft(self) -> Draft:
        cleaned = self.cleaned_data
        return Draft(
            cleaned["from_price"].id,
            cleaned["to_price"].id,
            created_by_id=self.author_id,
            kind=cleaned["kind"],
            notice_days=cleaned["notice_days"],
            unanswered=cleaned["unanswered"],
            note=cleaned["note"],
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                with transaction.atomic():
                    create_change(self.draft)
                    transaction.set_rollback(True)
            except PaycoreError as refusal:
                raise ValidationError(str(refusal.detail or refusal.title)) from refusal
        return cleaned

    def validate_constraints(self) -> None:
        """The service's refusals say it in people's words."""


@admin.register(PriceChange, site=ops_site)
class PriceChangeAdmin(FactsPage):
    form = PriceChangeForm
    list_display = ("title", "plan", "kind", "state", "progress", "created_by", "announced_by", "announced")
    list_select_related = ("from_price__plan", "to_price", "created_by", "announced_by")
    list_filter = (("status", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    list_filter_submit = True
    list_fullwidth = True
    show_full_result_count = False
    search_fields = ("=id", "=from_price__id", "=to_price__id", "from_price__plan__code", "note")
    search_help_text = _("Id of the change or of a price, the plan's code, or the note")
    ordering = ("-id",)
    autocomplete_fields = ("from_price", "to_price")
    actions_detail = ("look_again", "export", "moves", "announce", "withdraw")

    @admin.display(description=_("Price change"))
    def title(self, change: PriceChange) -> str:
        return f"{price_text(change.from_price)} → {price_text(change.to_price)}"

    @admin.display(description=_("Plan"))
    def plan(self, change: PriceChange) -> SafeString:
        return page_link("ops", "memberships_plan", change.from_price.plan_id, text=change.from_price.plan)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, change: PriceChange) -> SafeString:
        return tag(change.get_status_display(), COLOURS.get(change.status, "default"))

    @admin.display(description=_("Members told"))
    def progress(self, change: PriceChange) -> str:
        if change.announced_at is None:
            return "–"
        return f"{change.told} · {progress_percent(change)} %"

    @admin.display(description=_("Direction"))
    def direction(self, change: PriceChange) -> SafeString:
        return tag(_("Rise"), "warning") if change.is_rise else tag(_("Nobody pays more"), "success")

    @admin.display(description=_("Announced"), ordering="announced_at")
    def announced(self, change: PriceChange) -> SafeString | str:
        return moment(change.announced_at)

    def get_fieldsets(self, request: HttpRequest, obj: PriceChange | None = None) -> Any:
        if obj is None:
            note = _("Nobody is told yet: the next page shows whom it touches, and another person announces it.")
            fields: Any = ("from_price", "to_price", "kind", "notice_days", "unanswered", "note")
            return ((None, {"fields": fields, "description": note}),)
        terms = ("notice_days", "unanswered") if obj.kind == PriceChange.Kind.CONSENT else ("notice_days",)
        facts = (("id", "state"), ("title", "plan"), ("direction", "kind"), terms, "note")
        record = (("created_by", "created_at"), ("announced_by", "announced"), ("progress", "ended_at"))
        return ((None, {"fields": facts}), (_("Record"), {"fields": record}))

    def get_form(
        self, request: HttpRequest, obj: PriceChange | None = None, change: bool = False, **options: Any
    ) -> Any:
        made = super().get_form(request, obj, change, **options)
        made.author_id = str(request.user.pk)
        return made

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"from_price": request.GET.get("from_price", "")}

    def has_change_permission(self, request: HttpRequest, obj: PriceChange | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PriceChange | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: PriceChange, form: PriceChangeForm, change: bool) -> None:
        made = create_change(form.draft)
        obj.__dict__.update({name: value for name, value in made.__dict__.items() if name != "_state"})
        obj._state.adding = False

    def response_add(
        self, request: HttpRequest, obj: PriceChange, post_url_continue: str | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(self.page_address(obj))

    def panels(self, request: HttpRequest, row: PriceChange) -> Sequence[Panel]:
        if row.status == PriceChange.Status.DRAFT:
            return (_dry_run_panel(row), _sample_panel(row))
        return (_answers_panel(row),)

    # Deeds

    def fitting_actions(self, row: PriceChange) -> Collection[str]:
        match row.status:
            case PriceChange.Status.DRAFT:
                return {"announce", "withdraw", "export"}
            case PriceChange.Status.ANNOUNCED:
                return {"look_again", "moves", "withdraw"}
        return {"moves"}

    def has_announce_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("memberships.announce_pricechange"))

    @asks_first(
        title=_("Announce"),
        text=_("Every member that the page names is written to, and the notice begins. This cannot be unsent."),
        submit=_("Announce"),
        permission="announce",
        icon="campaign",
        variant=ActionVariant.PRIMARY,
    )
    def announce(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row: PriceChange = self.require_row(request, object_id)

        def work() -> PriceChange:
            announce(row.id, by_id=str(request.user.pk))
            return advance_change(row.id, seconds=AT_ONCE_SECONDS)

        return self.carry_out(
            request,
            row,
            work,
            done=lambda change: (
                gettext("It is announced: %(told)d of %(touched)d members are told.")
                % {"told": change.told, "touched": change.touched}
            ),
        )

    @asks_first(
        title=_("Withdraw"),
        text=_("Nobody else gets the new price. Who pays it already goes on, and what members decided stays decided."),
        submit=_("Withdraw"),
        permission="announce",
        icon="undo",
        variant=ActionVariant.DANGER,
    )
    def withdraw(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(request, row, lambda: withdraw(row.id), done=lambda _n: gettext("It is withdrawn."))

    @action(description=pgettext_lazy("membership", "Look again"), permissions=["view"], icon="refresh")  # type: ignore[untyped-decorator]  # Unfold ships no types
    def look_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(self.page_address(self.require_row(request, object_id)))

    @action(description=_("Members and their answers"), permissions=["view"], icon="groups")  # type: ignore[untyped-decorator]  # Unfold ships no types
    def moves(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        query = urlencode({"change__id__exact": row.pk})
        return HttpResponseRedirect(f"{reverse('ops:memberships_pricemove_changelist')}?{query}")

    @action(description=_("Export whom it touches"), permissions=["view"], icon="download")  # type: ignore[untyped-decorator]  # Unfold ships no types
    def export(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return HttpResponseRedirect(reverse("ops:memberships_pricechange_dry_run", args=[row.pk]))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.dry_run_file)
        own = [path("<path:object_id>/dry-run.csv", view, name="memberships_pricechange_dry_run")]
        return [*own, *super().get_urls()]

    def dry_run_file(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Everybody at the old price, and why some are left alone."""
        row = self.require_row(request, object_id)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        headers = (_("Subscription"), _("User"), _("Status"), _("Seats"), _("Period ends (UTC)"), _("Currency"))
        more = (_("Until now"), _("New"), _("What happens"))
        return csv_response(file_name="price-change.csv", headers=(*headers, *more), rows=_lines(row))


@admin.register(PriceMove, site=ops_site)
class PriceMoveAdmin(FactsPage, ReadOnlyAdmin):
    list_display = ("id", "member", "change_shown", "standing", "told", "may_apply", "answered", "applied")
    list_select_related = ("subscription__user", "change__from_price", "change__to_price")
    list_filter = (("status", ChoicesDropdownFilter), ("change", AutocompleteSelectFilter))
    list_filter_submit = True
    list_fullwidth = True
    paginator = InfinitePaginator
    search_fields = ("=id", "=change__id", "=subscription__id", "=subscription__user__id", "=subscription__user__email")
    search_help_text = _("Id of a move, change, subscription or user, or the user's e-mail address")
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("id", "standing"),
                    ("member", "change_shown"),
                    ("told", "may_apply"),
                    ("consented_at", "refused_at"),
                    "applied",
                )
            },
        ),
    )

    @admin.display(description=_("Status"), ordering="status")
    def standing(self, move: PriceMove) -> SafeString:
        return tag(move.get_status_display(), MOVE_COLOURS.get(move.status, "default"))

    @admin.display(description=_("Member"))
    def member(self, move: PriceMove) -> SafeString:
        return page_link("ops", "accounts_user", move.subscription.user_id, text=move.subscription.user)

    @admin.display(description=_("Price change"))
    def change_shown(self, move: PriceMove) -> SafeString:
        text = f"{price_text(move.change.from_price)} → {price_text(move.change.to_price)}"
        return page_link("ops", "memberships_pricechange", move.change_id, text=text)

    @admin.display(description=_("Told"), ordering="notified_at")
    def told(self, move: PriceMove) -> SafeString | str:
        return moment(move.notified_at)

    @admin.display(description=_("May apply from"), ordering="may_apply_from")
    def may_apply(self, move: PriceMove) -> SafeString | str:
        return moment(move.may_apply_from)

    @admin.display(description=_("Answered"))
    def answered(self, move: PriceMove) -> SafeString | str:
        return moment(move.consented_at or move.refused_at)

    @admin.display(description=_("Applied"), ordering="applied_at")
    def applied(self, move: PriceMove) -> SafeString | str:
        return moment(move.applied_at)


def _dry_run_panel(change: PriceChange) -> Panel:
    found, statuses = dry_run(change), dict(Subscription.Status.choices)
    currency = change.from_price.currency
    rows: list[tuple[object, object, object]] = [
        (gettext("Members who are told"), found.members, currency),
        *((f"· {statuses[status]}", members, currency) for status, members in sorted(found.by_status.items())),
        (gettext("Paid seats of theirs"), found.seats, currency),
        (gettext("Difference in a year, if nobody leaves"), money(found.yearly_difference.minor, currency), currency),
    ]
    rows += [
        (gettext("Left alone: %(why)s") % {"why": _REASONS[reason]}, members, currency)
        for reason, members in sorted(found.exempt.items())
    ]
    headers = (_("Whom it touches"), _("Now"), _("Currency"))
    note = _("As things stand now. Nothing was written.")
    return Panel(title=_("Dry run"), headers=headers, rows=rows, numbers={1}, note=note)


def _sample_panel(change: PriceChange) -> Panel:
    rows = [
        (
            page_link("ops", "accounts_user", one.user_id, text=one.user),
            one.get_status_display(),
            moment(one.period_ends_at),
            money(amount_of(one, change.from_price).minor, change.from_price.currency),
            money(amount_of(one, change.to_price).minor, change.from_price.currency),
            _REASONS[_exempt(one)],
        )
        for one in everybody(change).exclude(status="ended").select_related("user").order_by("id")[:SAMPLE]
    ]
    headers = (_("Member"), _("Status"), _("Period ends"), _("Until now"), _("New"), _("What happens"))
    return Panel(title=_("Sample"), headers=headers, rows=rows, numbers={3, 4}, empty=_("Nobody pays the old price."))


def _answers_panel(change: PriceChange) -> Panel:
    counted = dict(change.moves.values_list("status").annotate(members=Count("id")).order_by())
    rows = [(label, counted.get(status, 0)) for status, label in PriceMove.Status.choices]
    return Panel(title=_("Answers"), headers=(_("Status"), _("Members")), rows=rows, numbers={1})


def _lines(change: PriceChange) -> Iterator[Sequence[object]]:
    for one in everybody(change).exclude(status="ended").order_by("id").iterator(chunk_size=1000):
        old, new = amount_of(one, change.from_price), amount_of(one, change.to_price)
        facts = (one.id, one.user_id, one.status, one.quantity, one.period_ends_at, old.currency)
        yield (*facts, old.major, new.major, str(_REASONS[_exempt(one)]))


def _exempt(subscription: Subscription) -> str:
    """As :func:`everybody` annotated it."""
    reason: str = getattr(subscription, "exempt", "")
    return reason
