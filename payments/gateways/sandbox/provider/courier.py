"""Delivers the sandbox's notices over HTTP, from the durable queue, until the receiver says 2xx."""

import logging
import ssl
import threading
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection  # noqa: TID251 — not paycore: a provider
from urllib.parse import urlsplit

from payments.gateways.sandbox.provider.core import OutgoingNotice, SandboxProvider

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
ATTEMPT_TIMEOUT_SECONDS = 10.0
BATCH = 20

logger = logging.getLogger(__name__)


class Courier:
    """A background thread. ``allowed_hosts`` keeps a test provider from being used to knock on other doors."""

    def __init__(
        self,
        provider: SandboxProvider,
        *,
        allowed_hosts: Sequence[str] = LOOPBACK_HOSTS,
        pause_seconds: float = 0.2,
    ) -> None:
        self.provider = provider
        self.allowed_hosts = frozenset(allowed_hosts)
        self.pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=ATTEMPT_TIMEOUT_SECONDS)

    def deliver_due(self) -> int:
        """One round. Answers how many notices were tried."""
        self.provider.tick()
        claimed = self.provider.claim_notices(limit=BATCH)
        for seq, notice in claimed:
            self._deliver(seq, notice)
        return len(claimed)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                tried = self.deliver_due()
            except Exception:
                # The thread must outlive a full disk or a locked book: what is in the queue stays there.
                logger.exception("sandbox courier: round failed")
                tried = 0
            if not tried:
                self._stopping.wait(self.pause_seconds)

    def _deliver(self, seq: int, notice: OutgoingNotice) -> None:
        url, headers, body = notice
        if urlsplit(url).hostname not in self.allowed_hosts:
            logger.warning("sandbox courier: host not allowed, notice dropped")
            self.provider.end_notice(seq, outcome="host_not_allowed")
            return
        try:
            status = _post(url, headers=headers, body=body)
        except (OSError, HTTPException, ValueError) as problem:
            logger.info("sandbox courier: no answer (%s)", type(problem).__name__)
            status = 0
        if 200 <= status < 300:
            self.provider.end_notice(seq, outcome="delivered")
        else:
            self.provider.retry_notice_later(seq)


def _post(url: str, *, headers: dict[str, str], body: bytes) -> int:
    """Redirects are not followed: they count as a failed attempt."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection: HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = HTTPSConnection(parts.hostname or "", parts.port, timeout=ATTEMPT_TIMEOUT_SECONDS, context=context)
    else:
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=ATTEMPT_TIMEOUT_SECONDS)
    try:
        connection.request("POST", path, body=body, headers=headers)
        response = connection.getresponse()
        response.read(65536)
        return response.status
    finally:
        connection.close()
