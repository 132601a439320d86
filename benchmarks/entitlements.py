"""G14: "may this user do that?", remembered and not, against one indexed read of a subscription, in turn."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import cycle

import psycopg2

from benchmarks.rig.accounts_of_cpu import family_cpu_seconds, postgres_root, redis_root
from benchmarks.rig.databases import prepare_ours, require_durable
from benchmarks.rig.percentiles import percentiles_ms
from benchmarks.rig.rounds import Contestant, Sample, pace, play
from benchmarks.rig.tables import conditions, table

SECONDS = min(2.0, float(os.environ.get("BENCH_SECONDS", "2")))
MEMBERS, ASKING = 20_000, 200
_READ = "SELECT status, plan_id, period_ends_at FROM memberships_subscription WHERE user_id = %s AND status = 'active'"


def main() -> None:
    url = prepare_ours()
    from django.conf import settings
    from django.db import connection

    from memberships.entitlements.queries import check
    from memberships.entitlements.remembered import rights_at

    settings.PAYCORE_SANDBOX_MODE = False
    users = cycle(_prepare()[:: MEMBERS // ASKING])
    bare = psycopg2.connect(url)
    bare.autocommit = True
    cursor = bare.cursor()

    def read() -> None:
        cursor.execute(_READ, [next(users)])
        assert cursor.fetchone()

    def read_by_django() -> None:
        with connection.cursor() as ours:
            ours.execute(_READ, [next(users)])
            assert ours.fetchone()

    def remembered() -> None:
        assert check(next(users), "support")

    def counted() -> None:
        assert check(next(users), "exports")

    def asked() -> None:
        assert "support" in rights_at(next(users), None).by_feature

    for act in (remembered, counted):
        for _user in range(ASKING):
            act()
    roots = [postgres_root(url), redis_root(settings.REDIS_URL)]
    results = play(
        {
            name: _repeated(act, roots)
            for name, act in {
                "bound: one indexed read, psycopg2": read,
                "one indexed read, Django's cursor": read_by_django,
                "check, remembered": remembered,
                "check of a counted feature, remembered": counted,
                "not remembered: everything, by feature": asked,
            }.items()
        }
    )
    conditions(
        require_durable(url),
        f"{MEMBERS:,} members of one plan with ten features, {ASKING} of them asked about in turn, one thread",
        f"{pace()} (here {SECONDS:.0f} s); CPU of the asker, PostgreSQL and Redis; wall: operations per second",
    )
    bound, by_django = list(results.values())[:2]
    table(
        ["", "p50 µs", "p99 µs", "CPU µs", "cap ÷ psycopg2", "wall ÷ psycopg2", "cap ÷ Django", "wall ÷ Django"],
        [
            [
                name,
                result.latencies_ms["p50"] * 1000,
                result.latencies_ms["p99"] * 1000,
                result.cpu_ms * 1000,
                result.cpu_ms / bound.cpu_ms,
                bound.per_second / result.per_second,
                result.cpu_ms / by_django.cpu_ms,
                by_django.per_second / result.per_second,
            ]
            for name, result in results.items()
        ],
    )


def _repeated(act: Callable[[], None], roots: list[int]) -> Contestant:
    def play_round() -> Sample:
        taken: list[float] = []
        cpu, others, started = time.process_time(), family_cpu_seconds(roots), time.perf_counter()
        while (began := time.perf_counter()) - started < SECONDS:
            act()
            taken.append(time.perf_counter() - began)
        wall = time.perf_counter() - started
        spent = time.process_time() - cpu + family_cpu_seconds(roots) - others
        return Sample(len(taken), wall, spent, percentiles_ms(taken))

    return play_round


def _prepare() -> list[str]:
    """Ids of members in the middle of a paid month."""
    from django.db import connection

    from accounts.models import User
    from memberships.models import Feature, Period, Plan, PlanVersion, Price, Subscription, Tier
    from paycore.clock import database_now

    now = database_now()
    starts_at, ends_at = now - timedelta(days=10), now + timedelta(days=20)
    free, paid = (
        Plan.objects.create(
            code=code, tier=Tier.objects.create(code=code, name_en=code, name_zh=code, rank=rank), name_en=code,
            name_zh=code,
        )
        for rank, code in enumerate(["free", "premium"])
    )  # fmt: skip
    codes = ["support", "exports", *(f"feature-{number}" for number in range(8))]
    for code in codes:
        Feature.objects.create(code=code, name_en=code, name_zh=code, kind="metered" if code == "exports" else "switch")
    PlanVersion.objects.create(plan=free, number=1, features={"exports": 3})
    version = PlanVersion.objects.create(plan=paid, number=1, features={code: 100 for code in codes})
    price = Price.objects.create(plan=paid, currency="USD", amount_minor=1999)
    users = User.objects.bulk_create([User(name="M", email=f"m{n}@bench.example") for n in range(MEMBERS)], 5000)
    span = {"period_number": 1, "period_started_at": starts_at, "period_ends_at": ends_at, "due_at": ends_at}
    members = [
        Subscription(user=user, plan=paid, price=price, currency="USD", status="active", anchor_at=starts_at, **span)
        for user in users
    ]
    Subscription.objects.bulk_create(members, 5000)
    Period.objects.bulk_create(
        [
            Period(
                subscription=member, number=1, status="paid", plan_version=version, price=price, starts_at=starts_at,
                ends_at=ends_at,
            )
            for member in members
        ],
        5000,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return [user.id for user in users]


if __name__ == "__main__":
    main()
