"""google-auth's transport over our one way out, and Google's certificates, remembered for an hour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.auth.exceptions import TransportError

from paycore.fresh import Fresh
from paycore.http import OutboundError, OutboundRequest, client

CERTIFICATES_URL = "https://www.googleapis.com/oauth2/v1/certs"
CERTIFICATES_SECONDS = 3600.0
_DEADLINE_SECONDS = 5.0


@dataclass(frozen=True)
class Answer:
    """``google.auth.transport.Response``."""

    status: int
    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def certificates_request(url: str, method: str = "GET", **_more: Any) -> Answer:
    """``google.auth.transport.Request``, for Google's certificates only."""
    if (url, method) != (CERTIFICATES_URL, "GET"):
        raise TransportError(f"not asked here: {method} {url}")
    return Answer(200, _certificates.get(url))


def _fetch(url: str) -> bytes:
    try:
        response = client().send(OutboundRequest("GET", url, deadline_seconds=_DEADLINE_SECONDS))
    except OutboundError as error:
        raise TransportError(str(error)) from error
    if response.status != 200:
        raise TransportError(f"certificates: {response.status}")
    return response.body


_certificates = Fresh(_fetch, seconds=CERTIFICATES_SECONDS)
