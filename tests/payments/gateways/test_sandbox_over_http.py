"""The sandbox behind real sockets, with its book on disk."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException  # noqa: TID251 — the tests are a client of their own
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from payments.gateways.contract import (
    GatewayConfiguration,
    GatewayOutcomeUnknown,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
    Outcome,
)
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.gateways.sandbox.provider.book import Book
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.provider.courier import Courier
from payments.gateways.sandbox.provider.wsgi import make_application
from tests.payments.gateways.contract_harness import GatewayHarness, Trouble, a_payment
from tests.payments.gateways.contract_tests import GatewayContractTests
from tests.payments.gateways.sandbox_harness import SECRET, SandboxHarness, scripted

SILENCE_SECONDS = 0.6
DEADLINE_SECONDS = 0.3
REPOSITORY = Path(__file__).parents[3]


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


@contextmanager
def serving(application: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, application, server_class=_Server, handler_class=_QuietHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def call(request: HttpRequest) -> HttpResponse:
    """A transport as paycore's own client behaves."""
    parts = urlsplit(request.url)
    connection = HTTPConnection(parts.netloc, timeout=DEADLINE_SECONDS)
    try:
        try:
            connection.connect()
        except OSError as problem:
            raise GatewayUnavailable(str(problem), code="connection_refused") from None
        try:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(request.method, path, body=request.body, headers=dict(request.headers))
            response = connection.getresponse()
            return HttpResponse(response.status, dict(response.getheaders()), response.read())
        except (OSError, HTTPException) as problem:
            raise GatewayOutcomeUnknown(str(problem), code="timeout") from None
    finally:
        connection.close()


def fetch_page(url: str, *, form: str = "", language: str = "") -> HttpResponse:
    headers = {"Accept-Language": language, "Content-Type": "application/x-www-form-urlencoded"}
    return call(HttpRequest("POST" if form else "GET", url, headers, form.encode()))


class HttpSandboxHarness(SandboxHarness):
    def __init__(self, *, book: Book) -> None:
        super().__init__()
        self.provider = SandboxProvider(secrets=[SECRET], book=book, clock=self.clock)
        self.application = make_application(self.provider, timeout_seconds=SILENCE_SECONDS)

    def use(self, address: str) -> None:
        self.gateway = SandboxGateway(GatewayConfiguration("ga_1", address, {"secret": SECRET}, call))

    def trouble_next_payment(self, reference: str, trouble: Trouble) -> None:
        if trouble is Trouble.CONNECTION_REFUSED:
            self.use(f"http://127.0.0.1:{free_port()}")
        else:
            super().trouble_next_payment(reference, trouble)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def http_harness(tmp_path: Path) -> Iterator[HttpSandboxHarness]:
    book = Book(tmp_path / "book.sqlite3")
    harness = HttpSandboxHarness(book=book)
    with serving(harness.application) as address:
        harness.use(address)
        yield harness
    book.close()


class TestSandboxKeepsTheContractOverHttp(GatewayContractTests):
    @pytest.fixture
    def harness(self, http_harness: HttpSandboxHarness) -> GatewayHarness:
        return http_harness


# --- the approval page -------------------------------------------------------------------------------------------


def approval_url(harness: HttpSandboxHarness, **changes: Any) -> str:
    """The page's address at the server that is really listening."""
    result = scripted(harness, "require_action", **changes)
    assert result.action is not None
    return harness.gateway.configuration.base_url + urlsplit(result.action.url).path


def test_payer_approves_on_the_page_and_returns_to_the_shop(http_harness: HttpSandboxHarness) -> None:
    url = approval_url(http_harness)
    page = fetch_page(url)
    assert page.status == 200
    assert "USD 12.34" in page.body.decode()
    assert "No real money moves" in page.body.decode()
    answer = fetch_page(url, form="decision=approve")
    assert (answer.status, answer.headers["Location"]) == (303, "http://127.0.0.1:8000/pay/cs_1")
    assert http_harness.gateway.fetch_payment("pay_1").outcome is Outcome.SUCCEEDED
    assert "Payment approved" in fetch_page(url).body.decode()


def test_payer_declines_and_a_second_thought_changes_nothing(http_harness: HttpSandboxHarness) -> None:
    url = approval_url(http_harness)
    assert fetch_page(url, form="decision=decline").status == 303
    assert fetch_page(url, form="decision=approve").status == 303
    assert http_harness.gateway.fetch_payment("pay_1").failure_code == "payer_declined"


@pytest.mark.parametrize("form", ["decision=maybe", "x=1", "decision=", "&" * 3000, "%ff=%00"])
def test_choice_that_is_none_is_refused(http_harness: HttpSandboxHarness, form: str) -> None:
    url = approval_url(http_harness)
    assert fetch_page(url, form=form).status == 400
    assert http_harness.gateway.fetch_payment("pay_1").outcome is Outcome.REQUIRES_ACTION


def test_page_of_nobody_is_not_found(http_harness: HttpSandboxHarness) -> None:
    base_url = http_harness.gateway.configuration.base_url
    http_harness.gateway.close_payment("pay_9")
    for token in ("", "nope", "%00", "a" * 5000, http_harness.provider.book.rows("SELECT page_token FROM txn")[0][0]):
        assert fetch_page(f"{base_url}/approve/{token}").status == 404


def test_page_speaks_the_payers_language(http_harness: HttpSandboxHarness) -> None:
    url = approval_url(http_harness)
    assert "同意支付" in fetch_page(url, language="fr;q=0.9, zh-CN, en").body.decode()
    assert "Approve payment" in fetch_page(url, language="de").body.decode()
    assert "同意支付" in fetch_page(f"{url}?lang=zh", language="en").body.decode()


def test_page_escapes_what_the_shop_wrote(http_harness: HttpSandboxHarness) -> None:
    page = fetch_page(approval_url(http_harness, description="<script>alert(1)</script>")).body.decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_page_allows_no_scripts_and_only_the_shop_to_return_to(http_harness: HttpSandboxHarness) -> None:
    policy = fetch_page(approval_url(http_harness)).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:8000;" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_home_page_says_what_this_is(http_harness: HttpSandboxHarness) -> None:
    base_url = http_harness.gateway.configuration.base_url
    assert "no real money moves" in fetch_page(f"{base_url}/").body.decode()
    assert fetch_page(f"{base_url}/healthz").status == 200
    assert fetch_page(f"{base_url}/nothing").status == 404


# --- the courier -------------------------------------------------------------------------------------------------


class Receiver:
    """A shop's callback address that answers ``statuses`` in turn, then 200."""

    def __init__(self, *statuses: str) -> None:
        self.statuses = list(statuses)
        self.bodies: list[bytes] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.bodies.append(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        status = self.statuses.pop(0) if self.statuses else "200 OK"
        start_response(status, [("Content-Length", "0"), ("Location", "/elsewhere")])
        return [b""]


def test_courier_repeats_until_2xx_and_then_stops(http_harness: HttpSandboxHarness) -> None:
    receiver = Receiver("500 Internal Server Error", "302 Found")
    courier = Courier(http_harness.provider)
    with serving(receiver) as shop:
        http_harness.gateway.create_payment(a_payment(http_harness, webhook_url=f"{shop}/hook?a=1"))
        tried = []
        for seconds in (1, 1, 4, 1, 3600):
            tried.append(courier.deliver_due())
            http_harness.clock.advance(seconds)
    assert tried == [1, 0, 1, 0, 1]
    assert len(receiver.bodies) == 3
    assert len(set(receiver.bodies)) == 1


def test_courier_gives_up_at_last(http_harness: HttpSandboxHarness) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/hook"
    http_harness.gateway.create_payment(a_payment(http_harness, webhook_url=nobody))
    courier = Courier(http_harness.provider)
    tried = 0
    for _ in range(20):
        tried += courier.deliver_due()
        http_harness.clock.advance(3600)
    assert tried == 11
    assert http_harness.provider.book.rows("SELECT ended, due_at FROM notice") == [("gave_up", None)]


def test_courier_knocks_on_no_other_door(http_harness: HttpSandboxHarness) -> None:
    receiver = Receiver()
    with serving(receiver) as shop:
        http_harness.gateway.create_payment(a_payment(http_harness, webhook_url=f"{shop}/hook"))
        Courier(http_harness.provider, allowed_hosts=["shop.test"]).deliver_due()
    assert receiver.bodies == []
    assert http_harness.provider.book.rows("SELECT ended FROM notice") == [("host_not_allowed",)]


def test_notice_claimed_by_a_courier_that_died_goes_out_when_its_lease_ends(http_harness: HttpSandboxHarness) -> None:
    receiver = Receiver()
    with serving(receiver) as shop:
        http_harness.gateway.create_payment(a_payment(http_harness, webhook_url=f"{shop}/hook"))
        assert len(http_harness.provider.claim_notices(limit=5)) == 1
        courier = Courier(http_harness.provider)
        assert courier.deliver_due() == 0
        http_harness.clock.advance(30)
        assert courier.deliver_due() == 1
    assert len(receiver.bodies) == 1


# --- as a process ------------------------------------------------------------------------------------------------


@contextmanager
def sandbox_process(*, port: int, state: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "PAYCORE_SANDBOX_SECRET": SECRET,
        "PAYCORE_SANDBOX_PORT": str(port),
        "PAYCORE_STATE_DIR": str(state),
    }
    for name in ("PAYCORE_SANDBOX_URL", "PAYCORE_SANDBOX_BOOK", "PAYCORE_SANDBOX_PUBLIC_URL"):
        environment.pop(name, None)
    target = "payments.gateways.sandbox.provider.wsgi:application"
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--blocking-threads", "4", target], cwd=REPOSITORY, env=environment, start_new_session=True
    )
    try:
        wait_until(lambda: is_listening(port))
        yield process
    finally:
        # The whole group: granian's worker outlives its master.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_listening(port: int) -> bool:
    try:
        return fetch_page(f"http://127.0.0.1:{port}/healthz").status == 200
    except (GatewayUnavailable, GatewayOutcomeUnknown):
        return False


def wait_until(condition: Any, *, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.slow
def test_killed_sandbox_remembers_its_payments_and_sends_what_it_owes(tmp_path: Path) -> None:
    port, shop_port = free_port(), free_port()
    harness = SandboxHarness()
    harness.gateway = SandboxGateway(GatewayConfiguration("ga_1", f"http://127.0.0.1:{port}", {"secret": SECRET}, call))
    with sandbox_process(port=port, state=tmp_path):
        # Late enough to be owed when the process dies.
        options = {"sandbox": "late_callback(2)"}
        request = a_payment(harness, webhook_url=f"http://127.0.0.1:{shop_port}/hook", options=options)
        created = harness.gateway.create_payment(request)
        page = harness.gateway.create_payment(a_payment(harness, reference="pay_2", method="sandbox_redirect"))
        assert page.action is not None
        assert re.fullmatch(rf"http://127\.0\.0\.1:{port}/approve/[\w-]+", page.action.url)
    receiver = Receiver()
    server = make_server("127.0.0.1", shop_port, receiver, server_class=_Server, handler_class=_QuietHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with sandbox_process(port=port, state=tmp_path):
            assert harness.gateway.fetch_payment("pay_1") == created
            assert harness.gateway.create_payment(request) == created
            wait_until(lambda: receiver.bodies, seconds=60)
    finally:
        server.shutdown()
        server.server_close()
    assert harness.gateway.translate_webhook(receiver.bodies[0]) == [created]
