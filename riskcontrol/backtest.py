"""What a draft rule would have done: run against the newest decisions of the journal, within a bound of time."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from paycore.money import Money
from riskcontrol.language import Compiled, RuleFailed, compile_expression
from riskcontrol.models import Decision, Outcome

MOST = 20_000
BUDGET_SECONDS = 4.0
EXAMPLES = 10
_BATCH = 500


@dataclass(slots=True)
class Replay:
    """``actions`` is what was really decided about those that match; ``outcomes`` what then became of them.

    ``cannot_tell`` are decisions that had not looked up a fact that the rule reads; ``missing`` says which, how often.
    """

    looked_at: int = 0
    matched: int = 0
    cannot_tell: int = 0
    is_cut_short: bool = False
    oldest: datetime | None = None
    amounts: dict[str, int] = field(default_factory=dict)
    actions: Counter[str] = field(default_factory=Counter)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    missing: Counter[str] = field(default_factory=Counter)
    examples: list[Decision] = field(default_factory=list)

    @property
    def totals(self) -> list[Money]:
        return [Money(minor, currency) for currency, minor in sorted(self.amounts.items())]


def replay(
    expression: str, *, most: int, seconds: float = BUDGET_SECONDS, clock: Callable[[], float] = time.monotonic
) -> Replay:
    """Try ``expression`` on the ``most`` newest decisions, for at most ``seconds``. Changes nothing.

    Raises ``ValidationError`` when it is no rule.
    """
    compiled = compile_expression(expression)
    deadline = clock() + seconds
    result = Replay()
    matched: list[str] = []
    for decision in _newest(min(most, MOST)):
        if result.looked_at % 100 == 0 and clock() > deadline:
            result.is_cut_short = True
            break
        _look_at(decision, compiled, result, matched)
    result.outcomes = _outcomes_of(matched)
    return result


def _newest(most: int) -> Iterator[Decision]:
    """By keyset: a cursor on the server would need a transaction around the whole."""
    left, before = most, ""
    fields = ("id", "subject_id", "amount_minor", "currency", "action", "facts", "user_id", "decided_at")
    while left > 0:
        older = Decision.objects.filter(id__lt=before) if before else Decision.objects.all()
        batch = list(older.order_by("-id").only(*fields)[: min(_BATCH, left)])
        yield from batch
        if len(batch) < min(_BATCH, left):
            return
        left, before = left - len(batch), batch[-1].id


def _look_at(decision: Decision, compiled: Compiled, result: Replay, matched: list[str]) -> None:
    result.looked_at += 1
    result.oldest = decision.decided_at
    absent = compiled.needs - decision.facts.keys()
    try:
        is_match = not absent and compiled.matches(decision.facts)
    except RuleFailed:
        result.cannot_tell += 1
        return
    if absent:
        result.cannot_tell += 1
        result.missing.update(absent)
    elif is_match:
        result.matched += 1
        matched.append(decision.id)
        result.actions[decision.action] += 1
        result.amounts[decision.currency] = result.amounts.get(decision.currency, 0) + decision.amount_minor
        if len(result.examples) < EXAMPLES:
            result.examples.append(decision)


def _outcomes_of(decision_ids: list[str]) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for start in range(0, len(decision_ids), _BATCH):
        some = Outcome.objects.filter(decision_id__in=decision_ids[start : start + _BATCH])
        counts.update(some.values_list("kind", flat=True))
    return counts
