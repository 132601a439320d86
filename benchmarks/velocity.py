"""G12: the velocity call of one assessment against a PING, both by redis-py's way of talking, in turn."""

import os
import time

from benchmarks.rig.databases import prepare_ours
from benchmarks.rig.percentiles import percentiles_ms
from benchmarks.rig.rounds import Contestant, Sample, pace, play
from benchmarks.rig.tables import conditions, table

SECONDS = min(2.0, float(os.environ.get("BENCH_SECONDS", "2")))


def main() -> None:
    prepare_ours()
    from django.conf import settings
    from redis import Redis

    from riskcontrol.facts import DIMENSIONS, MEASURES
    from riskcontrol.velocity import READY, Counter, count

    client = Redis.from_url(settings.REDIS_URL)
    connection = client.connection_pool.make_connection()
    kinds = [(dimension, measure) for dimension in DIMENSIONS for measure in MEASURES]
    client.set(READY, ",".join(f"{dimension}.{measure}" for dimension, measure in kinds))
    turn = iter(range(10**12))

    def counters(of: list[tuple[str, str]]) -> tuple[Counter, ...]:
        # Many payers and devices, a few merchants: as a day brings them.
        number = next(turn)
        return tuple(
            Counter(
                dimension,
                measure,
                f"{dimension}-{number % (5 if dimension == 'merchant' else 20_000)}",
                "USD" if measure == "sum" else "",
            )
            for dimension, measure in of
        )

    def ping() -> None:
        connection.send_command("PING", check_health=False)
        connection.read_response()

    def count_of(dimensions: int) -> Contestant:
        of = [(dimension, measure) for dimension in DIMENSIONS[:dimensions] for measure in MEASURES]
        return _repeated(lambda: count(counters(of), amount_minor=1_000))

    results = play(
        {
            "bound: PING on a bare connection": _repeated(ping),
            "PING by redis-py's client": _repeated(client.ping),
            "1 dimension: count and sum, 4 windows each": count_of(1),
            "2 dimensions": count_of(2),
            "3 dimensions": count_of(3),
            "5 dimensions": count_of(5),
        }
    )
    connection.disconnect()
    conditions(f"Redis {client.info('server')['redis_version']}", f"one thread, {pace()} (here {SECONDS:.0f} s)")
    bare, client_ping = list(results.values())[:2]
    table(
        ["", "p50 µs", "p99 µs", "÷ bare PING (p50)", "÷ client's PING (p50)"],
        [
            [
                name,
                result.latencies_ms["p50"] * 1000,
                result.latencies_ms["p99"] * 1000,
                result.latencies_ms["p50"] / bare.latencies_ms["p50"],
                result.latencies_ms["p50"] / client_ping.latencies_ms["p50"],
            ]
            for name, result in results.items()
        ],
    )


def _repeated(act: object) -> Contestant:
    assert callable(act)

    def play_round() -> Sample:
        taken: list[float] = []
        cpu, started = time.process_time(), time.perf_counter()
        while (began := time.perf_counter()) - started < SECONDS:
            act()
            taken.append(time.perf_counter() - began)
        wall = time.perf_counter() - started
        return Sample(len(taken), wall, time.process_time() - cpu, percentiles_ms(taken))

    return play_round


if __name__ == "__main__":
    main()
