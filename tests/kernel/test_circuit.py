import threading
from collections.abc import Callable

import pytest

from paycore.circuit import CircuitIsOpen, HostGuard, NoRoom


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guard(clock: Callable[[], float]) -> HostGuard:
    return HostGuard(max_in_flight=2, failures_to_open=3, cool_off_seconds=10, clock=clock)


def fail(guard: HostGuard, times: int) -> None:
    for _ in range(times):
        with guard.admitted(wait_seconds=0):
            guard.record(ok=False)


def test_it_opens_after_consecutive_failures_only(guard: HostGuard) -> None:
    fail(guard, 2)
    guard.record(ok=True)
    fail(guard, 2)
    with guard.admitted(wait_seconds=0):
        guard.record(ok=False)
    with pytest.raises(CircuitIsOpen), guard.admitted(wait_seconds=0):
        pytest.fail("the host was to be left alone")


def test_after_the_cool_off_one_probe_decides(guard: HostGuard, clock: Clock) -> None:
    fail(guard, 3)
    clock.now += 10.1
    with guard.admitted(wait_seconds=0):
        with pytest.raises(CircuitIsOpen), guard.admitted(wait_seconds=0):
            pytest.fail("a second probe")
        guard.record(ok=False)
    with pytest.raises(CircuitIsOpen), guard.admitted(wait_seconds=0):
        pytest.fail("the probe failed, so the cool-off starts again")
    clock.now += 10.1
    with guard.admitted(wait_seconds=0):
        guard.record(ok=True)
    with guard.admitted(wait_seconds=0), guard.admitted(wait_seconds=0):
        assert not guard.is_open


def test_a_probe_that_says_nothing_about_health_lets_the_next_one_try(guard: HostGuard, clock: Clock) -> None:
    fail(guard, 3)
    clock.now += 10.1
    with pytest.raises(KeyError), guard.admitted(wait_seconds=0):
        raise KeyError
    with guard.admitted(wait_seconds=0):
        guard.record(ok=True)
    assert not guard.is_open


def test_no_more_than_the_slots_are_in_flight_and_all_come_back(guard: HostGuard) -> None:
    with guard.admitted(wait_seconds=0), guard.admitted(wait_seconds=0), pytest.raises(NoRoom):
        guard.admitted(wait_seconds=0.01).__enter__()
    most, inside, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal most, inside
        with guard.admitted(wait_seconds=5):
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 2
    assert inside == 0
