"""``?lang=…`` on a page for people: remembered in a cookie, then gone from the address."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase

PageView = Callable[..., HttpResponseBase]
_A_YEAR_SECONDS = int(timedelta(days=365).total_seconds())


def with_language_choice(view: PageView) -> PageView:
    """A language that there is not is ignored."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "GET" or "lang" not in request.GET:
            return view(request, *args, **kwargs)
        rest = request.GET.copy()
        wanted = str(rest.pop("lang")[-1]).lower()
        response = HttpResponseRedirect(f"{request.path}?{rest.urlencode()}" if rest else request.path)
        if wanted in dict(settings.LANGUAGES):
            response.set_cookie(
                settings.LANGUAGE_COOKIE_NAME, wanted, max_age=_A_YEAR_SECONDS, samesite="Lax", httponly=True
            )
        return response

    return wrapped
