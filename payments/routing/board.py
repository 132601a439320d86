"""All that people set up, ready for questions: accounts, rates, limits and active rules, compiled once per version.

One small query every two seconds asks whether anything changed; only then it is read again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from django.db import connection

from paycore.fresh import Fresh
from payments.gateways.registry import GATEWAYS
from payments.routing.conditions import NOTHING_USED, conditions
from payments.routing.fees import FeeRate, FeeSchedule
from payments.routing.models import GatewayAccount, GatewayFee, GatewayQuota, RoutingRule, RoutingRuleSet
from payments.routing.rules import CompiledRuleSet, compile_rule_set

MOST_LANES = 5_000

# Where each row lies and who wrote it last: any change of any of them is another text. Rules change only in drafts.
_VERSION = """
    SELECT md5(concat_ws('|',
        (SELECT string_agg(id || xmin::text || ctid::text, ',' ORDER BY id) FROM payments_gatewayaccount),
        (SELECT string_agg(id || xmin::text || ctid::text, ',' ORDER BY id) FROM payments_gatewayfee),
        (SELECT string_agg(id || xmin::text || ctid::text, ',' ORDER BY id) FROM payments_gatewayquota),
        (SELECT string_agg(id, ',' ORDER BY id) FROM payments_routingruleset WHERE status = 'active')))
"""


class Quota(NamedTuple):
    id: str
    currency: str
    max_amount_minor: int | None
    max_count: int | None


@dataclass(frozen=True, slots=True)
class Entrant:
    """An account that takes the method and currency; ``is_platform`` ones come after the merchant's own."""

    account: GatewayAccount
    is_platform: bool
    quotas: tuple[Quota, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """What can be told once for one merchant, method and currency. ``excluded`` is the trace of the others."""

    entrants: tuple[Entrant, ...]
    excluded: tuple[dict[str, Any], ...]
    rule_sets: tuple[CompiledRuleSet, ...]


@dataclass(frozen=True)
class Board:
    """``rule_sets`` by merchant; the platform's is None's."""

    digest: str
    accounts: Mapping[str, GatewayAccount]
    quotas: Mapping[str, Sequence[Quota]]
    rule_sets: Mapping[str | None, CompiledRuleSet]
    _by_owner: dict[str | None, list[GatewayAccount]] = field(default_factory=dict)
    _lanes: dict[tuple[str, str, str], Lane] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for account in self.accounts.values():
            self._by_owner.setdefault(account.merchant_id, []).append(account)

    def accounts_for(self, merchant_id: str) -> list[GatewayAccount]:
        """The platform's and the merchant's own."""
        return [*self._by_owner.get(merchant_id, ()), *self._by_owner.get(None, ())]

    def lane(self, *, merchant_id: str, method: str, currency: str) -> Lane:
        key = (merchant_id, method, currency)
        lane = self._lanes.get(key)
        if lane is None:
            if len(self._lanes) >= MOST_LANES:
                self._lanes.clear()
            lane = self._lanes[key] = self._make_lane(merchant_id, method, currency)
        return lane

    def with_rule_set(self, rule_set: CompiledRuleSet, *, merchant_id: str | None) -> "Board":
        """The same with another rule set of one owner: what a draft would do."""
        return Board(self.digest, self.accounts, self.quotas, {**self.rule_sets, merchant_id: rule_set})

    def _make_lane(self, merchant_id: str, method: str, currency: str) -> Lane:
        entrants: list[Entrant] = []
        excluded: list[dict[str, Any]] = []
        for account in self.accounts_for(merchant_id):
            reason = why_never(account, method=method, currency=currency)
            if reason:
                excluded.append({"account": account.id, "excluded": reason})
            else:
                quotas = tuple(quota for quota in self.quotas.get(account.id, ()) if quota.currency == currency)
                entrants.append(Entrant(account, account.merchant_id is None, quotas))
        owners = (merchant_id, None)
        sets = [
            self.rule_sets[owner].narrowed(method=method, currency=currency, merchant_id=merchant_id)
            for owner in owners
            if owner in self.rule_sets
        ]
        return Lane(tuple(entrants), tuple(excluded), tuple(rules for rules in sets if rules.rules))


def why_never(account: GatewayAccount, *, method: str, currency: str) -> str:
    """Why the account takes no payment of this kind, whatever its amount; empty when it does."""
    if not account.is_enabled:
        return "disabled"
    if method not in account.methods:
        return "method"
    if account.currencies and currency not in account.currencies:
        return "currency"
    gateway = GATEWAYS.get(account.gateway)
    if gateway and gateway.currencies and currency not in gateway.currencies:
        return "currency"
    return ""


def current_board() -> Board:
    return _boards.get("all")


def read_board(digest: str) -> Board:
    """As it is now, whatever was remembered."""
    accounts = {account.id: account for account in GatewayAccount.objects.all()}
    quotas: defaultdict[str, list[Quota]] = defaultdict(list)
    monthly: dict[tuple[str, str], str] = {}
    for quota in GatewayQuota.objects.order_by("id"):
        quotas[quota.account_id].append(Quota(quota.id, quota.currency, quota.max_amount_minor, quota.max_count))
        if quota.period == GatewayQuota.Period.MONTH:
            monthly[quota.account_id, quota.currency] = quota.id
    rates: defaultdict[str, list[FeeRate]] = defaultdict(list)
    for fee in GatewayFee.objects.order_by("id"):
        rates[fee.account_id].append(_rate(fee))
    for account_id, found in rates.items():
        volume = partial(_month_volume, monthly, account_id)
        accounts[account_id].schedule = FeeSchedule(found, volume=volume)
    return Board(digest, accounts, quotas, _active_rule_sets())


def _active_rule_sets() -> dict[str | None, CompiledRuleSet]:
    rules: defaultdict[str, list[RoutingRule]] = defaultdict(list)
    for rule in RoutingRule.objects.filter(rule_set__status=RoutingRuleSet.Status.ACTIVE):
        rules[rule.rule_set_id].append(rule)
    active = RoutingRuleSet.objects.filter(status=RoutingRuleSet.Status.ACTIVE)
    return {rule_set.merchant_id: compile_rule_set(rule_set, rules[rule_set.id]) for rule_set in active}


def _rate(fee: GatewayFee) -> FeeRate:
    return FeeRate(
        basis_points=fee.basis_points,
        fixed_minor=fee.fixed_minor,
        method=fee.method,
        countries=frozenset(fee.countries),
        currency=fee.currency,
        from_volume_minor=fee.from_volume_minor,
        effective_from=fee.effective_from,
    )


def _month_volume(monthly: Mapping[tuple[str, str], str], account_id: str, currency: str) -> int:
    return conditions().used.get(monthly.get((account_id, currency), ""), NOTHING_USED).amount_minor


_last: Board | None = None


def _read(_key: str) -> Board:
    global _last
    with connection.cursor() as cursor:
        cursor.execute(_VERSION)
        digest: str = cursor.fetchone()[0]
    if _last is None or _last.digest != digest:
        _last = read_board(digest)
    return _last


_boards = Fresh(_read)


def forget_board() -> None:
    """Something was changed in this process."""
    global _last
    _last = None
    _boards.forget()
