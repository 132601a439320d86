from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY

from paycore import celery_signals
from paycore.logs import current_request_id, end_context, start_context


@pytest.fixture(autouse=True)
def _no_context_left() -> Iterator[None]:
    end_context()
    yield
    end_context()


def task(**request: Any) -> SimpleNamespace:
    return SimpleNamespace(name="payments.tasks.sync", request=SimpleNamespace(headers=None, **request))


def test_the_request_id_travels_with_the_task() -> None:
    start_context(request_id="req_web")
    headers: dict[str, Any] = {}
    celery_signals._send_request_id(headers=headers)
    end_context()
    celery_signals._begin(task_id="1", task=task(**headers))
    assert current_request_id() == "req_web"
    assert structlog.contextvars.get_contextvars()["task"] == "payments.tasks.sync"


def test_a_task_of_the_clock_gets_an_id_of_its_own() -> None:
    headers: dict[str, Any] = {}
    celery_signals._send_request_id(headers=headers)
    assert headers == {}
    celery_signals._begin(task_id="1", task=task())
    assert current_request_id().startswith("req_")


def test_the_end_is_counted_and_the_context_forgotten() -> None:
    labels = {"task": "payments.tasks.sync", "outcome": "success"}
    before = REGISTRY.get_sample_value("paycore_tasks_total", labels) or 0
    one = task()
    celery_signals._begin(task_id="1", task=one)
    celery_signals._end(task=one, state="SUCCESS")
    assert REGISTRY.get_sample_value("paycore_tasks_total", labels) == before + 1
    assert current_request_id() == ""
