"""Clients that share one loaded handler: loading the middleware anew costs more than the request."""

from urllib.parse import urlsplit

from django.test import Client
from django.test.client import ClientHandler

from payments.gateways.sandbox.provider.core import OutgoingNotice

_handler = ClientHandler(enforce_csrf_checks=False)


def new_client() -> Client:
    client = Client()
    client.handler = _handler
    return client


def warm_up() -> None:
    """Load URLs, views and middleware; reaches neither database nor Redis."""
    assert new_client().post("/api/v1/payments", b"{}", content_type="application/json").status_code == 401


def post_callback(callback: OutgoingNotice) -> int:
    """One callback of the provider's to our webhook address; the status."""
    url, headers, body = callback
    plain = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    return new_client().post(urlsplit(url).path, body, content_type="application/json", headers=plain).status_code
