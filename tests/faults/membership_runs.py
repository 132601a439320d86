"""A whole life of many memberships, from an empty database to what is judged."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.db import connections

from memberships.models import Invoice
from merchants.models import Merchant
from paycore import identifiers
from paycore.fresh import forget_everything
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.routing import connections as gateways
from payments.routing.models import GatewayAccount
from tests.conftest import SANDBOX_SECRET
from tests.emptying import empty_all_tables
from tests.faults.membership_clock import SimulatedClock
from tests.faults.membership_judging import Books, Lives, books_of, judge, lives_of
from tests.faults.membership_lives import Life
from tests.faults.membership_weather import Luck, StormyTransport
from tests.faults.membership_world import STARTS_AT, World


@dataclass(frozen=True)
class Outcome:
    lives: Lives
    books: Books


def live(monkeypatch: pytest.MonkeyPatch, *, lives: Sequence[Life], luck: Luck, days: int) -> Outcome:
    """Lived and judged."""
    with world_of(monkeypatch, lives=lives, luck=luck) as world:
        started, cpu = time.perf_counter(), time.process_time()
        world.run(days)
        lived, cpu = time.perf_counter(), time.process_time() - cpu
        judge(world)
        outcome = Outcome(lives_of(world), books_of())
        tell(world, days=days, seconds=lived - started, cpu=cpu, judged=time.perf_counter() - lived)
        return outcome


@contextmanager
def world_of(monkeypatch: pytest.MonkeyPatch, *, lives: Sequence[Life], luck: Luck) -> Iterator[World]:
    """An empty database, on the first day."""
    empty_all_tables()
    forget_everything()
    gateways.forget_adapters()
    clock = SimulatedClock()
    clock.at = STARTS_AT
    clock.install()
    try:
        with monkeypatch.context() as patched:
            patched.setattr(identifiers, "time", clock)
            yield _populated(clock, lives=lives, luck=luck)
    finally:
        gateways.IN_PROCESS.pop("sandbox", None)
        clock.remove()
        connections.close_all()


def _populated(clock: SimulatedClock, *, lives: Sequence[Life], luck: Luck) -> World:
    sandbox = SandboxProvider(secrets=[SANDBOX_SECRET], base_url="http://sandbox.test", clock=clock.seconds)
    transport = StormyTransport(SandboxTransport(sandbox), luck, refuses=lambda _token: False)
    platform = Merchant.objects.create(
        name="Paycore", country="US", status="approved", is_platform=True, refund_review_above_minor=10**9
    )
    account = GatewayAccount.objects.create(
        name="Sandbox", gateway="sandbox", base_url="inprocess://sandbox", credentials={"secret": SANDBOX_SECRET},
        methods=["card"], currencies=[], fee_basis_points=290, fee_fixed_minor=30,
    )  # fmt: skip
    gateways.IN_PROCESS["sandbox"] = transport
    return World(lives, luck, clock, sandbox, transport, platform, account)


def tell(world: World, *, days: int, seconds: float, cpu: float, judged: float) -> None:
    """The figures of a run (pytest -s); ``cpu`` is this process's, without PostgreSQL's."""
    renewals = Invoice.objects.filter(kind="renewal", status="paid").count()
    logs = [f"{wish} {word}" for member in world.members for _day, wish, word in member.log]
    told = {
        "luck": world.luck.name, "members": len(world.members), "days": days, "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1), "judged_in": round(judged, 1), "renewals": renewals,
        "renewals_a_second": round(renewals / seconds, 1),
        "spent": {what: round(ns / 1e9, 1) for what, ns in world.spent.items()},
        "weather": dict(world.transport.seen), "deaths": dict(world.doom.deaths),
        "wishes": {word: logs.count(word) for word in sorted(set(logs))},
    }  # fmt: skip
    print("\n" + json.dumps(told, indent=1), file=sys.stderr)  # the one that pytest-xdist leaves to its workers
