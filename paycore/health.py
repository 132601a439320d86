"""Is this process alive (``/healthz``), may it get traffic (``/readyz``), and what has it counted (``/metrics``)?"""

import ipaddress
import time
from typing import Any

import redis
from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.retry import Retry

from paycore import metrics
from paycore.logs import get_logger
from paycore.problems import status_response

log = get_logger(__name__)

_REDIS_TIMEOUT_SECONDS = 0.3
_FORWARDING_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")
_is_migrated = False


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Asks nothing of anybody: a restart cures what fails here."""
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """503 without the database or its migrations. Without Redis paycore is slower, not wrong: degraded, still 200."""
    started = time.monotonic()
    checks = {"database": _database(), "redis": _redis()}
    is_ready = checks["database"] == "ok"
    status = "not_ready" if not is_ready else "ready" if checks["redis"] == "ok" else "degraded"
    body: dict[str, Any] = {"status": status, "checks": checks}
    body["milliseconds"] = round((time.monotonic() - started) * 1000, 1)
    return JsonResponse(body, status=200 if is_ready else 503)


@require_safe
@never_cache
def metrics_page(request: HttpRequest) -> HttpResponse:
    """For a holder of ``PAYCORE_METRICS_TOKEN``, or a direct caller on this machine."""
    if not _may_read_metrics(request):
        answer = status_response(request, 401)
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE)


def _database() -> str:
    global _is_migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
        if not _is_migrated:
            executor = MigrationExecutor(connection)
            _is_migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseFailure as error:
        log.warning("not_ready", check="database", error=type(error).__name__)
        return "unreachable"
    return "ok" if _is_migrated else "migrations_pending"


def _redis() -> str:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=_REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=_REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        client.ping()
    except (redis.RedisError, OSError):
        return "unreachable"
    finally:
        client.close()
    return "ok"


def _may_read_metrics(request: HttpRequest) -> bool:
    scheme, _space, sent = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    token = settings.PAYCORE_METRICS_TOKEN
    if token and scheme.lower() == "bearer" and constant_time_compare(sent.strip(), token):
        return True
    # A proxy on this machine also calls from loopback: whoever was forwarded is not local.
    is_forwarded = settings.PAYCORE_TRUSTED_PROXIES > 0 or any(name in request.META for name in _FORWARDING_HEADERS)
    return not is_forwarded and _is_loopback(str(request.META.get("REMOTE_ADDR", "")))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
