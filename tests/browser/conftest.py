"""A real browser, a real server, and the sandbox provider behind a socket. All on this machine."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.test import override_settings
from playwright.sync_api import Page, expect

from merchants.models import Merchant
from paycore.money import Money
from payments.checkout.models import CheckoutSession
from payments.checkout.services import SessionDraft, create_session, session_url
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.provider.wsgi import make_application
from payments.orders.services import OrderDraft, OrderLine, create_order
from payments.routing.models import GatewayAccount
from tests.actors import deliver_callbacks, run_background
from tests.conftest import SANDBOX_SECRET

# Playwright's own event loop runs in this thread; the ORM is used beside it, never inside it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

expect.set_options(timeout=30_000)  # a poll comes after two seconds; a busy machine needs more

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))  # one worker starts one browser
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium here (apt install chromium)"))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": _FLAGS.split()}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "locale": "en-US", "viewport": {"width": 1280, "height": 900}}


class TurnableClock:
    """The provider's clock: real time plus what a test adds."""

    def __init__(self) -> None:
        self.added_seconds = 0.0

    def __call__(self) -> float:
        return time.time() + self.added_seconds


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def provider_clock() -> TurnableClock:
    return TurnableClock()


@pytest.fixture
def sandbox(provider_clock: TurnableClock) -> Iterator[SandboxProvider]:
    """The provider as in a real run: a program of its own behind HTTP."""
    server = make_server("127.0.0.1", 0, _nothing, _Server, _QuietHandler)
    base_url = f"http://127.0.0.1:{server.server_port}"
    provider = SandboxProvider(secrets=[SANDBOX_SECRET], base_url=base_url, clock=provider_clock)
    server.set_app(make_application(provider, timeout_seconds=1))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield provider
    server.shutdown()
    server.server_close()


def _nothing(environ: Any, start_response: Any) -> list[bytes]:
    start_response("503 Service Unavailable", [])
    return []


@pytest.fixture
def account(db: None, sandbox: SandboxProvider) -> GatewayAccount:
    return GatewayAccount.objects.create(
        name="Sandbox",
        gateway="sandbox",
        base_url=sandbox.base_url,
        credentials={"secret": SANDBOX_SECRET},
        methods=["card", "sandbox_redirect", "sandbox_qr"],
    )


@pytest.fixture
def address(live_server: Any) -> Iterator[str]:
    """Where paycore is; payers are sent back here."""
    with override_settings(PAYCORE_BASE_URL=live_server.url):
        yield live_server.url


@pytest.fixture
def session(address: str, merchant: Merchant, account: GatewayAccount) -> CheckoutSession:
    draft = OrderDraft(
        merchant_id=merchant.id,
        amount=Money(1999, "USD"),
        description="Two notebooks",
        lines=[OrderLine("Notebook", 2199, 2)],
        discount_minor=200,
    )
    home = f"{address}/"
    return create_session(create_order(draft), SessionDraft(success_url=home, cancel_url=home, created_by="test"))


@pytest.fixture
def pay_url(session: CheckoutSession) -> str:
    return session_url(session)


class World:
    """What goes on outside the browser."""

    def __init__(self, sandbox: SandboxProvider, clock: TurnableClock) -> None:
        self.sandbox = sandbox
        self._clock = clock

    def settle(self, *, after_seconds: float = 0) -> None:
        """Time passes at the provider; it calls back; our background work is done."""
        self._clock.added_seconds += after_seconds
        assert set(deliver_callbacks(self.sandbox)) <= {200}
        run_background()


@pytest.fixture
def world(sandbox: SandboxProvider, provider_clock: TurnableClock) -> World:
    return World(sandbox, provider_clock)


def watch(page: Page, *, allowed: tuple[str, ...]) -> list[str]:
    """What went wrong in ``page`` so far: complaints of the browser (CSP too) and requests to elsewhere."""
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith(allowed) else wrong.append(f"request to {r.url}"))
    return wrong


@pytest.fixture
def page(address: str, sandbox: SandboxProvider, page: Page) -> Iterator[Page]:
    """A tab in which nothing may go wrong."""
    page.set_default_timeout(30_000)
    wrong = watch(page, allowed=(f"{address}/", f"{sandbox.base_url}/", "data:"))
    yield page
    page.goto("about:blank")  # no poll is under way when the tables are emptied
    assert [message for message in wrong if "about:blank" not in message] == []
