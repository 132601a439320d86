"""The tables about one decision: what it read, which rules matched, what became of it, and who asked before."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from paycore.clock import now
from paycore.sites.columns import money, page_link, tag
from paycore.sites.pages import Panel, moment
from riskcontrol.admin.links import about_link
from riskcontrol.facts import FACTS
from riskcontrol.history import DAYS, Past, past_of
from riskcontrol.models import Action, Decision, Outcome

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

ACTION_COLOURS = {"allow": "success", "delay": "info", "challenge": "info", "review": "warning", "reject": "danger"}
_MEANINGS = {fact.name: fact.meaning for fact in FACTS}
_DIMENSIONS: "tuple[tuple[str, StrOrPromise], ...]" = (
    ("user_id", _("Payer")),
    ("device_id", _("Device")),
    ("ip", _("IP address")),
    ("payment_method_key", _("Saved payment method")),
)


def action_label(action: str) -> SafeString:
    return tag(dict(Action.choices).get(action, action), ACTION_COLOURS.get(action, "default"))


def decision_panels(decision: Decision) -> Sequence[Panel]:
    return (_hits_panel(decision), history_panel(decision), _outcomes_panel(decision), _facts_panel(decision))


def _hits_panel(decision: Decision) -> Panel:
    rows = [
        (
            page_link("ops", "riskcontrol_rule", hit.rule_id, text=hit.rule.name),
            hit.rule_version,
            action_label(hit.action),
            tag(_("Shadow: only counted"), "default") if hit.is_shadow else tag(_("Acted"), "primary"),
            _("no: a fact was unavailable or the rule failed") if hit.is_fallback else _("yes"),
        )
        for hit in decision.hits.select_related("rule").order_by("id")
    ]
    headers = (_("Rule"), _("Version"), _("Action"), _("Effect"), _("Evaluated"))
    return Panel(title=_("Rules that matched"), headers=headers, rows=rows, empty=_("No rule matched."))


def history_panel(decision: Decision) -> Panel:
    """What came before from the same payer, device, address and saved method."""
    rows = []
    moment_now = now()
    for name, title in _DIMENSIONS:
        value = getattr(decision, name)
        if value:
            past = past_of(name, value, now=moment_now)
            rows.append((title, about_link(value), past.today, _attempts(past), *_ends(past)))
    headers = (
        _("Same"),
        _("Value"),
        _("Attempts in 24 hours"),
        _("Attempts"),
        _("Reviewed or rejected"),
        _("Failed"),
        _("Refunded"),
        _("Disputed"),
    )
    return Panel(
        title=gettext("Before and since, %(days)d days") % {"days": DAYS},
        headers=headers,
        rows=rows,
        numbers={2, 3, 4, 5, 6, 7},
        empty=_("Nothing is known that other attempts could share."),
    )


def _attempts(past: Past) -> str:
    return gettext("newest %(count)d") % {"count": past.attempts} if past.is_cut else str(past.attempts)


def _ends(past: Past) -> tuple[int, int, int, int]:
    found = past.outcomes
    kinds = Outcome.Kind
    return past.held_back, found.get(kinds.FAILED, 0), found.get(kinds.REFUNDED, 0), found.get(kinds.DISPUTED, 0)


def _outcomes_panel(decision: Decision) -> Panel:
    rows = [
        (
            outcome.get_kind_display(),
            about_link(outcome.occasion),
            "–" if outcome.amount_minor is None else money(outcome.amount_minor, outcome.currency),
            moment(outcome.recorded_at),
        )
        for outcome in decision.outcomes.order_by("id")[:50]
    ]
    headers = (_("What"), _("Told by"), _("Amount"), _("When"))
    return Panel(
        title=_("What became of it"), headers=headers, rows=rows, numbers={2}, empty=_("Nothing bad was heard.")
    )


def _facts_panel(decision: Decision) -> Panel:
    rows = [
        (format_html('<code class="paycore-code">{}</code>', name), _value(value), _MEANINGS.get(name, ""))
        for name, value in sorted(decision.facts.items())
    ]
    return Panel(
        title=_("Facts that the rules could read"),
        headers=(_("Fact"), _("Value"), _("Meaning")),
        rows=rows,
        note=_("As they were then. Facts that no rule asked for were not looked up."),
        empty=_("No rule asked for a fact."),
    )


def _value(value: object) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "–"
    return str(value) if value != "" else "–"
