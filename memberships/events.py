"""What memberships tells."""

from dataclasses import dataclass
from typing import ClassVar

from paycore.events import Event


@dataclass(frozen=True)
class MembershipActivated(Event):
    name: ClassVar[str] = "membership.activated"
    period_id: str
    user_id: str


@dataclass(frozen=True)
class MembershipRevoked(Event):
    name: ClassVar[str] = "membership.revoked"
    period_id: str
    user_id: str
