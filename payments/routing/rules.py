"""Rule sets made ready for many questions: read once per version, sorted by method and currency."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from payments.routing.models import RoutingRule, RoutingRuleSet

KINDS = ("exclude", "split", "prefer")


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """``hours`` are those of the weekday in which the rule holds, 168 of them; None: always."""

    id: str
    kind: str
    accounts: tuple[str, ...]
    weights: tuple[int, ...]
    methods: frozenset[str]
    currencies: frozenset[str]
    countries: frozenset[str]
    merchants: frozenset[str]
    least_minor: int
    most_minor: int | None
    hours: frozenset[int] | None

    def fits(self, *, method: str, currency: str, merchant_id: str) -> bool:
        """What can be told once for all payments of one merchant, method and currency."""
        return (
            (not self.methods or method in self.methods)
            and (not self.currencies or currency in self.currencies)
            and (not self.merchants or merchant_id in self.merchants)
        )

    def matches(self, *, minor: int, country: str, hour: int) -> bool:
        return (
            minor >= self.least_minor
            and (self.most_minor is None or minor <= self.most_minor)
            and (not self.countries or country in self.countries)
            and (self.hours is None or hour in self.hours)
        )


@dataclass(frozen=True, slots=True)
class Applied:
    """One rule that matched, as the trace keeps it."""

    rule_set: str
    version: int
    rule: CompiledRule

    def as_row(self) -> dict[str, Any]:
        row = {
            "rule_set": self.rule_set,
            "version": self.version,
            "rule": self.rule.id,
            "kind": self.rule.kind,
            "accounts": list(self.rule.accounts),
        }
        return row | {"weights": list(self.rule.weights)} if self.rule.weights else row


@dataclass(frozen=True)
class CompiledRuleSet:
    """Rules in the order in which they are asked."""

    id: str
    version: int
    zone: ZoneInfo
    rules: tuple[CompiledRule, ...] = ()

    def narrowed(self, *, method: str, currency: str, merchant_id: str) -> "CompiledRuleSet":
        fitting = (rule.fits(method=method, currency=currency, merchant_id=merchant_id) for rule in self.rules)
        kept = tuple(rule for rule, fits in zip(self.rules, fitting, strict=True) if fits)
        return CompiledRuleSet(self.id, self.version, self.zone, kept)

    def first_matches(self, *, minor: int, country: str, now: datetime) -> dict[str, Applied]:
        """Of each kind the first rule that matches. ``now`` is aware."""
        found: dict[str, Applied] = {}
        if not self.rules:
            return found
        local = now.astimezone(self.zone)
        hour = local.weekday() * 24 + local.hour
        for rule in self.rules:
            if rule.kind not in found and rule.matches(minor=minor, country=country, hour=hour):
                found[rule.kind] = Applied(self.id, self.version, rule)
                if len(found) == len(KINDS):
                    break
        return found


def compile_rule_set(rule_set: RoutingRuleSet, rules: Iterable[RoutingRule]) -> CompiledRuleSet:
    ordered = sorted(rules, key=lambda rule: (rule.position, rule.id))
    compiled = tuple(_compile(rule) for rule in ordered)
    return CompiledRuleSet(rule_set.id, rule_set.version, ZoneInfo(rule_set.time_zone), compiled)


def _compile(rule: RoutingRule) -> CompiledRule:
    return CompiledRule(
        id=rule.id,
        kind=rule.kind,
        accounts=tuple(rule.accounts),
        weights=tuple(rule.weights),
        methods=frozenset(rule.methods),
        currencies=frozenset(rule.currencies),
        countries=frozenset(rule.countries),
        merchants=frozenset(rule.merchants),
        least_minor=rule.min_amount_minor or 0,
        most_minor=rule.max_amount_minor,
        hours=_hours(rule.weekdays, from_hour=rule.from_hour, to_hour=rule.to_hour),
    )


def _hours(weekdays: Sequence[int], *, from_hour: int, to_hour: int) -> frozenset[int] | None:
    """Hours of the week. A span over midnight belongs to the day that it begins on."""
    if not weekdays and (from_hour, to_hour) == (0, 24):
        return None
    length = (to_hour - from_hour) % 24 or 24
    days = weekdays or range(7)
    return frozenset((day * 24 + from_hour + hour) % 168 for day in days for hour in range(length))
