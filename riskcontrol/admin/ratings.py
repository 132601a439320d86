"""How risky payers and merchants have proved to be: the latest rating of each, why, and how it came to be."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

from paycore.clock import now
from paycore.sites import Chart, Series, ops_site
from paycore.sites.columns import facts, page_link, tag
from paycore.sites.pages import FactsPage, Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin
from riskcontrol.admin.links import about_link
from riskcontrol.admin.panels import action_label
from riskcontrol.history import past_of
from riskcontrol.models import Outcome, Rating
from riskcontrol.queries import latest_ratings

GRADE_COLOURS = {"A": "success", "B": "success", "C": "info", "D": "warning", "E": "danger"}
_REASONS = {
    "attempts": _("Attempts"),
    "disputes": _("Disputes"),
    "refunds": _("Refunds"),
    "hits": _("Rule hits"),
    "failures": _("Failures"),
}
_NEWEST = 90


class WhoFilter(DropdownFilter):  # type: ignore[misc]  # Unfold ships no types
    """Payers or merchants, the latest rating of each; the history of one is on its page."""

    title = _("who")
    parameter_name = "who"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("user", _("Payers")), ("merchant", _("Merchants"))]

    def value(self) -> str:
        value = super().value()
        return value if value in ("user", "merchant") else "user"

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Rating]") -> "QuerySet[Rating]":
        latest = latest_ratings(self.value())
        return queryset.filter(id__in=latest.order_by().values("id"))


@admin.register(Rating, site=ops_site)
class RatingAdmin(FactsPage, ReadOnlyAdmin):
    list_display = ("whose", "grade_shown", "score", "because", "since")
    list_select_related = ("user", "merchant")
    list_filter = (WhoFilter, ("grade", ChoicesDropdownFilter))
    list_filter_submit = True
    list_fullwidth = True
    list_disable_select_all = True
    search_fields = ("=user__id", "=merchant__id")
    search_help_text = _("Id or e-mail address of a payer, id or name of a merchant")
    ordering = ("-score", "-id")
    fields = ("whose", ("grade_shown", "score"), ("since", "rated_at"), "because", "points")
    change_form_outer_after_template = "admin/riskcontrol/rating_page.html"

    class Media:
        css: ClassVar = {"all": ("riskcontrol/console.css",)}

    @admin.display(description=_("Whose"))
    def whose(self, rating: Rating) -> SafeString:
        if rating.user_id:
            return page_link("ops", "accounts_user", rating.user_id, text=rating.user)
        return page_link("ops", "merchants_merchant", rating.merchant_id, text=rating.merchant)

    @admin.display(description=_("Grade"), ordering="score")
    def grade_shown(self, rating: Rating) -> SafeString:
        return tag(rating.get_grade_display(), GRADE_COLOURS.get(rating.grade, "default"))

    @admin.display(description=_("Because of (90 days)"))
    def because(self, rating: Rating) -> SafeString | str:
        counted = {str(title): rating.reasons.get(name, 0) for name, title in _REASONS.items()}
        return facts({title: count for title, count in counted.items() if count})

    @admin.display(description=_("Points"))
    def points(self, rating: Rating) -> SafeString | str:
        points = rating.reasons.get("points")
        if not isinstance(points, dict):
            return "–"
        return facts({str(_REASONS.get(name, name)): value for name, value in points.items()})

    @admin.display(description=_("Since"), ordering="rated_on")
    def since(self, rating: Rating) -> str:
        return rating.rated_on.isoformat()

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Rating]", search_term: str
    ) -> tuple["QuerySet[Rating]", bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.startswith(("usr_", "mer_")):
            return queryset.filter(Q(user_id=term) | Q(merchant_id=term)), False
        return queryset.filter(Q(user__email=term.lower()) | Q(merchant__name__iexact=term)), False

    def panels(self, request: HttpRequest, row: Rating) -> Sequence[Panel]:
        return (_history_panel(row), _attempts_panel(row))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **options: Any) -> HttpResponse:
        row = options.get("obj")
        if row is not None:
            context["chart"] = _chart(_history(row))
        return super().render_change_form(request, context, **options)


def _history(rating: Rating) -> list[Rating]:
    """Newest first."""
    same = Rating.objects.filter(user_id=rating.user_id, merchant_id=rating.merchant_id)
    return list(same.order_by("-rated_on")[:_NEWEST])


def _chart(history: Sequence[Rating]) -> Chart:
    ordered = list(reversed(history))
    return Chart(
        title=_("Score"),
        labels=[rating.rated_on.isoformat() for rating in ordered],
        series=[Series(title=_("Score"), values=[rating.score for rating in ordered])],
        kind="line" if len(ordered) > 1 else "bar",
    )


def _history_panel(rating: Rating) -> Panel:
    titles = list(_REASONS.values())
    rows = [
        (
            moment(earlier.rated_at),
            tag(earlier.grade, GRADE_COLOURS.get(earlier.grade, "default")),
            earlier.score,
            *(earlier.reasons.get(name, 0) for name in _REASONS),
        )
        for earlier in _history(rating)
    ]
    return Panel(
        title=_("History"),
        headers=(_("When"), _("Grade"), _("Score"), *titles),
        rows=rows,
        numbers=set(range(2, 3 + len(titles))),
        note=_("A line only when something changed."),
    )


def _attempts_panel(rating: Rating) -> Panel:
    dimension, value = ("user_id", rating.user_id) if rating.user_id else ("merchant_id", rating.merchant_id)
    past = past_of(dimension, str(value), now=now())
    kinds = dict(Outcome.Kind.choices)
    rows = [(action_label(action), count) for action, count in sorted(past.actions.items())]
    rows += [(tag(kinds.get(kind, kind), "default"), count) for kind, count in sorted(past.outcomes.items())]
    return Panel(
        title=_("Attempts and what became of them, 90 days"),
        headers=(about_link(str(value)), _("Attempts")),
        rows=rows,
        numbers={1},
        note=_("The newest 1,000 are counted.") if past.is_cut else "",
    )
