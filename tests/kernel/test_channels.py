"""Mail and short messages through a provider's webhook, and what developers may read of them."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from django.test import Client
from standardwebhooks.webhooks import Webhook

from paycore.notifications.addresses import Recipient
from paycore.notifications.models import Notification
from paycore.notifications.services import notify, send_due, sent_to_key
from paycore.signing import new_secret

pytestmark = pytest.mark.django_db
CONTEXT: dict[str, str | int] = {"code": "123456", "purpose": "sign_in", "minutes": 10}


class Provider:
    """Keeps what it is sent; answers ``status``."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/messages"


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    made = Provider()
    thread = Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    secret = new_secret()
    for channel in ("MAIL", "SMS"):
        setattr(settings, f"PAYCORE_{channel}_PROVIDER", "webhook")
        setattr(settings, f"PAYCORE_{channel}_WEBHOOK_URL", made.url)
        setattr(settings, f"PAYCORE_{channel}_WEBHOOK_SECRET", secret)
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def write(*, email: str = "", phone: str = "", template: str = "code") -> None:
    to = Recipient(email=email, phone=phone, language="en")
    notify(template=template, to=to, context=CONTEXT, key=f"{sent_to_key(email or phone)}1")


def test_sms_is_posted_signed_as_standard_webhooks(provider: Provider, settings: Any) -> None:
    write(phone="+14155550100", template="code_sms")
    send_due()
    ((headers, body),) = provider.received
    Webhook(settings.PAYCORE_SMS_WEBHOOK_SECRET).verify(body, headers)
    document = json.loads(body)
    assert (document["type"], document["to"]) == ("sms", "+14155550100")
    assert "123456" in document["text"]
    assert Notification.objects.get().status == "sent"


def test_mail_is_posted_with_text_and_html(provider: Provider, settings: Any) -> None:
    write(email="ada@example.com")
    send_due()
    ((headers, body),) = provider.received
    Webhook(settings.PAYCORE_MAIL_WEBHOOK_SECRET).verify(body, headers)
    document = json.loads(body)
    assert (document["type"], document["to"]) == ("mail", "ada@example.com")
    assert "123456" in document["text"]
    assert "<html" in document["html"]


def test_a_refusing_provider_is_asked_again_with_the_same_id(provider: Provider) -> None:
    provider.status = 500
    write(phone="+14155550100", template="code_sms")
    send_due()
    assert Notification.objects.get().status == "pending"
    assert Notification.objects.get().last_error == "NotTaken"
    provider.status = 204
    Notification.objects.update(next_attempt_at="2020-01-01T00:00Z")
    send_due()
    assert Notification.objects.get().status == "sent"
    assert len({headers["webhook-id"] for headers, _body in provider.received}) == 1


def test_a_code_that_no_longer_works_is_not_sent(provider: Provider) -> None:
    write(phone="+14155550100", template="code_sms")
    Notification.objects.update(expires_at="2020-01-01T00:00Z")
    send_due()
    assert provider.received == []
    row = Notification.objects.get()
    assert (row.status, row.last_error) == ("failed", "expired")


def test_developers_read_the_messages_of_one_address_on_a_sandbox(settings: Any) -> None:
    write(email="ada@example.com")
    write(email="eve@example.com")
    settings.PAYCORE_SHOW_MESSAGES = True
    answer = Client().get("/api/v1/sandbox/messages", {"to": "ADA@example.com"})
    (message,) = answer.json()["data"]
    assert message["code"] == "123456"
    assert "123456" in message["text"]


def test_nobody_reads_messages_elsewhere(settings: Any) -> None:
    write(email="ada@example.com")
    settings.PAYCORE_SHOW_MESSAGES = False
    answer = Client().get("/api/v1/sandbox/messages", {"to": "ada@example.com"})
    assert answer.status_code == 404
    assert b"123456" not in answer.content
