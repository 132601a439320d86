"""How well an account takes a method, from its latest payments alone: nothing is stored, so nothing can be lost.

A circuit opens after so many technical failures in a row and lets one payment through after a cool-off that doubles,
10 seconds to 5 minutes, and after some have gone elsewhere (1, 2, 4 …), so that a quiet shop does not spend every other
payment on trying; what comes of that one closes it or opens it again. The chance of success is the lower bound of
a Beta distribution, of the provider's doing and of the issuer's apart; newer payments count for more. What the payer
did, fraud, and requests that were ours to get right say nothing about the account.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

FAILURES_TO_OPEN = 3
COOL_OFF_SECONDS = 10
LONGEST_COOL_OFF = timedelta(minutes=5)
TECHNICAL_PRIOR = 0.98
ISSUER_PRIOR = 0.85
PRIOR_STRENGTH = 20.0
"""How many payments the prior weighs as much as."""
MOST_OF_ONE_ACCOUNT = 2.0
"""As many payments of each account shape the prior of its method: a bad one must not make the untried look bad."""
NEWER_COUNTS_MORE = 0.97
HALF_LIFE_HOURS = 6.0


class Seen(StrEnum):
    """What one payment said of the account that was asked. ANSWERED: it works; whether payments succeed is open."""

    SUCCEEDED = "succeeded"
    ANSWERED = "answered"
    TECHNICAL = "technical"
    ISSUER = "issuer"


@dataclass(frozen=True, slots=True)
class Sighting:
    seen: Seen
    began_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Breaker:
    """Closed without ``opened_at``."""

    opened_at: datetime | None = None
    openings: int = 0

    def state(self, now: datetime, *, went_elsewhere: int) -> str:
        """``closed``, ``open`` or ``half_open``; ``went_elsewhere`` counts payments since it opened."""
        if self.opened_at is None:
            return "closed"
        since = now - self.opened_at
        is_time = since >= cool_off(self.openings)
        is_turn = went_elsewhere >= 2 ** (self.openings - 1) or since >= LONGEST_COOL_OFF
        return "half_open" if is_time and is_turn else "open"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Weighted counts of what is known."""

    worked: float = 0.0
    broke: float = 0.0
    approved: float = 0.0
    declined: float = 0.0
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """``success_per_mille`` is the careful guess; ``probe_per_mille`` the same as if nothing technical were wrong, by
    which a half-open account finds its old place again."""

    success_per_mille: int
    probe_per_mille: int
    samples: int = 0
    breaker: Breaker = Breaker()
    newest_payment: str = ""
    went_elsewhere: int = 0

    def state(self, now: datetime) -> str:
        return self.breaker.state(now, went_elsewhere=self.went_elsewhere)


def cool_off(openings: int) -> timedelta:
    return min(timedelta(seconds=COOL_OFF_SECONDS * 2 ** min(openings - 1, 10)), LONGEST_COOL_OFF)


def replay(
    sightings: Sequence[Sighting], *, now: datetime, failures_to_open: int = FAILURES_TO_OPEN
) -> tuple[Breaker, Evidence]:
    """Oldest first, in the order in which they began."""
    breaker = Breaker()
    in_a_row: list[Sighting] = []
    counted: list[Sighting] = []
    for sighting in sightings:
        if sighting.seen is not Seen.TECHNICAL:
            breaker = Breaker()
            counted += [*in_a_row, sighting]
            in_a_row = []
        elif breaker.opened_at is None:
            in_a_row.append(sighting)
            if len(in_a_row) >= failures_to_open:
                breaker = Breaker(sighting.ended_at, openings=1)
                counted.append(sighting)  # an outage is one event, however many met it
                in_a_row = []
        elif sighting.began_at >= breaker.opened_at + cool_off(breaker.openings):
            breaker = Breaker(sighting.ended_at, openings=breaker.openings + 1)
        # else: it was on its way when the circuit opened, and tells nothing new
    return breaker, _weigh([*counted, *in_a_row], now=now)


def _weigh(counted: Sequence[Sighting], *, now: datetime) -> Evidence:
    sums = dict.fromkeys(Seen, 0.0)
    weight = 1.0
    for sighting in reversed(counted):
        hours = max(0.0, (now - sighting.began_at).total_seconds() / 3600)
        sums[sighting.seen] += weight * 0.5 ** (hours / HALF_LIFE_HOURS)
        weight *= NEWER_COUNTS_MORE
    return Evidence(
        worked=sums[Seen.SUCCEEDED] + sums[Seen.ANSWERED] + sums[Seen.ISSUER],
        broke=sums[Seen.TECHNICAL],
        approved=sums[Seen.SUCCEEDED],
        declined=sums[Seen.ISSUER],
        samples=len(counted),
    )


def issuer_prior(evidence: Iterable[Evidence]) -> float:
    """How often issuers approve a method, over all accounts that take it, each of which counts little."""
    good, all_in_all = ISSUER_PRIOR * PRIOR_STRENGTH, PRIOR_STRENGTH
    for one in evidence:
        known = one.approved + one.declined
        if known > 0:
            share = min(1.0, MOST_OF_ONE_ACCOUNT / known)
            good += one.approved * share
            all_in_all += known * share
    return good / all_in_all


def lower_bound(good: float, bad: float, *, prior: float) -> float:
    """One standard deviation below the mean of Beta(good, bad) on top of the prior."""
    alpha, beta = prior * PRIOR_STRENGTH + good, (1 - prior) * PRIOR_STRENGTH + bad
    mean = alpha / (alpha + beta)
    return max(0.0, mean - math.sqrt(mean * (1 - mean) / (alpha + beta + 1)))


def judge(
    breaker: Breaker, evidence: Evidence, *, prior: float, newest_payment: str = "", went_elsewhere: int = 0
) -> Health:
    """``prior`` is :func:`issuer_prior` of the method."""
    issuer = lower_bound(evidence.approved, evidence.declined, prior=prior)
    technical = lower_bound(evidence.worked, evidence.broke, prior=TECHNICAL_PRIOR)
    untroubled = lower_bound(evidence.worked, 0.0, prior=TECHNICAL_PRIOR)
    return Health(
        success_per_mille=round(1000 * technical * issuer),
        probe_per_mille=round(1000 * untroubled * issuer),
        samples=evidence.samples,
        breaker=breaker,
        newest_payment=newest_payment,
        went_elsewhere=went_elsewhere,
    )
