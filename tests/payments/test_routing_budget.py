"""A provider that is down is not met with three times the load."""

import threading

from payments.routing.budget import RetryBudget


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_it_is_full_at_first_and_fills_with_time_up_to_its_capacity() -> None:
    clock = Clock()
    budget = RetryBudget(capacity=3, per_second=1, per_attempt=0, clock=clock)
    assert [budget.may_retry() for _ in range(4)] == [True, True, True, False]
    clock.seconds = 2.0
    assert [budget.may_retry() for _ in range(3)] == [True, True, False]
    clock.seconds = 1_000.0
    assert [budget.may_retry() for _ in range(4)] == [True, True, True, False]


def test_each_first_attempt_adds_its_part() -> None:
    budget = RetryBudget(capacity=1, per_second=0, per_attempt=0.5, clock=Clock())
    assert budget.may_retry()
    budget.note_attempt()
    assert not budget.may_retry()
    budget.note_attempt()
    assert budget.may_retry()


def test_threads_together_take_no_more_than_there_is() -> None:
    budget = RetryBudget(capacity=100, per_second=0, per_attempt=0, clock=Clock())
    taken: list[bool] = []

    def take() -> None:
        for _ in range(50):
            taken.append(budget.may_retry())

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(True) == 100
