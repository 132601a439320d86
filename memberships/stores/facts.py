"""What a store told, and what follows from all of it together. Pure.

Every fact is kept by the newest signature (a transaction's, the standing's), so that any copies in any order come to
the same facts; and what a member has is computed from the facts alone, never from the way they arrived.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from memberships.models import StorePurchase, StoreTransaction, Subscription

Standing = StorePurchase.Standing
Status = Subscription.Status

SILENCE_ENDS_AFTER = timedelta(days=61)
"""Apple tries to collect for sixty days; who is not heard of for longer has gone."""
CANCELED_ALLOWANCE = timedelta(hours=24)
"""Who has canceled at the store is not expected to renew: this long after the end nothing more is waited for."""
LOOKED_AT_EVERY = timedelta(hours=1)
_NUMBERED_FROM = datetime(2020, 1, 1, tzinfo=UTC)


TOLD = ("product_id", "starts_at", "ends_at", "revoked_at", "is_bought", "is_trial", "is_start_open", "is_end_open")
"""What a transaction says beside its name and date."""


@dataclass(frozen=True, slots=True)
class Span:
    """One transaction. ``is_bought``: by hand, neither renewed nor an upgrade, so that after a lapse it begins a new
    membership. ``stands_for``: transactions that it took the place of, for what they made goes on with it."""

    transaction: str
    product_id: str
    starts_at: datetime
    ends_at: datetime
    signed_at: datetime
    revoked_at: datetime | None = None
    is_bought: bool = False
    is_trial: bool = False
    is_start_open: bool = False
    is_end_open: bool = False
    reaches_back: bool = False
    stands_for: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: StoreTransaction) -> "Span":
        return cls(transaction=row.transaction, signed_at=row.signed_at, **{name: getattr(row, name) for name in TOLD})

    def instead_of(self, other: "Span") -> "Span":
        return replace(self, stands_for=(*self.stands_for, *other.stands_for, other.transaction))

    @property
    def rank(self) -> tuple[bool, datetime, bool, datetime]:
        """Of two words about one transaction the higher holds: a real end before an estimate, then the newer."""
        return (not self.is_end_open, self.signed_at, self.revoked_at is not None, self.ends_at)


@dataclass(frozen=True, slots=True)
class StoreState:
    """One verified word of a store about one purchase. ``reference`` is the store's name of it, ``user_id`` whose
    account token came with it. A part that the word says nothing of is None or empty."""

    reference: str
    signed_at: datetime
    span: Span | None = None
    standing: str = ""
    grace_until: datetime | None = None
    auto_renews: bool | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a membership of a purchase is by now."""

    status: str
    cancels: bool = False
    is_newest: bool = True
    grace_until: datetime | None = None
    overdue_since: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str = ""
    look_again_at: datetime | None = None


def standing_rank(standing: str) -> int:
    """Among words of one and the same instant."""
    return list(Standing).index(Standing(standing)) if standing else -1


def number_of(starts_at: datetime) -> int:
    """Of a store's period: by time, so that one told of late has the number it would have had in order."""
    return int((starts_at - _NUMBERED_FROM).total_seconds())


def lay_out(spans: Iterable[Span], *, since: datetime | None = None) -> list[list[Span]]:
    """Memberships, oldest first, each a row of spans that do not overlap. A purchase by hand after a lapse, or after
    its money was given back, begins a new one. ``since``: what was before belongs to somebody else."""
    memberships: list[list[Span]] = []
    for span in _clipped(_cut(_started(spans)), since):
        if not memberships or _begins_anew(span, after=memberships[-1][-1]):
            memberships.append([])
        memberships[-1].append(span)
    return memberships


def _started(spans: Iterable[Span]) -> list[Span]:
    """Each with a start of its own: an open one is where the span before it in its row ends, as far as that is known.
    So it may reach back over spans that were paid for, and taking its money back takes only what was still to come."""
    known: list[Span] = []
    ends: dict[datetime, datetime] = {}
    for span in sorted(spans, key=lambda span: (span.ends_at, span.transaction)):
        starts_at = max(span.starts_at, ends.get(span.starts_at, span.starts_at))
        if not span.is_start_open:
            known.append(span)
        elif span.revoked_at is not None and starts_at < span.ends_at:
            until = min(span.ends_at, max(span.revoked_at, starts_at + timedelta(seconds=1)))
            known.append(replace(span, starts_at=starts_at, ends_at=until, reaches_back=True))
        else:
            known.append(replace(span, starts_at=starts_at))
        if not span.is_end_open:
            ends[span.starts_at] = span.ends_at
    return sorted(known, key=lambda span: (span.starts_at, span.rank))


def _cut(spans: Sequence[Span]) -> list[Span]:
    """An upgrade in mid-span ends the span it replaces; of two that start together the later word stays, and one that
    nothing is left of goes with the span before it."""
    whole: list[Span] = []
    for span in spans:
        if whole and span.starts_at == span.ends_at:
            whole[-1] = whole[-1].instead_of(span)
            continue
        if whole and whole[-1].starts_at == span.starts_at:
            span = span.instead_of(whole.pop())
        if whole and whole[-1].ends_at > span.starts_at:
            whole[-1] = replace(whole[-1], ends_at=span.starts_at)
        whole.append(span)
    return whole


def _clipped(spans: Sequence[Span], since: datetime | None) -> list[Span]:
    if since is None:
        return list(spans)
    left = [span for span in spans if min(span.ends_at, span.revoked_at or span.ends_at) > since]
    return [replace(span, starts_at=max(span.starts_at, since)) for span in left]


def _begins_anew(span: Span, *, after: Span) -> bool:
    ended_at = min(after.ends_at, after.revoked_at or after.ends_at)
    has_lapsed = ended_at < span.starts_at if after.revoked_at is None else ended_at <= span.starts_at
    return span.is_bought and has_lapsed


def outcome_of_past(last: Span) -> Outcome:
    """Of a membership that a newer one followed."""
    if last.revoked_at is not None:
        ended_at, reason = min(last.revoked_at, last.ends_at), "refunded"
    else:
        ended_at, reason = last.ends_at, "expired"
    return Outcome(Status.ENDED, is_newest=False, ended_at=ended_at, end_reason=reason)


@dataclass(frozen=True, slots=True)
class Patience:
    """``allowance`` is how long after a span's end the store may be silent before access rests. Whoever just told
    something is not silent, however old it is: only a look without news (``may_give_up``) ends for good. A store that
    answers (``is_asked``) is silent only if it was asked since: that we could not ask ends no access."""

    now: datetime
    allowance: timedelta
    may_give_up: bool
    is_asked: bool = False

    def look_again_at(self, moment: datetime) -> datetime:
        return max(moment, self.now + LOOKED_AT_EVERY)


def outcome_of(purchase: StorePurchase, last: Span, patience: Patience) -> Outcome | None:
    """What ``last``, the newest span of the newest membership, and the standing come to; None: nothing was paid yet."""
    told_at = purchase.standing_at
    # A handed-over span begins with the transfer, a renewal may be told of a day before it begins.
    is_word_newer = told_at is not None and told_at >= min(last.starts_at, last.signed_at)
    standing = purchase.standing if is_word_newer else Standing.ACTIVE
    cancels = purchase.auto_renews is False
    if last.revoked_at is not None:
        return _ended(last, last.revoked_at, "refunded", cancels=cancels)
    if standing == Standing.PENDING:
        return None
    if standing in (Standing.REVOKED, Standing.EXPIRED):
        reason = "refunded" if standing == Standing.REVOKED else "expired"
        return _ended(last, told_at or last.ends_at, reason, cancels=cancels)
    if standing in (Standing.GRACE, Standing.RETRY, Standing.PAUSED):
        return _halted(purchase, last, standing, patience, cancels=cancels)
    is_unasked = patience.is_asked and not cancels and (told_at is None or told_at < last.ends_at)
    return _running(last, patience, cancels=cancels, is_unasked=is_unasked)


def _ended(last: Span, at: datetime, reason: str, *, cancels: bool) -> Outcome:
    return Outcome(Status.ENDED, cancels=cancels, ended_at=min(at, last.ends_at), end_reason=reason)


def _halted(purchase: StorePurchase, last: Span, standing: str, patience: Patience, *, cancels: bool) -> Outcome:
    now, gives_up_at = patience.now, last.ends_at + SILENCE_ENDS_AFTER
    if standing == Standing.PAUSED:
        return Outcome(Status.PAUSED, cancels=cancels)
    if standing == Standing.GRACE and purchase.grace_until is not None and now < purchase.grace_until:
        return Outcome(
            Status.PAST_DUE,
            cancels=cancels,
            grace_until=purchase.grace_until,
            overdue_since=last.ends_at,
            look_again_at=purchase.grace_until,
        )
    return _suspended(last, patience, until=gives_up_at, cancels=cancels)


def _running(last: Span, patience: Patience, *, cancels: bool, is_unasked: bool) -> Outcome:
    silent_at = last.ends_at + (CANCELED_ALLOWANCE if cancels else patience.allowance)
    status = Status.TRIALING if last.is_trial else Status.ACTIVE
    if patience.now < silent_at:
        return Outcome(status, cancels=cancels, look_again_at=silent_at)
    if is_unasked and patience.now < last.ends_at + SILENCE_ENDS_AFTER:
        return Outcome(status, cancels=cancels, look_again_at=patience.now + LOOKED_AT_EVERY)
    gives_up_at = silent_at if cancels else last.ends_at + SILENCE_ENDS_AFTER
    return _suspended(last, patience, until=gives_up_at, cancels=cancels)


def _suspended(last: Span, patience: Patience, *, until: datetime, cancels: bool) -> Outcome:
    if patience.may_give_up and patience.now >= until:
        return _ended(last, last.ends_at, "expired", cancels=cancels)
    return Outcome(
        Status.SUSPENDED,
        cancels=cancels,
        overdue_since=last.ends_at,
        look_again_at=patience.look_again_at(until),
    )
