"""G4: a provider's callback verified, stored and applied to the books, against dj-stripe 2.11 and the same events.

Both in process: WSGI's environ in, the answer out. Ours includes what comes after the answer: Stripe's intent is read
anew (its callbacks are hints), the payment moved, its capture booked, the outbox drained.
dj-stripe reads the intent anew as well, within its answer, and renews its copy of it; it keeps no books.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.rig.accounts_of_cpu import family_cpu_seconds, postgres_root, redis_root
from benchmarks.rig.databases import prepare_empty, prepare_ours, require_durable
from benchmarks.rig.elsewhere import python_with
from benchmarks.rig.house import production_environment
from benchmarks.rig.rounds import ROUNDS, SECONDS, Contestant, Sample, play
from benchmarks.rig.tables import conditions, table

if TYPE_CHECKING:
    from benchmarks.rig.callbacks import SandboxShop, StripeShop

_SIDE = Path(__file__).resolve().parent / "djstripe"
CALLBACKS = max(40, int(SECONDS * 40))
"""A round's: a number rather than a time, for each needs a payment that waits for it."""
DJ_STRIPE, STRIPE, WHOLE = (
    "dj-stripe 2.11",
    "paycore, Stripe: read anew, books",
    "paycore, a callback that says all (sandbox's)",
)


def main() -> None:
    python = python_with(_SIDE / "requirements.txt")
    with tempfile.TemporaryDirectory() as folder, _log_in(Path(folder) / "log"):
        given = os.environ["DATABASE_URL"]
        os.environ |= production_environment(given, metrics=folder)
        url = prepare_ours()
        pace = f"{ROUNDS} rounds of {CALLBACKS} callbacks in turn after one to warm up, medians"
        conditions(
            require_durable(url),
            f"one process, one connection, {pace}; databases new",
            "paycore: production settings, all middleware, access log to a file, the worker's tasks called in process"
            " after every 20 callbacks, no merchant's endpoint to tell; dj-stripe: no middleware, no log, its copies of"
            " the intent and the card made before",
            "Stripe's answers come from memory on both sides, through its SDK",
        )
        _duel(url, python, scenes=Path(folder) / "scenes")


def _duel(url: str, python: str, *, scenes: Path) -> None:
    # Loads models, so only after Django was set up.
    from benchmarks.rig.callbacks import SandboxShop, StripeShop, deliver_old_news, seed_merchant

    merchant = seed_merchant()
    stripe, sandbox = StripeShop(merchant), SandboxShop(merchant)
    contestants = {STRIPE: _ours(url, stripe), WHOLE: _ours(url, sandbox)}
    deliver_old_news()
    scenes.write_text("\n".join(stripe.scenes), encoding="utf-8")
    with _dj_stripe(python, scenes) as theirs:
        results = play({DJ_STRIPE: theirs, **contestants})
    bound = results[DJ_STRIPE]
    table(
        ["callbacks (G4)", "per second", "CPU ms each", "cap (CPU, dj-stripe ÷ this)", "wall (this ÷ dj-stripe)"],
        [
            [name, result.per_second, result.cpu_ms, bound.cpu_ms / result.cpu_ms, result.per_second / bound.per_second]
            for name, result in results.items()
        ],
    )
    for name, result in results.items():
        table([f"CPU ms of {name}", *result.parts_cpu_ms], [["", *result.parts_cpu_ms.values()]])


def _ours(url: str, shop: "StripeShop | SandboxShop") -> Contestant:
    from benchmarks.rig.callbacks import Receiver, require_paid

    receiver, roots = Receiver(), {"PostgreSQL": postgres_root(url), "Redis": redis_root(os.environ["REDIS_URL"])}
    waiting = iter([shop.prepare(CALLBACKS) for _ in range(ROUNDS + 1)])

    def play_round() -> Sample:
        callbacks = next(waiting)
        before = {name: family_cpu_seconds([root]) for name, root in roots.items()}
        cpu, started = time.process_time(), time.perf_counter()
        receiver.receive(callbacks)
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        parts = {"Python": cpu} | {name: family_cpu_seconds([root]) - before[name] for name, root in roots.items()}
        require_paid(callbacks)
        return Sample(len(callbacks), wall, sum(parts.values()), parts_cpu_seconds=parts)

    return play_round


@contextmanager
def _dj_stripe(python: str, scenes: Path) -> Iterator[Contestant]:
    url = prepare_empty("paycore_bench_djstripe")
    root = postgres_root(url)
    environment = {"DATABASE_URL": url, "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        [python, str(_SIDE / "side.py")], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def ask(line: object) -> dict[str, float]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise SystemExit("dj-stripe's side gave up")
        report: dict[str, float] = json.loads(answer)
        return report

    def play_round() -> Sample:
        server = family_cpu_seconds([root])
        report = ask(CALLBACKS)
        parts = {"Python": report["cpu"], "PostgreSQL": family_cpu_seconds([root]) - server}
        return Sample(int(report["operations"]), report["wall"], sum(parts.values()), parts_cpu_seconds=parts)

    try:
        print(f"- dj-stripe's side: {ask(scenes)}", flush=True)
        yield play_round
    finally:
        process.kill()
        process.wait()


@contextmanager
def _log_in(file: Path) -> Iterator[None]:
    """The error stream's lines go to ``file``, as a server's log does; shown when it ends badly."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(file, "wb") as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            os.write(kept, file.read_bytes()[-4000:])
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


if __name__ == "__main__":
    main()
