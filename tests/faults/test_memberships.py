"""400 days of memberships, lived twice: the same members, other accidents, and the same books to the cent."""

import json
import logging
import os
import random
import time
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connections

from memberships.checks import run_all_checks
from memberships.models import Invoice
from merchants.models import Merchant
from paycore import identifiers
from paycore.fresh import forget_everything
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.routing import connections as gateways
from payments.routing.models import GatewayAccount
from tests.actors import assert_books_are_whole
from tests.conftest import SANDBOX_SECRET
from tests.faults.membership_clock import SimulatedClock
from tests.faults.membership_judging import (
    Books,
    Lives,
    books_of,
    double_charges,
    holes_and_overlaps,
    lives_of,
    periods_without_their_charge,
    provider_disagrees,
)
from tests.faults.membership_lives import LAST_DAY
from tests.faults.membership_weather import StormyTransport
from tests.faults.membership_world import STARTS_AT, World

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
MEMBERS = int(os.environ.get("SIMULATION_MEMBERS", "30"))
DAYS = int(os.environ.get("SIMULATION_DAYS", str(LAST_DAY)))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def begin(monkeypatch: pytest.MonkeyPatch, *, seed: str, luck: str) -> World:
    """An empty database, on the first day."""
    call_command("flush", interactive=False, verbosity=0)
    forget_everything()
    gateways.forget_adapters()
    clock = SimulatedClock()
    clock.at = STARTS_AT
    clock.install()
    monkeypatch.setattr(identifiers, "time", clock)
    sandbox = SandboxProvider(secrets=[SANDBOX_SECRET], base_url="http://sandbox.test", clock=clock.seconds)
    transport = StormyTransport(SandboxTransport(sandbox), random.Random(luck), refuses=lambda _token: False)
    platform = Merchant.objects.create(
        name="Paycore", country="US", status="approved", is_platform=True, refund_review_above_minor=10**9
    )
    account = GatewayAccount.objects.create(
        name="Sandbox", gateway="sandbox", base_url="inprocess://sandbox", credentials={"secret": SANDBOX_SECRET},
        methods=["card"], currencies=[], fee_basis_points=290, fee_fixed_minor=30,
    )  # fmt: skip
    gateways.IN_PROCESS["sandbox"] = transport
    return World(seed, luck, MEMBERS, clock, sandbox, transport, platform, account)


def live(monkeypatch: pytest.MonkeyPatch, *, seed: str, luck: str) -> tuple[Lives, Books]:
    world = begin(monkeypatch, seed=seed, luck=luck)
    started = time.perf_counter()
    try:
        world.run(DAYS)
        tell(world, seconds=time.perf_counter() - started)
        judge(world)
        return lives_of(world), books_of()
    finally:
        gateways.IN_PROCESS.pop("sandbox", None)
        world.clock.remove()
        connections.close_all()


def judge(world: World) -> None:
    assert not world.surprises, f"{len(world.surprises)} surprises: {world.surprises[:3]}"
    assert holes_and_overlaps() == []
    assert double_charges(world.sandbox) == []
    assert periods_without_their_charge(world.sandbox) == []
    assert provider_disagrees(world.sandbox) == set()
    assert run_all_checks() == []
    assert_books_are_whole()


def tell(world: World, *, seconds: float) -> None:
    renewals = Invoice.objects.filter(kind="renewal", status="paid").count()
    logs = [f"{wish} {word}" for member in world.members for _day, wish, word in member.log]
    told = {
        "luck": world.luck, "members": len(world.members), "days": DAYS, "seconds": round(seconds, 1),
        "renewals": renewals, "renewals_a_second": round(renewals / seconds, 1),
        "spent": {what: round(ns / 1e9, 1) for what, ns in world.spent.items()},
        "weather": dict(world.transport.seen), "deaths": dict(world.doom.deaths),
        "wishes": {word: logs.count(word) for word in sorted(set(logs))},
    }  # fmt: skip
    print("\n" + json.dumps(told, indent=1))  # the simulation's figures (pytest -s)


def test_the_same_members_with_other_accidents_have_the_same_books(monkeypatch: pytest.MonkeyPatch) -> None:
    first = live(monkeypatch, seed="one seed", luck="a")
    second = live(monkeypatch, seed="one seed", luck="b")
    different = {number: (life, second[0][number]) for number, life in first[0].items() if life != second[0][number]}
    assert not different, f"{len(different)} lives, the first: {next(iter(different.items()))}"
    assert first[1] == second[1]
    assert first[1], "nothing was booked"
