from dataclasses import dataclass
from typing import ClassVar

from paycore.events import Event


@dataclass(frozen=True)
class MerchantStatusChanged(Event):
    """``review_id`` is the step in the merchant's history; ``by`` the person who took it, empty for the system."""

    name: ClassVar[str] = "merchant.status_changed"
    merchant_id: str
    status: str
    by: str = ""
    reason: str = ""
    review_id: int | None = None


@dataclass(frozen=True)
class MemberJoined(Event):
    name: ClassVar[str] = "merchant.member_joined"
    merchant_id: str
    user_id: str
    role: str


@dataclass(frozen=True)
class MemberRoleChanged(Event):
    name: ClassVar[str] = "merchant.member_role_changed"
    merchant_id: str
    user_id: str
    role: str
    by: str


@dataclass(frozen=True)
class MemberRemoved(Event):
    name: ClassVar[str] = "merchant.member_removed"
    merchant_id: str
    user_id: str
    by: str
