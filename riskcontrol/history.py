"""What the journal knows of a payer, an address, a device, a saved payment method or a merchant. Bounded reads."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from paycore.identifiers import earliest_id
from riskcontrol.models import Action, Decision, Outcome

DAYS = 90
MOST = 1_000
"""Decisions looked at: of a merchant with millions, the newest."""
DIMENSIONS = ("user_id", "device_id", "ip", "payment_method_key", "merchant_id")


@dataclass(frozen=True, slots=True)
class Past:
    """Numbers of the newest (at most ``MOST``) decisions of ``DAYS`` days."""

    attempts: int = 0
    today: int = 0
    is_cut: bool = False
    actions: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)

    @property
    def held_back(self) -> int:
        return self.actions.get(Action.REJECT, 0) + self.actions.get(Action.REVIEW, 0)


def past_of(dimension: str, value: str, *, now: datetime) -> Past:
    """``dimension`` is one of ``DIMENSIONS``; two reads by index."""
    if dimension not in DIMENSIONS:
        raise ValueError(dimension)
    decisions = Decision.objects.filter(
        **{dimension: value}, id__gte=earliest_id("rsk", now - timedelta(days=DAYS))
    ).order_by("-id")
    rows = list(decisions.values_list("id", "action")[: MOST + 1])
    is_cut = len(rows) > MOST
    rows = rows[:MOST]
    ids = [decision_id for decision_id, _action in rows]
    yesterday = earliest_id("rsk", now - timedelta(days=1))
    outcomes = Outcome.objects.filter(decision_id__in=ids).values_list("kind", flat=True) if ids else []
    return Past(
        attempts=len(rows),
        today=sum(decision_id >= yesterday for decision_id in ids),
        is_cut=is_cut,
        actions=Counter(action for _id, action in rows),
        outcomes=Counter(outcomes),
    )
