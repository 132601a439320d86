"""The two consoles' look. What depends on the request is named by its path in :mod:`paycore.sites`."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

_SHADES = ("50", "100", "200", "300", "400", "500", "600", "700", "800", "900", "950")
_INDIGO = (
    "96.2% .018 272.314|93% .034 272.788|87% .065 274.039|78.5% .115 274.713|67.3% .182 276.935|58.5% .233 277.117|"
    "51.1% .262 276.966|45.7% .24 277.023|39.8% .195 277.366|35.9% .144 278.697|25.7% .09 281.288"
)
# From 500 on a step darker than the usual teal, so that white text on a button keeps a contrast above 4.5.
_TEAL = (
    "98.4% .014 180.72|95.3% .051 180.801|91% .096 180.426|85.5% .138 181.071|77.7% .152 181.912|60% .118 184.704|"
    "51.1% .096 186.391|43.7% .078 188.216|38.6% .063 188.416|33% .055 190|27.7% .046 192.524"
)


def _scale(values: str) -> dict[str, str]:
    return {shade: f"oklch({value})" for shade, value in zip(_SHADES, values.split("|"), strict=True)}


def _logo(request: HttpRequest) -> str:
    return static("paycore/brand/mark.svg")


def _stylesheet(request: HttpRequest) -> str:
    return static("paycore/brand/console.css")


def _console(*, site: str, title: Any, symbol: str, colours: str) -> dict[str, Any]:
    return {
        "SITE_TITLE": title,
        "SITE_HEADER": title,
        "SITE_URL": "/",
        "SITE_SYMBOL": symbol,
        "SITE_ICON": _logo,
        "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _logo}],
        "SHOW_HISTORY": True,
        "SHOW_VIEW_ON_SITE": False,
        "SHOW_LANGUAGES": True,
        "SHOW_BACK_BUTTON": True,
        "BORDER_RADIUS": "8px",
        "COLORS": {"primary": _scale(colours)},
        "STYLES": [_stylesheet],
        "ENVIRONMENT": "paycore.sites.environment_ribbon",
        "ACCOUNT": {
            "navigation": [
                {"title": _("Security"), "link": lambda request: reverse(f"{site}:security")},
                {"title": _("Change password"), "link": lambda request: reverse(f"{site}:password_change")},
            ]
        },
        "LANGUAGES": {"action": lambda request: reverse(f"{site}:language")},
        "SIDEBAR": {"show_search": True, "navigation": f"paycore.sites.{site}_navigation"},
    }


UNFOLD = _console(site="ops", title=_("paycore operations"), symbol="shield_person", colours=_INDIGO)
UNFOLD_MERCHANT = _console(site="merchant", title=_("paycore for merchants"), symbol="storefront", colours=_TEAL)
