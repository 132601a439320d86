"""The decision itself: from what is known to a trace, and from a trace alone to the order of accounts.

Steps: who may take it at all; what the rules leave out; who is ill; expected cost, that is the fee and what a failure
costs times its chance; then the rules' preference and shares. Nothing here reads or writes.
"""

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from paycore.money import Money
from payments.routing.board import Board, Entrant, Lane
from payments.routing.conditions import NOTHING_USED, Conditions
from payments.routing.fees import fee_minor
from payments.routing.rules import Applied

TRACE_VERSION = 2
CIRCUIT_OPEN = "circuit_open"
STAYS_PER_MILLE = 20
"""So much more likely to succeed counts whoever took the latest payment: two that are alike do not swap by noise."""

Trace = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RouteQuestion:
    """What is to be paid, by whom and how. ``country`` is the payer's (ISO 3166, empty: not known); ``only_account_id``
    the one account that can do it (a saved method lives at one); ``subject`` (the order's id) spreads shares, so that
    a repeat goes the same way."""

    merchant_id: str
    amount: Money
    method: str
    country: str = ""
    only_account_id: str = ""
    subject: str = ""


def decide(
    question: RouteQuestion,
    *,
    board: Board,
    conditions: Conditions,
    now: datetime,
    failure_cost_basis_points: int,
    may_probe: Callable[[str, str], bool],
) -> Trace:
    """The trace, whose ``chosen`` is the order: empty when nobody may take it. ``may_probe`` is asked when a half-open
    account would come first: whether this payment tries it."""
    amount = question.amount
    lane = board.lane(merchant_id=question.merchant_id, method=question.method, currency=amount.currency)
    applied = _rules(lane, question, now=now)
    barred = {account for one in applied if one.rule.kind == "exclude" for account in one.rule.accounts}
    newest, incumbent = "", ""
    candidates: list[dict[str, Any]] = []
    has_half_open = False
    for entrant in lane.entrants:
        candidate, newest_payment = _weigh(entrant, question, conditions=conditions, barred=barred, now=now)
        candidates.append(candidate)
        if candidate["excluded"]:
            continue
        has_half_open = has_half_open or candidate.get("breaker") == "half_open"
        if newest_payment > newest:
            newest, incumbent = newest_payment, candidate["account"]
    candidates += lane.excluded
    trace: Trace = {
        "version": TRACE_VERSION,
        "inputs": _fingerprint(board, conditions, question),
        "amount_minor": amount.minor,
        "subject": question.subject,
        "failure_cost_basis_points": failure_cost_basis_points,
        "incumbent": incumbent,
        "rules": [one.as_row() for one in applied],
        "candidates": candidates,
    }
    if has_half_open:
        _settle_half_open(trace, method=question.method, may_probe=may_probe)
    trace["chosen"] = order(trace)
    return trace


def order(trace: Mapping[str, Any]) -> list[str]:
    """Account ids, the first to be asked first. When all that could take it are ill, they are asked all the same."""
    candidates = trace["candidates"]
    fit = [candidate for candidate in candidates if not candidate["excluded"]]
    fit = fit or [candidate for candidate in candidates if candidate["excluded"] == CIRCUIT_OPEN]
    if len(fit) < 2:
        return [candidate["account"] for candidate in fit]
    minor, weight = trace["amount_minor"], trace["failure_cost_basis_points"]
    incumbent = trace["incumbent"]

    def rank(candidate: Mapping[str, Any]) -> tuple[bool, int, int, str]:
        account = candidate["account"]
        success = candidate["success_per_mille"] + (STAYS_PER_MILLE if account == incumbent else 0)
        cost = candidate["expected_fee_minor"] * 10_000_000 + max(0, 1000 - success) * minor * weight
        return (not candidate.get("is_own", False), candidate["priority"], cost, account)

    ranked = [candidate["account"] for candidate in sorted(fit, key=rank)]
    for rule in trace["rules"]:
        if rule["kind"] == "prefer":
            ranked = _brought_forward(ranked, rule["accounts"])
        elif rule["kind"] == "split":
            drawn = _drawn(rule, among=ranked, subject=trace["subject"])
            ranked = _brought_forward(ranked, drawn)
    return ranked


def left_out(trace: Trace, accounts: Collection[str], *, why: str) -> Trace:
    """The same decision without these: what was learned after it."""
    candidates = [
        candidate | {"excluded": why} if candidate["account"] in accounts else candidate
        for candidate in trace["candidates"]
    ]
    narrowed = {**trace, "candidates": candidates}
    return {**narrowed, "chosen": order(narrowed)}


def _brought_forward(ranked: Sequence[str], accounts: Sequence[str]) -> list[str]:
    first = [account for account in accounts if account in ranked]
    return [*first, *(account for account in ranked if account not in first)]


def _drawn(rule: Mapping[str, Any], *, among: Sequence[str], subject: str) -> list[str]:
    """One of the rule's accounts, by weighted rendezvous hashing: the same subject draws the same one, and when one
    account drops out only its own share is spread over the others."""
    best, drawn = math.inf, []
    for account, weight in zip(rule["accounts"], rule["weights"], strict=True):
        if account in among and weight > 0:
            digest = hashlib.blake2b(f"{subject}:{account}".encode(), digest_size=8).digest()
            lot = -math.log((int.from_bytes(digest, "big") + 1) / (2**64 + 1)) / weight
            if lot < best:
                best, drawn = lot, [account]
    return drawn


def _rules(lane: Lane, question: RouteQuestion, *, now: datetime) -> list[Applied]:
    """What either owner leaves out is out; on the order the merchant's word stands before the platform's."""
    found: list[Applied] = []
    is_order_settled = False
    for rule_set in lane.rule_sets:
        matches = rule_set.first_matches(minor=question.amount.minor, country=question.country, now=now)
        if "exclude" in matches:
            found.append(matches["exclude"])
        ordering = [matches[kind] for kind in ("prefer", "split") if kind in matches]
        if ordering and not is_order_settled:
            found += ordering
            is_order_settled = True
    return found


def _weigh(
    entrant: Entrant, question: RouteQuestion, *, conditions: Conditions, barred: set[str], now: datetime
) -> tuple[dict[str, Any], str]:
    """One line of the trace, and the account's newest payment."""
    account = entrant.account
    minor = question.amount.minor
    health = conditions.of(account.id, question.method)
    state = health.state(now)
    candidate = {
        "account": account.id,
        "excluded": _why_not(entrant, question, barred=barred),
        "expected_fee_minor": _fee(entrant, question, now=now),
        "success_per_mille": health.probe_per_mille if state == "half_open" else health.success_per_mille,
        "samples": health.samples,
        "priority": account.priority,
    }
    if not entrant.is_platform:
        candidate["is_own"] = True
    if entrant.quotas:
        _look_at_quotas(candidate, entrant, minor=minor, conditions=conditions)
    if state != "closed":
        candidate["breaker"] = state
        if state == "open" and not candidate["excluded"]:
            candidate["excluded"] = CIRCUIT_OPEN
    return candidate, health.newest_payment


def _why_not(entrant: Entrant, question: RouteQuestion, *, barred: set[str]) -> str:
    account, minor = entrant.account, question.amount.minor
    if question.only_account_id not in ("", account.id):
        return "other_account"
    if account.countries and question.country and question.country not in account.countries:
        return "country"
    if account.min_amount_minor is not None and minor < account.min_amount_minor:
        return "below_minimum"
    if account.max_amount_minor is not None and minor > account.max_amount_minor:
        return "above_maximum"
    return "rule" if account.id in barred else ""


def _fee(entrant: Entrant, question: RouteQuestion, *, now: datetime) -> int:
    account, amount = entrant.account, question.amount
    basis_points, fixed_minor = account.fee_basis_points, account.fee_fixed_minor
    if account.schedule is not None:
        rate = account.schedule.rate(
            method=question.method, country=question.country, currency=amount.currency, now=now
        )
        if rate is not None:
            basis_points, fixed_minor = rate.basis_points, rate.fixed_minor
    return fee_minor(amount.minor, basis_points=basis_points, fixed_minor=fixed_minor)


def _look_at_quotas(candidate: dict[str, Any], entrant: Entrant, *, minor: int, conditions: Conditions) -> None:
    """What is left of its limits, the least of all; it is counted exactly when the payment begins."""
    left_minor: list[int] = []
    left_payments: list[int] = []
    for quota in entrant.quotas:
        used = conditions.used.get(quota.id, NOTHING_USED)
        if quota.max_amount_minor is not None:
            left_minor.append(max(0, quota.max_amount_minor - used.amount_minor))
        if quota.max_count is not None:
            left_payments.append(max(0, quota.max_count - used.payments))
    if left_minor:
        candidate["left_minor"] = min(left_minor)
    if left_payments:
        candidate["left_payments"] = min(left_payments)
    is_used_up = min(left_minor, default=minor) < minor or min(left_payments, default=1) < 1
    if is_used_up and not candidate["excluded"]:
        candidate["excluded"] = "quota"


def _settle_half_open(trace: Trace, *, method: str, may_probe: Callable[[str, str], bool]) -> None:
    """A half-open account is asked only where it comes first, by one payment at a time; all others leave it out."""
    by_id = {candidate["account"]: candidate for candidate in trace["candidates"]}
    while True:
        ranked = order(trace)
        first = by_id[ranked[0]] if ranked else None
        if first is None or first.get("breaker") != "half_open" or first["excluded"]:
            break
        if may_probe(first["account"], method):
            first["breaker"] = "probe"
            break
        first["excluded"] = CIRCUIT_OPEN
    for candidate in trace["candidates"]:
        if candidate.get("breaker") == "half_open" and not candidate["excluded"]:
            candidate["excluded"] = CIRCUIT_OPEN


def _fingerprint(board: Board, conditions: Conditions, question: RouteQuestion) -> str:
    """The same one, the same accounts, rules and conditions and the same question."""
    said = (
        f"{board.digest}|{conditions.digest}|{question.merchant_id}|{question.amount.minor}|{question.amount.currency}"
        f"|{question.method}|{question.country}|{question.only_account_id}|{question.subject}"
    )
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()
