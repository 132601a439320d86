"""When a wish to stop becomes impatience."""

import os
import signal
import time

import pytest

from paycore.embedded.shutdown import Shutdown


@pytest.fixture
def shutdown() -> Shutdown:
    return Shutdown()


def test_one_wish_that_arrives_twice_is_not_impatience(shutdown: Shutdown) -> None:
    shutdown._note(signal.SIGTERM, None)
    shutdown._note(signal.SIGTERM, None)
    assert shutdown.is_requested
    assert not shutdown.is_urgent


def test_second_wish_a_moment_later_means_at_once(shutdown: Shutdown, monkeypatch: pytest.MonkeyPatch) -> None:
    shutdown._note(signal.SIGINT, None)
    later = time.monotonic() + 3
    monkeypatch.setattr(time, "monotonic", lambda: later)
    shutdown._note(signal.SIGINT, None)
    assert shutdown.is_urgent


def test_end_of_the_parent_is_a_wish_to_stop(shutdown: Shutdown, monkeypatch: pytest.MonkeyPatch) -> None:
    shutdown.follow_parent()
    shutdown.wait(0)
    assert not shutdown.is_requested
    monkeypatch.setattr(os, "getppid", lambda: 1)
    shutdown.wait(0)
    assert shutdown.received == [signal.SIGTERM]
