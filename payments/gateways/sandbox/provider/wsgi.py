"""The sandbox as a WSGI program of its own, run by ``granian --interface wsgi``.

``application`` is built from the environment when a server first asks this module for it; docs/sandbox.md lists the
variables.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from payments.gateways.sandbox.provider.api import Silence, respond
from payments.gateways.sandbox.provider.book import Book
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.provider.courier import LOOPBACK_HOSTS, Courier
from payments.gateways.sandbox.provider.dispute_words import MAX_FILE_BYTES
from payments.gateways.sandbox.provider.requests import Answer, ProviderRequest
from payments.gateways.sandbox.provider.words import MAX_BODY_BYTES

# Longer than paycore's own deadline for one call (8 s), so that its deadline is what ends the call.
DEFAULT_TIMEOUT_SECONDS = 12.0

StartResponse = Callable[[str, list[tuple[str, str]]], object]
WsgiApplication = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


def make_application(provider: SandboxProvider, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> WsgiApplication:
    """A time-out is played by saying nothing for ``timeout_seconds``."""

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            answer = respond(provider, _read_request(environ))
        except Silence:
            time.sleep(timeout_seconds)
            answer = Answer(504, {"Content-Type": "text/plain"}, b"too late")
        body = b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body
        headers = [*answer.headers.items(), ("Content-Length", str(len(body)))]
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
        return [body]

    return application


def provider_from_environment(environment: Mapping[str, str]) -> SandboxProvider:
    """Raises KeyError when PAYCORE_SANDBOX_SECRET is missing."""
    port = environment.get("PAYCORE_SANDBOX_PORT", "8001")
    own_address = environment.get("PAYCORE_SANDBOX_URL") or f"http://127.0.0.1:{port}"
    default_book = Path(environment.get("PAYCORE_STATE_DIR", ".state")) / "sandbox" / "book.sqlite3"
    path = Path(environment.get("PAYCORE_SANDBOX_BOOK") or default_book)
    path.parent.mkdir(parents=True, exist_ok=True)
    return SandboxProvider(
        secrets=[secret.strip() for secret in environment["PAYCORE_SANDBOX_SECRET"].split(",")],
        book=Book(path),
        base_url=environment.get("PAYCORE_SANDBOX_PUBLIC_URL") or own_address,
    )


@cache
def _application_from_environment() -> WsgiApplication:
    provider = provider_from_environment(os.environ)
    hosts = os.environ.get("PAYCORE_SANDBOX_CALLBACK_HOSTS", "")
    allowed = [host.strip() for host in hosts.split(",") if host.strip()] or LOOPBACK_HOSTS
    # Started here, not at the first request: notices left in the book by a killed process go out at once.
    Courier(provider, allowed_hosts=allowed).start()
    timeout_seconds = float(os.environ.get("PAYCORE_SANDBOX_TIMEOUT_SECONDS", DEFAULT_TIMEOUT_SECONDS))
    return make_application(provider, timeout_seconds=timeout_seconds)


def __getattr__(name: str) -> WsgiApplication:
    if name == "application":
        return _application_from_environment()
    raise AttributeError(name)


def _read_request(environ: dict[str, Any]) -> ProviderRequest:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    length = environ.get("CONTENT_LENGTH") or "0"
    is_file = environ["REQUEST_METHOD"] == "PUT" and environ.get("PATH_INFO", "").startswith("/v1/disputes/")
    longest = MAX_FILE_BYTES if is_file else MAX_BODY_BYTES
    wanted = min(int(length), longest + 1) if length.isdigit() else 0
    return ProviderRequest(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", "/"),
        query=environ.get("QUERY_STRING", ""),
        headers=headers,
        body=environ["wsgi.input"].read(wanted) if wanted else b"",
    )
