"""The two consoles: staff at ``/ops/``, merchants at ``/merchant/``.

Apps register their models with ``@admin.register(Order, site=ops_site)`` and their numbers with
:func:`register_dashboard`; the kernel knows neither.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext

from paycore.sites.access import admit_merchants_by
from paycore.sites.console import ConsoleSite, MerchantSite, OpsSite
from paycore.sites.dashboards import Card, Chart, Dashboard, Series, register_dashboard
from paycore.sites.navigation import MERCHANT_GROUPS, OPS_GROUPS, navigation

__all__ = [
    "Card",
    "Chart",
    "ConsoleSite",
    "Dashboard",
    "Series",
    "admit_merchants_by",
    "environment_ribbon",
    "merchant_navigation",
    "merchant_site",
    "ops_navigation",
    "ops_site",
    "register_dashboard",
]

ops_site = OpsSite(name="ops")
merchant_site = MerchantSite(name="merchant")


def ops_navigation(request: HttpRequest) -> list[dict[str, Any]]:
    return navigation(ops_site, groups=OPS_GROUPS, request=request)


def merchant_navigation(request: HttpRequest) -> list[dict[str, Any]]:
    return navigation(merchant_site, groups=MERCHANT_GROUPS, request=request)


def environment_ribbon(request: HttpRequest) -> list[str] | None:
    """Nobody may mistake play money for real money."""
    return [gettext("Sandbox – no real money"), "warning"] if settings.PAYCORE_SANDBOX_MODE else None
