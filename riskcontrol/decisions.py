"""May this payment go on? The decision with its reasons, which the payment keeps."""

import time
from dataclasses import dataclass
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from paycore.errors import PaycoreError
from paycore.money import Money
from riskcontrol.models import PaymentLimit

LIMITS_FRESH_SECONDS = 2.0


class PaymentRefusedByRisk(PaycoreError):
    code, http_status = "payment_refused_by_risk", 403
    title = _("This payment was refused by risk control.")


class PaymentOverLimit(PaymentRefusedByRisk):
    code: ClassVar[str] = "payment_over_limit"
    title = _("The amount is above the limit for one payment.")


@dataclass(frozen=True, slots=True)
class Decision:
    """``action`` is allow (or a refusal is raised); ``reasons`` name the limits that were looked at."""

    action: str
    reasons: tuple[str, ...]

    def as_row(self) -> dict[str, Any]:
        return {"action": self.action, "reasons": list(self.reasons)}


def assess(*, merchant_id: str, amount: Money) -> Decision:
    """Allow, or raise :class:`PaymentOverLimit` before anything is written."""
    limits = _limits()
    own = limits.get((merchant_id, amount.currency), limits.get((None, amount.currency)))
    if own is None:
        return Decision("allow", ("no_limit",))
    if amount.minor > own:
        raise PaymentOverLimit(limit_minor=own, currency=amount.currency)
    return Decision("allow", (f"limit:{own}",))


_cached: tuple[float, dict[tuple[str | None, str], int]] = (0.0, {})


def _limits() -> dict[tuple[str | None, str], int]:
    """All limits by (merchant or None, currency), at most two seconds old."""
    global _cached
    read_at, limits = _cached
    if time.monotonic() - read_at > LIMITS_FRESH_SECONDS or not read_at:
        rows = PaymentLimit.objects.values_list("merchant_id", "currency", "max_amount_minor")
        limits = {(merchant_id, currency): maximum for merchant_id, currency, maximum in rows}
        _cached = (time.monotonic(), limits)
    return limits


def forget_limits() -> None:
    """For tests and for the admin after a change: read the limits again."""
    global _cached
    _cached = (0.0, {})
