"""Links back into the merchant's app: universal links, or a scheme of the app's own."""

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.utils.translation import gettext_lazy as _

from paycore.fields import StrictCharField

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,40}")
_NOT_AN_APPS = {
    "http", "javascript", "data", "vbscript", "file", "blob", "about", "content", "intent", "filesystem", "view-source",
    "chrome", "ftp", "ws", "wss", "jar", "mailto", "tel", "sms", "smsto", "mms", "market", "itms", "itms-apps",
    "itms-services", "android-app", "ms-settings", "search-ms",
}  # fmt: skip
"""They run scripts, open files, dial, or start other programs than the merchant's."""


def is_app_address(text: str) -> bool:
    """``https://shop.example/paid`` or ``shopapp://paid``, in plain printable ASCII."""
    if not text.isascii() or not text.isprintable() or re.search(r"[\s\"'<>\\`]", text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(parts.hostname) and "@" not in parts.netloc
    return bool(_SCHEME.fullmatch(parts.scheme)) and parts.scheme not in _NOT_AN_APPS


def link_back(address: str, *, session_id: str, status: str) -> str:
    """``address`` with what the app should look up. Empty for one that is no app's."""
    if not is_app_address(address):
        return ""
    parts = urlsplit(address)
    query = urlencode([*parse_qsl(parts.query), ("checkout_session", session_id), ("status", status)])
    return urlunsplit(parts._replace(query=query))


class AppAddressField(StrictCharField):
    default_error_messages = {
        "not_an_app_address": _("Write a universal link (https) or an address in your app's own scheme.")
    }

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not is_app_address(text):
            self.fail("not_an_app_address")
        return text
