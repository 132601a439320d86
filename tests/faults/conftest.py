"""One world a module. Nothing is truncated between its cells; everything is, after the last."""

from collections.abc import Iterator

import pytest
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from tests.emptying import empty_all_tables
from tests.faults.doomed import GATEWAY_DEADLINE_SECONDS
from tests.faults.provider_world import ProviderWorld
from tests.faults.world import World


@pytest.fixture(scope="session")
def shared_database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> DjangoDbBlocker:
    """The test database without a transaction around a test: other processes must see what is committed, and to empty
    the tables after each cell would cost more than the cell."""
    return django_db_blocker


@pytest.fixture(scope="module")
def built_world(shared_database: DjangoDbBlocker) -> Iterator[World]:
    with shared_database.unblock(), override_settings(PAYCORE_GATEWAY_DEADLINE_SECONDS=GATEWAY_DEADLINE_SECONDS):
        world = World()
        try:
            yield world
        finally:
            world.close()
            empty_all_tables()


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
            empty_all_tables()


@pytest.fixture
def shop(built_shop: ProviderWorld) -> ProviderWorld:
    """Paid through the real gateways' adapters; providers are simulated in this process."""
    built_shop.begin()
    return built_shop
