"""What is counted, and the text that Prometheus reads. Labels are small closed sets: never an id, a path or a person.

With ``PROMETHEUS_MULTIPROC_DIR`` set for web, worker and beat (before Python starts), one scrape of the web covers all.
"""

import os
from collections.abc import Iterator

from django.db import DatabaseError, connection
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily

CONTENT_TYPE = CONTENT_TYPE_LATEST

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)

REQUEST_SECONDS = Histogram(
    "paycore_request_seconds", "HTTP requests by route.", ["method", "route", "status"], buckets=_FAST
)
PAYMENTS = Counter("paycore_payments_total", "Payments by what became of them.", ["gateway", "outcome"])
REFUNDS = Counter("paycore_refunds_total", "Refunds by what became of them.", ["gateway", "outcome"])
GATEWAY_SECONDS = Histogram(
    "paycore_gateway_seconds", "Calls to gateways.", ["gateway", "operation", "outcome"], buckets=_SLOW
)
WEBHOOKS = Counter(
    "paycore_webhooks_total", "Callbacks of gateways: stored, duplicate or refused.", ["gateway", "outcome"]
)
OUTBOX_HANDLED = Counter("paycore_outbox_handled_total", "Outbox messages handled.", ["outcome"])
OUTBOX_QUARANTINED = Counter("paycore_outbox_quarantined_total", "Outbox messages that failed five times.")
TASKS = Counter("paycore_tasks_total", "Celery tasks by their end.", ["task", "outcome"])
TASK_SECONDS = Histogram("paycore_task_seconds", "Celery tasks.", ["task"], buckets=_SLOW)
RISK_DECISIONS = Counter("paycore_risk_decisions_total", "Attempts to pay by what risk control decided.", ["action"])
RISK_RULES_NOT_EVALUATED = Counter(
    "paycore_risk_rules_not_evaluated_total", "Rules that could not be evaluated: fact_unavailable or failed.", ["why"]
)
THROTTLED = Counter("paycore_throttled_total", "Requests over their rate.", ["scope"])
CARD_NUMBERS_REFUSED = Counter("paycore_card_numbers_refused_total", "Requests refused for a card number.")

_OUTBOX = """
    SELECT count(*) FILTER (WHERE status = 'pending'),
           count(*) FILTER (WHERE status = 'quarantined'),
           coalesce(extract(epoch FROM clock_timestamp() - min(next_attempt_at) FILTER (WHERE status = 'pending')), 0)
    FROM paycore_outboxmessage WHERE status IN ('pending', 'quarantined')
"""


def observe_gateway_call(*, gateway: str, operation: str, outcome: str, seconds: float) -> None:
    GATEWAY_SECONDS.labels(gateway=gateway, operation=operation, outcome=outcome).observe(seconds)


def observe_request(*, method: str, route: str, status: int, seconds: float) -> None:
    known = method if method in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"} else "other"
    REQUEST_SECONDS.labels(method=known, route=route, status=str(status)).observe(seconds)


def exposition() -> bytes:
    """Everything in Prometheus's text format: the counters of all processes and what the database says now."""
    registry: CollectorRegistry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
    return generate_latest(registry) + generate_latest(_of_database())


def forget_process(process_id: int) -> None:
    """A worker process ended: drop its live gauges."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.mark_process_dead(process_id)  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped


class _Database:
    """A collector: asked at each scrape, so nothing stale stays in the files that the web processes share."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            with connection.cursor() as cursor:
                cursor.execute(_OUTBOX)
                pending, quarantined, oldest_seconds = cursor.fetchone()
        except DatabaseError:
            yield _gauge("paycore_database_up", "Whether the database answered this scrape.", 0)
            return
        yield _gauge("paycore_database_up", "Whether the database answered this scrape.", 1)
        yield _gauge("paycore_outbox_pending", "Messages waiting.", pending)
        yield _gauge("paycore_outbox_quarantined", "Messages a person must look at.", quarantined)
        late = max(0.0, float(oldest_seconds))
        yield _gauge("paycore_outbox_overdue_seconds", "How late the oldest message is.", late)


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=value)


def _of_database() -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Database())
    return registry
