"""Two or more contestants in turn, A B A B …, and the medians of their rounds."""

import os
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))


def pace() -> str:
    """What the conditions say of the rounds."""
    return f"{ROUNDS} rounds of {SECONDS:.0f} s in turn after one to warm up, medians"


@dataclass(frozen=True)
class Sample:
    """One round of one contestant. ``latencies_ms`` by percentile name, where they were taken."""

    operations: int
    wall_seconds: float
    cpu_seconds: float
    latencies_ms: Mapping[str, float] = field(default_factory=dict)
    parts_cpu_seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return self.operations / self.wall_seconds

    @property
    def cpu_ms(self) -> float:
        return self.cpu_seconds * 1000 / self.operations


@dataclass(frozen=True)
class Result:
    """Medians over the rounds."""

    per_second: float
    cpu_ms: float
    latencies_ms: Mapping[str, float]
    parts_cpu_ms: Mapping[str, float]


Contestant = Callable[[], Sample]


def play(contestants: Mapping[str, Contestant], *, rounds: int = ROUNDS) -> dict[str, Result]:
    """Everybody once to warm up, then ``rounds`` rounds in turn."""
    samples: dict[str, list[Sample]] = {name: [] for name in contestants}
    for contestant in contestants.values():
        contestant()
    for _round in range(rounds):
        for name, contestant in contestants.items():
            samples[name].append(contestant())
    return {name: _summed_up(taken) for name, taken in samples.items()}


def _summed_up(samples: list[Sample]) -> Result:
    median = statistics.median
    return Result(
        per_second=median(sample.per_second for sample in samples),
        cpu_ms=median(sample.cpu_ms for sample in samples),
        latencies_ms={
            name: median(sample.latencies_ms[name] for sample in samples) for name in samples[0].latencies_ms
        },
        parts_cpu_ms={
            name: median(sample.parts_cpu_seconds[name] * 1000 / sample.operations for sample in samples)
            for name in samples[0].parts_cpu_seconds
        },
    )
