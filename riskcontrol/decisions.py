"""May this payment go on? The decision with its reasons, which the payment keeps."""

from dataclasses import dataclass
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from paycore.errors import PaycoreError
from paycore.fresh import Fresh
from paycore.money import Money
from riskcontrol.models import PaymentLimit


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
    limits = _limits.get("all")
    own = limits.get((merchant_id, amount.currency), limits.get((None, amount.currency)))
    if own is None:
        return Decision("allow", ("no_limit",))
    if amount.minor > own:
        raise PaymentOverLimit(limit_minor=own, currency=amount.currency)
    return Decision("allow", (f"limit:{own}",))


def _read_limits(_key: str) -> dict[tuple[str | None, str], int]:
    rows = PaymentLimit.objects.values_list("merchant_id", "currency", "max_amount_minor")
    return {(merchant_id, currency): maximum for merchant_id, currency, maximum in rows}


_limits = Fresh(_read_limits)


def forget_limits() -> None:
    """A limit was changed in this process."""
    _limits.forget()
