"""Several people at once: threads that keep their own database connection and start together at a barrier."""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

Act = Callable[[], Any]
PATIENCE_SECONDS = 30.0


@dataclass
class Deed:
    """What one act came to: an answer or the exception it ended with."""

    answer: Any = None
    error: BaseException | None = None


class Crew:
    """``at_once(a, b, …)`` runs each act in a thread of its own, all released in the same instant."""

    def __init__(self, size: int) -> None:
        self._inboxes: list[queue.SimpleQueue[Callable[[], None] | None]] = [queue.SimpleQueue() for _ in range(size)]
        self._threads = [threading.Thread(target=self._work, args=(inbox,), daemon=True) for inbox in self._inboxes]
        for thread in self._threads:
            thread.start()

    def at_once(self, *acts: Act) -> list[Deed]:
        barrier, done = threading.Barrier(len(acts)), threading.Semaphore(0)
        deeds = [Deed() for _ in acts]

        def perform(act: Act, deed: Deed) -> None:
            try:
                barrier.wait(PATIENCE_SECONDS)
                deed.answer = act()
            except BaseException as error:
                deed.error = error
            finally:
                done.release()

        for inbox, act, deed in zip(self._inboxes, acts, deeds, strict=False):
            inbox.put(lambda act=act, deed=deed: perform(act, deed))  # type: ignore[misc]  # bound now, not later
        for _ in acts:
            assert done.acquire(timeout=PATIENCE_SECONDS), "an act never ended: a deadlock that nobody broke"
        return deeds

    def dismiss(self) -> None:
        for inbox in self._inboxes:
            inbox.put(None)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    @staticmethod
    def _work(inbox: "queue.SimpleQueue[Callable[[], None] | None]") -> None:
        try:
            while (job := inbox.get()) is not None:
                job()
        finally:
            connections.close_all()


@contextmanager
def crew_of(size: int) -> Iterator[Crew]:
    crew = Crew(size)
    try:
        yield crew
    finally:
        crew.dismiss()


@dataclass
class Tally:
    """What was seen over all trials of a race; J15 is "no error that nobody planned"."""

    outcomes: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)

    def note(self, deeds: Sequence[Deed]) -> list[str]:
        """The words of one trial's deeds: HTTP status and problem code, a returned text, or the error's name."""
        words = [self._word(deed) for deed in deeds]
        self.outcomes.update(words)
        return words

    def _word(self, deed: Deed) -> str:
        code = getattr(deed.error, "code", "")
        if deed.error is not None and not code:
            self.surprises.append(f"{type(deed.error).__name__}: {deed.error}")
        if deed.error is not None:
            return str(code or type(deed.error).__name__)
        status = getattr(deed.answer, "status_code", None)
        if status is None:
            return str(deed.answer)
        if status >= 500:
            self.surprises.append(f"HTTP {status}: {deed.answer.content[:300]!r}")
        return f"{status} {deed.answer.json()['code']}" if status >= 400 else str(status)

    def assert_no_surprise(self) -> None:
        assert not self.surprises, f"{len(self.surprises)} surprises, first: {self.surprises[:3]}; {self.outcomes}"
