"""What risk control tells the rooms above."""

from dataclasses import dataclass
from typing import ClassVar

from paycore.events import Event


@dataclass(frozen=True)
class CaseDecided(Event):
    """A person decided. ``object_id`` of the event is the case; ``about`` names what it is about."""

    name: ClassVar[str] = "case.decided"
    case_id: str
    kind: str
    about: str
    verdict: str
    decided_by_id: str
