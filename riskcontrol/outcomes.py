"""What became of attempts to pay, told by the rooms above."""

from paycore.database import call_function
from paycore.money import Money
from riskcontrol.models import Outcome


def record_outcome(*, decision_id: str, kind: Outcome.Kind, amount: Money | None = None, occasion: str) -> None:
    """Once per decision, kind and occasion. A failed attempt gives back what it took of amount limits; one that took
    money after all takes it again, unchecked."""
    call_function(
        "riskcontrol_record_outcome",
        decision_id,
        str(kind),
        occasion,
        amount.minor if amount else None,
        amount.currency if amount else "",
    )
