"""News is a row of the same transaction, numbered per object without a gap."""

import json
from dataclasses import dataclass
from typing import ClassVar

import pytest
from django.db import IntegrityError, connection, transaction

from paycore import events
from paycore.events import Event, publish
from paycore.logs import bound_request
from paycore.models import EventRecord, OutboxMessage
from tests.kernel.probe import Probed, tell

pytestmark = pytest.mark.django_db


def tell_and_undo() -> None:
    with transaction.atomic():
        publish(Probed("prb_1"))
        transaction.set_rollback(True)


def test_an_event_is_written_with_one_message_for_each_handler() -> None:
    tell(number=7)
    event = EventRecord.objects.get()
    assert (event.name, event.object_id, event.sequence, event.payload) == (
        "probe.probed", "prb_1", 1, {"probe_id": "prb_1", "number": 7},
    )  # fmt: skip
    assert set(OutboxMessage.objects.values_list("handler", flat=True)) == set(events.handler_names("probe.probed"))


def test_each_objects_events_are_numbered_from_one_without_a_gap() -> None:
    for probe_id in ("prb_1", "prb_2", "prb_1"):
        tell(probe_id)
    tell_and_undo()
    tell("prb_1")
    with transaction.atomic():
        publish(Probed("prb_1"))
        publish(Probed("prb_1"))

    numbers = EventRecord.objects.filter(object_id="prb_1").order_by("id").values_list("sequence", flat=True)
    assert list(numbers) == [1, 2, 3, 4, 5]
    assert EventRecord.objects.get(object_id="prb_2").sequence == 1


def test_what_is_undone_was_never_told() -> None:
    tell_and_undo()
    assert EventRecord.objects.count() == OutboxMessage.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_news_without_its_change_is_refused() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        publish(Probed("prb_1"))
    assert EventRecord.objects.count() == 0


def test_two_events_cannot_share_a_number() -> None:
    tell()
    with pytest.raises(IntegrityError, match="event_sequence_unique"), transaction.atomic():
        EventRecord.objects.create(name="probe.probed", object_id="prb_1", sequence=1, payload={})


def test_an_event_remembers_the_request_that_caused_it() -> None:
    with bound_request(request_id="req_1"):
        tell()
    assert EventRecord.objects.get().request_id == "req_1"


def test_several_told_at_once_keep_their_order() -> None:
    rows = [events.as_row(Probed(probe_id, number)) for number, probe_id in enumerate(["prb_2", "prb_1", "prb_2"])]
    with connection.cursor() as cursor:
        cursor.execute("SELECT paycore_publish(%s)", [json.dumps(rows)])
    told = EventRecord.objects.order_by("id").values_list("object_id", "sequence", "payload__number")
    assert list(told) == [("prb_2", 1, 0), ("prb_1", 1, 1), ("prb_2", 2, 2)]


def test_two_events_cannot_have_one_name() -> None:
    with pytest.raises(RuntimeError, match=r"probe\.probed"):

        @dataclass(frozen=True)
        class Again(Event):
            name: ClassVar[str] = "probe.probed"
            probe_id: str


def test_an_event_without_handlers_is_still_kept() -> None:
    with connection.cursor() as cursor:
        row = events.as_row(Probed("prb_1")) | {"handlers": []}
        cursor.execute("SELECT paycore_publish(%s)", [json.dumps([row])])
    assert (EventRecord.objects.count(), OutboxMessage.objects.count()) == (1, 0)
