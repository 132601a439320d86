"""Middleware for people's pages. Programs' paths (the API but for sign-in; callbacks) pass them by: they have no
session and no messages, and every payment would carry the time they take.
"""

from typing import Any

from csp.middleware import CSPMiddleware as DjangoCspMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware as DjangoMessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest
from django.middleware.common import CommonMiddleware as DjangoCommonMiddleware
from django_htmx.middleware import HtmxMiddleware as DjangoHtmxMiddleware

_PROGRAMS = ("/api/v1/", "/webhooks/")
_PEOPLE = ("/api/v1/auth/", "/api/v1/docs", "/api/v1/redoc")


def is_for_programs(path: str) -> bool:
    return path.startswith(_PROGRAMS) and not path.startswith(_PEOPLE)


class _BrowserOnly:
    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if is_for_programs(request.path_info):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]  # the middleware this is mixed into


class SessionMiddleware(_BrowserOnly, DjangoSessionMiddleware):
    pass


class CommonMiddleware(_BrowserOnly, DjangoCommonMiddleware):
    pass


class AuthenticationMiddleware(_BrowserOnly, DjangoAuthenticationMiddleware):
    pass


class MessageMiddleware(_BrowserOnly, DjangoMessageMiddleware):
    pass


class HtmxMiddleware(_BrowserOnly, DjangoHtmxMiddleware):
    pass


class CSPMiddleware(_BrowserOnly, DjangoCspMiddleware):
    pass
