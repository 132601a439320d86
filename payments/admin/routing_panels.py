"""What routing has to show: rules in words, what a trial found, and why a payment went where it went."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.utils.dates import WEEKDAYS
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from payments.admin.columns import moment, money, page_link, tag
from payments.admin.pages import Panel
from payments.checkout.presentation import method_name
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount, RoutingRule, RoutingRuleSet, RoutingTrial
from payments.routing.trials import progress_percent

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_BREAK = mark_safe("<br>")
REASONS: "dict[str, StrOrPromise]" = {
    "disabled": _("The account is switched off"),
    "method": _("It does not take this method"),
    "currency": _("It does not take this currency"),
    "country": _("It does not take payers from this country"),
    "below_minimum": _("The amount is below its minimum"),
    "above_maximum": _("The amount is above its maximum"),
    "other_account": _("The saved method lives at another account"),
    "quota": _("Its limit is used up"),
    "rule": _("A rule leaves it out"),
    "circuit_open": _("It failed several times just now"),
    "no_challenge": _("It cannot make the payer prove who they are"),
}
BREAKERS: "dict[str, StrOrPromise]" = {
    "open": _("left alone"),
    "half_open": _("waits for one to try it"),
    "probe": _("this payment tries it"),
}


# Why a payment went where it went


def routing_panels(payment: Payment, *, site: str) -> tuple[Panel, ...]:
    """Why this gateway account was asked and not another, and the rules that said so."""
    trace = payment.routing
    candidates = trace.get("candidates", [])
    chosen = list(trace.get("chosen", []))
    accounts = GatewayAccount.objects.in_bulk([candidate["account"] for candidate in candidates])
    rows = [
        (
            page_link(
                site, "payments_gatewayaccount", one["account"], text=accounts.get(one["account"], one["account"])
            ),
            _verdict(one, payment=payment, chosen=chosen),
            money(one["expected_fee_minor"], payment.currency) if "expected_fee_minor" in one else "–",
            _success(one),
            _left(one, payment.currency),
        )
        for one in sorted(candidates, key=lambda entry: _rank(entry["account"], chosen=chosen))
    ]
    whole = Panel(
        title=_("Routing"),
        headers=(
            _("Gateway account"),
            _("Verdict"),
            _("Expected fee"),
            _("Likely to succeed"),
            _("Left of its limits"),
        ),
        rows=rows,
        numbers={2},
        empty=_("No trace was kept."),
    )
    if not trace.get("rules"):
        return (whole,)
    return (whole, _rules_panel(trace["rules"], accounts, site=site))


def _rules_panel(applied: Sequence[Mapping[str, Any]], accounts: Mapping[str, Any], *, site: str) -> Panel:
    rules = RoutingRule.objects.in_bulk([one["rule"] for one in applied])
    rows = [
        (
            rules[one["rule"]].name if one["rule"] in rules else one["rule"],
            page_link(
                site, "payments_routingruleset", one["rule_set"], text=gettext("Version %(n)d") % {"n": one["version"]}
            ),
            dict(RoutingRule.Kind.choices).get(one["kind"], one["kind"]),
            _named(one["accounts"], one.get("weights", []), accounts),
        )
        for one in applied
    ]
    headers = (_("Rule"), _("Rule set"), _("What it does"), _("Gateway accounts"))
    return Panel(title=_("Rules that applied"), headers=headers, rows=rows)


def _account_link(account_id: str, accounts: Mapping[str, Any], *, site: str) -> SafeString:
    return page_link(site, "payments_gatewayaccount", account_id, text=accounts.get(account_id, account_id))


def _version_link(applied: Mapping[str, Any], *, site: str) -> SafeString:
    text = gettext("Version %(version)d") % {"version": applied["version"]}
    return page_link(site, "payments_routingruleset", applied["rule_set"], text=text)


def _rank(account_id: str, *, chosen: list[str]) -> int:
    return chosen.index(account_id) if account_id in chosen else len(chosen)


def _verdict(candidate: Mapping[str, Any], *, payment: Payment, chosen: list[str]) -> object:
    if candidate["account"] == payment.gateway_account_id:
        return tag(_("Asked"), "success")
    excluded = candidate.get("excluded", "")
    if excluded:
        return REASONS.get(excluded, excluded)
    if candidate["account"] in chosen:
        return tag(gettext("Choice %(place)d") % {"place": chosen.index(candidate["account"]) + 1}, "info")
    return "–"


def _success(candidate: Mapping[str, Any]) -> str:
    if "success_per_mille" not in candidate:
        return "–"
    samples = candidate.get("samples", 0)
    told = ngettext("from %(count)d payment", "from %(count)d payments", samples) % {"count": samples}
    parts = [f"≥ {candidate['success_per_mille'] / 10:.1f} %", told]
    if breaker := candidate.get("breaker"):
        parts.append(str(BREAKERS.get(breaker, breaker)))
    return " · ".join(parts)


def _left(candidate: Mapping[str, Any], currency: str) -> str:
    parts = []
    if "left_minor" in candidate:
        parts.append(money(candidate["left_minor"], currency))
    if "left_payments" in candidate:
        count = candidate["left_payments"]
        parts.append(ngettext("%(count)d payment", "%(count)d payments", count) % {"count": count})
    return ", ".join(parts) or "–"


# Rules in words


def rule_rows(rule_set: RoutingRuleSet) -> list[Sequence[object]]:
    rules = list(rule_set.rules.order_by("position", "id"))
    accounts = GatewayAccount.objects.in_bulk({account for rule in rules for account in rule.accounts})
    return [
        (
            rule.position,
            page_link("ops", "payments_routingrule", rule.id, text=rule.name),
            conditions_of(rule),
            rule.get_kind_display(),
            _named(rule.accounts, rule.weights, accounts),
        )
        for rule in rules
    ]


def _named(accounts: Sequence[str], weights: Sequence[int], known: Mapping[str, Any]) -> SafeString:
    names = [str(known.get(account, account)) for account in accounts]
    if weights:
        names = [f"{name}: {weight} %" for name, weight in zip(names, weights, strict=False)]
    return format_html_join(_BREAK, "{}", ((name,) for name in names))


def conditions_of(rule: RoutingRule) -> SafeString | str:
    """When it matches, in words."""
    lines: list[tuple[StrOrPromise, str]] = []
    if rule.methods:
        lines.append((_("Methods"), ", ".join(method_name(method) for method in rule.methods)))
    for label, values in (
        (_("Currencies"), rule.currencies),
        (_("Payers' countries"), rule.countries),
        (_("Merchants"), rule.merchants),
    ):
        if values:
            lines.append((label, ", ".join(values)))
    if rule.min_amount_minor is not None or rule.max_amount_minor is not None:
        least = "0" if rule.min_amount_minor is None else str(rule.min_amount_minor)
        most = "∞" if rule.max_amount_minor is None else str(rule.max_amount_minor)
        lines.append((_("Amount (minor units)"), f"{least} – {most}"))
    if rule.weekdays:
        lines.append((_("Weekdays"), ", ".join(str(WEEKDAYS[day]) for day in rule.weekdays)))
    if (rule.from_hour, rule.to_hour) != (0, 24):
        lines.append((_("Hours"), f"{rule.from_hour:02}–{rule.to_hour:02}"))
    return format_html_join(_BREAK, "{}: {}", lines) or gettext("always")


# Trials


def trials_panel(rule_set: RoutingRuleSet) -> Panel:
    rows = [
        (
            page_link("ops", "payments_routingtrial", trial.id),
            trial.get_status_display(),
            f"{progress_percent(trial)} %",
            trial.days,
            trial.looked_at,
            moment(trial.created_at),
        )
        for trial in rule_set.trials.order_by("-id")[:10]
    ]
    headers = (_("Trial"), _("Status"), _("Done"), _("Days"), _("Payments"), _("When"))
    return Panel(title=_("Tried on the past"), headers=headers, rows=rows, numbers={2, 3, 4}, empty=_("Not yet."))


def trial_panels(trial: RoutingTrial) -> tuple[Panel, ...]:
    """What would go elsewhere, and what that costs and brings, account by account and in all."""
    sides = {name: trial.state.get(name, {}) for name in ("now", "draft")}
    tallies = {name: side.get("accounts", {}) for name, side in sides.items()}
    ids = sorted({*tallies["now"], *tallies["draft"]})
    accounts = GatewayAccount.objects.in_bulk(ids)
    rows: list[Sequence[object]] = []
    for account_id in ids:
        now, draft = (tallies[name].get(account_id, {}) for name in ("now", "draft"))
        rows.append((_account_link(account_id, accounts, site="ops"), *_compared(now, draft)))
    sums = {name: _summed(list(tallies[name].values())) for name in ("now", "draft")}
    if rows:
        rows.append((_("All together"), *_compared(sums["now"], sums["draft"])))
    note = gettext(
        "%(moved)d of %(count)d payments would go to another account. No account takes %(now)d of them by the active "
        "rules, and %(draft)d by these."
    )
    summary = note % {
        "moved": trial.state.get("moved", 0),
        "count": trial.looked_at,
        "now": sides["now"].get("nowhere", 0),
        "draft": sides["draft"].get("nowhere", 0),
    }
    headers = (
        _("Gateway account"), _("Payments"), _("Amount"), _("Expected fees"), _("Expected successes"),
        _("Times its limit was used up"),
    )  # fmt: skip
    return (
        Panel(
            title=_("What would change: by the active rules → by these"),
            note=summary,
            headers=headers,
            rows=rows,
            numbers={1, 2, 3, 4, 5},
            empty=_("No payments in these days yet."),
        ),
    )


def _compared(now: Mapping[str, Any], draft: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        _arrow(now.get("payments", 0), draft.get("payments", 0)),
        _arrow(_sums(now.get("amounts", {})), _sums(draft.get("amounts", {}))),
        _arrow(_sums(now.get("fees", {})), _sums(draft.get("fees", {}))),
        _arrow(_successes(now), _successes(draft)),
        _arrow(now.get("limit_reached", 0), draft.get("limit_reached", 0)),
    )


def _arrow(before: object, after: object) -> str:
    return f"{before} → {after}" if before != after else str(before)


def _sums(amounts: Mapping[str, int]) -> str:
    return ", ".join(money(minor, currency) for currency, minor in sorted(amounts.items())) or "–"


def _successes(tally: Mapping[str, Any]) -> str:
    payments = tally.get("payments", 0)
    if not payments:
        return "–"
    expected = tally["success_per_mille"] / 1000
    return f"{expected:.0f} ({100 * expected / payments:.1f} %)"


def _summed(tallies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {"payments": 0, "success_per_mille": 0, "limit_reached": 0, "amounts": {}, "fees": {}}
    for tally in tallies:
        for name in ("payments", "success_per_mille", "limit_reached"):
            whole[name] += tally[name]
        for name in ("amounts", "fees"):
            for currency, minor in tally[name].items():
                whole[name][currency] = whole[name].get(currency, 0) + minor
    return whole
