"""News that goes upward. What changes publishes; whoever cares, above, subscribes in its ``handlers.py``.

An event is a frozen dataclass of ids and numbers. Publishing writes one event row and one outbox row per handler in the
same transaction as the change; :mod:`paycore.outbox` delivers them, each handler's database effect exactly once.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from django.db import transaction

from paycore import bell
from paycore.database import call_function
from paycore.logs import current_request_id


@dataclass(frozen=True)
class Event:
    """Subclass with flat JSON-able fields; the first one is the id of the object it is about."""

    name: ClassVar[str]

    def __init_subclass__(cls) -> None:
        if cls.name in EVENT_TYPES:
            raise RuntimeError(f"two events are named {cls.name}")
        EVENT_TYPES[cls.name] = cls

    @property
    def object_id(self) -> str:
        value: str = next(iter(vars(self).values()))
        return value


EVENT_TYPES: dict[str, type[Event]] = {}
_handlers: defaultdict[str, dict[str, "_Subscription"]] = defaultdict(dict)


@dataclass(frozen=True)
class _Subscription:
    function: Callable[[Any], None]
    when: Callable[[Any], bool]


EventT = TypeVar("EventT", bound=Event)
Handler = Callable[[EventT], None]


def handles(
    event_type: type[EventT], *, when: Callable[[EventT], bool] = lambda event: True
) -> Callable[[Handler[EventT]], Handler[EventT]]:
    """Register a function of one event. It must touch only the database and tolerate any order of events.

    ``when`` looks at the event alone, as it is published: nothing is written for a handler that does not care.
    """

    def register(function: Handler[EventT]) -> Handler[EventT]:
        name = f"{function.__module__}.{function.__qualname__}"
        _handlers[event_type.name][name] = _Subscription(function, when)
        return function

    return register


def handler_names(event_name: str) -> list[str]:
    """Everybody who subscribed, whether or not a particular event concerns them."""
    return list(_handlers[event_name]) if event_name in _handlers else []


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Which one it is of the events about its object, counted from 1, and when it happened."""

    sequence: int
    occurred_at: datetime


_occurrence: ContextVar[Occurrence] = ContextVar("paycore_event_occurrence")


def current_occurrence() -> Occurrence:
    """Of the event whose handler is running. ``LookupError`` outside one."""
    return _occurrence.get()


def run_handler(*, handler: str, event_name: str, payload: dict[str, Any], occurrence: Occurrence) -> None:
    """Call one handler. ``KeyError`` when it no longer exists: the message is then quarantined and seen."""
    token = _occurrence.set(occurrence)
    try:
        _handlers[event_name][handler].function(EVENT_TYPES[event_name](**payload))
    finally:
        _occurrence.reset(token)


def publish(event: Event) -> None:
    """Record ``event`` in the running transaction. The caller holds the lock on the object it is about."""
    publish_many([event])


def publish_many(events: Sequence[Event]) -> None:
    """Several, in their order, in one round trip."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("an event is published with the change it tells of")
    if events:
        call_function("paycore_publish", json.dumps([as_row(event) for event in events]))
        bell.ring_on_commit(bell.OUTBOX)


def as_row(event: Event) -> dict[str, Any]:
    """The event as an element of the JSON array that SQL functions publish from."""
    return {
        "name": event.name,
        "object_id": event.object_id,
        "payload": vars(event),
        "handlers": [name for name, subscription in _handlers.get(event.name, {}).items() if subscription.when(event)],
        "request_id": current_request_id()[:64],
    }
