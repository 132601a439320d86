"""One endpoint, one delivery or one merchant must not keep all others waiting."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from merchants.models import Merchant
from merchants.webhooks import delivery as sending
from merchants.webhooks.delivery import deliver_due
from merchants.webhooks.models import WebhookDelivery
from paycore import clock, http
from tests.kernel.test_http import answer, serving, silence
from tests.merchants.factories import make_merchant
from tests.merchants.hooks import due_again, happen, listen

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _local_servers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Endpoints of this machine are allowed, and the circuits of one test are not the next one's."""
    settings.PAYCORE_WEBHOOKS_ALLOW_PRIVATE = True
    own = http.OutboundClient(failures_to_open=1000)
    monkeypatch.setattr(http, "client", lambda: own)
    yield
    own.close()


def test_a_slow_endpoint_does_not_keep_others_waiting(merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty for the slow one came first; the other one's are delivered before the first of them has ended."""
    monkeypatch.setattr(sending, "DEADLINE_SECONDS", 2.0)
    with serving(silence) as slow, serving(answer(200)) as quick:
        listen(merchant, slow.url, "order.closed")
        other = listen(merchant, quick.url, "order.paid")
        for _number in range(50):
            happen(merchant, type="order.closed")
        for _number in range(10):
            happen(merchant, type="order.paid")
        started = clock.now()
        deliver_due(pass_seconds=1.0)

        assert len(slow.requests) == 4  # its share, and then it is left alone
        done = [row.delivered_at for row in other.deliveries.all()]
        assert len(done) == 10
        assert max(moment - started for moment in done if moment) < timedelta(seconds=1.5)


@pytest.mark.parametrize("what", ["attempt", "build_request", "record_outcome"])
def test_one_delivery_that_breaks_us_does_not_keep_others_waiting(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    own = getattr(sending, what)

    def breaks_once(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(sending, what, own)
        raise ZeroDivisionError

    monkeypatch.setattr(sending, what, breaks_once)
    with serving(answer(200)) as server:
        listen(merchant, server.url)
        for _number in range(3):
            happen(merchant)
        deliver_due(pass_seconds=1.0)
        assert sorted(WebhookDelivery.objects.values_list("status", "attempts")) == [
            ("delivered", 1),
            ("delivered", 1),
            ("pending", 1),
        ]
        due_again()
        deliver_due(pass_seconds=1.0)
    assert set(WebhookDelivery.objects.values_list("status", flat=True)) == {"delivered"}


def test_one_merchants_many_slow_endpoints_do_not_hold_every_thread(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They answer well, each a moment before its deadline: nothing would ever leave them alone."""
    monkeypatch.setattr(sending, "DEADLINE_SECONDS", 2.0)
    other_merchant = make_merchant()
    with serving(silence) as slow, serving(answer(200)) as quick:
        for number in range(16):
            listen(merchant, f"{slow.url}/{number}")
        for _number in range(8):
            happen(merchant)
        other = listen(other_merchant, quick.url)
        happen(other_merchant)
        started = clock.now()
        deliver_due(pass_seconds=0.5)

        assert len(slow.requests) == 8
        done = other.deliveries.get().delivered_at
        assert done is not None
        assert done - started < timedelta(seconds=1.5)
