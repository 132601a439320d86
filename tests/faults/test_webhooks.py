"""Webhooks when the worker is killed: what happened is told, perhaps twice, always under the same id."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from merchants.webhooks.delivery import deliver_due
from merchants.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from paycore.models import EventRecord
from paycore.tasks import drain_outbox
from tests.faults.cuts import CUTS
from tests.faults.world import World
from tests.kernel.test_http import Server, answer, serving
from tests.merchants.hooks import due_again, happen, listen


@pytest.fixture
def receiver(world: World) -> Iterator[Server]:
    """Of one merchant, for one cell: what earlier cells left is out of the way."""
    WebhookEndpoint.objects.filter(status="enabled").update(status="disabled")
    with serving(answer(200)) as server, override_settings(PAYCORE_WEBHOOKS_ALLOW_PRIVATE=True):
        listen(world.merchant, server.url)
        yield server


def ids_received(server: Server) -> list[str]:
    lines = [line for request in server.requests for line in request.decode().split("\r\n")]
    return [line.partition(":")[2].strip() for line in lines if line.lower().startswith("webhook-id:")]


@pytest.mark.parametrize(
    ("cut", "copies"), [("after_claim", 1), ("before_record", 2), ("in_record", 2), ("after_record", 1)]
)
def test_a_worker_killed_around_the_post_loses_nothing(world: World, receiver: Server, cut: str, copies: int) -> None:
    event = happen(world.merchant)
    world.doomed.die_doing({"kind": "webhooks", "cut": cut})
    due_again()
    with override_settings(PAYCORE_WEBHOOKS_ALLOW_PRIVATE=True):
        deliver_due()

    assert ids_received(receiver) == [event.id] * copies
    delivery = WebhookDelivery.objects.get(event=event)
    assert delivery.status == "delivered"
    assert WebhookAttempt.objects.filter(delivery=delivery).count() == 1


@pytest.mark.parametrize("cut", sorted(CUTS["drain"]))
def test_a_worker_killed_while_it_writes_the_news_down_loses_and_doubles_nothing(
    world: World, receiver: Server, cut: str
) -> None:
    order, payment = world.server.paid_order()
    world.doomed.die_doing({"kind": "drain", "cut": cut})
    world.time_passes()
    drain_outbox()

    happened = EventRecord.objects.filter(object_id__in=[order["id"], payment["id"]])
    told = WebhookEvent.objects.filter(object_id__in=[order["id"], payment["id"]])
    assert sorted(told.values_list("object_id", "sequence", "type")) == sorted(
        happened.values_list("object_id", "sequence", "name")
    )
    assert happened.count() == 3
    positions = list(WebhookEvent.objects.order_by("position").values_list("position", flat=True))
    assert positions == list(range(1, len(positions) + 1))
