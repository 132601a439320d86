"""What both consoles share, and who may enter each."""

from collections.abc import Callable
from typing import Any, cast

from csp.constants import UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from django.views.i18n import set_language
from unfold.sites import UnfoldAdminSite

from paycore.sites.access import is_merchant_user
from paycore.sites.dashboards import dashboard_context
from paycore.sites.login import MerchantLoginForm, OpsLoginForm

# Unfold's Alpine compiles expressions and its theme is an inline style; nothing else of the policy is relaxed.
_relax_policy = csp_update({"script-src": [UNSAFE_EVAL], "style-src": [UNSAFE_INLINE]})


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]  # Unfold ships no types
    index_title = _("Overview")
    index_template = "admin/console_index.html"
    enable_nav_sidebar = True

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        guarded: Callable[..., Any] = super().admin_view(view, cacheable)
        return _relax_policy(guarded)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        def show(visit: HttpRequest) -> HttpResponse:
            response: HttpResponse = super(ConsoleSite, self).login(visit, extra_context)
            return response

        return cast("HttpResponse", _relax_policy(show)(request))

    def extra_urls(self) -> list[URLPattern]:
        return [path("language/", require_POST(set_language), name="language")]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {**dashboard_context(self, request=request), **(extra_context or {})}
        response: HttpResponse = super().index(request, context)
        return response


class OpsSite(ConsoleSite):
    """Staff only."""

    settings_name = "UNFOLD"
    login_form = OpsLoginForm


class MerchantSite(ConsoleSite):
    """People who act for an approved merchant (:func:`paycore.sites.access.admit_merchants_by`)."""

    settings_name = "UNFOLD_MERCHANT"
    login_form = MerchantLoginForm

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and is_merchant_user(request.user)
