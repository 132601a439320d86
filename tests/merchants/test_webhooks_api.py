"""`/api/v1/merchant/webhook-endpoints`, `/events` and `/webhook-deliveries`, as a merchant's server uses them."""

import json
import logging
from typing import Any

import pytest
from django.db import connection

from merchants.models import Merchant
from merchants.webhooks.models import WebhookDeed, WebhookDelivery, WebhookEndpoint, WebhookEvent
from merchants.webhooks.services import MAX_ENDPOINTS
from paycore.models import IdempotencyKey
from tests.actors import API, MerchantServer
from tests.api.refusals import assert_refused, pointers
from tests.api.row_counts import no_row_changes
from tests.merchants.factories import make_merchant, make_secret
from tests.merchants.hooks import happen, listen

pytestmark = pytest.mark.django_db

ENDPOINTS, EVENTS, DELIVERIES = "/merchant/webhook-endpoints", "/merchant/events", "/merchant/webhook-deliveries"
BODY: dict[str, Any] = {"url": "https://shop.example/hook", "description": "Fulfilment", "event_types": ["order.paid"]}


def send(server: MerchantServer, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {server.secret}"}
    data = json.dumps(body) if body is not None else ""
    return server.client.generic(method, API + path, data, content_type="application/json", headers=headers)


@pytest.fixture
def theirs(db: None) -> dict[str, str]:
    """Another merchant's endpoint, event and delivery."""
    merchant = make_merchant()
    endpoint = listen(merchant)
    event = happen(merchant)
    return {"endpoint": endpoint.id, "event": event.id, "delivery": WebhookDelivery.objects.get(event=event).id}


def test_the_secret_is_shown_when_it_is_made_and_never_again(merchant_server: MerchantServer) -> None:
    made = merchant_server.post(ENDPOINTS, BODY)
    assert made.status_code == 201, made.content
    endpoint = made.json()
    secret = endpoint.pop("secret")
    assert secret.startswith("whsec_")
    assert made["Cache-Control"] == "no-store"
    assert secret == WebhookEndpoint.objects.get().secret

    path = f"{ENDPOINTS}/{endpoint['id']}"
    assert merchant_server.get(path).json() == endpoint
    assert merchant_server.get(ENDPOINTS).json()["data"] == [endpoint]
    changed = send(merchant_server, "PATCH", path, {"description": "New"})
    assert changed.json() == {**endpoint, "description": "New"}
    for answer in (merchant_server.get(path), merchant_server.get(ENDPOINTS), changed):
        assert "whsec_" not in answer.content.decode()


def test_a_repeat_with_the_same_key_has_the_same_answer_and_no_copy_of_the_secret_is_kept(
    merchant_server: MerchantServer,
) -> None:
    first = merchant_server.post(ENDPOINTS, BODY, key="k1")
    again = merchant_server.post(ENDPOINTS, BODY, key="k1")
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert WebhookEndpoint.objects.count() == 1
    kept = bytes(IdempotencyKey.objects.get().response_body)
    assert b"whsec_" not in kept
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM merchants_webhookendpoint")
        assert first.json()["secret"].encode() not in bytes(cursor.fetchone()[0])


def test_a_rotation_is_done_once_for_a_key_and_an_older_answer_then_hides_its_secret(
    merchant_server: MerchantServer,
) -> None:
    made = merchant_server.post(ENDPOINTS, BODY, key="k1").json()
    path = f"{ENDPOINTS}/{made['id']}/rotate-secret"
    rotated = merchant_server.post(path, {"overlap_hours": 1}, key="k2")
    assert rotated.status_code == 200
    assert rotated.json()["secret"] not in (None, made["secret"])
    assert rotated.json()["secret_version"] == 2
    assert rotated.json()["previous_secret_until"]
    assert merchant_server.post(path, {"overlap_hours": 1}, key="k2").json() == rotated.json()
    assert merchant_server.post(ENDPOINTS, BODY, key="k1").json()["secret"] is None

    at_once = merchant_server.post(path, {"overlap_hours": 0}).json()
    assert at_once["previous_secret_until"] is None
    row = WebhookEndpoint.objects.get()
    assert (row.previous_secret, row.secret_version) == (None, 3)
    assert WebhookDeed.objects.filter(kind="secret_rotated").count() == 2


def test_no_log_line_holds_a_secret(merchant_server: MerchantServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = merchant_server.post(ENDPOINTS, BODY).json()
    merchant_server.post(f"{ENDPOINTS}/{made['id']}/rotate-secret", {})
    merchant_server.post(f"{ENDPOINTS}/{made['id']}/test", {})
    assert caplog.text
    assert "whsec_" not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/hook",
        "https://127.0.0.1/hook",
        "https://[::ffff:10.0.0.1]/hook",
        "https://169.254.169.254/",
        "https://localhost/hook",
        "https://user:pw@shop.example/",
        "https://shop.example:8080/hook",
        "ftp://shop.example/",
        "javascript:alert(1)",
        "shop.example",
    ],
)
def test_an_address_that_no_webhook_may_go_to_is_refused(merchant_server: MerchantServer, url: str) -> None:
    with no_row_changes():
        assert_refused(merchant_server.post(ENDPOINTS, {"url": url}), 400, "webhook_address_refused")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"url": 5}, "/url"),
        ({"url": "https://x.example/" + "a" * 500}, "/url"),
        ({"event_types": "order.paid"}, "/event_types"),
        ({"event_types": ["order.lost"]}, "/event_types/0"),
        ({"event_types": [{}]}, "/event_types"),
        ({"description": "a\u202eb"}, "/description"),
        ({"secret": "whsec_mine"}, "/secret"),
    ],
)
def test_bad_drafts_are_refused(merchant_server: MerchantServer, change: dict[str, Any], pointer: str) -> None:
    with no_row_changes():
        problem = assert_refused(merchant_server.post(ENDPOINTS, {**BODY, **change}), 400, "validation_failed")
    assert pointer in pointers(problem)


def test_there_are_only_so_many_endpoints(merchant_server: MerchantServer) -> None:
    for _number in range(MAX_ENDPOINTS):
        assert merchant_server.post(ENDPOINTS, BODY).status_code == 201
    with no_row_changes():
        assert_refused(merchant_server.post(ENDPOINTS, BODY), 409, "too_many_endpoints")
    assert send(merchant_server, "DELETE", f"{ENDPOINTS}/{WebhookEndpoint.objects.all()[0].id}").status_code == 204
    assert merchant_server.post(ENDPOINTS, BODY).status_code == 201


def test_a_deleted_endpoint_is_gone_with_its_secrets(merchant_server: MerchantServer) -> None:
    made = merchant_server.post(ENDPOINTS, BODY).json()
    path = f"{ENDPOINTS}/{made['id']}"
    assert send(merchant_server, "DELETE", path).status_code == 204
    assert_refused(merchant_server.get(path), 404, "not_found")
    assert_refused(send(merchant_server, "DELETE", path), 404, "not_found")
    assert merchant_server.get(ENDPOINTS).json()["data"] == []
    row = WebhookEndpoint.objects.get()
    assert (row.status, row.secret) == ("deleted", None)


def test_disable_and_enable(merchant_server: MerchantServer) -> None:
    path = f"{ENDPOINTS}/{merchant_server.post(ENDPOINTS, BODY).json()['id']}"
    assert send(merchant_server, "POST", f"{path}/disable").json()["status"] == "disabled"
    assert_refused(send(merchant_server, "POST", f"{path}/disable"), 409, "illegal_transition")
    assert_refused(merchant_server.post(f"{path}/test", {}), 409, "endpoint_not_enabled")
    assert send(merchant_server, "POST", f"{path}/enable").json()["status"] == "enabled"
    assert_refused(send(merchant_server, "POST", f"{path}/enable"), 409, "illegal_transition")
    kinds = list(WebhookDeed.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == ["created", "disabled", "enabled"]


def test_a_test_event_goes_to_this_endpoint_alone_whatever_it_subscribed_to(merchant_server: MerchantServer) -> None:
    made = merchant_server.post(ENDPOINTS, BODY).json()
    merchant_server.post(ENDPOINTS, BODY)
    path = f"{ENDPOINTS}/{made['id']}/test"
    delivery = merchant_server.post(path, {}, key="t").json()
    assert merchant_server.post(path, {}, key="t").json() == delivery
    assert (delivery["event_type"], delivery["endpoint"]) == ("webhook_endpoint.test", made["id"])
    second = merchant_server.post(path, {}).json()
    assert WebhookDelivery.objects.count() == 2
    event = merchant_server.get(f"{EVENTS}/{second['event']}").json()
    assert (event["position"], event["sequence"], event["object_id"]) == (2, 2, made["id"])


def test_the_feed_is_read_from_where_one_left_off(merchant_server: MerchantServer) -> None:
    merchant = merchant_server.merchant
    for number in range(1, 6):
        happen(merchant, object_id="ord_1", sequence=number, type="order.paid" if number % 2 else "order.closed")
    page = merchant_server.get(EVENTS, limit=2).json()
    assert [event["position"] for event in page["data"]] == [1, 2]
    page = merchant_server.get(EVENTS, limit=2, cursor=page["next_cursor"]).json()
    assert [event["position"] for event in page["data"]] == [3, 4]
    assert [e["position"] for e in merchant_server.get(EVENTS, after=4).json()["data"]] == [5]
    assert merchant_server.get(EVENTS, after=5).json()["data"] == []
    assert [e["position"] for e in merchant_server.get(EVENTS, type="order.closed").json()["data"]] == [2, 4]
    assert len(merchant_server.get(EVENTS, object_id="ord_1").json()["data"]) == 5
    body = WebhookEvent.objects.get(position=5).body
    assert merchant_server.get(EVENTS, after=4).json()["data"] == [json.loads(body)]


@pytest.mark.parametrize("after", ["-1", "x", "1.0", "９", "9" * 19, "9" * 40, ""])
def test_a_position_is_a_whole_number(merchant_server: MerchantServer, after: str) -> None:
    response = merchant_server.get(EVENTS, after=after)
    assert response.status_code in (200, 400)
    if after != "9" * 19:
        assert_refused(response, 400, "validation_failed")


def test_the_feed_can_be_switched_on_alone_and_off_again(merchant_server: MerchantServer) -> None:
    path = "/merchant/event-feed"
    assert merchant_server.get(path).json()["is_recording"] is False
    assert send(merchant_server, "PUT", path, {"is_recording": True}).json()["is_recording"] is True
    assert send(merchant_server, "PUT", path, {"is_recording": False}).json()["is_recording"] is False
    merchant_server.post(ENDPOINTS, BODY)
    assert merchant_server.get(path).json() == {
        "object": "event_feed", "is_recording": True, "oldest_position": 1, "last_position": 0,
    }  # fmt: skip
    with no_row_changes():
        refused = send(merchant_server, "PUT", path, {"is_recording": False})
        assert_refused(refused, 409, "feed_still_needed")
        assert_refused(send(merchant_server, "PUT", path, {"is_recording": "no"}), 400, "validation_failed")


def test_deliveries_are_listed_shown_and_sent_again(merchant_server: MerchantServer) -> None:
    endpoint = listen(merchant_server.merchant)
    event = happen(merchant_server.merchant)
    happen(merchant_server.merchant)
    WebhookDelivery.objects.filter(event=event).update(status="failed", next_attempt_at=None, attempts=10)

    failed = merchant_server.get(DELIVERIES, status="failed").json()["data"]
    assert [row["event"] for row in failed] == [event.id]
    assert len(merchant_server.get(DELIVERIES, endpoint=endpoint.id).json()["data"]) == 2
    assert len(merchant_server.get(DELIVERIES, event=event.id).json()["data"]) == 1
    path = f"{DELIVERIES}/{failed[0]['id']}"
    assert merchant_server.get(path).json() == {**failed[0], "log": []}
    for _time in range(2):
        again = send(merchant_server, "POST", f"{path}/resend").json()
        assert (again["status"], again["attempts"]) == ("pending", 0)
    replayed = send(merchant_server, "POST", f"{ENDPOINTS}/{endpoint.id}/replay", {"after": 0})
    assert replayed.json() == {"replayed": 0}


def test_another_merchants_objects_are_not_there(merchant_server: MerchantServer, theirs: dict[str, str]) -> None:
    endpoint, delivery = f"{ENDPOINTS}/{theirs['endpoint']}", f"{DELIVERIES}/{theirs['delivery']}"
    listen(merchant_server.merchant)
    with no_row_changes():
        for method, path, body in (
            ("GET", endpoint, None),
            ("PATCH", endpoint, {"url": "https://evil.example/"}),
            ("DELETE", endpoint, None),
            ("POST", f"{endpoint}/enable", None),
            ("POST", f"{endpoint}/disable", None),
            ("POST", f"{endpoint}/replay", {"after": 0}),
            ("GET", f"{EVENTS}/{theirs['event']}", None),
            ("GET", delivery, None),
            ("POST", f"{delivery}/resend", None),
        ):
            assert_refused(send(merchant_server, method, path, body), 404, "not_found")
        for path in (f"{endpoint}/rotate-secret", f"{endpoint}/test"):
            assert_refused(merchant_server.post(path, {}), 404, "not_found")
        assert merchant_server.get(EVENTS).json()["data"] == []
        assert merchant_server.get(DELIVERIES).json()["data"] == []
        assert merchant_server.get(DELIVERIES, endpoint=theirs["endpoint"]).json()["data"] == []
    assert WebhookEndpoint.objects.get(id=theirs["endpoint"]).status == "enabled"


def test_users_and_strangers_have_no_webhooks(app_user: Any, merchant: Merchant) -> None:
    listen(merchant)
    for path in (ENDPOINTS, EVENTS, DELIVERIES, "/merchant/event-feed"):
        assert_refused(app_user.get(path), 403, "permission_denied")
    stranger = MerchantServer(secret=make_secret(merchant=make_merchant())[:-1] + "x", merchant=merchant)
    assert stranger.get(ENDPOINTS).status_code == 401
