"""One POST and what may come of it, against servers of this machine."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from merchants.models import Merchant
from merchants.webhooks import delivery as sending
from merchants.webhooks.claiming import MAX_ATTEMPTS, claim_deliveries, claimed
from merchants.webhooks.delivery import deliver_due, excerpt, retry_after
from merchants.webhooks.errors import EndpointNotEnabled
from merchants.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from merchants.webhooks.outcomes import RETRY_AFTER, Outcome, delay_after, record_outcome
from merchants.webhooks.services import disable_endpoint, enable_endpoint, replay, resend, rotate_secret
from paycore import addresses, clock, http
from paycore.clock import database_now
from paycore.models import Notification
from tests.kernel.test_http import Server, answer, drip, serving, silence
from tests.merchants.factories import make_member
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


def parts(request: bytes) -> tuple[dict[str, str], bytes]:
    head, _blank, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}, body


def only_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def deliver_to(server: Server, merchant: Merchant) -> WebhookDelivery:
    listen(merchant, server.url + "/hook")
    happen(merchant)
    assert deliver_due() == 1
    return only_delivery()


def test_a_webhook_is_what_the_standards_own_library_expects(merchant: Merchant) -> None:
    with serving(answer(204, b"")) as server:
        delivery = deliver_to(server, merchant)

    headers, body = parts(server.requests[0])
    secret = WebhookEndpoint.objects.get().secret
    content = Webhook(secret).verify(body, headers)
    assert headers["webhook-id"] == content["id"] == delivery.event_id
    assert content["type"] == "order.paid"
    assert set(content) >= {"type", "timestamp", "data", "sequence", "position"}
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace(b"order.paid", b"order.lost"), headers)

    assert (delivery.status, delivery.attempts, delivery.last_status_code) == ("delivered", 1, 204)
    log = WebhookAttempt.objects.get()
    assert (log.status_code, log.error_code) == (204, "")
    assert deliver_due() == 0


def test_both_secrets_sign_while_they_overlap_and_the_old_one_stops(merchant: Merchant) -> None:
    with serving(answer(200)) as server:
        endpoint = listen(merchant, server.url)
        old = endpoint.secret
        changed = rotate_secret(
            merchant_id=merchant.id, endpoint_id=endpoint.id, overlap=timedelta(hours=24), actor="x"
        )
        happen(merchant)
        deliver_due()
        WebhookEndpoint.objects.update(previous_secret_until=database_now() - timedelta(seconds=1))
        happen(merchant)
        deliver_due()

    (first, first_body), (second, second_body) = map(parts, server.requests)
    assert len(first["webhook-signature"].split()) == 2
    for secret in (old, changed.secret):
        Webhook(secret).verify(first_body, first)
    Webhook(changed.secret).verify(second_body, second)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(second_body, second)


def test_every_copy_has_the_same_id_and_bytes(merchant: Merchant) -> None:
    with serving(answer(500, b"oops")) as server:
        deliver_to(server, merchant)
        due_again()
        deliver_due()

    (first, one), (second, two) = map(parts, server.requests)
    assert one == two
    assert first["webhook-id"] == second["webhook-id"]


def test_failures_are_repeated_over_three_days_and_then_given_up(merchant: Merchant) -> None:
    waits = []
    with serving(answer(500, b"oops")) as server:
        listen(merchant, server.url)
        happen(merchant)
        for _attempt in range(MAX_ATTEMPTS):
            due_again()
            assert deliver_due() == 1
            delivery = only_delivery()
            if delivery.next_attempt_at:
                waits.append(delivery.next_attempt_at - database_now())

        assert (delivery.status, delivery.last_error) == ("failed", "status_not_2xx")
        assert deliver_due() == 0
    assert len(server.requests) == MAX_ATTEMPTS == WebhookAttempt.objects.count() == 10
    for waited, planned in zip(waits, RETRY_AFTER, strict=True):
        assert 0.85 * planned < waited < 1.11 * planned
    assert timedelta(days=3) < sum(RETRY_AFTER, timedelta()) < timedelta(days=4)


def test_a_failed_delivery_can_be_sent_again_and_a_delivered_one_too(merchant: Merchant) -> None:
    with serving(answer(500)) as server:
        delivery = deliver_to(server, merchant)
        WebhookDelivery.objects.update(status="failed", next_attempt_at=None, attempts=10)
        server.behaviour = answer(200)
        for _time in range(2):
            again = resend(merchant_id=merchant.id, delivery_id=delivery.id)
            assert (again.status, again.attempts) == ("pending", 0)
            assert deliver_due() == 1
            assert only_delivery().status == "delivered"
    assert len(server.requests) == 3


def test_410_disables_the_endpoint_and_tells_owners_and_developers(merchant: Merchant) -> None:
    people = {role: make_member(merchant=merchant, role=role).user_id for role in ("owner", "developer", "viewer")}
    with serving(answer(410)) as server:
        delivery = deliver_to(server, merchant)
        endpoint = WebhookEndpoint.objects.get()
        assert (delivery.status, endpoint.status, endpoint.disabled_reason) == ("failed", "disabled", "answered_410")
        happen(merchant)
        assert deliver_due() == 0
    told = set(Notification.objects.filter(template="webhook_disabled").values_list("user_id", flat=True))
    assert told == {str(people["owner"]), str(people["developer"])}


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_asks_for_time_gets_it(merchant: Merchant, status: int) -> None:
    with serving(answer(status, b"", b"Retry-After: 900\r\n")) as server:
        delivery = deliver_to(server, merchant)
        now = database_now()
        assert delivery.next_attempt_at is not None
        assert delivery.next_attempt_at - now > timedelta(seconds=890)
        hold = WebhookEndpoint.objects.get().hold_until
        assert hold is not None
        assert hold - now > timedelta(seconds=890)
        happen(merchant)
        assert deliver_due() == 0
        assert len(server.requests) == 1


def test_a_redirect_is_a_failure_and_is_not_followed(merchant: Merchant) -> None:
    with serving(answer(200)) as target:
        moved = b"Location: %s/\r\n" % target.url.encode()
        with serving(answer(302, b"", moved)) as server:
            delivery = deliver_to(server, merchant)
    assert (delivery.status, delivery.last_error) == ("pending", "redirect_not_followed")
    assert target.connections == 0


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("https://127.0.0.1/hook", None),
        ("https://[::1]:8443/hook", None),
        ("https://169.254.169.254/latest/meta-data", None),
        ("https://shop.example/hook", ["10.0.0.7"]),
        ("https://shop.example/hook", ["93.184.216.34", "192.168.0.1"]),
        ("http://shop.example/hook", ["93.184.216.34"]),
    ],
)
def test_a_private_address_is_refused_at_each_delivery_whatever_was_checked_before(
    merchant: Merchant,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    resolved: list[str] | None,
) -> None:
    """Also the rebinding kind: the name was public when the endpoint was made, and is not when the webhook is sent."""
    listen(merchant, url)
    settings.PAYCORE_WEBHOOKS_ALLOW_PRIVATE = False
    if resolved:
        monkeypatch.setattr(addresses, "resolve", lambda *_args, **_options: resolved)
    happen(merchant)
    assert deliver_due() == 1
    delivery = only_delivery()
    assert (delivery.status, delivery.last_error, delivery.last_status_code) == ("pending", "address_refused", None)


def test_a_name_is_looked_up_once_so_that_a_second_answer_cannot_lead_inside(
    merchant: Merchant, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []

    def rebinding(host: str, _port: int, *, timeout_seconds: float) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) > 1 else ["203.0.113.9", "10.0.0.1"]

    listen(merchant, "https://rebinding.example/hook")
    settings.PAYCORE_WEBHOOKS_ALLOW_PRIVATE = False
    monkeypatch.setattr(addresses, "resolve", rebinding)
    happen(merchant)
    deliver_due()
    assert looked_up == ["rebinding.example"]
    assert only_delivery().last_error == "address_refused"


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (silence, "timed_out"),
        (drip(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + b"x" * 400, 0.05), "timed_out"),
        (answer(200, b"x" * (sending.MAX_ANSWER_BYTES + 1)), "answer_too_large"),
        (lambda peer, _request: peer.close(), "connection_lost"),
        (lambda peer, _request: peer.sendall(b"\x00\x01 no http\r\n\r\n"), "connection_lost"),
    ],
    ids=["silent", "dripping", "huge", "hangs up", "no http"],
)
def test_slow_huge_and_broken_answers_are_cut(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch, behaviour: Any, error: str
) -> None:
    monkeypatch.setattr(sending, "DEADLINE_SECONDS", 0.5)
    started = time.monotonic()
    with serving(behaviour) as server:
        delivery = deliver_to(server, merchant)
    assert time.monotonic() - started < 3
    assert (delivery.status, delivery.last_error) == ("pending", error)
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.silences == 1
    assert endpoint.hold_until is not None


def test_nobody_home_is_repeated(merchant: Merchant) -> None:
    listen(merchant, "http://127.0.0.1:9/hook")
    happen(merchant)
    deliver_due()
    assert only_delivery().last_error == "not_reached"


def test_what_was_not_even_tried_costs_no_attempt(merchant: Merchant) -> None:
    def full(_request: http.OutboundRequest) -> http.OutboundResponse:
        raise http.BulkheadFull("too many")

    listen(merchant)
    happen(merchant)
    assert deliver_due(send=full) == 1
    delivery = only_delivery()
    assert (delivery.status, delivery.attempts) == ("pending", 0)
    assert not WebhookAttempt.objects.exists()


def test_a_disabled_endpoint_gets_nothing_and_can_be_told_later_what_it_missed(merchant: Merchant) -> None:
    with serving(answer(200)) as server:
        endpoint = listen(merchant, server.url, "order.paid")
        happen(merchant)
        disable_endpoint(merchant_id=merchant.id, endpoint_id=endpoint.id, actor="x")
        waiting = only_delivery()
        assert (waiting.status, waiting.last_error) == ("failed", "endpoint_not_enabled")
        happen(merchant)
        happen(merchant, type="order.closed")
        assert deliver_due() == 0
        with pytest.raises(EndpointNotEnabled):
            resend(merchant_id=merchant.id, delivery_id=waiting.id)
        with pytest.raises(EndpointNotEnabled):
            replay(merchant_id=merchant.id, endpoint_id=endpoint.id, after=0, actor="x")
        assert server.connections == 0

        enable_endpoint(merchant_id=merchant.id, endpoint_id=endpoint.id, actor="x")
        assert deliver_due() == 0
        assert replay(merchant_id=merchant.id, endpoint_id=endpoint.id, after=0, actor="x") == 2
        assert deliver_due() == 2
        assert replay(merchant_id=merchant.id, endpoint_id=endpoint.id, after=0, actor="x") == 0
    assert [json.loads(parts(request)[1])["type"] for request in server.requests] == ["order.paid"] * 2


def test_days_of_nothing_but_failures_disable_the_endpoint(merchant: Merchant, settings: Settings) -> None:
    owner = make_member(merchant=merchant)
    with serving(answer(500)) as server:
        deliver_to(server, merchant)
        assert WebhookEndpoint.objects.get().failing_since is not None
        settings.PAYCORE_WEBHOOKS_DISABLE_AFTER_DAYS = 5
        WebhookEndpoint.objects.update(failing_since=database_now() - timedelta(days=5, seconds=1))
        due_again()
        deliver_due()
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.status, endpoint.disabled_reason) == ("disabled_by_failures", "only_failures")
    assert only_delivery().status == "failed"
    assert Notification.objects.get(template="webhook_disabled").user_id == str(owner.user_id)


def test_one_success_forgets_the_failures(merchant: Merchant) -> None:
    with serving(answer(500)) as server:
        deliver_to(server, merchant)
        server.behaviour = answer(200)
        due_again()
        deliver_due()
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.failing_since, endpoint.hold_until, endpoint.silences) == (None, None, 0)


def test_an_endpoint_that_did_not_answer_is_asked_by_one_at_a_time(merchant: Merchant) -> None:
    endpoint = listen(merchant)
    for _number in range(6):
        happen(merchant)
    assert len(claim_deliveries(limit=32).delivery_ids) == 4
    assert len(claim_deliveries(limit=32).delivery_ids) == 0
    due_again()
    WebhookEndpoint.objects.filter(id=endpoint.id).update(silences=2)
    assert len(claim_deliveries(limit=32).delivery_ids) == 1
    WebhookEndpoint.objects.filter(id=endpoint.id).update(hold_until=database_now() + timedelta(minutes=1))
    due_again_only_deliveries()
    assert len(claim_deliveries(limit=32).delivery_ids) == 0


def due_again_only_deliveries() -> None:
    WebhookDelivery.objects.filter(status="pending").update(next_attempt_at=database_now(), lease_until=None)


def test_who_lost_the_lease_notes_the_attempt_and_moves_nothing(merchant: Merchant) -> None:
    listen(merchant)
    happen(merchant)
    slow = claim_deliveries(limit=1)
    delivery = claimed(slow)[0]
    due_again()
    quick = claim_deliveries(limit=1)
    failed = Outcome(clock.now(), 5, status_code=500, error_code="status_not_2xx")

    record_outcome(delivery, Outcome(clock.now(), 5, status_code=200), token=quick.token)
    record_outcome(delivery, failed, token=slow.token)

    assert only_delivery().status == "delivered"
    assert WebhookAttempt.objects.count() == 2


def test_what_died_in_every_attempt_is_given_up(merchant: Merchant) -> None:
    listen(merchant)
    happen(merchant)
    for _attempt in range(MAX_ATTEMPTS):
        due_again()
        assert len(claim_deliveries(limit=5).delivery_ids) == 1
    due_again()
    assert deliver_due() == 0
    assert (only_delivery().status, only_delivery().last_error) == ("failed", "abandoned")


def test_an_answer_is_kept_short_and_without_secrets() -> None:
    card = "4242" * 4
    text = excerpt(f"paid with {card}, Bearer abcdefghijklmnop, a\x00b\u202e \ud55c".encode() + b"\xff" + b"y" * 5000)
    assert card not in text
    assert "abcdefghijklmnop" not in text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert text.startswith("paid with ")
    assert len(text.encode()) <= 2048


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [("120", 120), ("Sun, 22 Nov 2026 00:10:00 GMT", 600), ("Sat, 21 Nov 2026 00:00:00 GMT", 0)],
)
def test_retry_after_is_seconds_or_a_date(sent: str, seconds: int) -> None:
    with time_machine.travel("2026-11-22T00:00:00Z", tick=False):
        assert retry_after({"retry-after": sent}, now=clock.now()) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "sent",
    ["", "soon", "-5", "1e3", "9" * 30, "２", f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", f"{'9' * 20} Jan 2026 0:0:0"],
)
def test_any_other_retry_after_is_ignored(sent: str) -> None:
    assert retry_after({"retry-after": sent}, now=clock.now()) is None


def test_a_receiver_cannot_put_us_off_for_ever() -> None:
    assert delay_after(1, retry_after=timedelta(days=900)) == timedelta(hours=24)
