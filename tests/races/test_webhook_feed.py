"""The feed under many writers at once: each event once, no gap, and no reader that misses one."""

import time
from collections.abc import Callable

import pytest
from django.db import connection

from merchants.models import Merchant
from merchants.webhooks import feed
from merchants.webhooks.claiming import claim_deliveries
from merchants.webhooks.feed import News, open_feed, record_event
from merchants.webhooks.models import WebhookDelivery, WebhookEvent, WebhookFeed
from tests.merchants.hooks import listen, news
from tests.races.conftest import CREW_SIZE
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 20


def recorder(told: News) -> Callable[[], str]:
    return lambda: "recorded" if record_event(told) else "known"


def test_thirty_two_runs_for_one_event_record_it_once(crew: Crew, tally: Tally, merchant: Merchant) -> None:
    listen(merchant)
    for _trial in range(TRIALS):
        once = news(merchant)
        words = tally.note(crew.at_once(*[recorder(once)] * CREW_SIZE))
        assert sorted(words) == ["known"] * (CREW_SIZE - 1) + ["recorded"]
    tally.assert_no_surprise()
    assert WebhookEvent.objects.count() == WebhookDelivery.objects.count() == TRIALS


def write_and_read(crew: Crew, tally: Tally, merchant: Merchant) -> tuple[list[int], list[int]]:
    """Seven writers, and one reader who follows the feed by its last position; what was written, what was read."""
    seen: list[int] = []

    def read(seconds: float) -> str:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            last = seen[-1] if seen else 0
            found = WebhookEvent.objects.filter(merchant=merchant, position__gt=last).order_by("position")
            seen.extend(found.values_list("position", flat=True))
        return "read"

    def write() -> str:
        for _number in range(20):
            record_event(news(merchant))
        return "written"

    tally.note(crew.at_once(*[write] * 7, lambda: read(1.5)))
    read(0.05)
    return list(WebhookEvent.objects.order_by("position").values_list("position", flat=True)), seen


def test_a_reader_misses_nothing_while_many_write(crew: Crew, tally: Tally, merchant: Merchant) -> None:
    open_feed(merchant.id)
    for _trial in range(3):
        written, seen = write_and_read(crew, tally, merchant)
        assert seen[-1] == written[-1]
        assert seen == written[-len(seen) :] == list(range(seen[0], seen[-1] + 1))
    tally.assert_no_surprise()
    assert written == list(range(1, 3 * 140 + 1))
    assert WebhookFeed.objects.get().last_position == 420


def test_without_the_lock_a_reader_misses_events(
    crew: Crew, tally: Tally, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power of the test above: positions from a counter that nobody holds until the commit."""
    open_feed(merchant.id)
    with connection.cursor() as cursor:
        cursor.execute("DROP SEQUENCE IF EXISTS webhooks_unlocked; CREATE SEQUENCE webhooks_unlocked")

    def unlocked(merchant_id: str) -> WebhookFeed:
        row = WebhookFeed(merchant_id=merchant_id)
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval('webhooks_unlocked') - 1, pg_sleep(random() * 0.01)")
            row.last_position = cursor.fetchone()[0]
        monkeypatch.setattr(row, "save", lambda **_options: None)
        return row

    monkeypatch.setattr(feed, "lock_feed", unlocked)
    try:
        written, seen = write_and_read(crew, tally, merchant)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP SEQUENCE webhooks_unlocked")
    assert set(seen) < set(written)


def test_no_delivery_is_claimed_twice_and_no_endpoint_gets_more_than_its_share(
    crew: Crew, tally: Tally, merchant: Merchant
) -> None:
    endpoints = [listen(merchant, f"https://shop{number}.example/") for number in range(3)]
    for _number in range(10):
        record_event(news(merchant))
    for _trial in range(TRIALS):
        WebhookDelivery.objects.update(lease_until=None, attempts=0, next_attempt_at="2026-01-01T00:00:00Z")
        deeds = crew.at_once(*[lambda: claim_deliveries(limit=32).delivery_ids] * 8)
        assert not [deed.error for deed in deeds if deed.error]
        taken = [delivery_id for deed in deeds for delivery_id in deed.answer]
        assert len(taken) == len(set(taken))
        for endpoint in endpoints:
            share = WebhookDelivery.objects.filter(endpoint=endpoint, id__in=taken).count()
            assert 0 < share <= 4
    tally.assert_no_surprise()
