"""Run by a Python that has dj-stripe 2.11, never by the project's: receives Stripe's callbacks and reports as JSON.

Reads lines from standard input, each answered by one. The first names a file with one JSON object a line: ``created``
(the intent as it was made), ``method`` (what it was paid with) and ``event`` (the body of the callback). Every further
line is a number of callbacks to receive. DATABASE_URL names a database of its own.
"""

import hashlib
import hmac
import io
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import django
import stripe
from django.conf import settings

SECRET = "whsec_benchmark"
urlpatterns: list[Any] = []


def configure() -> None:
    """What `django-admin startproject` gives, without its middleware: all of the time is dj-stripe's own."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname,
        "PORT": parts.port,
        "CONN_MAX_AGE": None,
    }
    settings.configure(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "djstripe"],
        DATABASES={"default": database},
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["pay.example"],
        SECRET_KEY="benchmark",
        STRIPE_LIVE_MODE=False,
        STRIPE_TEST_SECRET_KEY="sk_test_" + "0" * 24,
        DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
        USE_TZ=True,
    )
    django.setup()


class CannedStripe(stripe.HTTPClient):
    """Answers from memory, as paycore's side is answered."""

    name = "canned"

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, str] = {}

    def request_with_retries(self, method: str, url: str, *_: Any, **__: Any) -> tuple[str, int, dict[str, str]]:
        return self.answers[urlsplit(url).path], 200, {"request-id": "req_1"}


class Side:
    def __init__(self, scenes: Iterable[dict[str, Any]]) -> None:
        from django.core.handlers.wsgi import WSGIHandler
        from django.core.management import call_command
        from django.urls import include, path
        from djstripe.models import PaymentIntent, PaymentMethod, WebhookEndpoint

        call_command("migrate", verbosity=0)
        urlpatterns.append(path("stripe/", include("djstripe.urls", namespace="djstripe")))
        stripe.default_http_client = self._stripe = CannedStripe()
        account = {"id": "acct_1", "object": "account", "livemode": False, "settings": {}, "type": "standard"}
        self._stripe.answers["/v1/account"] = json.dumps(account)
        self._bodies: list[bytes] = []
        for scene in scenes:
            # It was told of both before: what is timed makes neither.
            PaymentMethod.sync_from_stripe_data(scene["method"])
            PaymentIntent.sync_from_stripe_data(scene["created"])
            subject = scene["event"]["data"]["object"]
            self._stripe.answers[f"/v1/payment_intents/{subject['id']}"] = json.dumps(subject, indent=2)
            self._bodies.append(json.dumps(scene["event"], indent=2).encode())
        endpoint = WebhookEndpoint.objects.create(
            id="we_1",
            enabled_events=["*"],
            secret=SECRET,
            status="enabled",
            url="https://pay.example/stripe/",
            livemode=False,
            djstripe_owner_account_id=PaymentIntent.objects.values_list("djstripe_owner_account_id", flat=True)[0],
        )
        self._path = f"/stripe/webhook/{endpoint.djstripe_uuid}/"
        self._application = WSGIHandler()

    def receive(self, count: int) -> dict[str, float]:
        """The next ``count`` callbacks, one after the other."""
        from djstripe.models import PaymentIntent

        due, self._bodies = self._bodies[:count], self._bodies[count:]
        cpu, started = time.process_time(), time.perf_counter()
        for body in due:
            self._post(body)
        report = {"operations": len(due), "wall": time.perf_counter() - started, "cpu": time.process_time() - cpu}
        left = sum(intent.stripe_data["status"] != "succeeded" for intent in PaymentIntent.objects.all())
        if left != len(self._bodies):
            raise SystemExit(f"{left} intents are not paid, {len(self._bodies)} expected")
        return report

    def _post(self, body: bytes) -> None:
        said: list[str] = []
        list(self._application(self._environ(body), lambda status, _headers: said.append(status)))
        if not said[0].startswith("200"):
            raise SystemExit(f"dj-stripe answers {said[0]}")

    def _environ(self, body: bytes) -> dict[str, Any]:
        at = int(time.time())
        mac = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": self._path,
            "SERVER_NAME": "pay.example",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "203.0.113.7",
            "HTTP_HOST": "pay.example",
            "HTTP_STRIPE_SIGNATURE": f"t={at},v1={mac}",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
        }


def _scenes(name: str) -> Iterator[dict[str, Any]]:
    with open(name, encoding="utf-8") as lines:
        yield from map(json.loads, lines)


if __name__ == "__main__":
    sys.modules["side"] = sys.modules["__main__"]
    configure()
    side = Side(_scenes(sys.stdin.readline().strip()))
    print(json.dumps({"stripe": stripe.VERSION, "django": django.get_version()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(side.receive(int(line))), flush=True)
