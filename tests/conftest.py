"""What every test may ask for. PostgreSQL and Redis are real; the sandbox provider lives in the process."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test import Client, TransactionTestCase
from django.utils import translation
from pytest_django import DjangoDbBlocker

from merchants.models import Merchant
from merchants.services import create_api_key
from paycore.fresh import forget_everything
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.routing import connections
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, MerchantServer
from tests.databases import drop_test_database, make_test_database
from tests.emptying import empty_after_test
from tests.phone import mark_both_steps

SANDBOX_SECRET = "the sandbox's secret"


@pytest.fixture(autouse=True, scope="session")
def _own_redis_database() -> None:
    """Parallel workers share one server but not one database."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    settings.REDIS_URL = f"{settings.REDIS_URL.rstrip('/').rsplit('/', 1)[0]}/{int(worker) + 1}"


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_modify_db_settings: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_keepdb: bool,
) -> Iterator[None]:
    """In place of pytest-django's, which migrates anew in every process of every run."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_after_test)
        before = make_test_database()
        with django_db_blocker.block():
            yield
        if not django_db_keepdb:
            drop_test_database(then=before)


@pytest.fixture(autouse=True)
def _fresh_process_memory() -> Iterator[None]:
    """What a process remembers for seconds must not outlive the test that it was true in."""
    forget_everything()
    translation.activate(settings.LANGUAGE_CODE)  # a request leaves its language behind in its thread
    yield
    connections.forget_adapters()


@pytest.fixture(autouse=True)
def _force_login_skips_both_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is let in without a password is let in without the second step as well. What the steps themselves do is
    tested by walking through them (tests/kernel/test_second_step.py, tests/browser)."""
    log_in = Client.force_login

    def log_in_and_pass(client: Client, user: Any, backend: str | None = None) -> None:
        log_in(client, user, backend)
        mark_both_steps(client, user)

    monkeypatch.setattr(Client, "force_login", log_in_and_pass)


@pytest.fixture
def redis_client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


@pytest.fixture
def sandbox() -> SandboxProvider:
    """The provider, in this process: script it, look into its book, take its callbacks."""
    return SandboxProvider(secrets=[SANDBOX_SECRET], base_url="http://sandbox.test")


@pytest.fixture
def sandbox_transport(sandbox: SandboxProvider) -> SandboxTransport:
    return SandboxTransport(sandbox)


@pytest.fixture
def merchant(db: None) -> Merchant:
    return Merchant.objects.create(
        name="Corner Shop",
        legal_name="Corner Shop Ltd",
        country="US",
        status="approved",
        fee_basis_points=50,
        fee_fixed_minor=10,
        refund_review_above_minor=10_000,
        support_email="help@shop.example",
    )


@pytest.fixture
def platform(db: None) -> Merchant:
    return Merchant.objects.create(
        name="Paycore", country="US", status="approved", is_platform=True, refund_review_above_minor=5_000
    )


@pytest.fixture
def account(db: None, sandbox_transport: SandboxTransport) -> Iterator[GatewayAccount]:
    """A gateway account at the in-process sandbox."""
    made = GatewayAccount.objects.create(
        name="Sandbox",
        gateway="sandbox",
        base_url="inprocess://sandbox",
        credentials={"secret": SANDBOX_SECRET},
        methods=["card", "sandbox_redirect", "sandbox_qr"],
        fee_basis_points=290,
        fee_fixed_minor=30,
    )
    connections.IN_PROCESS["sandbox"] = sandbox_transport
    yield made
    connections.IN_PROCESS.pop("sandbox", None)


@pytest.fixture
def merchant_server(merchant: Merchant) -> MerchantServer:
    _key, secret = create_api_key(merchant=merchant, name="test", created_by=None)
    return MerchantServer(secret=secret, merchant=merchant)


@pytest.fixture
def app_user(db: None) -> AppUser:
    return AppUser.signed_in()


@pytest.fixture
def queries_made() -> Iterator[list[str]]:
    """Every statement that reaches PostgreSQL while the test runs."""
    seen: list[str] = []

    def note(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield seen
