"""The numbers on a console's first page. Upper apps bring them; the kernel only lays them out."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from django.contrib.admin import AdminSite
from django.http import HttpRequest

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Tone = Literal["plain", "good", "warning", "bad"]


@dataclass(frozen=True)
class Card:
    """One number. ``link`` leads to the rows behind it; ``tone`` says whether somebody should worry."""

    title: "StrOrPromise"
    value: "StrOrPromise"
    detail: "StrOrPromise" = ""
    link: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True)
class Series:
    title: "StrOrPromise"
    values: Sequence[int | float | None]


@dataclass(frozen=True)
class Chart:
    """``labels`` are the days (or whatever the axis counts), oldest first; each series has as many values."""

    title: "StrOrPromise"
    labels: Sequence[str]
    series: Sequence[Series]
    kind: Literal["bar", "line"] = "bar"

    @property
    def data(self) -> str:
        """What Unfold's chart component reads."""
        datasets = [
            {
                "label": str(series.title),
                "data": list(series.values),
                "backgroundColor": colour,
                "borderColor": colour,
                "borderRadius": 4,
                "maxBarThickness": 28,
                "cubicInterpolationMode": "monotone",
            }
            for series, colour in zip(self.series, _COLOURS, strict=False)
        ]
        return json.dumps({"labels": list(self.labels), "datasets": datasets})

    @property
    def options(self) -> str:
        """Bars are stacked, the series are named, the axis counts from zero."""
        axis = {"stacked": self.kind == "bar", "ticks": {"color": _GREY}, "border": {"display": False}}
        return json.dumps(
            {
                "animation": False,
                "responsive": True,
                "maintainAspectRatio": False,
                "plugins": {"legend": {"position": "bottom", "labels": {"color": _GREY, "boxWidth": 12}}},
                "scales": {
                    "x": {**axis, "grid": {"display": False}},
                    "y": {**axis, "beginAtZero": True, "grid": {"color": "rgba(148, 163, 184, .2)"}},
                },
            }
        )


@dataclass(frozen=True)
class Dashboard:
    """``instead`` is the address of a page that the visitor needs rather than numbers."""

    cards: Sequence[Card] = ()
    charts: Sequence[Chart] = ()
    instead: str = ""


Provider = Callable[[HttpRequest], Dashboard]

_COLOURS = (
    "var(--color-primary-600)",
    "var(--color-base-400)",
    "var(--color-primary-300)",
    "var(--color-base-600)",
)
_GREY = "#94a3b8"  # readable on the light and on the dark page
_providers: dict[str, list[tuple[int, Provider]]] = {}


def register_dashboard(site: AdminSite, provider: Provider, *, place: int = 50) -> None:
    """Add numbers to a console's first page; smaller ``place`` first. Asked once per page view.

    ::

        # payments/dashboard.py, imported by payments/admin.py
        def payments_overview(request: HttpRequest) -> Dashboard:
            return Dashboard(cards=[Card(title=_("Paid today"), value=paid_today().format(get_language()))])

        register_dashboard(ops_site, payments_overview)

    On the merchant site a provider must scope what it shows to the visitor's merchant itself.
    """
    registered = _providers.setdefault(site.name, [])
    if all(provider is not other for _place, other in registered):
        registered.append((place, provider))
        registered.sort(key=lambda entry: entry[0])


def dashboard_context(site: AdminSite, *, request: HttpRequest) -> dict[str, Any]:
    dashboards = [provider(request) for _place, provider in _providers.get(site.name, [])]
    return {
        "dashboard_cards": [card for dashboard in dashboards for card in dashboard.cards],
        "dashboard_charts": [chart for dashboard in dashboards for chart in dashboard.charts],
        "instead": next((dashboard.instead for dashboard in dashboards if dashboard.instead), ""),
    }
