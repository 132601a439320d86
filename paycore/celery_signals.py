"""Celery's own hooks (not Django's signals): the request id travels with a task, and tasks are logged and counted.

``paycore.celery`` calls :func:`connect`; nothing else does.
"""

import logging.config
import os
import time
from typing import Any

from celery.signals import (
    before_task_publish,
    setup_logging,
    task_failure,
    task_postrun,
    task_prerun,
    worker_process_shutdown,
)
from django.conf import settings

from paycore import metrics
from paycore.identifiers import new_id
from paycore.logs import bind_ids, current_request_id, end_context, get_logger, start_context

log = get_logger("paycore.tasks")

REQUEST_ID_HEADER = "paycore_request_id"
_STARTED = "_paycore_started"


def _use_our_logging(**_: Any) -> None:
    """A connected receiver also keeps Celery from adding handlers of its own."""
    logging.config.dictConfig(settings.LOGGING)


def _send_request_id(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and (request_id := current_request_id()):
        headers[REQUEST_ID_HEADER] = request_id


def _begin(task_id: str, task: Any, **_: Any) -> None:
    sent = getattr(task.request, REQUEST_ID_HEADER, None) or (task.request.headers or {}).get(REQUEST_ID_HEADER)
    start_context(request_id=str(sent)[:64] if sent else new_id("req"))
    bind_ids(task=task.name, task_id=task_id)
    setattr(task.request, _STARTED, time.monotonic())


def _end(task: Any, state: str | None = None, **_: Any) -> None:
    started = getattr(task.request, _STARTED, None)
    if started is not None:
        metrics.TASK_SECONDS.labels(task=task.name).observe(time.monotonic() - started)
    metrics.TASKS.labels(task=task.name, outcome=(state or "unknown").lower()).inc()
    end_context()


def _failed(sender: Any = None, exception: BaseException | None = None, **_: Any) -> None:
    log.error("task_failed", task=getattr(sender, "name", ""), exc_info=exception)


def _forget(**_: Any) -> None:
    metrics.forget_process(os.getpid())


def connect() -> None:
    """Once per process, when the Celery application is made."""
    setup_logging.connect(_use_our_logging, weak=False)
    before_task_publish.connect(_send_request_id, weak=False)
    task_prerun.connect(_begin, weak=False)
    task_postrun.connect(_end, weak=False)
    task_failure.connect(_failed, weak=False)
    worker_process_shutdown.connect(_forget, weak=False)
