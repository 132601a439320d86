"""Saved payment methods: saved, charged in one tap, made the default, removed; through the API, at the sandbox."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client

from merchants.models import Merchant
from paycore.models import IdempotencyKey
from paycore.money import Money
from payments.gateways.contract import Outcome, SavedMethod, SaveResult
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.methods import saving
from payments.methods.models import Mandate, PaymentMethod
from payments.methods.saving import advance_method, due_methods, record_save_result
from payments.orders.services import OrderDraft, create_order
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, deliver_callbacks, run_background
from tests.api.row_counts import no_row_changes

pytestmark = pytest.mark.django_db

CONSENT = {
    "text_version": "renewals-1",
    "language": "en",
    "accepted": True,
    "max_amount_minor": 5000,
    "currency": "USD",
    "interval": "month",
}


def save(user: AppUser, *, scenario: str = "approve", key: str | None = None, **more: Any) -> Any:
    body = {"method": "card", "currency": "USD", "options": {"sandbox": {"scenario": scenario}}, **more}
    return user.post("/payment-methods", body, key=key)


def saved(user: AppUser, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = save(user, **more).json()
    assert answer["status"] == "active", answer
    return answer


def delete(user: AppUser, path: str) -> Any:
    return user.client.delete(f"/api/v1{path}", headers={"Authorization": f"Bearer {user.secret}"})


def order_of(user: AppUser, merchant: Merchant, *, amount_minor: int = 1999) -> str:
    draft = OrderDraft(
        merchant_id=merchant.id, amount=Money(amount_minor, "USD"), description="A thing", user_id=user.user.id
    )
    return create_order(draft).id


def look_at_everything() -> None:
    """What the sweep would do, whatever the hour."""
    PaymentMethod.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=F("created_at"))
    for method_id in due_methods(limit=100):
        advance_method(method_id)


@pytest.fixture(autouse=True)
def _world(account: GatewayAccount, platform: Merchant) -> None:
    """A gateway account that keeps cards, and the platform as who may charge."""


# --- saving -----------------------------------------------------------------------------------------------------------


def test_card_is_saved_at_once_and_becomes_the_default_without_showing_its_token(app_user: AppUser) -> None:
    answer = save(app_user)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["status"], shown["is_default"], shown["next_action"]) == ("active", True, None)
    assert (shown["card"]["brand"], len(shown["card"]["last4"])) == ("sandbox", 4)
    row = PaymentMethod.objects.get(id=shown["id"])
    assert row.token is not None
    assert row.token.startswith("kept_")
    assert row.token not in answer.content.decode()
    assert app_user.get("/payment-methods").json()["data"][0]["id"] == shown["id"]


def test_saving_that_asks_the_payer_waits_and_the_callback_ends_it(app_user: AppUser, sandbox: SandboxProvider) -> None:
    shown = save(app_user, scenario="require_action", return_url="https://shop.example/back").json()
    assert (shown["status"], shown["next_action"]["kind"]) == ("pending", "redirect")
    sandbox.approve(shown["id"])
    assert deliver_callbacks(sandbox) == [200]
    run_background()
    assert app_user.get(f"/payment-methods/{shown['id']}").json()["status"] == "active"


def test_lost_callback_is_made_up_for_by_asking(app_user: AppUser, sandbox: SandboxProvider) -> None:
    shown = save(app_user, scenario="require_action").json()
    sandbox.approve(shown["id"])
    look_at_everything()
    assert app_user.get(f"/payment-methods/{shown['id']}").json()["status"] == "active"


def test_unknown_answer_leaves_it_pending_until_somebody_asks(app_user: AppUser) -> None:
    shown = save(app_user, scenario="save_timeout_after_effect").json()
    assert shown["status"] == "pending"
    look_at_everything()
    assert app_user.get(f"/payment-methods/{shown['id']}").json()["status"] == "active"


def test_refused_saving_says_why_and_is_not_listed(app_user: AppUser) -> None:
    shown = save(app_user, scenario="decline(expired_card)", mandate=CONSENT).json()
    assert (shown["status"], shown["failure_code"]) == ("failed", "expired_card")
    assert app_user.get("/payment-methods").json()["data"] == []
    assert Mandate.objects.get().status == "ended"


def test_unreachable_gateway_fails_the_saving_and_nothing_is_asked_again(
    app_user: AppUser, sandbox_transport: SandboxTransport
) -> None:
    sandbox_transport.is_reachable = False
    shown = save(app_user).json()
    assert (shown["status"], shown["failure_code"]) == ("failed", "gateway_unavailable")
    assert due_methods(limit=10) == []


def test_what_nobody_finishes_within_a_day_counts_as_not_saved_yet_late_success_is_kept(
    app_user: AppUser, sandbox: SandboxProvider
) -> None:
    shown = save(app_user, scenario="require_action").json()
    row = PaymentMethod.objects.get(id=shown["id"])
    PaymentMethod.objects.filter(id=row.id).update(created_at=row.created_at - timedelta(hours=25))
    look_at_everything()
    row.refresh_from_db()
    assert (row.status, row.failure_code, row.next_attempt_at) == ("failed", "payer_timeout", None)
    sandbox.approve(row.id)
    deliver_callbacks(sandbox)
    run_background()
    row.refresh_from_db()
    assert (row.status, row.failure_code) == ("active", "")


def test_same_key_saves_once_and_answers_the_same_bytes(app_user: AppUser) -> None:
    first, second = save(app_user, key="k1"), save(app_user, key="k1")
    assert first.content == second.content
    assert PaymentMethod.objects.count() == 1


def test_repeat_after_a_dead_process_finishes_the_same_saving(
    app_user: AppUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_arguments: Any, **_more: Any) -> Any:
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(saving, "_apply", die)
        with pytest.raises(Killed):
            save(app_user, key="k1")
    assert PaymentMethod.objects.get().status == "pending"
    IdempotencyKey.objects.update(locked_until=F("created_at"))
    repeated = save(app_user, key="k1")
    assert (repeated.status_code, repeated.json()["status"]) == (201, "active")
    assert PaymentMethod.objects.count() == 1
    assert save(app_user, key="k1").content == repeated.content


def test_no_more_than_the_limit_can_be_saved(app_user: AppUser, settings: Any) -> None:
    settings.PAYCORE_MAX_PAYMENT_METHODS = 1
    saved(app_user)
    with no_row_changes():
        refused = save(app_user, scenario="approve+later_decline")
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_payment_methods")


def test_adding_wants_a_recent_sign_in(app_user: AppUser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.stepup.was_proved_recently", lambda *_a, **_k: False)
    with no_row_changes():
        refused = save(app_user)
    assert (refused.status_code, refused.json()["code"]) == (401, "reauth_required")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"accepted": False}, "accepted"),
        ({"currency": None}, "currency"),
        ({"language": "tlh"}, "language"),
        ({"max_amount_minor": 0}, "max_amount_minor"),
        ({"first_charge_at": "2001-01-01T00:00:00Z"}, "first_charge_at"),
    ],
)
def test_consent_that_is_none_is_refused(app_user: AppUser, change: dict[str, Any], field: str) -> None:
    consent = {name: value for name, value in {**CONSENT, **change}.items() if value is not None}
    with no_row_changes():
        refused = save(app_user, mandate=consent)
    assert refused.status_code == 400
    assert field in str(refused.json()["errors"])


def test_method_that_no_gateway_keeps_is_refused(app_user: AppUser) -> None:
    with no_row_changes():
        refused = save(app_user, method="sandbox_qr")
    assert (refused.status_code, refused.json()["code"]) == (422, "method_not_available")


# --- one card, one row ------------------------------------------------------------------------------------------------


def test_same_card_saved_twice_is_one_row_and_the_other_token_is_forgotten(
    app_user: AppUser, sandbox: SandboxProvider
) -> None:
    first = saved(app_user)
    old_token = PaymentMethod.objects.get(id=first["id"]).token
    again = save(app_user, mandate=CONSENT).json()
    assert (again["status"], again["merged_into"]) == ("removed", first["id"])
    kept = PaymentMethod.objects.get(id=first["id"])
    assert kept.token != old_token
    look_at_everything()
    assert PaymentMethod.objects.get(id=again["id"]).token is None
    states = dict(sandbox.book.rows("SELECT keep, state FROM keep"))
    assert (states[old_token], states[kept.token]) == ("GONE", "KEPT")
    assert [row["id"] for row in app_user.get("/payment-methods").json()["data"]] == [first["id"]]
    assert Mandate.objects.get(payment_method_id=first["id"]).status == "active"
    assert Mandate.objects.get(payment_method_id=again["id"]).ended_by == "merged"


def test_paying_with_a_new_card_saves_it_with_the_mandate_and_the_same_card_again_is_one_row(
    app_user: AppUser, merchant: Merchant
) -> None:
    body = {"method": "card", "options": {"token": "tok_approve"}, "save_method": True, "mandate": CONSENT}
    for _ in range(2):
        answer = app_user.post("/payments", {"order": order_of(app_user, merchant), **body})
        assert answer.json()["status"] == "succeeded", answer.content
    row = PaymentMethod.objects.get(status="active")
    assert row.is_default
    mandates = list(Mandate.objects.filter(payment_method=row).order_by("id"))
    assert [mandate.status for mandate in mandates] == ["ended", "active"]
    assert (mandates[1].merchant_id, mandates[1].max_amount_minor) == (merchant.id, 5000)
    assert mandates[1].ip_address == "127.0.0.1"
    look_at_everything()
    assert PaymentMethod.objects.filter(token__isnull=False).count() == 1


# --- default and removal ----------------------------------------------------------------------------------------------


def test_default_moves_when_asked_and_when_the_default_is_removed(app_user: AppUser) -> None:
    first = saved(app_user)
    second = saved(app_user, scenario="approve+later_decline")
    assert (first["is_default"], second["is_default"]) == (True, False)
    assert app_user.post(f"/payment-methods/{second['id']}/default").json()["is_default"] is True
    assert PaymentMethod.objects.get(is_default=True).id == second["id"]
    assert delete(app_user, f"/payment-methods/{second['id']}").status_code == 204
    assert PaymentMethod.objects.get(is_default=True).id == first["id"]


def test_removed_method_is_gone_at_once_and_its_token_when_the_provider_knows(
    app_user: AppUser, sandbox: SandboxProvider
) -> None:
    card = saved(app_user, mandate=CONSENT)
    sandbox.script(card["id"], "forget_timeout_before_effect")
    assert delete(app_user, f"/payment-methods/{card['id']}").status_code == 204
    assert app_user.get(f"/payment-methods/{card['id']}").status_code == 404
    row = PaymentMethod.objects.get(id=card["id"])
    assert (row.status, row.is_default, row.token is None) == ("removed", False, False)
    assert Mandate.objects.get().ended_by == "payer"
    look_at_everything()  # the provider does not answer
    assert PaymentMethod.objects.get(id=card["id"]).token is not None
    look_at_everything()
    row.refresh_from_db()
    assert (row.token, row.token_index, row.next_attempt_at) == (None, None, None)
    assert sandbox.book.rows("SELECT state FROM keep") == [("GONE",)]
    assert delete(app_user, f"/payment-methods/{card['id']}").status_code == 204  # safe to repeat


def test_method_removed_while_the_payer_was_asked_is_forgotten_when_the_payer_agrees(
    app_user: AppUser, sandbox: SandboxProvider
) -> None:
    shown = save(app_user, scenario="require_action").json()
    delete(app_user, f"/payment-methods/{shown['id']}")
    sandbox.approve(shown["id"])
    look_at_everything()
    look_at_everything()
    row = PaymentMethod.objects.get(id=shown["id"])
    assert (row.status, row.token, row.next_attempt_at) == ("removed", None, None)
    assert sandbox.book.rows("SELECT state FROM keep") == [("GONE",)]


def test_method_that_the_payer_ends_at_the_provider_ends_here(app_user: AppUser, sandbox: SandboxProvider) -> None:
    card = saved(app_user, mandate=CONSENT)
    deliver_callbacks(sandbox)
    sandbox.keeps.end(card["id"])
    deliver_callbacks(sandbox)
    run_background()
    row = PaymentMethod.objects.get(id=card["id"])
    assert (row.status, row.token, row.is_default) == ("removed", None, False)
    assert Mandate.objects.get().ended_by == "gateway"


def test_old_news_changes_nothing(app_user: AppUser, account: GatewayAccount) -> None:
    card = saved(app_user)
    before = PaymentMethod.objects.values().get(id=card["id"])
    for outcome in (Outcome.FAILED, Outcome.PENDING, Outcome.REQUIRES_ACTION, Outcome.NOT_FOUND):
        record_save_result(account.id, SaveResult(card["id"], outcome))
    after = PaymentMethod.objects.values().get(id=card["id"])
    assert {**after, "updated_at": None} == {**before, "updated_at": None}


def test_news_about_another_accounts_method_is_refused(app_user: AppUser, account: GatewayAccount) -> None:
    card = saved(app_user)
    other = GatewayAccount.objects.create(
        name="Other", gateway="sandbox", base_url="inprocess://other", credentials={"secret": "x"}, methods=["card"]
    )
    from_there = SaveResult(card["id"], Outcome.CANCELED, saved=SavedMethod(token="kept_x"))
    with pytest.raises(saving.NotFound):
        record_save_result(other.id, from_there)
    assert PaymentMethod.objects.get(id=card["id"]).status == "active"


def test_another_persons_method_can_be_neither_seen_nor_changed(app_user: AppUser) -> None:
    card = saved(app_user, mandate=CONSENT)
    eve = AppUser.signed_in("eve@example.com")
    with no_row_changes():
        assert eve.get(f"/payment-methods/{card['id']}").status_code == 404
        assert delete(eve, f"/payment-methods/{card['id']}").status_code == 404
        assert eve.post(f"/payment-methods/{card['id']}/default").status_code == 404
        assert delete(eve, f"/mandates/{Mandate.objects.get().id}").status_code == 404
        assert eve.get("/payment-methods").json()["data"] == []


def test_nobody_signed_in_gets_nothing(account: GatewayAccount) -> None:
    assert Client().get("/api/v1/payment-methods").status_code == 401


def test_options_that_providers_want_reach_them_when_saving(app_user: AppUser, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def note(self: SandboxGateway, request: Any) -> SaveResult:
        asked.append(request)
        return SaveResult(request.reference, Outcome.PENDING)

    monkeypatch.setattr(SandboxGateway, "save_method", note)
    consent = {**CONSENT, "interval_count": 2}
    answer = save(app_user, options={"scene": "h5", "mobile_api_version": "2025-01-01"}, mandate=consent)
    assert answer.status_code == 201, answer.content
    [request] = asked
    assert request.options == {"scene": "h5", "mobile_api_version": "2025-01-01", "payer_ip": "127.0.0.1"}
    assert (request.terms.max_amount_minor, request.terms.interval_count) == (5000, 2)
    assert (request.payer_reference, request.description) == (app_user.user.id, "Paycore")
