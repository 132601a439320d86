"""What risk control keeps about a person: the journal, which says why a payment was let through or refused."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.personal_data.sections import Collected, Section, register_section
from riskcontrol.models import Decision, Rating

_SHOWN = (
    "id", "decided_at", "amount_minor", "currency", "method", "ip", "device_id", "action", "refusal",
)  # fmt: skip


def collect_decisions(user_id: str) -> Collected:
    """Decisions and ratings; not the rules that matched, or the next thief would ask for his."""
    decisions = Decision.objects.filter(user_id=user_id).order_by("id").values(*_SHOWN)
    ratings = Rating.objects.filter(user_id=user_id).order_by("rated_on").values("rated_on", "score", "grade")
    return Collected({"decisions": [_plain(row) for row in decisions], "ratings": [_plain(row) for row in ratings]})


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}


register_section(
    Section(
        name="risk",
        collect=collect_decisions,
        keeps=_(
            "Why payments were let through or refused, with the address and device they came from, under your "
            "account's number: preventing fraud is a legitimate interest (GDPR recital 47), and disputes must be "
            "answered."
        ),
    )
)
