"""Risk assessment alone (p50, p99), with more and more to decide, and its share of the pay path."""

import os
import time
from collections.abc import Callable

from benchmarks.rig.databases import prepare_ours, require_durable
from benchmarks.rig.house import SERVER, serving, visit
from benchmarks.rig.percentiles import percentiles_ms
from benchmarks.rig.rounds import Contestant, Sample, pace, play
from benchmarks.rig.tables import conditions, table

SECONDS = min(2.0, float(os.environ.get("BENCH_SECONDS", "2")))
# What a shop begins with: amounts, new payers, counts of each kind, a watch list, exceptions.
RULES = (
    'merchant_id == "mer_none" and amount_minor < 100',
    "amount_minor > 10000000",
    'amount_minor > 5000000 and currency in ["USD", "EUR"] and user_age_days < 7',
    "is_first_purchase and amount_minor > 9000000",
    "user_count_1h > 999999",
    "user_sum_24h > 999999999999",
    "device_count_1m > 999999 or device_count_24h > 999999",
    "ip_count_1h > 999999 and is_known_user",
    "payment_method_count_7d > 999999",
    '"stolen_phones" in lists',
)


def main() -> None:
    url = prepare_ours()
    conditions(require_durable(url), f"assess alone: one thread, {pace()} (here {SECONDS:.0f} s)", SERVER)
    _alone()
    _share_of_pay(url)


def _alone() -> None:
    scenes: dict[str, Contestant] = {
        "no rules, no limits": _scene(_prepare_nothing),
        "10 rules, without counts": _scene(lambda: _prepare_rules(RULES[:3] * 3 + RULES[:1])),
        "10 rules with counts, a limit, a list": _scene(lambda: _prepare_all(RULES)),
        "100 rules with counts, a limit, a list": _scene(lambda: _prepare_all(RULES * 10)),
    }
    results = play(scenes)
    table(
        ["assess", "p50 ms", "p95 ms", "p99 ms", "CPU ms"],
        [
            [name, *(result.latencies_ms[part] for part in ("p50", "p95", "p99")), result.cpu_ms]
            for name, result in results.items()
        ],
    )


def _share_of_pay(url: str) -> None:
    """One connection, the whole request, with nothing to decide and with the ten rules."""
    with serving(url) as house:
        results = play(
            {
                "POST /api/v1/payments, no rules": _after(
                    _prepare_nothing, lambda: visit(house, story="pay", connections=1)
                ),
                "POST /api/v1/payments, 10 rules with counts, a limit, a list": _after(
                    lambda: _prepare_all(RULES), lambda: visit(house, story="pay", connections=1)
                ),
            }
        )
    without, with_rules = (result.latencies_ms for result in results.values())
    table(
        ["pay", "p50 ms", "p99 ms"],
        [[name, result.latencies_ms["p50"], result.latencies_ms["p99"]] for name, result in results.items()],
    )
    table(
        ["share of risk's rules in the pay path", "p50", "p99"],
        [["", *(1 - without[part] / with_rules[part] for part in ("p50", "p99"))]],
    )


def _after(prepare: Callable[[], None], act: Callable[[], Sample]) -> Contestant:
    def play_round() -> Sample:
        prepare()
        time.sleep(2.5)  # what the server remembers of the scene before is two seconds old at most
        return act()

    return play_round


def _scene(prepare: Callable[[], None]) -> Contestant:
    def play_round() -> Sample:
        from riskcontrol.decisions import assess

        prepare()
        attempts = _attempts()
        for attempt in attempts[:50]:
            assess(attempt)
        taken: list[float] = []
        cpu, started, turn = time.process_time(), time.perf_counter(), 0
        while (began := time.perf_counter()) - started < SECONDS:
            assess(attempts[turn % len(attempts)])
            taken.append(time.perf_counter() - began)
            turn += 1
        wall = time.perf_counter() - started
        return Sample(len(taken), wall, time.process_time() - cpu, percentiles_ms(taken))

    return play_round


def _attempts() -> list["object"]:
    from accounts.models import User
    from merchants.models import Merchant
    from paycore.money import Money
    from riskcontrol.decisions import Attempt

    merchant, _new = Merchant.objects.get_or_create(name="Assessed", defaults={"country": "US", "status": "approved"})
    users = list(User.objects.filter(name="Assessed")[:200])
    if not users:
        users = User.objects.bulk_create([User(name="Assessed", email=f"a{n}@bench.example") for n in range(200)])
    return [
        Attempt(
            subject_id=f"ord_{number}",
            merchant_id=merchant.id,
            amount=Money(1_000, "USD"),
            method="card",
            user_id=user.id,
            ip=f"198.51.100.{number % 250}",
            device_id=f"device-{number}",
            payment_method_key=f"method-{number}",
        )
        for number, user in enumerate(users)
    ]


def _prepare_nothing() -> None:
    from paycore.fresh import forget_everything
    from riskcontrol.models import PaymentLimit, RiskList, Rule

    Rule.objects.update(mode="off")
    PaymentLimit.objects.update(is_active=False)
    RiskList.objects.update(is_active=False)
    forget_everything()


def _prepare_rules(expressions: tuple[str, ...]) -> None:
    from paycore.fresh import forget_everything
    from riskcontrol.models import Rule
    from riskcontrol.rebuilding import rebuild_velocity

    _prepare_nothing()
    for number, expression in enumerate(expressions):
        name = f"{len(expressions)}:{number}"
        fields = {"expression": expression, "action": "review", "mode": "active"}
        Rule.objects.update_or_create(name=name, defaults=fields)
    forget_everything()
    rebuild_velocity()


def _prepare_all(expressions: tuple[str, ...]) -> None:
    from paycore.fresh import forget_everything
    from riskcontrol.lists import add_entry
    from riskcontrol.models import PaymentLimit, RiskList

    _prepare_rules(expressions)
    PaymentLimit.objects.update_or_create(
        kind="day_sum", currency="USD", defaults={"max_amount_minor": 10**15, "is_active": True}
    )
    risk_list, _new = RiskList.objects.update_or_create(
        name="stolen_phones", defaults={"effect": "watch", "is_active": True}
    )
    for number in range(20):
        add_entry(risk_list=risk_list, kind="device", value=f"stolen-{number}", reason="bench", added_by_id=None)
        add_entry(risk_list=risk_list, kind="ip", value=f"192.0.2.{number}", reason="bench", added_by_id=None)
    forget_everything()


if __name__ == "__main__":
    main()
