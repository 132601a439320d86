"""A merchant's server of the demo that is told by webhooks: it believes nothing that is not signed."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from paycore.signing import SignatureRefused, verify


class WebhookReceiver:
    """Listens on a free port of this machine while it is entered; ``bodies`` holds each event once, by its id."""

    def __init__(self) -> None:
        self.secret = ""
        self.bodies: dict[str, bytes] = {}
        self.refused = 0
        self._lock = Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The status to answer with."""
        try:
            event_id = verify(secrets_in_use=[self.secret], headers=headers, body=body)
        except (SignatureRefused, ValueError):
            with self._lock:
                self.refused += 1
            return 400
        with self._lock:
            self.bodies.setdefault(event_id, body)
        return 204

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, name="webhook receiver", daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler_for(receiver: WebhookReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(receiver.take({name.lower(): value for name, value in self.headers.items()}, body))
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """The story is told by the stage."""

    return Handler
