"""Any in-process provider (an :data:`HttpTransport`) on a loopback port, so that others' SDKs can talk to it."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from payments.gateways.contract import GatewayError, HttpRequest, HttpResponse, HttpTransport

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def wsgi_application(transport: HttpTransport) -> WsgiApplication:
    """What the transport raises (a lost or refused call) is a 504: HTTP has no other word for it."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            response = transport(_request(environ))
        except GatewayError as error:
            response = HttpResponse(504, {"Content-Type": "text/plain"}, str(error).encode())
        headers = {name: value for name, value in response.headers.items() if name.lower() != "content-length"}
        headers["Content-Length"] = str(len(response.body))
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", list(headers.items()))
        return [response.body]

    return application


def _request(environ: dict[str, Any]) -> HttpRequest:
    headers = {
        name[5:].replace("_", "-").title(): str(value) for name, value in environ.items() if name.startswith("HTTP_")
    }
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    # As the bytes came: PATH_INFO is decoded already and would lose a %2F.
    path = environ.get("REQUEST_URI") or environ["PATH_INFO"]
    query = environ.get("QUERY_STRING", "")
    url = f"http://{environ.get('HTTP_HOST', '127.0.0.1')}{path}" + (f"?{query}" if query else "")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return HttpRequest(environ["REQUEST_METHOD"], url, headers, body)


@contextmanager
def serving(transport: HttpTransport) -> Iterator[str]:
    """The provider's address for as long as the block lasts."""
    server = make_server("127.0.0.1", 0, wsgi_application(transport), server_class=_Server, handler_class=_QuietHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
