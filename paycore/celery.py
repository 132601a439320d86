"""The bell's other end. Tasks hold no truth: each looks for due rows in PostgreSQL (see ``paycore/outbox.py``)."""

import os
from typing import Any

from celery import Celery
from celery.signals import task_postrun, task_prerun
from django.db import close_old_connections

from paycore import celery_signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paycore.settings")

app = Celery("paycore")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
celery_signals.connect()


@task_prerun.connect
@task_postrun.connect
def _drop_dead_connections(**_: Any) -> None:
    close_old_connections()
