"""Trying a draft rule on the journal: how many of the newest decisions it matches, which, and what came of those."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from paycore.sites.columns import money
from paycore.sites.pages import Panel, moment
from riskcontrol.admin.links import about_link
from riskcontrol.admin.panels import action_label
from riskcontrol.backtest import MOST, Replay, replay
from riskcontrol.language import MAX_CHARACTERS
from riskcontrol.models import Outcome

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class TryoutForm(forms.Form):
    most = forms.TypedChoiceField(
        label=_("Newest decisions"),
        choices=[(count, f"{count:,}") for count in (500, 2_000, 10_000, MOST)],
        coerce=int,
        initial=2_000,
        widget=UnfoldAdminSelectWidget,
    )
    expression = forms.CharField(label=_("Condition"), max_length=MAX_CHARACTERS, widget=UnfoldAdminTextareaWidget)


def tryout_panels(form: TryoutForm) -> dict[str, Any]:
    """For a form whose expression is a rule."""
    found = replay(form.cleaned_data["expression"], most=form.cleaned_data["most"])
    return {
        "result": found,
        "summary": _summary(found),
        "notes": _notes(found),
        "panels": (_effect_panel(found), _examples_panel(found)) if found.matched else (),
    }


def _summary(found: Replay) -> str:
    if not found.looked_at:
        return gettext("The journal is empty: there is nothing to try it on.")
    could_tell = found.looked_at - found.cannot_tell
    share = f"{100 * found.matched / could_tell:.1f} %" if could_tell else "–"
    return gettext("Matches %(matched)d of %(looked)d decisions that have its facts (%(share)s).") % {
        "matched": found.matched,
        "looked": could_tell,
        "share": share,
    }


def _notes(found: Replay) -> list[str]:
    notes = []
    if found.is_cut_short:
        notes.append(
            gettext("The time was used up: only the newest %(count)d were looked at.") % {"count": found.looked_at}
        )
    if found.missing:
        names = ", ".join(name for name, _count in found.missing.most_common(5))
        notes.append(
            ngettext(
                "%(count)d decision cannot be told: no rule had asked for %(names)s then. Save the rule in shadow to "
                "have it counted from now on.",
                "%(count)d decisions cannot be told: no rule had asked for %(names)s then. Save the rule in shadow to "
                "have it counted from now on.",
                found.cannot_tell,
            )
            % {"count": found.cannot_tell, "names": names}
        )
    elif found.cannot_tell:
        notes.append(gettext("On %(count)d decisions the rule fails.") % {"count": found.cannot_tell})
    return notes


def _effect_panel(found: Replay) -> Panel:
    kinds = dict(Outcome.Kind.choices)
    amounts = ", ".join(total.format(get_language() or "en") for total in found.totals)
    rows: list[tuple[StrOrPromise, object]] = [(_("Amount of those that match"), amounts)]
    rows += [(action_label(action), count) for action, count in found.actions.most_common()]
    rows += [(kinds.get(kind, kind), count) for kind, count in sorted(found.outcomes.items())]
    return Panel(
        title=_("What they were, and what became of them"),
        headers=(_("Decided or heard"), _("Payments")),
        rows=rows,
        numbers={1},
    )


def _examples_panel(found: Replay) -> Panel:
    rows = [
        (
            about_link(decision.id),
            about_link(decision.subject_id),
            about_link(decision.user_id),
            money(decision.amount_minor, decision.currency),
            action_label(decision.action),
            moment(decision.decided_at),
        )
        for decision in found.examples
    ]
    headers = (_("Decision"), _("About"), _("Payer"), _("Amount"), _("Decided"), _("When"))
    return Panel(title=_("Newest that match"), headers=headers, rows=rows, numbers={3})
