from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.urls import path

from paycore import health, metrics

urlpatterns = [path("healthz", health.healthz), path("readyz", health.readyz), path("metrics", health.metrics_page)]


@pytest.fixture(autouse=True)
def _small_site() -> Iterator[None]:
    health._is_migrated = False
    with override_settings(
        ROOT_URLCONF=__name__, MIDDLEWARE=[], PAYCORE_METRICS_TOKEN="scrape-me", PAYCORE_TRUSTED_PROXIES=0
    ):
        yield
    health._is_migrated = False


def test_alive_asks_nobody(client: Client) -> None:
    response = client.get("/healthz")  # the database is not open to this test
    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert "no-store" in response["Cache-Control"]
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_ready_when_database_migrations_and_redis_are(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "ready"
    assert response.json()["checks"] == {"database": "ok", "redis": "ok"}


@pytest.mark.django_db
@override_settings(REDIS_URL="redis://127.0.0.1:1/0")
def test_without_redis_it_is_degraded_but_gets_traffic(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"


def test_without_the_database_it_gets_none_and_says_no_address(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("connection to server at 10.0.0.1 failed: password")

    monkeypatch.setattr(connection, "cursor", refuse)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == "unreachable"
    assert "10.0.0.1" not in response.content.decode()


@pytest.mark.django_db
def test_migrations_are_waited_for_and_then_not_asked_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[Any] = [[("a migration", False)], []]
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda _self, _targets: plans.pop(0))
    assert client.get("/readyz").json()["checks"]["database"] == "migrations_pending"
    assert [client.get("/readyz").status_code for _ in range(3)] == [200, 200, 200]
    assert plans == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"HTTP_AUTHORIZATION": "Bearer scrape-me", "REMOTE_ADDR": "203.0.113.9"}, 200),
        ({"REMOTE_ADDR": "127.0.0.1"}, 200),
        ({"REMOTE_ADDR": "::1"}, 200),
        ({"REMOTE_ADDR": "203.0.113.9"}, 401),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, 401),
        ({"REMOTE_ADDR": ""}, 401),
        ({"HTTP_AUTHORIZATION": "Bearer wrong", "REMOTE_ADDR": "203.0.113.9"}, 401),
        ({"HTTP_AUTHORIZATION": "Basic scrape-me", "REMOTE_ADDR": "203.0.113.9"}, 401),
    ],
)
def test_metrics_are_for_token_holders_and_this_machine(client: Client, sent: dict[str, str], status: int) -> None:
    response = client.get("/metrics", **sent)
    assert response.status_code == status
    assert (b"paycore_gateway_seconds" in response.content) is (status == 200)


@pytest.mark.django_db
@override_settings(PAYCORE_METRICS_TOKEN="")
def test_an_empty_token_opens_nothing(client: Client) -> None:
    sent = {"HTTP_AUTHORIZATION": "Bearer ", "REMOTE_ADDR": "203.0.113.9"}
    assert client.get("/metrics", **sent).status_code == 401


@pytest.mark.django_db
def test_counters_and_gauges_are_shown() -> None:
    metrics.observe_gateway_call(gateway="sandbox", operation="create_payment", outcome="answered", seconds=0.2)
    metrics.observe_request(method="BREW", route="/api/v1/x", status=200, seconds=0.01)
    text = metrics.exposition().decode()
    assert 'paycore_gateway_seconds_count{gateway="sandbox",operation="create_payment",outcome="answered"}' in text
    assert 'method="other"' in text
    assert "paycore_database_up" in text


def test_a_scrape_without_the_database_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(connection, "cursor", refuse)
    assert "paycore_database_up 0.0" in metrics.exposition().decode()
