"""Holding a use, within every limit; stacking; periods that go by; giving back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import InternalError, transaction

from accounts.models import User
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.identifiers import new_id
from paycore.money import Money
from payments.promotions.errors import PromotionNotCombinable
from payments.promotions.managing import CodeDraft, add_code, pause_promotion
from payments.promotions.models import Promotion, PromotionCode, Redemption, RedemptionPerson
from payments.promotions.services import (
    carry_out,
    discounts_for_renewals,
    note_period,
    plan_uses,
    release,
    take,
    use,
)
from tests.merchants.factories import make_user
from tests.payments.promotions.factories import make_promotion, purchase, take_once

pytestmark = pytest.mark.django_db


def refusal(code: str, merchant: Merchant, subject_id: str = "sub_refused", **more: Any) -> str:
    """The refusal's code; and that nothing was taken by it."""
    before = (list(Promotion.objects.values_list("used", flat=True)), Redemption.objects.count())
    with pytest.raises(PaycoreError) as caught:
        take_once(code, purchase(merchant, **more), subject_id)
    assert (list(Promotion.objects.values_list("used", flat=True)), Redemption.objects.count()) == before
    return str(caught.value.extra.get("reason") or caught.value.code)


def counted() -> tuple[int, int, int, int]:
    promotion, code = Promotion.objects.get(), PromotionCode.objects.get()
    return promotion.used, promotion.used_on_day, code.used, promotion.reserved_minor


def test_a_use_is_written_with_what_it_gives(merchant: Merchant) -> None:
    make_promotion(merchant, budget_minor=100_000, budget_currency="USD", duration="periods", periods=3)
    user = make_user().id
    held = take_once("welcome20", purchase(merchant, 999, user_id=user), "sub_1")
    row = Redemption.objects.get()
    assert (row.id, row.user_id, row.subject_id, row.status) == (held.id, user, "sub_1", "taken")
    assert (row.amount, row.given_minor, row.periods_left, row.periods_used) == (Money(200, "USD"), 200, 2, 1)
    assert counted() == (1, 1, 1, 600)
    assert sorted(RedemptionPerson.objects.values_list("kind", flat=True)) == ["account", "mail"]


def test_a_refused_use_leaves_the_callers_transaction_whole(merchant: Merchant) -> None:
    make_promotion(merchant, max_uses=1)
    take_once("WELCOME20", purchase(merchant), "sub_1")
    PromotionCode.objects.update(max_uses=None)
    Promotion.objects.filter().update(name="seen full only by the lock")
    with transaction.atomic():
        with pytest.raises(PaycoreError):
            take("WELCOME20", purchase(merchant), subject_id="sub_2", now=database_now())
        assert Promotion.objects.count() == 1  # the transaction still answers
    assert counted()[0] == 1


def test_nothing_is_taken_outside_a_transaction(merchant: Merchant) -> None:
    """Together with what it is for, or not at all."""
    planned = plan_uses([], purchase(merchant), subject_id="sub_1", now=database_now())
    carry_out(planned)  # nothing to carry out is no fault
    assert not Redemption.objects.exists()


def test_limits_in_all_a_day_of_the_code_and_of_the_budget(merchant: Merchant) -> None:
    make_promotion(merchant, "TOTAL", max_uses=2)
    make_promotion(merchant, "DAILY", max_per_day=1)
    make_promotion(merchant, "BUDGET", budget_minor=4_999, budget_currency="USD")
    add_code(make_promotion(merchant, "UNUSED").id, CodeDraft("SINGLE", max_uses=1))
    for number, code in enumerate(["TOTAL", "TOTAL", "DAILY", "BUDGET", "BUDGET", "SINGLE"]):
        take_once(code, purchase(merchant), f"sub_{number}")
    assert {refusal(code, merchant) for code in ("TOTAL", "DAILY", "BUDGET", "SINGLE")} == {"promotion_code_not_valid"}
    assert take_once("BUDGET", purchase(merchant, 4_995), "sub_small").amount.minor == 999  # exactly what is left


def test_tomorrow_is_another_day(merchant: Merchant) -> None:
    make_promotion(merchant, max_per_day=1)
    take_once("WELCOME20", purchase(merchant), "sub_1")
    assert refusal("WELCOME20", merchant) == "promotion_code_not_valid"
    Promotion.objects.update(day=database_now().date() - timedelta(days=1))
    take_once("WELCOME20", purchase(merchant), "sub_2")
    assert counted()[:2] == (2, 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"user_id": "one"}, {"user_id": "one"}),
        ({"user_id": "one"}, {"user_id": "alias"}),
        ({"user_id": "one", "card_fingerprint": "ab" * 32}, {"user_id": "two", "card_fingerprint": "ab" * 32}),
        ({"customer_reference": "c1"}, {"customer_reference": "c1"}),
        ({"customer_reference": "c1", "email": "a+1@x.org"}, {"customer_reference": "c2", "email": "A+2@X.org"}),
        ({"user_id": "one"}, {"email": "ada.love+new@googlemail.com"}),
    ],
)
def test_one_person_is_an_account_a_mail_box_or_a_card(
    merchant: Merchant, first: dict[str, Any], second: dict[str, Any]
) -> None:
    people = {
        "one": User.objects.create_user("adalove@gmail.com").id,
        "alias": User.objects.create_user("ada.love+2@gmail.com").id,
        "two": User.objects.create_user("grace@example.com").id,
    }
    bought = [one | ({"user_id": people[one["user_id"]]} if "user_id" in one else {}) for one in (first, second)]
    make_promotion(merchant, max_per_person=1)
    take_once("WELCOME20", purchase(merchant, **bought[0]), "sub_1")
    assert refusal("WELCOME20", merchant, **bought[1]) == "promotion_already_used"
    take_once("WELCOME20", purchase(merchant, user_id=make_user().id), "sub_other")


def test_mail_boxes_and_cards_are_kept_as_keyed_hashes_only(merchant: Merchant) -> None:
    make_promotion(merchant)
    take_once("WELCOME20", purchase(merchant, customer_reference="customer-77", email="a@x.org"), "sub_1")
    kept = [bytes(key) for key in RedemptionPerson.objects.values_list("key", flat=True)]
    assert len(kept) == 2
    assert all(len(key) == 32 and b"x.org" not in key and b"customer" not in key for key in kept)


def test_a_limit_per_person_needs_to_know_the_person(merchant: Merchant) -> None:
    make_promotion(merchant, max_per_person=1)
    assert refusal("WELCOME20", merchant) == "promotion_needs_customer"


def test_a_codes_own_limit_per_person(merchant: Merchant) -> None:
    promotion = make_promotion(merchant)
    add_code(promotion.id, CodeDraft("ONCE", max_per_person=1))
    take_once("ONCE", purchase(merchant, customer_reference="c1"), "sub_1")
    assert refusal("ONCE", merchant, customer_reference="c1") == "promotion_already_used"
    take_once("WELCOME20", purchase(merchant, customer_reference="c1"), "sub_2")


def test_the_same_subject_takes_a_promotion_once(merchant: Merchant) -> None:
    make_promotion(merchant, stacking="with_others")
    take_once("WELCOME20", purchase(merchant), "sub_1")
    assert refusal("WELCOME20", merchant, "sub_1") == "promotion_not_combinable"


def test_what_goes_alone_goes_alone_whichever_came_first(merchant: Merchant) -> None:
    make_promotion(merchant, "ALONE")
    make_promotion(merchant, "SOCIAL", stacking="with_others")
    take_once("ALONE", purchase(merchant), "sub_1")
    assert refusal("SOCIAL", merchant, "sub_1") == "promotion_not_combinable"
    take_once("SOCIAL", purchase(merchant), "sub_2")
    assert refusal("ALONE", merchant, "sub_2") == "promotion_not_combinable"
    with pytest.raises(PromotionNotCombinable):
        plan_uses(["SOCIAL", "ALONE"], purchase(merchant), subject_id="sub_3", now=database_now())


def test_of_several_the_lowest_position_is_taken_off_first(merchant: Merchant) -> None:
    make_promotion(merchant, "HALF", percent_basis_points=5_000, stacking="with_others", position=20)
    make_promotion(merchant, "FIVE", kind="fixed", amounts={"USD": 500}, stacking="with_others", position=1)
    for codes in (["HALF", "FIVE"], ["FIVE", "HALF"]):
        planned = plan_uses(codes, purchase(merchant, 1_501), subject_id="sub_1", now=database_now())
        assert [(one.redemption.code.code, one.redemption.amount_minor) for one in planned] == [
            ("FIVE", 500),
            ("HALF", 501),
        ]
    with transaction.atomic():
        carry_out(planned)
    assert sum(Redemption.objects.values_list("amount_minor", flat=True)) == 1_001


def test_several_are_taken_all_or_none(merchant: Merchant) -> None:
    make_promotion(merchant, "SOCIAL", stacking="with_others")
    make_promotion(merchant, "LAST", stacking="with_others", max_uses=1)
    planned = plan_uses(["SOCIAL", "LAST"], purchase(merchant), subject_id="sub_1", now=database_now())
    take_once("LAST", purchase(merchant), "sub_faster")
    with transaction.atomic(), pytest.raises(PaycoreError):
        carry_out(planned)
    assert list(Redemption.objects.values_list("subject_id", flat=True)) == ["sub_faster"]
    assert Promotion.objects.get(name="Promotion SOCIAL").used == 0


def test_only_one_promotion_of_a_subscription_goes_on_with_its_renewals(merchant: Merchant) -> None:
    make_promotion(merchant, "THREE", duration="periods", periods=3, stacking="with_others")
    make_promotion(merchant, "EVER", duration="forever", stacking="with_others")
    make_promotion(merchant, "ONCE", stacking="with_others")
    take_once("THREE", purchase(merchant), "sub_1")
    take_once("ONCE", purchase(merchant), "sub_1")
    assert refusal("EVER", merchant, "sub_1") == "promotion_not_combinable"


def test_the_first_three_periods_are_three(merchant: Merchant) -> None:
    make_promotion(merchant, duration="periods", periods=3)
    take_once("WELCOME20", purchase(merchant, 1_000), "sub_1")
    amounts = {"sub_1": Money(1_000, "USD"), "sub_none": Money(1_000, "USD")}
    assert not discounts_for_renewals(["sub_1"], amounts=amounts), "its first charge is not paid yet"
    use("sub_1")
    lowered = 0
    for _renewal in range(5):
        found = discounts_for_renewals(["sub_1", "sub_none"], amounts=amounts)
        if "sub_1" in found:
            redemption_id, off, what = found["sub_1"]
            assert (off, what) == (Money(200, "USD"), "20% off")
            note_period([redemption_id], amounts={redemption_id: off})
            lowered += 1
    assert lowered == 2
    row = Redemption.objects.get()
    assert (row.periods_left, row.periods_used, row.given_minor, row.status) == (0, 3, 600, "used")


def test_a_trial_leaves_all_periods_for_later(merchant: Merchant) -> None:
    make_promotion(merchant, duration="periods", periods=2)
    held = take_once("WELCOME20", purchase(merchant, 1_000, is_charged_later=True), "sub_1")
    assert (held.amount.minor, held.periods_left, held.periods_used) == (0, 2, 0)
    make_promotion(merchant, "ONCE")
    once = take_once("ONCE", purchase(merchant, 1_000, is_charged_later=True), "sub_2")
    assert once.periods_left == 1
    found = discounts_for_renewals(["sub_2"], amounts={"sub_2": Money(1_000, "USD")})
    note_period([found["sub_2"][0]])
    assert not discounts_for_renewals(["sub_2"], amounts={"sub_2": Money(1_000, "USD")})


def test_every_period_for_ever_survives_the_pause_of_the_promotion(merchant: Merchant) -> None:
    promotion = make_promotion(merchant, duration="forever")
    take_once("WELCOME20", purchase(merchant), "sub_1")
    use("sub_1")
    pause_promotion(promotion.id)
    for _renewal in range(24):
        found = discounts_for_renewals(["sub_1"], amounts={"sub_1": Money(777, "USD")})
        assert found["sub_1"][1] == Money(155, "USD")
        note_period([found["sub_1"][0]])
    assert not discounts_for_renewals(["sub_1"], amounts={"sub_1": Money(777, "EUR")})
    assert refusal("WELCOME20", merchant) == "promotion_code_not_valid"


def test_renewals_discounts_are_one_query(merchant: Merchant, queries_made: list[str]) -> None:
    make_promotion(merchant, duration="forever")
    subjects = [new_id("sub") for _ in range(20)]
    for subject in subjects:
        take_once("WELCOME20", purchase(merchant), subject)
        use(subject)
    queries_made.clear()
    found = discounts_for_renewals(subjects, amounts=dict.fromkeys(subjects, Money(1_000, "USD")))
    assert len(found) == 20
    assert len(queries_made) == 1
    note_period([redemption_id for redemption_id, _off, _what in found.values()])
    assert len(queries_made) == 2


def test_what_is_given_back_can_be_taken_by_another_once(merchant: Merchant) -> None:
    make_promotion(merchant, max_uses=1, max_per_person=1, budget_minor=2_000, budget_currency="USD")
    user = make_user().id
    take_once("WELCOME20", purchase(merchant, user_id=user), "sub_1")
    assert release("sub_1") == 1
    assert release("sub_1") == 0
    assert counted() == (0, 0, 0, 0)
    take_once("WELCOME20", purchase(merchant, user_id=user), "sub_2")
    assert refusal("WELCOME20", merchant, user_id=make_user().id) == "promotion_code_not_valid"
    assert release("sub_unknown") == 0
    assert counted() == (1, 1, 1, 2_000)


def test_used_and_then_refunded_gives_the_slot_back_once(merchant: Merchant) -> None:
    make_promotion(merchant, max_uses=1)
    take_once("WELCOME20", purchase(merchant), "sub_1")
    assert (use("sub_1"), use("sub_1")) == (1, 0)
    assert counted()[:3] == (1, 1, 1)
    assert (release("sub_1"), release("sub_1")) == (1, 0)
    assert counted()[:3] == (0, 0, 0)


def test_an_order_that_was_paid_after_all_takes_its_slot_again_beyond_the_limit(merchant: Merchant) -> None:
    make_promotion(merchant, max_uses=1)
    take_once("WELCOME20", purchase(merchant), "sub_1")
    release("sub_1")
    take_once("WELCOME20", purchase(merchant), "sub_2")
    assert use("sub_1") == 1
    assert counted()[:3] == (2, 2, 2)


def test_a_released_use_lowers_no_renewal(merchant: Merchant) -> None:
    make_promotion(merchant, duration="forever")
    held = take_once("WELCOME20", purchase(merchant), "sub_1")
    release("sub_1")
    assert not discounts_for_renewals(["sub_1"], amounts={"sub_1": Money(1_000, "USD")})
    note_period([held.id])
    assert Redemption.objects.get().periods_used == 1


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 1},
        {"subject_id": "sub_9"},
        {"status": "taken"},
        {"given_minor": 0},
        {"periods_used": 0},
        {"currency": "EUR"},
    ],
)
def test_the_database_keeps_what_a_use_says(merchant: Merchant, change: dict[str, Any]) -> None:
    make_promotion(merchant)
    take_once("WELCOME20", purchase(merchant), "sub_1")
    use("sub_1")
    with pytest.raises(InternalError), transaction.atomic():
        Redemption.objects.update(**change)
    with pytest.raises(InternalError), transaction.atomic():
        Redemption.objects.all().delete()
