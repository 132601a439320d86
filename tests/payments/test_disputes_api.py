"""A merchant's server answers a dispute; every refusal changes nothing."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from merchants.services import add_member
from merchants.webhooks.models import WebhookEvent
from paycore.clock import database_now
from paycore.notifications.models import Notification
from paycore.notifications.rendering import Message, render
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.disputes import answering, telling
from payments.orders.disputes.models import Dispute, DisputeFile
from payments.orders.models import Payment
from payments.personal_data import collect_orders
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, assert_books_are_whole, run_background
from tests.api.row_counts import nothing_changes
from tests.merchants.factories import make_merchant, make_secret, make_user
from tests.merchants.hooks import listen
from tests.payments.disputed import PDF, Quarrel, quarrel_about

pytestmark = pytest.mark.django_db


@pytest.fixture
def quarrel(merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider) -> Quarrel:
    _order, payment = merchant_server.paid_order(amount_minor=5_000)
    return quarrel_about(payment, sandbox=sandbox, server=merchant_server).open()


def rows() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT d::text FROM payments_dispute d UNION ALL SELECT f::text FROM payments_disputefile f")
        return cursor.fetchall()


def is_refused(response: Any, status: int, code: str) -> bool:
    return (response.status_code, response.json()["code"]) == (status, code)


def test_answer_is_gathered_sent_weighed_and_won(quarrel: Quarrel) -> None:
    assert quarrel.write(explanation="They used it.", tracking_number="1Z999").json()["answer"] == "open"
    assert quarrel.upload().status_code == 201
    assert quarrel.submit().json()["answer"] == "submitting"
    assert quarrel.at_provider()["answered"] is False
    run_background()
    assert (quarrel.dispute.answer, quarrel.dispute.status) == ("submitted", "under_review")
    assert quarrel.at_provider()["state"] == "WEIGHED"
    [proof] = quarrel.sandbox.book.rows("SELECT digest, content_type, size FROM proof")
    assert proof == (DisputeFile.objects.get().sha256, "application/pdf", len(PDF))
    quarrel.move("shop")
    shown = quarrel.server.get(quarrel.path).json()
    assert (shown["status"], shown["withdrawn_minor"], shown["answer"]) == ("won", 0, "submitted")
    assert shown["decided_at"]
    assert_books_are_whole()


def test_giving_up_is_told_to_the_provider_and_lost(quarrel: Quarrel) -> None:
    assert quarrel.accept().json()["answer"] == "accepting"
    quarrel.hear()
    assert (quarrel.dispute.answer, quarrel.dispute.status) == ("accepted", "lost")
    assert quarrel.at_provider()["state"] == "TAKEN_BACK"
    assert_books_are_whole()


def test_list_is_filtered_and_shows_own_disputes_only(quarrel: Quarrel) -> None:
    stranger = MerchantServer(secret=make_secret(merchant=make_merchant()), merchant=None)  # type: ignore[arg-type]  # only its secret speaks
    assert stranger.get("/merchant/disputes").json()["data"] == []
    ids = [row["id"] for row in quarrel.server.get("/merchant/disputes", status="needs_response").json()["data"]]
    assert ids == [quarrel.dispute.id]
    assert quarrel.server.get("/merchant/disputes", status="won").json()["data"] == []
    assert quarrel.server.get("/merchant/disputes", payment=quarrel.payment["id"]).json()["data"]


def test_foreign_dispute_is_not_there_and_nothing_changes(quarrel: Quarrel) -> None:
    stranger = MerchantServer(secret=make_secret(merchant=make_merchant()), merchant=None)  # type: ignore[arg-type]  # only its secret speaks
    own, quarrel.server = quarrel.server, stranger
    before = rows()
    with nothing_changes():
        answers = [
            stranger.get(quarrel.path),
            stranger.get(f"{quarrel.path}/documents"),
            quarrel.write(),
            quarrel.upload(),
            quarrel.submit(),
            quarrel.accept(),
        ]
    assert [answer.status_code for answer in answers] == [404] * 6
    assert rows() == before
    assert own.get(quarrel.path).status_code == 200


def test_payers_see_no_disputes(quarrel: Quarrel, app_user: Any) -> None:
    assert app_user.get(quarrel.path).status_code in (401, 403)


def test_empty_answer_is_not_sent(quarrel: Quarrel) -> None:
    before = rows()
    with nothing_changes():
        assert is_refused(quarrel.submit(), 422, "evidence_missing")
    assert rows() == before


def test_what_was_sent_can_neither_be_changed_nor_sent_nor_taken_back(quarrel: Quarrel) -> None:
    quarrel.write()
    quarrel.submit()
    for stage in ("submitting", "submitted"):
        assert quarrel.dispute.answer == stage
        before = rows()
        with nothing_changes():
            for answer in (quarrel.write(), quarrel.upload(), quarrel.submit(), quarrel.accept()):
                assert is_refused(answer, 409, "dispute_not_open")
        assert rows() == before
        run_background()


@pytest.mark.parametrize("side", ["shop", "payer"])
def test_decided_dispute_takes_no_answer(quarrel: Quarrel, side: str) -> None:
    quarrel.move(side)
    before = rows()
    with nothing_changes():
        for answer in (quarrel.write(), quarrel.upload(), quarrel.submit(), quarrel.accept()):
            assert is_refused(answer, 409, "dispute_not_open")
    assert rows() == before


def test_dispute_opened_anew_is_answered_anew(quarrel: Quarrel) -> None:
    quarrel.write()
    quarrel.submit()
    run_background()
    quarrel.move("shop").move("contest")
    assert (quarrel.dispute.status, quarrel.dispute.answer, quarrel.dispute.rounds) == ("needs_response", "open", 2)
    assert quarrel.submit().status_code == 200
    run_background()
    quarrel.move("payer")
    assert (quarrel.dispute.status, quarrel.dispute.answer) == ("lost", "submitted")
    assert_books_are_whole()


def test_late_copy_of_the_opening_does_not_ask_again(quarrel: Quarrel, sandbox: SandboxProvider) -> None:
    quarrel.write()
    quarrel.submit()
    run_background()
    sandbox.book.change("UPDATE contest SET state = 'CONTESTED', changed_at = changed_at - 60")
    Dispute.objects.update(next_attempt_at=database_now())
    run_background()
    assert (quarrel.dispute.status, quarrel.dispute.answer) == ("under_review", "submitted")


def test_gateway_that_takes_no_answers_is_said_so(quarrel: Quarrel, monkeypatch: pytest.MonkeyPatch) -> None:
    quarrel.write()
    monkeypatch.setattr(answering, "connect", lambda account: object())
    before = rows()
    with nothing_changes():
        assert is_refused(quarrel.submit(), 422, "not_supported_by_gateway")
        assert is_refused(quarrel.accept(), 422, "not_supported_by_gateway")
    assert rows() == before


# --- what is sent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts",
    [
        {"explanation": "Their card was 4111 1111 1111 1111."},
        {"explanation": "x" * 5_001},
        {"delivery_date": "yesterday"},
        {"customer_email": "nobody"},
        {"story": "unknown field"},
        {"explanation": 7},
        {"explanation": "null\x00byte"},
        {"explanation": ["a", "list"]},
    ],
)
def test_texts_that_cannot_be_taken(quarrel: Quarrel, texts: dict[str, Any]) -> None:
    quarrel.write(explanation="As before.")
    before = rows()
    with nothing_changes():
        refused = quarrel.write(**texts)
    assert refused.status_code == 400, refused.content
    assert rows() == before
    assert quarrel.dispute.texts == {"explanation": "As before."}


def test_texts_are_replaced_and_kept_sealed(quarrel: Quarrel) -> None:
    quarrel.write(explanation="First", carrier="UPS")
    quarrel.write(explanation="Second")
    assert quarrel.dispute.texts == {"explanation": "Second"}
    assert not any("Second" in row[0] for row in rows())


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "file_empty"),
        (b"MZ an executable", 415, "file_type_not_allowed"),
        (b"<svg onload=alert(1)>", 415, "file_type_not_allowed"),
        (b"%PDF-" + b"x" * (5 * 1024 * 1024), 413, "file_too_large"),
    ],
)
def test_files_that_cannot_be_taken(quarrel: Quarrel, content: bytes, status: int, code: str) -> None:
    before = rows()
    with nothing_changes():
        assert is_refused(quarrel.upload(content), status, code)
        assert quarrel.upload(kind="secret").status_code == 400
    assert rows() == before


def test_eleventh_file_is_refused_and_the_same_file_counts_once(quarrel: Quarrel) -> None:
    for number in range(10):
        assert quarrel.upload(PDF + bytes([number])).status_code == 201
    assert quarrel.upload(PDF + b"\x00").status_code == 201
    before = rows()
    with nothing_changes():
        assert is_refused(quarrel.upload(PDF + b"eleventh"), 422, "too_much_evidence")
    assert rows() == before
    listed = quarrel.server.get(f"{quarrel.path}/documents", limit=50).json()["data"]
    assert len(listed) == 10
    assert all("content" not in file for file in listed)
    assert not any(PDF.hex() in row[0] for row in rows())


# --- the provider misbehaves -------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["timeout_before_effect", "timeout_after_effect", "torn_answer", "unavailable(1)"])
@pytest.mark.parametrize("deed", ["answer", "concede"])
def test_lost_word_is_sent_again_and_counts_once(quarrel: Quarrel, trouble: str, deed: str) -> None:
    quarrel.sandbox.script(quarrel.theirs, f"{deed}_{trouble}")
    quarrel.write()
    _ = quarrel.submit() if deed == "answer" else quarrel.accept()
    run_background()
    assert quarrel.dispute.answer in ("submitting", "accepting", "accepted")  # a callback may have told the loss
    Dispute.objects.filter(decided_at=None).update(next_attempt_at=database_now())
    quarrel.hear()
    wanted = ("submitted", "under_review") if deed == "answer" else ("accepted", "lost")
    assert (quarrel.dispute.answer, quarrel.dispute.status) == wanted
    assert_books_are_whole()


def test_refused_answer_goes_back_to_the_merchant_with_the_reason(quarrel: Quarrel) -> None:
    quarrel.sandbox.script(quarrel.theirs, "answer_reject")
    quarrel.write()
    quarrel.submit()
    run_background()
    shown = quarrel.server.get(quarrel.path).json()
    assert (shown["answer"], shown["answer_failure"]) == ("refused", "rejected_by_script")
    assert shown["answered_at"] is None
    quarrel.sandbox.script(quarrel.theirs, "approve")
    quarrel.write(explanation="In other words.")
    assert quarrel.submit().status_code == 200
    run_background()
    assert quarrel.dispute.answer == "submitted"
    assert quarrel.dispute.answer_failure == ""


def test_unanswered_dispute_is_lost_when_the_provider_says_so(quarrel: Quarrel) -> None:
    quarrel.sandbox.book.change("UPDATE contest SET answer_until = 1")
    quarrel.hear()
    assert quarrel.dispute.status == "lost"
    assert quarrel.dispute.answer == "open"
    assert_books_are_whole()


def test_provider_is_asked_now_and_then_without_any_callback(quarrel: Quarrel) -> None:
    quarrel.sandbox.disputes.move(quarrel.theirs, to="payer")
    quarrel.sandbox.take_callbacks()
    Dispute.objects.update(next_attempt_at=database_now())
    run_background()
    assert quarrel.dispute.status == "lost"


# --- people hear of it -------------------------------------------------------------------------------------------


def told() -> dict[str, int]:
    found: dict[str, int] = {}
    for template in Notification.objects.filter(template__startswith="dispute_").values_list("template", flat=True):
        found[template] = found.get(template, 0) + 1
    return found


def test_owner_and_finance_hear_of_opening_and_decision_once(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    for role in ("owner", "finance", "developer", "viewer"):
        add_member(merchant=merchant_server.merchant, user=make_user(), role=role)
    _order, payment = merchant_server.paid_order(amount_minor=5_000)
    quarrel = quarrel_about(payment, sandbox=sandbox, server=merchant_server).open(early=True)
    assert told() == {"dispute_warned": 2}
    quarrel.move("contest")
    quarrel.write()
    quarrel.submit()
    run_background()
    quarrel.move("shop")
    assert told() == {"dispute_warned": 2, "dispute_opened": 2, "dispute_won": 2}
    quarrel.move("payer")
    assert told() == {"dispute_warned": 2, "dispute_opened": 2, "dispute_won": 2, "dispute_lost": 2}


def test_unanswered_dispute_is_remembered_twice_before_its_date(quarrel: Quarrel, settings: Any) -> None:
    settings.PAYCORE_ALERTS_TO = ["desk@example.com"]
    add_member(merchant=quarrel.server.merchant, user=make_user(), role="owner")
    due_at = quarrel.dispute.evidence_due_at
    assert due_at is not None

    def remind(hours_before: float) -> int:
        return telling.remind_of_disputes(now=due_at - timedelta(hours=hours_before))

    alerts = Notification.objects.filter(template="alert")
    assert (remind(49), told().get("dispute_due", 0)) == (0, 0)
    assert (remind(47), told()["dispute_due"], alerts.count()) == (1, 1, 0)
    assert remind(30) == 0
    assert (remind(23), told()["dispute_due"], alerts.count()) == (1, 1, 1)
    assert remind(1) == 0


def test_dispute_first_seen_in_its_last_day_is_told_to_both(quarrel: Quarrel, settings: Any) -> None:
    settings.PAYCORE_ALERTS_TO = ["desk@example.com"]
    add_member(merchant=quarrel.server.merchant, user=make_user(), role="finance")
    due_at = quarrel.dispute.evidence_due_at
    assert due_at is not None
    assert telling.remind_of_disputes(now=due_at - timedelta(hours=2)) == 1
    assert told()["dispute_due"] == 1
    assert Notification.objects.filter(template="alert").count() == 1


def test_answered_dispute_is_not_remembered(quarrel: Quarrel) -> None:
    quarrel.write()
    quarrel.submit()
    due_at = quarrel.dispute.evidence_due_at
    assert due_at is not None
    assert telling.remind_of_disputes(now=due_at - timedelta(hours=2)) == 0
    assert told().get("dispute_due") is None


def test_every_mail_about_a_dispute_can_be_read(quarrel: Quarrel) -> None:
    from_templates = {"dispute_warned", "dispute_opened", "dispute_due", "dispute_won", "dispute_lost"}
    add_member(merchant=quarrel.server.merchant, user=make_user(), role="owner")
    for template in from_templates:
        telling.tell_merchant(quarrel.dispute, template=template, occasion="test")
    for note in Notification.objects.filter(template__in=from_templates):
        message = rendered(note)
        assert "50.00" in message.subject
        assert quarrel.dispute.id in message.text
        assert quarrel.dispute.id in message.html


def rendered(note: Notification) -> Message:
    return render(note.template, context=note.context, language="en")


def test_only_texts_we_know_are_kept(quarrel: Quarrel) -> None:
    written = answering.write_texts(quarrel.dispute.id, {"explanation": "Yes", "smuggled": "No", "carrier": ""})
    assert written.texts == {"explanation": "Yes"}


def test_script_disputes_a_payment_and_decides_for_who_answers(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    """What the demo plays."""
    order = merchant_server.create_order(amount_minor=2_400)
    scenario = "approve+dispute(not_received)+dispute_decided_for(shop)"
    payment = merchant_server.pay(order["id"], scenario=scenario).json()
    quarrel = quarrel_about(payment, sandbox=sandbox, server=merchant_server)
    dispute = Dispute.objects.get()
    quarrel.theirs = dispute.gateway_reference
    assert (dispute.status, dispute.reason, dispute.fee_minor) == ("needs_response", "not_received", 1_500)
    quarrel.write()
    quarrel.upload(kind="delivery")
    quarrel.submit()
    run_background()
    assert (quarrel.dispute.status, quarrel.dispute.answer) == ("won", "submitted")
    quarrel.hear()
    assert quarrel.dispute.status == "won"
    assert_books_are_whole()


def test_merchants_server_is_told_each_step_once_and_in_order(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    listen(merchant_server.merchant)
    _order, payment = merchant_server.paid_order(amount_minor=5_000)
    quarrel = quarrel_about(payment, sandbox=sandbox, server=merchant_server).open(early=True).move("contest")
    quarrel.write()
    quarrel.submit()
    run_background()
    quarrel.move("shop")
    quarrel.move("payer")
    told = WebhookEvent.objects.filter(object_id=quarrel.dispute.id).order_by("sequence")
    assert list(told.values_list("type", flat=True)) == [
        "dispute.opened",
        "dispute.opened",
        "dispute.updated",
        "dispute.updated",
        "dispute.updated",
        "dispute.won",
        "dispute.updated",
        "dispute.lost",
    ]
    newest = json.loads(told.last().body)["data"]
    assert (newest["id"], newest["object"]) == (quarrel.dispute.id, "dispute")
    assert "explanation" not in json.dumps(newest)
    assert_books_are_whole()


def test_a_payers_data_hold_what_the_merchant_said_of_them(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider, app_user: Any
) -> None:
    order_id = merchant_server.paid_order_of_user(app_user.user)
    payment = {"id": Payment.objects.get(order_id=order_id).id}
    quarrel = quarrel_about(payment, sandbox=sandbox, server=merchant_server).open()
    quarrel.write(customer_name="Ada")
    [order] = collect_orders(app_user.user.pk).document["orders"]
    [dispute] = order["payments"][0]["disputes"]
    assert (dispute["id"], dispute["merchant_says"]) == (quarrel.dispute.id, {"customer_name": "Ada"})
