"""The processes around the tests: the doomed one, and the provider that both sides reach over real HTTP."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, ClassVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.db import connection

from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.provider.wsgi import make_application

PROJECT = Path(__file__).resolve().parents[2]
SIGKILL = 9


def test_database_url() -> str:
    """Of the database that this test process uses."""
    about = connection.settings_dict
    return f"postgresql://{about['USER']}:{about['PASSWORD']}@{about['HOST']}:{about['PORT']}/{about['NAME']}"


class Doomed:
    """Does one job at a time in a child process that is killed at a cut."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.doomed"],
            cwd=PROJECT,
            env={**os.environ, "DATABASE_URL": test_database_url(), "DJANGO_SETTINGS_MODULE": "paycore.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._read() == {"ready": True}

    def do(self, job: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self._read()

    def die_doing(self, job: dict[str, Any]) -> None:
        """The job must reach its cut: a grid whose cuts are never reached would prove nothing."""
        result = self.do(job)
        assert result["killed_by"] == SIGKILL, f"{job['kind']} came through {job['cut']}: {result['answer']}"

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the doomed process's parent ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


class _QuietHandler(WSGIRequestHandler):
    protocol_version: ClassVar[str] = "HTTP/1.0"

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that were killed do not read their answers."""


class ProviderServer:
    """The sandbox behind HTTP, in threads of the test process, so that tests can look into its book."""

    def __init__(self, provider: SandboxProvider, *, silent_seconds: float) -> None:
        self._application = make_application(provider, timeout_seconds=silent_seconds)
        self.answered = 0
        self._lock = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._counted, _ThreadingServer, _QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def _counted(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        try:
            return self._application(environ, start_response)
        finally:
            with self._lock:
                self.answered += 1

    def wait_until_answered(self, count: int, *, seconds: float = 5.0) -> None:
        """For the bytes of a caller that died after sending them."""
        until = time.monotonic() + seconds
        while self.answered < count and time.monotonic() < until:
            time.sleep(0.002)
        assert self.answered >= count, "what was sent never arrived"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
