"""One world a module. Nothing is truncated between its cells; everything is, after the last."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from django.test.utils import setup_databases, teardown_databases
from pytest_django import DjangoDbBlocker

from tests.faults.doomed import GATEWAY_DEADLINE_SECONDS
from tests.faults.provider_world import ProviderWorld
from tests.faults.world import World


@pytest.fixture(scope="session")
def shared_database(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, django_db_keepdb: bool, django_db_createdb: bool
) -> Iterator[DjangoDbBlocker]:
    """The test database, also when no test here bears the mark that makes pytest-django create it: other processes
    must see what is committed, and a truncation after each cell would cost more than the cell."""
    own = None
    with django_db_blocker.unblock():
        if not str(connection.settings_dict["NAME"]).startswith("test_"):
            keep = django_db_keepdb and not django_db_createdb
            own = setup_databases(verbosity=0, interactive=False, aliases={"default"}, keepdb=keep)
    yield django_db_blocker
    if own and not django_db_keepdb:
        with django_db_blocker.unblock():
            teardown_databases(own, verbosity=0)


@pytest.fixture(scope="module")
def built_world(shared_database: DjangoDbBlocker) -> Iterator[World]:
    with shared_database.unblock(), override_settings(PAYCORE_GATEWAY_DEADLINE_SECONDS=GATEWAY_DEADLINE_SECONDS):
        world = World()
        try:
            yield world
        finally:
            world.close()
            call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def world(built_world: World) -> World:
    built_world.begin()
    return built_world


@pytest.fixture(scope="module")
def built_shop(shared_database: DjangoDbBlocker) -> Iterator[ProviderWorld]:
    with shared_database.unblock():
        shop = ProviderWorld()
        try:
            yield shop
        finally:
            shop.close()
            call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def shop(built_shop: ProviderWorld) -> ProviderWorld:
    """Paid through the real gateways' adapters; providers are simulated in this process."""
    built_shop.begin()
    return built_shop
