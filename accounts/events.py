"""What accounts tells the apps above."""

from dataclasses import dataclass
from typing import ClassVar

from paycore.events import Event


@dataclass(frozen=True)
class UserSignedUp(Event):
    name: ClassVar[str] = "user.signed_up"

    user_id: str


@dataclass(frozen=True)
class UserKycLevelChanged(Event):
    """``level`` is one of :class:`accounts.models.KycLevel`."""

    name: ClassVar[str] = "user.kyc_level_changed"

    user_id: str
    level: int
    previous_level: int


@dataclass(frozen=True)
class UserClosed(Event):
    name: ClassVar[str] = "user.closed"

    user_id: str


@dataclass(frozen=True)
class UserReopened(Event):
    name: ClassVar[str] = "user.reopened"

    user_id: str


@dataclass(frozen=True)
class UserErased(Event):
    name: ClassVar[str] = "user.erased"

    user_id: str
