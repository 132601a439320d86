"""What both consoles share, and who may enter each."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from csp.constants import UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib import messages
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from django.views.i18n import set_language
from unfold.sites import UnfoldAdminSite

from paycore.sites.access import choose_merchant, is_merchant_user, merchant_choices
from paycore.sites.dashboards import dashboard_context
from paycore.sites.login import MerchantLoginForm, OpsLoginForm
from paycore.sites.odd_queries import refuse_odd_query
from paycore.sites.second_step import has_passed
from paycore.sites.security import Security
from paycore.sites.signing_in import Enrol, PasswordStep, SecondStep

# Unfold's Alpine compiles expressions and its theme is an inline style; nothing else of the policy is relaxed.
relax_policy = csp_update({"script-src": [UNSAFE_EVAL], "style-src": [UNSAFE_INLINE]})


class _Autocomplete(AutocompleteJsonView):
    """Django's looks relations up from their other end, too, and breaks there."""

    def process_request(self, request: HttpRequest) -> Any:
        found = super().process_request(request)  # type: ignore[misc]  # missing in the stubs
        if not found[2].concrete:
            raise PermissionDenied
        return found


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]  # Unfold ships no types
    """Entered in two steps: a session in which the second one was not proved has no permission at all."""

    index_title = _("Overview")
    index_template = "admin/console_index.html"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        return has_passed(request) and self.admits(request)

    def admits(self, request: HttpRequest) -> bool:
        raise NotImplementedError

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        @wraps(view)
        def ours(request: HttpRequest, *arguments: Any, **options: Any) -> Any:
            request.current_app = self.name  # how Django's admin says whose page it is
            refuse_odd_query(request, options)
            return view(request, *arguments, **options)

        guarded: Callable[..., Any] = super().admin_view(ours, cacheable)
        return relax_policy(guarded)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return cast("HttpResponse", relax_policy(never_cache(self._ask_password))(request))

    def get_urls(self) -> list[URLPattern]:
        """Without the shortcut to a row's public page: no row has one, and it stumbles over an id that is none."""
        return [pattern for pattern in super().get_urls() if getattr(pattern, "name", None) != "view_on_site"]

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        return cast("HttpResponse", _Autocomplete.as_view(admin_site=self)(request))

    def extra_urls(self) -> list[URLPattern]:
        return [
            path("language/", require_POST(set_language), name="language"),
            path("sign-in/code/", relax_policy(SecondStep.as_view(site=self)), name="second_step"),
            path("sign-in/set-up/", relax_policy(Enrol.as_view(site=self)), name="enrol"),
            path("security/", self.admin_view(Security.as_view(site=self)), name="security"),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {**dashboard_context(self, request=request), **(extra_context or {})}
        if context["instead"]:
            return HttpResponseRedirect(context["instead"])
        response: HttpResponse = super().index(request, context)
        return response

    def _ask_password(self, request: HttpRequest) -> HttpResponse:
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(reverse(f"{self.name}:index"))
        context = {
            **self.each_context(request),
            "title": _("Log in"),
            "app_path": request.get_full_path(),
            "username": request.user.get_username(),
        }
        request.current_app = self.name  # how Django's admin says whose page it is
        view = PasswordStep.as_view(
            site_name=self.name,
            next_page=f"{self.name}:index",
            extra_context=context,
            authentication_form=self.login_form,
            template_name="admin/login.html",
        )
        return cast("HttpResponse", view(request))


class OpsSite(ConsoleSite):
    """Staff only."""

    settings_name = "UNFOLD"
    login_form = OpsLoginForm

    def admits(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_staff", False))


class MerchantSite(ConsoleSite):
    """People who act for a merchant (:func:`paycore.sites.access.admit_merchants_by`), for one at a time."""

    settings_name = "UNFOLD_MERCHANT"
    login_form = MerchantLoginForm

    def admits(self, request: HttpRequest) -> bool:
        return is_merchant_user(request.user)

    def extra_urls(self) -> list[URLPattern]:
        switch = self.admin_view(require_POST(self.switch))
        return [*super().extra_urls(), path("switch/", switch, name="switch")]

    def extra_context(self, context: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
        """Unfold's hook for what every page shows."""
        return {**context, "merchant_choices": merchant_choices(request) if self.has_permission(request) else ()}

    def switch(self, request: HttpRequest) -> HttpResponse:
        """The visitor's choice for this session; whether it is still theirs is asked again at each request."""
        if not choose_merchant(request, request.POST.get("merchant", "")):
            messages.error(request, gettext("You do not act for this merchant."))
        return HttpResponseRedirect(reverse(f"{self.name}:index"))
