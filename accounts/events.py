"""What accounts tells the apps above."""

from dataclasses import dataclass
from typing import ClassVar

from paycore.events import Event


@dataclass(frozen=True)
class UserSignedUp(Event):
    name: ClassVar[str] = "user.signed_up"

    user_id: str
