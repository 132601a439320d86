"""Reading about rules and ratings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from riskcontrol.models import Hit, Rating


@dataclass(frozen=True, slots=True)
class HitCounts:
    """Attempts that a rule matched: in earnest, and in shadow (or on an allow list)."""

    day: int = 0
    week: int = 0
    quarter: int = 0
    shadow_day: int = 0
    shadow_week: int = 0
    shadow_quarter: int = 0


def hit_counts(rule_ids: Iterable[str], *, now: datetime) -> dict[str, HitCounts]:
    """Hits of the rules in the last 24 hours, 7 and 90 days, by rule; one query."""
    ids = list(rule_ids)
    spans = {"day": timedelta(days=1), "week": timedelta(days=7), "quarter": timedelta(days=90)}
    counts = {
        f"{prefix}{name}": Count("id", filter=Q(happened_at__gt=now - span, is_shadow=is_shadow))
        for prefix, is_shadow in (("", False), ("shadow_", True))
        for name, span in spans.items()
    }
    hits = Hit.objects.filter(rule_id__in=ids, happened_at__gt=now - spans["quarter"])
    rows = hits.order_by().values("rule_id").annotate(**counts)
    found = {row.pop("rule_id"): HitCounts(**row) for row in rows}
    return {rule_id: found.get(rule_id, HitCounts()) for rule_id in ids}


def latest_ratings(kind: str) -> QuerySet[Rating]:
    """The latest rating of each ``user`` or ``merchant``, worst first."""
    if kind not in ("user", "merchant"):
        raise ValueError(kind)
    latest = Rating.objects.filter(**{f"{kind}__isnull": False}).order_by(kind, "-rated_on").distinct(kind)
    return Rating.objects.filter(id__in=latest.values("id")).order_by("-score", "-rated_at")
