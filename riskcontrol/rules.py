"""Rules as they run: compiled once per version, evaluated in order of priority within a bound of time."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from paycore import clock, metrics
from paycore.alerts import raise_alert
from paycore.fresh import Fresh
from paycore.logs import get_logger
from riskcontrol.facts import COUNTERS
from riskcontrol.language import Compiled, FactUnavailable, RuleFailed, compile_expression
from riskcontrol.models import Action, Rule
from riskcontrol.models.rules import Mode, OnUnavailable

log = get_logger(__name__)

BUDGET_SECONDS = 0.05
"""Of this thread's processor, for all rules of one assessment (a hundred take two milliseconds); those not reached
count as not evaluable. Not by the clock on the wall: whoever floods us would switch fail-open rules off."""
_told: dict[str, str] = {}
SEVERITY = {action: place for place, action in enumerate(Action.values)}


@dataclass(frozen=True, slots=True)
class LiveRule:
    """``compiled`` is None for a rule that no longer reads as one (a fact was dropped): it is never evaluable."""

    id: str
    version: int
    action: str
    delay_seconds: int
    is_shadow: bool
    is_fail_closed: bool
    compiled: Compiled | None

    @property
    def label(self) -> str:
        return f"rule:{self.id}@{self.version}"


@dataclass(frozen=True)
class RuleSet:
    """All active and shadow rules, smaller priority first, and what they read."""

    rules: tuple[LiveRule, ...] = ()

    def __post_init__(self) -> None:
        needs = frozenset[str]().union(*(rule.compiled.needs for rule in self.rules if rule.compiled))
        object.__setattr__(self, "needs", needs)
        kinds = {COUNTERS[name][:2] for name in needs & COUNTERS.keys()}
        object.__setattr__(self, "counter_kinds", tuple(sorted(kinds)))

    needs: frozenset[str] = field(init=False)
    counter_kinds: tuple[tuple[str, str], ...] = field(init=False)


@dataclass(frozen=True, slots=True)
class RuleHit:
    rule: LiveRule
    is_shadow: bool
    is_fallback: bool

    def as_row(self) -> dict[str, Any]:
        return {
            "rule": self.rule.id,
            "version": self.rule.version,
            "action": self.rule.action,
            "is_shadow": self.is_shadow,
            "is_fallback": self.is_fallback,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reasons``: the rules that acted, the most severe first, then those that could not be evaluated."""

    action: str
    delay_seconds: int
    reasons: tuple[str, ...]
    hits: tuple[RuleHit, ...]


def live_rules() -> RuleSet:
    """At most two seconds old."""
    return _rules.get("all")


def evaluate(rules: RuleSet, facts: Mapping[str, Any], *, only_watch: bool = False) -> Verdict:
    """The most severe action of the active rules that match. A matching rule that allows ends the look at active rules
    after it. Shadow rules are noted only, and so is every rule when ``only_watch`` (the attempt is on an allow list).
    """
    deadline = time.thread_time() + BUDGET_SECONDS
    hits: list[RuleHit] = []
    acting: list[LiveRule] = []
    not_evaluated: list[str] = []
    is_settled = False
    for rule in rules.rules:
        if is_settled and not rule.is_shadow:
            continue
        matched = _matches(rule, facts, deadline=deadline)
        if matched is None:
            not_evaluated.append(f"not_evaluated:{rule.label}")
        if not (rule.is_fail_closed if matched is None else matched):
            continue
        is_shadow = rule.is_shadow or only_watch
        hits.append(RuleHit(rule, is_shadow=is_shadow, is_fallback=matched is None))
        if not is_shadow:
            acting.append(rule)
            is_settled = rule.action == Action.ALLOW
    return _combine(acting, hits=hits, not_evaluated=not_evaluated)


def _combine(acting: list[LiveRule], *, hits: list[RuleHit], not_evaluated: list[str]) -> Verdict:
    acting = sorted(acting, key=lambda rule: -SEVERITY[rule.action])  # stable: priority decides among equals
    return Verdict(
        action=acting[0].action if acting else Action.ALLOW.value,
        delay_seconds=max((rule.delay_seconds for rule in acting), default=0),
        reasons=(*(rule.label for rule in acting), *not_evaluated),
        hits=tuple(hits),
    )


def _matches(rule: LiveRule, facts: Mapping[str, Any], *, deadline: float) -> bool | None:
    """None: it cannot be told."""
    if rule.compiled is None:
        return None
    try:
        if time.thread_time() > deadline:
            raise RuleFailed("the time for rules was used up")
        return rule.compiled.matches(facts)
    except FactUnavailable:
        metrics.RISK_RULES_NOT_EVALUATED.labels(why="fact_unavailable").inc()
    except RuleFailed as error:
        metrics.RISK_RULES_NOT_EVALUATED.labels(why="failed").inc()
        log.error("risk_rule_failed", rule_id=rule.id, rule_version=rule.version, error=str(error))
        _tell_people(rule)
    return None


def _tell_people(rule: LiveRule) -> None:
    """Once an hour and process: a rule that fails on every payment must not write a row for each."""
    now = clock.now()
    hour = f"{now:%Y-%m-%dT%H}"
    if _told.get(rule.label) != hour:
        _told[rule.label] = hour
        raise_alert(what="risk rule failed", object_id=rule.id, now=now)


def _read_rules(_key: str) -> RuleSet:
    rows = Rule.objects.exclude(mode=Mode.OFF).order_by("priority", "id")
    return RuleSet(tuple(_live(rule) for rule in rows))


def _live(rule: Rule) -> LiveRule:
    compiled: Compiled | None = None
    try:
        compiled = compile_expression(rule.expression)
    except ValidationError as error:
        log.error("risk_rule_unreadable", rule_id=rule.id, rule_version=rule.version, error=str(error.messages)[:200])
    return LiveRule(
        id=rule.id,
        version=rule.version,
        action=rule.action,
        delay_seconds=rule.delay_seconds,
        is_shadow=rule.mode == Mode.SHADOW,
        is_fail_closed=rule.on_unavailable == OnUnavailable.FAIL_CLOSED,
        compiled=compiled,
    )


_rules = Fresh(_read_rules)


def forget_rules() -> None:
    """A rule was changed in this process."""
    _rules.forget()
