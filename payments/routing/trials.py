"""A draft rule set replayed over the payments of the last days: where they would go, and what that would change.

Fees and chances are those of today, and every circuit is taken for closed; limits are counted anew from the first day.
Worked on in slices, each saved: a long history takes several, and a slice that is lost is done again.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from paycore import bell
from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.identifiers import earliest_id
from paycore.money import Money
from payments.bells import ROUTING_TRIALS
from payments.routing.board import Board, current_board
from payments.routing.conditions import Conditions, Used, conditions
from payments.routing.deciding import RouteQuestion, Trace, decide, order
from payments.routing.health import Breaker
from payments.routing.models import GatewayQuota, RoutingRuleSet, RoutingTrial
from payments.routing.rule_sets import fingerprint
from payments.routing.rules import compile_rule_set

MOST_DAYS = 90
SLICE_SECONDS = 4.0
LEASE = timedelta(seconds=30)
_BATCH = 500

# The first attempt of each decision; what it was passed on to is part of the same one.
_PAYMENTS = """
    SELECT payment.id, payment.created_at, payment_order.merchant_id, payment.order_id, payment.method,
        payment.currency, payment.amount_minor, payment.payer_country, payment.status, payment.gateway_account_id,
        payment.payment_method_id IS NOT NULL
    FROM payments_payment AS payment JOIN payments_order AS payment_order ON payment_order.id = payment.order_id
    WHERE payment.id > %(after)s AND payment.id < %(until)s
        AND coalesce(payment.routing -> 'chosen' ->> 0, payment.gateway_account_id) = payment.gateway_account_id
        AND (%(merchant)s::text IS NULL OR payment_order.merchant_id = %(merchant)s)
    ORDER BY payment.id LIMIT %(batch)s
"""
_CAME_TO_NOTHING = frozenset({"failed", "canceled", "expired"})


@dataclass(frozen=True, slots=True)
class Past:
    """One payment as it was."""

    id: str
    created_at: datetime
    merchant_id: str
    order_id: str
    method: str
    currency: str
    amount_minor: int
    country: str
    status: str
    account_id: str
    is_saved_method: bool

    @property
    def question(self) -> RouteQuestion:
        return RouteQuestion(
            merchant_id=self.merchant_id,
            amount=Money(self.amount_minor, self.currency),
            method=self.method,
            country=self.country,
            only_account_id=self.account_id if self.is_saved_method else "",
            subject=self.order_id,
        )


def begin_trial(rule_set: RoutingRuleSet, *, days: int, asked_by_id: str) -> RoutingTrial:
    """Leased to the caller, who may call :func:`advance_trial` at once; else a worker does. 1 ≤ ``days`` ≤ 90."""
    return RoutingTrial.objects.create(
        rule_set=rule_set,
        days=days,
        asked_by_id=asked_by_id,
        state={"rules": fingerprint(rule_set)},
        next_attempt_at=database_now() + LEASE,
    )


def due_trials(*, limit: int) -> list[str]:
    return claim_due(RoutingTrial, lease=LEASE, limit=limit, condition="status = 'running'")


def advance_trial(
    trial_id: str, *, seconds: float = SLICE_SECONDS, clock: Callable[[], float] = time.monotonic
) -> RoutingTrial:
    """Go on for at most ``seconds``. Two at once do no harm: the second one's slice is thrown away."""
    trial = RoutingTrial.objects.select_related("rule_set").get(id=trial_id)
    if trial.status != RoutingTrial.Status.RUNNING:
        return trial
    if trial.state.get("rules") != fingerprint(trial.rule_set):
        return _save(trial, trial.state, looked=0, status=RoutingTrial.Status.FAILED)
    comparison = _Comparison(trial)
    deadline, looked = clock() + seconds, 0
    is_done = False
    for batch in _batches(trial):
        for past in batch:
            comparison.look_at(past)
        looked += len(batch)
        is_done = len(batch) < _BATCH
        if is_done or clock() > deadline:
            break
    status = RoutingTrial.Status.DONE if is_done else RoutingTrial.Status.RUNNING
    return _save(trial, comparison.as_state(), looked=looked, status=status)


def progress_percent(trial: RoutingTrial) -> int:
    """By the days gone through."""
    if trial.status != RoutingTrial.Status.RUNNING:
        return 100
    reached = trial.state.get("reached")
    if not reached:
        return 0
    began = trial.until - timedelta(days=trial.days)
    share = (datetime.fromisoformat(reached) - began) / timedelta(days=trial.days)
    return max(0, min(99, int(100 * share)))


def _save(trial: RoutingTrial, state: dict[str, Any], *, looked: int, status: str) -> RoutingTrial:
    is_over = status != RoutingTrial.Status.RUNNING
    RoutingTrial.objects.filter(id=trial.id, status=RoutingTrial.Status.RUNNING, looked_at=trial.looked_at).update(
        state=state,
        looked_at=trial.looked_at + looked,
        status=status,
        next_attempt_at=None if is_over else Now(),
        finished_at=Now() if is_over else None,
    )
    if not is_over:
        bell.ring_on_commit(ROUTING_TRIALS)
    trial.refresh_from_db()
    return trial


def _batches(trial: RoutingTrial) -> Iterator[list[Past]]:
    after = trial.state.get("cursor") or earliest_id("pay", trial.until - timedelta(days=trial.days))
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                _PAYMENTS,
                {
                    "after": after,
                    "until": earliest_id("pay", trial.until),
                    "merchant": trial.rule_set.merchant_id,
                    "batch": _BATCH,
                },
            )
            batch = [Past(*row) for row in cursor.fetchall()]
        yield batch
        if not batch:
            return
        after = batch[-1].id


class _Comparison:
    """The active rules and the draft, side by side over the same payments."""

    def __init__(self, trial: RoutingTrial) -> None:
        board, state = current_board(), trial.state
        draft = compile_rule_set(trial.rule_set, trial.rule_set.rules.all())
        known = conditions()
        healthy = {where: replace(health, breaker=Breaker()) for where, health in known.health.items()}
        untroubled = replace(known, health=healthy)
        periods = dict(GatewayQuota.objects.values_list("id", "period"))
        self._kept = {"rules": state.get("rules"), "cursor": state.get("cursor"), "reached": state.get("reached")}
        self._moved = state.get("moved", 0)
        self._sides = {
            "now": _Side(board, untroubled, periods, state.get("now", {})),
            "draft": _Side(
                board.with_rule_set(draft, merchant_id=trial.rule_set.merchant_id),
                untroubled,
                periods,
                state.get("draft", {}),
            ),
        }

    def look_at(self, past: Past) -> None:
        chosen = {name: side.route(past) for name, side in self._sides.items()}
        self._moved += chosen["now"] != chosen["draft"]
        self._kept |= {"cursor": past.id, "reached": past.created_at.isoformat()}

    def as_state(self) -> dict[str, Any]:
        sides = {name: side.as_state() for name, side in self._sides.items()}
        return {**self._kept, "moved": self._moved, **sides}


class _Side:
    def __init__(self, board: Board, known: Conditions, periods: Mapping[str, str], state: Mapping[str, Any]) -> None:
        self._board, self._known, self._periods = board, known, periods
        self._accounts: dict[str, dict[str, Any]] = dict(state.get("accounts", {}))
        self._uses: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0], state.get("uses", {}))
        self._nowhere: int = state.get("nowhere", 0)

    def as_state(self) -> dict[str, Any]:
        return {"accounts": self._accounts, "uses": dict(self._uses), "nowhere": self._nowhere}

    def route(self, past: Past) -> str:
        """Where it would go; empty when nobody would take it."""
        trace = decide(
            past.question,
            board=self._board,
            conditions=replace(self._known, used=self._used(past)),
            now=past.created_at,
            failure_cost_basis_points=settings.PAYCORE_ROUTING_FAILURE_COST_BASIS_POINTS,
            may_probe=_never,
        )
        self._note_full_limits(trace)
        if not trace["chosen"]:
            self._nowhere += 1
            return ""
        account_id: str = trace["chosen"][0]
        self._count(account_id, trace, past)
        return account_id

    def _count(self, account_id: str, trace: Trace, past: Past) -> None:
        entry = next(one for one in trace["candidates"] if one["account"] == account_id)
        tally = self._tally(account_id)
        tally["payments"] += 1
        tally["success_per_mille"] += entry["success_per_mille"]
        amounts, fees = tally["amounts"], tally["fees"]
        amounts[past.currency] = amounts.get(past.currency, 0) + past.amount_minor
        fees[past.currency] = fees.get(past.currency, 0) + entry["expected_fee_minor"]
        if past.status in _CAME_TO_NOTHING:
            return
        for quota in self._board.quotas.get(account_id, ()):
            if quota.currency == past.currency:
                use = self._uses[self._where(account_id, quota.id, past.created_at)]
                use[0] += past.amount_minor
                use[1] += 1

    def _used(self, past: Past) -> dict[str, Used]:
        found = {}
        for account_id, quotas in self._board.quotas.items():
            for quota in quotas:
                use = self._uses.get(self._where(account_id, quota.id, past.created_at))
                if use:
                    found[quota.id] = Used(None, use[0], use[1])
        return found

    def _where(self, account_id: str, quota_id: str, moment: datetime) -> str:
        zone = _zone(self._board.accounts[account_id].time_zone)
        return f"{quota_id}:{_first_day(moment.astimezone(zone).date(), self._periods.get(quota_id, 'day'))}"

    def _note_full_limits(self, trace: Trace) -> None:
        """Which account would have come first, had its limit not been used up."""
        if not any(entry["excluded"] == "quota" for entry in trace["candidates"]):
            return
        without = [entry | {"excluded": ""} if entry["excluded"] == "quota" else entry for entry in trace["candidates"]]
        first = order({**trace, "candidates": without})[0]
        if any(entry["account"] == first and entry["excluded"] == "quota" for entry in trace["candidates"]):
            self._tally(first)["limit_reached"] += 1

    def _tally(self, account_id: str) -> dict[str, Any]:
        empty = {"payments": 0, "success_per_mille": 0, "limit_reached": 0, "amounts": {}, "fees": {}}
        return self._accounts.setdefault(account_id, empty)


def _first_day(day: date, period: str) -> date:
    return day.replace(day=1) if period == GatewayQuota.Period.MONTH else day


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _never(_account_id: str, _method: str) -> bool:
    return False
