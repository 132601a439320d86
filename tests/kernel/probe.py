"""An event of the tests' own, and two handlers of it whose behaviour each test chooses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from django.db import transaction

from paycore.events import Event, handles, publish
from paycore.models import IdempotencyKey, OutboxMessage


@dataclass(frozen=True)
class Probed(Event):
    name: ClassVar[str] = "probe.probed"
    probe_id: str
    number: int = 0


class ProcessKilled(BaseException):
    """kill -9 as far as Python can play it."""


behaviour: dict[str, Callable[[Probed], None]] = {}


def leave_a_mark(event: Probed) -> None:
    """An effect in the database that can be counted."""
    IdempotencyKey.objects.create(
        scope="mark", key=f"{event.probe_id}-{IdempotencyKey.objects.count()}", fingerprint=b""
    )


def marks() -> int:
    return IdempotencyKey.objects.filter(scope="mark").count()


@handles(Probed)
def first(event: Probed) -> None:
    behaviour.get("first", leave_a_mark)(event)


@handles(Probed)
def second(event: Probed) -> None:
    behaviour.get("second", lambda event: None)(event)


def tell(probe_id: str = "prb_1", *, number: int = 0) -> None:
    with transaction.atomic():
        publish(Probed(probe_id, number))


def message(handler: str = "first") -> OutboxMessage:
    return OutboxMessage.objects.get(handler=f"tests.kernel.probe.{handler}")
