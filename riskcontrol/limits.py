"""Limits before a payment: which ones apply to an attempt, and what it is refused with when one is reached."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from paycore.errors import PaycoreError
from paycore.fresh import Fresh
from paycore.money import Money
from riskcontrol.models import PaymentLimit

Kind = PaymentLimit.Kind
CountedPer = PaymentLimit.CountedPer


class PaymentRefusedByRisk(PaycoreError):
    code, http_status = "payment_refused_by_risk", 403
    title = _("This payment was refused by risk control.")


class PaymentOverLimit(PaymentRefusedByRisk):
    code: ClassVar[str] = "payment_over_limit"
    title = _("The amount is above the limit for one payment.")


class PaymentLimitReached(PaymentRefusedByRisk):
    """``limit`` is its id, ``kind`` what it counts, ``resets_at`` when there is room again (UTC)."""

    code: ClassVar[str] = "payment_limit_reached"
    title = _("A limit of payments for this period is reached.")


@dataclass(frozen=True, slots=True)
class Limit:
    """A row of :class:`PaymentLimit`, as it is kept in the process."""

    id: str
    kind: str
    counted_per: str
    merchant_id: str | None
    kyc_level: int | None
    method: str
    currency: str
    max_amount_minor: int | None

    @property
    def same(self) -> tuple[Any, ...]:
        """Limits that are equal in this are the general one and merchants' own ones."""
        return self.kind, self.counted_per, self.currency, self.kyc_level, self.method


def active_limits() -> tuple[Limit, ...]:
    """At most two seconds old."""
    return _limits.get("all")


def applying(
    limits: Iterable[Limit], *, merchant_id: str, method: str, currency: str, kyc_level: int | None
) -> list[Limit]:
    """The limits that apply: all that match, but a merchant's own one replaces the general one. ``kyc_level`` is None
    for a payer without an account: limits of a level are not about them."""
    chosen: dict[tuple[Any, ...], Limit] = {}
    for limit in limits:
        matches = (
            limit.merchant_id in (None, merchant_id)
            and limit.method in ("", method)
            and limit.currency in ("", currency)
            and (limit.kyc_level is None or limit.kyc_level == kyc_level)
        )
        if matches and (limit.merchant_id is not None or limit.same not in chosen):
            chosen[limit.same] = limit
    return list(chosen.values())


def check_amount(limits: Iterable[Limit], amount: Money) -> PaymentOverLimit | None:
    """The refusal of an amount that is above a limit for one payment (the lowest is named)."""
    bounds = [limit.max_amount_minor for limit in limits if limit.kind == Kind.PAYMENT]
    lowest = min((bound for bound in bounds if bound is not None), default=None)
    if lowest is None or amount.minor <= lowest:
        return None
    return PaymentOverLimit(limit_minor=lowest, currency=amount.currency)


def to_reserve(limits: Iterable[Limit], *, merchant_id: str, user_id: str | None) -> list[dict[str, str]]:
    """What riskcontrol_journal is to take: limits of a period, with whose they are."""
    rows = []
    for limit in limits:
        subject = merchant_id if limit.counted_per == CountedPer.MERCHANT else user_id
        if limit.kind != Kind.PAYMENT and subject is not None:
            rows.append({"limit": limit.id, "subject": subject})
    return rows


def limit_reached(limit_id: str, *, resets_at: datetime) -> PaymentLimitReached:
    kind = next((limit.kind for limit in active_limits() if limit.id == limit_id), "")
    return PaymentLimitReached(limit=limit_id, kind=kind, resets_at=resets_at.isoformat())


def _read_limits(_key: str) -> tuple[Limit, ...]:
    fields = ("id", "kind", "counted_per", "merchant_id", "kyc_level", "method", "currency", "max_amount_minor")
    rows = PaymentLimit.objects.filter(is_active=True).order_by("id").values_list(*fields)
    return tuple(Limit(*row) for row in rows)


_limits = Fresh(_read_limits)


def forget_limits() -> None:
    """A limit was changed in this process."""
    _limits.forget()
