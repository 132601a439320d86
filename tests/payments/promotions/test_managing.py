"""Drafts, the second person, codes in bulk, suspicion, and what is kept about people."""

import csv
import io
from typing import Any

import pytest
from django.db import InternalError, transaction
from django.test import Client

from accounts.models import User
from merchants.models import Merchant
from paycore import code_batches
from paycore.clock import database_now
from paycore.code_batches import CodeMill
from paycore.encryption import blind_index
from paycore.errors import PaycoreError
from payments.gateways.contract import SavedMethod
from payments.methods.services import remember_method
from payments.personal_data import collect_promotions, forget_mail_boxes_and_cards
from payments.promotions import managing
from payments.promotions.managing import (
    MILL,
    BatchDraft,
    CodeDraft,
    activate_promotion,
    add_batch,
    add_code,
    change_promotion,
    create_promotion,
    end_promotion,
    pause_promotion,
)
from payments.promotions.models import CodeBatch, KnownCard, Promotion, PromotionCode, Redemption, RedemptionPerson
from payments.promotions.terms import fingerprint_of
from payments.routing.models import GatewayAccount
from payments.tasks import make_promotion_codes
from riskcontrol.models import Case
from tests.actors import run_background
from tests.merchants.factories import make_user
from tests.payments.promotions.factories import make_promotion, purchase, take_once

pytestmark = pytest.mark.django_db

SMALL = {"kind": "percent", "percent_basis_points": 2_000, "budget_minor": 50_000, "budget_currency": "USD"}


def draft(merchant: Merchant, **terms: Any) -> Promotion:
    return create_promotion({"name": "x", **SMALL, **terms}, merchant_id=merchant.id, author_id="usr_author")


@pytest.mark.parametrize(
    "terms",
    [
        {"percent_basis_points": 10_001},
        {"percent_basis_points": 0},
        {"percent_basis_points": -1},
        {"kind": "fixed"},
        {"kind": "fixed", "amounts": {"USD": -1}},
        {"kind": "fixed", "amounts": {"XXX": 5}},
        {"kind": "fixed", "amounts": {"USD": 10**18}},
        {"kind": "fixed", "amounts": {"USD": "5"}},
        {"kind": "free_days", "free_days": 0},
        {"duration": "periods", "periods": 0},
        {"duration": "periods", "periods": 121},
        {"duration": "forever"},  # with a budget
        {"budget_minor": 0},
        {"budget_currency": "XXX"},
        {"budget_currency": ""},
        {"currencies": ["usd"]},
        {"users": ["usr"] * 1_001},
        {"plans": ["plan"] * 201},
    ],
)
def test_terms_that_make_no_sense_are_refused_and_nothing_is_stored(merchant: Merchant, terms: dict[str, Any]) -> None:
    with pytest.raises(PaycoreError) as caught:
        draft(merchant, **terms)
    assert caught.value.code == "promotion_terms_invalid"
    assert caught.value.extra["field"] in {*terms, "percent_basis_points", "amounts", "budget_minor"}
    assert not Promotion.objects.exists()


@pytest.mark.parametrize(
    "row",
    [
        {"kind": "percent", "percent_basis_points": 10_001},
        {"kind": "fixed", "percent_basis_points": 5},
        {"kind": "free_days", "free_days": 400},
        {"kind": "percent", "percent_basis_points": 5, "budget_minor": -1, "budget_currency": "USD"},
        {"kind": "percent", "percent_basis_points": 5, "status": "active"},
        {"kind": "percent", "percent_basis_points": 5, "merchant_id": None},
    ],
)
def test_the_database_refuses_them_as_well(merchant: Merchant, row: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="violates check constraint"), transaction.atomic():
        Promotion.objects.create(**{"name": "x", "merchant_id": merchant.id, **row})


def test_a_small_promotion_is_activated_by_who_wrote_it(merchant: Merchant) -> None:
    made = draft(merchant)
    assert not made.needs_second_person
    assert activate_promotion(made.id, by_id="usr_author").status == "active"


@pytest.mark.parametrize(
    "terms",
    [
        {"budget_minor": 100_001},
        {"budget_minor": None, "budget_currency": ""},
        {"kind": "free_days", "free_days": 30, "max_uses": 101},
        {"kind": "free_days", "free_days": 1},
    ],
)
def test_a_big_one_is_activated_by_another_person(merchant: Merchant, terms: dict[str, Any]) -> None:
    made = draft(merchant, **terms)
    assert made.needs_second_person
    change_promotion(made.id, {"name": "y"}, author_id="usr_helper")
    for author in ("usr_author", "usr_helper"):
        with pytest.raises(PaycoreError) as caught:
            activate_promotion(made.id, by_id=author)
        assert caught.value.code == "promotion_is_your_own"
    made.refresh_from_db()
    assert made.status == "draft"
    with pytest.raises(InternalError, match="does not activate it"), transaction.atomic():
        Promotion.objects.filter(id=made.id).update(
            status="active", activated_by="usr_author", activated_at="2026-01-01T00:00Z"
        )
    assert activate_promotion(made.id, by_id="usr_second").status == "active"


def test_the_second_person_agrees_to_what_they_saw(merchant: Merchant) -> None:
    made = draft(merchant)
    seen = fingerprint_of(made)
    change_promotion(made.id, {"percent_basis_points": 9_000}, author_id="usr_author")
    with pytest.raises(PaycoreError) as caught:
        activate_promotion(made.id, by_id="usr_second", seen=seen)
    assert caught.value.code == "conflict"
    made.refresh_from_db()
    assert (made.status, made.percent_basis_points) == ("draft", 9_000)
    activate_promotion(made.id, by_id="usr_second", seen=fingerprint_of(made))


def test_terms_never_change_once_it_was_active(merchant: Merchant) -> None:
    made = activate_promotion(draft(merchant).id, by_id="usr_author")
    with pytest.raises(PaycoreError) as caught:
        change_promotion(made.id, {"percent_basis_points": 9_000}, author_id="usr_author")
    assert caught.value.code == "promotion_not_draft"
    with pytest.raises(InternalError, match="only a draft can be changed"), transaction.atomic():
        Promotion.objects.update(max_uses=10**6)
    assert change_promotion(made.id, {"title": "Hello"}, author_id="usr_author").title == "Hello"
    pause_promotion(made.id)
    assert activate_promotion(made.id, by_id="usr_author").status == "active"
    end_promotion(made.id)
    for deed in (pause_promotion, end_promotion):
        with pytest.raises(PaycoreError) as caught:
            deed(made.id)
        assert caught.value.code == "promotion_has_ended"


def test_codes_are_of_one_kind_and_unique_at_a_seller(merchant: Merchant, platform: Merchant) -> None:
    made, other = draft(merchant), draft(platform)
    assert add_code(made.id, CodeDraft(" summer-26 ")).code == "SUMMER-26"
    add_code(other.id, CodeDraft("SUMMER-26"))
    for typed, refused in (
        ("Summer-26", "promotion_code_taken"),
        ("é-code", "promotion_terms_invalid"),
        ("ab", "promotion_terms_invalid"),
    ):
        with pytest.raises(PaycoreError) as caught:
            add_code(made.id, CodeDraft(typed))
        assert caught.value.code == refused
    assert PromotionCode.objects.count() == 2
    end_promotion(made.id)
    with pytest.raises(PaycoreError, match="promotion_has_ended"):
        add_code(made.id, CodeDraft("LATE"))


@pytest.mark.parametrize(
    "wish",
    [
        {"count": 0},
        {"count": 100_001},
        {"count": 10**9},
        {"length": 7},
        {"length": 21},
        {"prefix": "Ж-"},
        {"prefix": "-A"},
    ],
)
def test_a_batch_has_bounds(merchant: Merchant, wish: dict[str, Any]) -> None:
    with pytest.raises(PaycoreError, match="promotion_terms_invalid"):
        add_batch(draft(merchant).id, BatchDraft(**{"count": 1, "requested_by": "usr_author", **wish}))
    assert not CodeBatch.objects.exists()


def test_a_batch_is_made_in_steps_and_goes_on_where_a_killed_worker_left_it(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_batches, "CHUNK", 40)
    batch = add_batch(draft(merchant).id, BatchDraft(100, requested_by="usr_author", prefix="xmas-"))
    chunks = []

    def dies_in_the_second(row: CodeBatch, numbers: range) -> int:
        chunks.append(numbers)
        made = MILL.make(row, numbers)
        if len(chunks) == 2:
            raise RuntimeError("killed")
        return made

    with pytest.raises(RuntimeError, match="killed"):
        CodeMill(CodeBatch, dies_in_the_second).advance(batch.id)
    batch.refresh_from_db()
    assert (batch.made, batch.codes.count(), batch.status) == (40, 40, "making")
    CodeBatch.objects.update(next_attempt_at=database_now())  # its lease is over
    assert make_promotion_codes() == 1
    batch.refresh_from_db()
    assert (batch.made, batch.codes.count(), batch.status) == (100, 100, "done")
    assert chunks == [range(40), range(40, 80)]
    assert MILL.due(limit=5) == []
    codes = batch.codes.values_list("code", flat=True)
    assert len(set(codes)) == 100
    assert all(code.startswith("XMAS-") and len(code) == 15 for code in codes)


def test_codes_that_are_there_already_are_made_anew(merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    made = draft(merchant)
    few = iter(["AAAAAAAA", "AAAAAAAA", "CCCCCCCC", "AAAAAAAA", "DDDDDDDD"])
    monkeypatch.setattr(managing, "made_up_code", lambda **_wish: next(few))
    batch = MILL.advance(add_batch(made.id, BatchDraft(3, requested_by="usr_author")).id)
    assert (batch.made, sorted(batch.codes.values_list("code", flat=True))) == (3, ["AAAAAAAA", "CCCCCCCC", "DDDDDDDD"])


def test_the_end_of_a_promotion_stops_its_batches(merchant: Merchant) -> None:
    made = draft(merchant)
    batch = add_batch(made.id, BatchDraft(10, requested_by="usr_author"))
    end_promotion(made.id)
    assert MILL.advance(batch.id).status == "stopped"
    assert not batch.codes.exists()


def test_the_file_of_a_batch_opens_in_a_spreadsheet_without_running_anything(merchant: Merchant) -> None:
    batch = MILL.advance(add_batch(make_promotion(merchant).id, BatchDraft(25, requested_by="usr_author")).id)
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    response = client.get(f"/ops/payments/codebatch/{batch.id}/codes.csv")
    rows = list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode("utf-8-sig"))))
    assert (len(rows), rows[0][0]) == (26, "Code")
    assert {row[0] for row in rows[1:]} == set(batch.codes.values_list("code", flat=True))
    assert not [cell for row in rows for cell in row if cell[:1] in "=+-@" and cell]


def save_card(user: User, account: GatewayAccount, fingerprint: str) -> None:
    saved = SavedMethod(token=f"kept_{user.id}_{fingerprint}", fingerprint=fingerprint)
    remember_method(user_id=user.id, gateway_account_id=account.id, method="card", saved=saved, merchant_id="")
    run_background()


def test_a_card_that_turns_out_to_be_anothers_is_a_case_and_takes_nothing_away(
    merchant: Merchant, account: GatewayAccount
) -> None:
    make_promotion(merchant, max_per_person=1)
    first, second, third = make_user(), make_user(), make_user()
    for number, user in enumerate((first, second, third)):
        take_once("WELCOME20", purchase(merchant, user_id=user.id), f"sub_{number}")
    save_card(first, account, "one card")
    save_card(third, account, "another card")
    assert not Case.objects.exists()
    save_card(second, account, "one card")
    suspects = Redemption.objects.filter(is_suspect=True)
    assert [use.user_id for use in suspects] == [second.id]
    case = Case.objects.get(kind="promotion_abuse")
    assert (case.object_id, case.merchant_id) == (suspects[0].id, merchant.id)
    assert suspects[0].status == "taken"
    save_card(second, account, "one card")
    assert Case.objects.count() == 1


def test_a_card_that_is_known_before_is_refused(merchant: Merchant, account: GatewayAccount) -> None:
    make_promotion(merchant, max_per_person=1)
    first, second = make_user(), make_user()
    save_card(first, account, "one card")
    save_card(second, account, "one card")
    take_once("WELCOME20", purchase(merchant, user_id=first.id), "sub_1")
    with pytest.raises(PaycoreError, match="promotion_already_used"):
        take_once("WELCOME20", purchase(merchant, user_id=second.id), "sub_2")
    assert Redemption.objects.count() == 1


def test_an_unlimited_promotion_suspects_nobody(merchant: Merchant, account: GatewayAccount) -> None:
    make_promotion(merchant)
    for number, user in enumerate((make_user(), make_user())):
        take_once("WELCOME20", purchase(merchant, user_id=user.id), f"sub_{number}")
        save_card(user, account, "one card")
    assert not Case.objects.exists()


def test_what_is_kept_about_a_person_is_shown_and_forgotten(merchant: Merchant, account: GatewayAccount) -> None:
    make_promotion(merchant)
    user = make_user()
    save_card(user, account, "one card")
    take_once("WELCOME20", purchase(merchant, user_id=user.id), "sub_1")
    assert KnownCard.objects.get().key != blind_index("one card", context="x")
    shown = collect_promotions(user.id).document["uses"]
    assert [(use["code"], use["subject"]) for use in shown] == [("WELCOME20", "sub_1")]
    assert sorted(RedemptionPerson.objects.values_list("kind", flat=True)) == ["account", "card", "mail"]
    forget_mail_boxes_and_cards(user.id)
    assert list(RedemptionPerson.objects.values_list("kind", flat=True)) == ["account"]
    assert not KnownCard.objects.exists()
    assert Redemption.objects.count() == 1
