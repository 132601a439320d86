"""The periods of a subscription that a store sells: one a span, cut and revoked as the store says."""

from collections.abc import Mapping, Sequence

from memberships.catalogue.known import newest_version
from memberships.models import Period, Plan, Subscription
from memberships.stores.facts import Span, number_of


def write_periods(subscription: Subscription, membership: Sequence[Span], *, plans: Mapping[str, Plan]) -> bool:
    """Whether anything differed. What goes or shrinks does so first, for no two periods may overlap."""
    known = {period.starts_at: period for period in subscription.periods.filter(kind=Period.Kind.STORE)}
    wanted = {span.starts_at: span for span in membership}
    differed = False
    for period in sorted(known.values(), key=lambda period: _grows(period, wanted.get(period.starts_at))):
        differed |= _adjust(period, wanted.get(period.starts_at))
    for starts_at, span in wanted.items():
        if starts_at not in known:
            _add(subscription, span, plan=plans[span.transaction])
            differed = True
    return differed


def _grows(period: Period, span: Span | None) -> bool:
    return span is not None and span.ends_at > period.ends_at


def _adjust(period: Period, span: Span | None) -> bool:
    """None: its start turned out to be another's."""
    fields = []
    if span is not None and period.ends_at != span.ends_at:
        period.ends_at = span.ends_at
        fields.append("ends_at")
    if period.status == Period.Status.PAID and (span is None or _is_taken_back(span)):
        period.status = Period.Status.REVOKED
        fields.append("status")
    if fields:
        period.save(update_fields=fields)
    return bool(fields)


def _add(subscription: Subscription, span: Span, *, plan: Plan) -> None:
    period = Period.objects.create(
        subscription=subscription,
        number=number_of(span.starts_at),
        kind=Period.Kind.STORE,
        status=Period.Status.PAID,
        plan_version=newest_version(plan.id),
        starts_at=span.starts_at,
        ends_at=span.ends_at,
    )
    if _is_taken_back(span):
        period.status = Period.Status.REVOKED
        period.save(update_fields=["status"])


def _is_taken_back(span: Span) -> bool:
    return span.revoked_at is not None and not span.reaches_back
