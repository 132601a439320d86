"""What goes wrong around the members: a provider whose answers get lost, and workers that die as they commit."""

import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from payments.gateways.contract import GatewayOutcomeUnknown, GatewayUnavailable, HttpRequest, HttpResponse
from payments.gateways.sandbox.transport import SandboxTransport

_TOKEN = re.compile(rb'"kept":\s*"([^"]+)"')
_TROUBLES = ("timeout_before", "timeout_after", "torn", "error_after", "error_before")


class Killed(BaseException):
    """kill -9 as far as a thread can play it: nobody catches it, and what was not committed is gone."""


@dataclass
class StormyTransport:
    """``is_stormy``: one call in ``one_in`` is spoiled, by dice of its own. ``refuses`` says whose charges find the
    provider's door shut, which is part of a member's life and the same whatever the dice."""

    inner: SandboxTransport
    dice: random.Random
    refuses: Callable[[str], bool]
    one_in: int = 6
    is_stormy: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _TOKEN.search(request.body or b"")
        if token and self.refuses(token[1].decode()):
            self.seen["unavailable"] += 1
            raise GatewayUnavailable("connection refused", code="connection_refused")
        trouble = self._trouble()
        if trouble == "timeout_before":
            raise GatewayOutcomeUnknown("no answer before the deadline", code="timeout")
        if trouble == "error_before":
            return HttpResponse(500, {}, b"")
        answer = self.inner(request)
        if trouble == "timeout_after":
            raise GatewayOutcomeUnknown("no answer before the deadline", code="timeout")
        if trouble == "torn":
            return HttpResponse(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
        return HttpResponse(502, {}, b"") if trouble == "error_after" else answer

    def _trouble(self) -> str:
        with self._lock:
            if not self.is_stormy or self.dice.randrange(self.one_in):
                return ""
            trouble = self.dice.choice(_TROUBLES)
            self.seen[trouble] += 1
            return trouble


@dataclass
class Doom:
    """Threads that asked for it die as they commit for the ``nth`` time: before it, or after it."""

    _own: threading.local = field(default_factory=threading.local)
    deaths: Counter[str] = field(default_factory=Counter)

    def await_death(self, *, nth: int, moment: str) -> None:
        self._own.left, self._own.moment = nth, moment

    def spare(self) -> None:
        self._own.left = 0

    @contextmanager
    def installed(self) -> Iterator[None]:
        real = BaseDatabaseWrapper.commit

        def commit(connection: BaseDatabaseWrapper) -> Any:
            left = getattr(self._own, "left", 0)
            if left:
                self._own.left = left - 1
            if left != 1:
                return real(connection)
            moment = self._own.moment
            self.deaths[moment] += 1
            if moment == "before":
                connection.rollback()
            else:
                real(connection)
            connection.run_on_commit = []
            raise Killed

        BaseDatabaseWrapper.commit = commit  # type: ignore[method-assign]  # for a while
        try:
            yield
        finally:
            BaseDatabaseWrapper.commit = real  # type: ignore[method-assign]
