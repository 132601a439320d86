"""Webhooks on the two consoles: owners and developers manage their own, staff looks, nobody sees a secret unasked."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from merchants.models import Merchant, MerchantMember
from merchants.webhooks.models import WebhookAttempt, WebhookDeed, WebhookDelivery, WebhookEndpoint, WebhookEvent
from paycore.clock import database_now
from paycore.sites import second_step
from tests.api.row_counts import no_row_changes
from tests.merchants.factories import make_member, make_merchant, make_user
from tests.merchants.hooks import happen, listen

pytestmark = pytest.mark.django_db
YES = {"_form_submitted": "on", "after": 0, "overlap_hours": 0}
LISTS = ("webhookendpoint", "webhookdelivery", "webhookevent")


def page(model: str, kind: str = "changelist", *args: Any, site: str = "merchant") -> str:
    return reverse(f"{site}:merchants_{model}_{kind}", args=args)


def deed(name: str, endpoint: WebhookEndpoint) -> str:
    return reverse(f"merchant:merchants_webhookendpoint_{name}", args=[endpoint.id])


def enter(client: Client, merchant: Merchant, *, role: str = "developer") -> MerchantMember:
    member = make_member(merchant=merchant, role=role)
    client.force_login(member.user)
    return member


@pytest.fixture
def endpoint(merchant: Merchant) -> Iterator[WebhookEndpoint]:
    made = listen(merchant, "https://own.example/hook")
    event = happen(merchant, object_id="ord_own")
    delivery = WebhookDelivery.objects.get(event=event)
    WebhookAttempt.objects.create(
        delivery=delivery,
        started_at=database_now(),
        duration_ms=42,
        status_code=500,
        error_code="status_not_2xx",
        response_excerpt="<script>alert(1)</script>",
    )
    return made


def test_a_developer_finds_endpoints_deliveries_and_events(
    client: Client, merchant: Merchant, endpoint: WebhookEndpoint
) -> None:
    listen(make_merchant(), "https://foreign.example/hook")
    enter(client, merchant)
    for model in LISTS:
        answer = client.get(page(model)).content.decode()
        assert "foreign" not in answer
    assert "own.example" in client.get(page("webhookendpoint"), {"q": "own.example"}).content.decode()
    found = client.get(page("webhookdelivery"), {"q": "ord_own", "status": "pending", "endpoint": endpoint.id})
    assert WebhookDelivery.objects.get().id in found.content.decode()
    none = client.get(page("webhookdelivery"), {"status": "failed"}).content.decode()
    assert WebhookDelivery.objects.get().id not in none
    event = client.get(page("webhookevent"), {"q": "ord_own", "event_type": "order.paid"}).content.decode()
    assert WebhookEvent.objects.get().id in event


def test_a_delivery_shows_its_attempts_and_what_was_sent_as_plain_text(
    client: Client, merchant: Merchant, endpoint: WebhookEndpoint
) -> None:
    enter(client, merchant)
    shown = client.get(page("webhookdelivery", "change", WebhookDelivery.objects.get().id)).content.decode()
    assert "42 ms" in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert(1)" not in shown
    assert "order.paid" in shown
    assert (
        WebhookEvent.objects.get().id
        in client.get(page("webhookevent", "change", WebhookEvent.objects.get().id)).content.decode()
    )


@pytest.mark.parametrize("role", ["finance", "viewer"])
def test_other_roles_have_no_webhooks(client: Client, merchant: Merchant, endpoint: WebhookEndpoint, role: str) -> None:
    enter(client, merchant, role=role)
    with no_row_changes():
        for model in LISTS:
            assert client.get(page(model)).status_code == 403
        for name in ("disable", "remove", "send_test", "replay", "rotate", "show_secret"):
            assert client.post(deed(name, endpoint), YES).status_code in (302, 403, 404)
    endpoint.refresh_from_db()
    assert endpoint.status == "enabled"


def test_a_new_endpoint_shows_its_secret_once(client: Client, merchant: Merchant) -> None:
    member = enter(client, merchant)
    body = {"url": "https://shop.example/hook", "description": "Mine", "event_types": ["order.paid"]}
    answer = client.post(page("webhookendpoint", "add"), body)
    made = WebhookEndpoint.objects.get()
    assert (made.merchant_id, made.event_types, made.created_by) == (merchant.id, ["order.paid"], str(member.user_id))
    assert made.secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    for address in (page("webhookendpoint"), page("webhookendpoint", "change", made.id)):
        assert "whsec_" not in client.get(address).content.decode()


@pytest.mark.parametrize("url", ["http://shop.example/", "https://10.0.0.1/", "javascript:alert(1)"])
def test_a_private_address_is_refused_with_a_reason(client: Client, merchant: Merchant, url: str) -> None:
    enter(client, merchant)
    answer = client.post(page("webhookendpoint", "add"), {"url": url, "description": ""})
    assert answer.status_code == 200
    assert "The address" in answer.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_an_endpoint_is_changed_by_its_service(client: Client, merchant: Merchant, endpoint: WebhookEndpoint) -> None:
    enter(client, merchant)
    body = {"url": "https://own.example/other", "description": "New", "event_types": ["order.paid", "refund.failed"]}
    assert client.post(page("webhookendpoint", "change", endpoint.id), body).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.event_types) == ("https://own.example/other", ["order.paid", "refund.failed"])
    assert WebhookDeed.objects.filter(kind="changed").count() == 1


def test_test_disable_enable_replay_and_delete_are_actions_that_ask_first(
    client: Client, merchant: Merchant, endpoint: WebhookEndpoint
) -> None:
    member = enter(client, merchant)
    for name in ("send_test", "disable", "enable", "replay", "remove"):
        before = WebhookDeed.objects.count()
        assert client.get(deed(name, endpoint)).status_code == 200
        assert WebhookDeed.objects.count() == before
        assert client.post(deed(name, endpoint), YES).status_code == 302
    kinds = list(WebhookDeed.objects.order_by("id").values_list("kind", "actor"))
    me = str(member.user_id)
    assert kinds[1:] == [(kind, me) for kind in ("tested", "disabled", "enabled", "replayed", "deleted")]
    assert client.get(page("webhookendpoint", "change", endpoint.id)).status_code in (302, 404)
    assert "own.example" not in client.get(page("webhookendpoint")).content.decode()


def test_the_secret_is_shown_after_a_fresh_proof_and_the_journal_knows(
    client: Client, merchant: Merchant, endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = enter(client, merchant)
    asked = client.get(deed("show_secret", endpoint))
    assert asked.status_code == 200
    assert "whsec_" not in asked.content.decode()
    answer = client.post(deed("show_secret", endpoint))
    assert endpoint.secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    looked = WebhookDeed.objects.get(kind="secret_shown")
    assert looked.actor == str(member.user_id)

    monkeypatch.setattr(second_step, "RECENT_SECONDS", -1)
    for name in ("show_secret", "rotate"):
        turned_away = client.post(deed(name, endpoint), {"overlap_hours": 1})
        assert turned_away.status_code == 302
        assert reverse("merchant:second_step") in turned_away["Location"]
    assert WebhookDeed.objects.filter(kind="secret_shown").count() == 1
    endpoint.refresh_from_db()
    assert endpoint.secret_version == 1


def test_a_secret_is_changed_with_an_overlap(client: Client, merchant: Merchant, endpoint: WebhookEndpoint) -> None:
    enter(client, merchant)
    old = endpoint.secret
    answer = client.post(deed("rotate", endpoint), {"overlap_hours": 2})
    endpoint.refresh_from_db()
    assert endpoint.secret in answer.content.decode()
    assert endpoint.secret != old == endpoint.previous_secret
    assert client.post(deed("rotate", endpoint), {"overlap_hours": 999}).status_code == 200
    assert WebhookEndpoint.objects.get().secret_version == 2


def test_deliveries_are_sent_again_one_by_one_and_many_at_once(
    client: Client, merchant: Merchant, endpoint: WebhookEndpoint
) -> None:
    enter(client, merchant)
    happen(merchant)
    WebhookDelivery.objects.update(status="failed", next_attempt_at=None)
    ids = list(WebhookDelivery.objects.values_list("id", flat=True))
    client.post(reverse("merchant:merchants_webhookdelivery_resend_this", args=[ids[0]]), YES)
    assert WebhookDelivery.objects.filter(status="pending").count() == 1
    client.post(page("webhookdelivery"), {"action": "resend", "_selected_action": ids})
    assert WebhookDelivery.objects.filter(status="pending").count() == 2


def test_anothers_endpoint_is_no_page(client: Client, merchant: Merchant, endpoint: WebhookEndpoint) -> None:
    enter(client, make_merchant(), role="owner")
    delivery, event = WebhookDelivery.objects.get(), WebhookEvent.objects.get()
    with no_row_changes():
        for name in ("send_test", "disable", "remove", "replay", "rotate", "show_secret"):
            assert client.post(deed(name, endpoint), YES).status_code in (302, 404)
        for model, row in (("webhookendpoint", endpoint), ("webhookdelivery", delivery), ("webhookevent", event)):
            answer = client.get(page(model, "change", row.id))
            assert answer.status_code in (302, 404)
            assert "own.example" not in answer.content.decode()
        client.post(page("webhookdelivery"), {"action": "resend", "_selected_action": [delivery.id]})


def test_staff_looks_and_changes_nothing(client: Client, merchant: Merchant, endpoint: WebhookEndpoint) -> None:
    client.force_login(make_user(is_staff=True, is_superuser=True))
    rows = {
        "webhookendpoint": endpoint, "webhookdelivery": WebhookDelivery.objects.get(),
        "webhookevent": WebhookEvent.objects.get(),
    }  # fmt: skip
    for model, row in rows.items():
        assert str(row.id) in client.get(page(model, site="ops"), {"q": row.id}).content.decode()
        shown = client.get(page(model, "change", row.id, site="ops"))
        assert shown.status_code == 200
        assert "whsec_" not in shown.content.decode()
        assert client.post(page(model, "change", row.id, site="ops"), {"url": "https://x.example"}).status_code == 403
        assert client.get(page(model, "add", site="ops")).status_code == 403
