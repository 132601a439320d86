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
from django.db.backends.utils import CursorWrapper

from payments.gateways.contract import GatewayOutcomeUnknown, GatewayUnavailable, HttpRequest, HttpResponse
from payments.gateways.sandbox.transport import SandboxTransport

_TOKEN = re.compile(rb'"kept":\s*"([^"]+)"')
_ONLY_READS = re.compile(
    r"\s*(SET|SHOW|SELECT\b(?!.*\b(paycore|accounts|merchants|riskcontrol|payments|memberships)_\w+\())", re.DOTALL
)
"""Functions of our own may write."""
TROUBLES = ("timeout_before", "timeout_after", "torn", "error_after", "error_before")


class Killed(BaseException):
    """kill -9 as far as a thread can play it: nobody catches it, and what was not committed is gone."""


@dataclass(frozen=True, slots=True)
class Luck:
    """What happens to workers and answers, drawn by ``name``: of the beats so many (``deaths``) die, in storms one call
    in ``one_in`` is spoiled (0: none), and on ``restored_on`` (days) the database goes back to before its beats."""

    name: str
    deaths: float = 0.25
    one_in: int = 6
    troubles: tuple[str, ...] = TROUBLES
    restored_on: frozenset[int] = frozenset()


@dataclass
class StormyTransport:
    """``is_stormy``: answers are spoiled, by dice of its own. ``refuses`` says whose charges find the provider's door
    shut, which is part of a member's life and the same whatever the dice."""

    inner: SandboxTransport
    luck: Luck
    refuses: Callable[[str], bool]
    is_stormy: bool = False
    seen: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.luck.name)

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
            if not self.is_stormy or not self.luck.one_in or self._dice.randrange(self.luck.one_in):
                return ""
            trouble = self._dice.choice(self.luck.troubles)
            self.seen[trouble] += 1
            return trouble


@dataclass
class Doom:
    """Threads that asked for it die at their ``nth`` commit: before it, or after it. A statement that writes outside of
    a transaction is a commit as well: it never arrived, or it was done and the answer was lost."""

    _own: threading.local = field(default_factory=threading.local)
    deaths: Counter[str] = field(default_factory=Counter)

    def await_death(self, *, nth: int, moment: str) -> None:
        self._own.left, self._own.moment = nth, moment

    def spare(self) -> None:
        self._own.left = 0

    @contextmanager
    def installed(self) -> Iterator[None]:
        real_commit, real_execute = BaseDatabaseWrapper.commit, CursorWrapper.execute

        def commit(connection: BaseDatabaseWrapper) -> Any:
            return self._commit(connection, lambda: real_commit(connection), what="transaction")

        def execute(cursor: CursorWrapper, sql: Any, params: Any = None) -> Any:
            def run() -> Any:
                return real_execute(cursor, sql, params)

            if not self._is_awaited() or cursor.db.in_atomic_block or _ONLY_READS.match(str(sql)):
                return run()
            return self._commit(cursor.db, run, what="statement")

        BaseDatabaseWrapper.commit = commit  # type: ignore[method-assign,assignment]  # for a while
        CursorWrapper.execute = execute  # type: ignore[method-assign,assignment]  # for a while
        try:
            yield
        finally:
            BaseDatabaseWrapper.commit = real_commit  # type: ignore[method-assign]
            CursorWrapper.execute = real_execute  # type: ignore[method-assign]

    def _is_awaited(self) -> bool:
        return bool(getattr(self._own, "left", 0))

    def _commit(self, connection: BaseDatabaseWrapper, act: Callable[[], Any], *, what: str) -> Any:
        if not self._is_awaited():
            return act()
        self._own.left -= 1
        if self._own.left:
            return act()
        self.deaths[f"{self._own.moment} {what}"] += 1
        if self._own.moment == "after":
            act()
        elif not connection.get_autocommit():
            connection.rollback()
        connection.run_on_commit = []
        raise Killed
