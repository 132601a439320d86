"""Risk control on the overview page: what waits, what was decided, which rules matched, and the counters' health."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import TruncHour
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from paycore.clock import now
from paycore.identifiers import earliest_id
from paycore.sites import Card, Chart, Dashboard, Series, ops_site, register_dashboard
from paycore.sites.dashboards import Tone
from riskcontrol.admin.deadlines import decide_by
from riskcontrol.models import Action, Case, Decision, Hit, Rule
from riskcontrol.rebuilding import store_state

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

TOP_RULES = 5
_MOST_OPEN = 500
_STATES: "dict[str, tuple[StrOrPromise, StrOrPromise, Tone]]" = {
    "ok": (_("Counting"), _("Counts per minute to week are exact enough to act on."), "good"),
    "rebuilding": (_("Rebuilding"), _("Counts are read from PostgreSQL meanwhile."), "warning"),
    "away": (_("Redis is away"), _("Rules that need counts do what each says for that case."), "bad"),
}


def waiting_cases(request: HttpRequest) -> Dashboard:
    """How many decisions wait, and for how long."""
    if not request.user.has_perm("riskcontrol.view_case"):
        return Dashboard()
    waiting: QuerySet[Case] = Case.objects.filter(status=Case.Status.OPEN)
    count, oldest = waiting.count(), waiting.aggregate(oldest=Min("opened_at"))["oldest"]
    age = gettext("Oldest: %(age)s") % {"age": timesince(oldest, depth=1)} if oldest else gettext("Nothing waits")
    address = reverse("ops:riskcontrol_case_changelist") + "?status__exact=open"
    return Dashboard(
        cards=[
            Card(
                title=_("Open cases"),
                value=str(count),
                detail=age,
                link=address,
                tone="warning" if count else "good",
            ),
            _reviews_card(waiting.filter(kind=Case.Kind.RISK_REVIEW), link=f"{address}&kind__exact=risk_review"),
        ]
    )


def _reviews_card(reviews: "QuerySet[Case]", *, link: str) -> Card:
    moment = now()
    open_reviews = list(reviews.order_by("id").only("facts")[:_MOST_OPEN])
    deadlines = [until for case in open_reviews if (until := decide_by(case))]
    late = sum(until <= moment for until in deadlines)
    next_up = min((until for until in deadlines if until > moment), default=None)
    detail = gettext("Nothing waits")
    if late:
        detail = gettext("Past their time: %(count)d") % {"count": late}
    elif next_up:
        detail = gettext("Next must be decided in %(time)s") % {"time": timesince(moment, next_up, depth=1)}
    shown = f"{_MOST_OPEN}+" if len(open_reviews) == _MOST_OPEN else str(len(open_reviews))
    tone: Tone = "bad" if late else "warning" if open_reviews else "good"
    return Card(title=_("Payments under review"), value=shown, detail=detail, link=link, tone=tone)


def decisions_made(request: HttpRequest) -> Dashboard:
    """24 hours of the journal, by action and by rule, and whether the counters count."""
    if not request.user.has_perm("riskcontrol.view_decision"):
        return Dashboard()
    moment = now()
    recent = Decision.objects.filter(id__gte=earliest_id("rsk", moment - timedelta(days=1)))
    by_hour = list(
        recent.annotate(hour=TruncHour("decided_at", tzinfo=UTC))
        .order_by()
        .values("hour", "action")
        .annotate(n=Count("id"))
    )
    by_action = {action: sum(row["n"] for row in by_hour if row["action"] == action) for action in Action.values}
    total = sum(by_action.values())
    stopped = by_action[Action.REJECT] + by_action[Action.REVIEW]
    text, detail, tone = _STATES.get(store_state(), _STATES["away"])
    link = reverse("ops:riskcontrol_decision_changelist")
    share = gettext("Rejected or under review: %(count)d") % {"count": stopped}
    return Dashboard(
        cards=[
            Card(title=_("Risk decisions, 24 hours"), value=str(total), detail=share, link=link),
            Card(title=_("Velocity counters"), value=text, detail=detail, tone=tone),
        ],
        charts=[*_action_chart(by_hour, moment=moment), *_rule_chart(moment)],
    )


def _action_chart(rows: Sequence[dict[str, object]], *, moment: datetime) -> list[Chart]:
    if not rows:
        return []
    last = moment.replace(minute=0, second=0, microsecond=0)
    hours = [last - timedelta(hours=back) for back in range(23, -1, -1)]
    counts = {(row["hour"], row["action"]): row["n"] for row in rows}
    seen = [action for action in Action if any(row["action"] == action.value for row in rows)]
    series = [
        Series(title=action.label, values=[int(str(counts.get((hour, action.value), 0))) for hour in hours])
        for action in seen
    ]
    return [Chart(title=_("Risk decisions by hour (UTC)"), labels=[f"{hour:%H}" for hour in hours], series=series)]


def _rule_chart(moment: datetime) -> list[Chart]:
    hits = Hit.objects.filter(happened_at__gt=moment - timedelta(days=1)).order_by()
    rows = list(
        hits.values("rule_id")
        .annotate(acted=Count("id", filter=Q(is_shadow=False)), shadow=Count("id", filter=Q(is_shadow=True)))
        .order_by("-acted", "-shadow")[:TOP_RULES]
    )
    if not rows:
        return []
    names = dict(Rule.objects.filter(id__in=[row["rule_id"] for row in rows]).values_list("id", "name"))
    return [
        Chart(
            title=_("Rules that matched most, 24 hours"),
            labels=[names[row["rule_id"]][:24] for row in rows],
            series=[
                Series(title=_("Acted"), values=[row["acted"] for row in rows]),
                Series(title=_("Shadow"), values=[row["shadow"] for row in rows]),
            ],
        )
    ]


register_dashboard(ops_site, waiting_cases, place=20)
register_dashboard(ops_site, decisions_made, place=40)
