"""What a code gives, and why it gives nothing."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchants.models import Merchant
from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.money import Money
from payments.promotions.amounts import discount_of
from payments.promotions.codes import ALPHABET, made_up_code, normal_code
from payments.promotions.errors import PromotionCodeNotValid, PromotionNotApplicable
from payments.promotions.managing import end_promotion, pause_promotion
from payments.promotions.models import Promotion, Redemption
from payments.promotions.persons import unaliased
from payments.promotions.services import quote
from tests.merchants.factories import make_user
from tests.payments.promotions.factories import make_promotion, purchase, take_once


def refusal(code: str, merchant: Merchant, **more: Any) -> str:
    """The refusal's code; and that looking left nothing behind."""
    with pytest.raises(PaycoreError) as caught:
        quote(code, purchase(merchant, **more), now=database_now())
    assert not Redemption.objects.exists()
    return str(caught.value.extra.get("reason") or caught.value.code)


@given(minor=st.integers(0, 10**13), basis_points=st.integers(1, 10_000))
def test_a_percentage_rounds_half_away_from_zero_and_never_exceeds_the_amount(minor: int, basis_points: int) -> None:
    promotion = Promotion(kind="percent", percent_basis_points=basis_points)
    off = discount_of(promotion, Money(minor, "USD")).minor
    assert 0 <= off <= minor
    assert abs(2 * (off * 10_000 - minor * basis_points)) <= 10_000
    assert off * 10_000 * 2 > minor * basis_points * 2 - 10_000  # a half goes up


def test_half_a_cent_rounds_up() -> None:
    assert discount_of(Promotion(kind="percent", percent_basis_points=5_000), Money(1, "USD")).minor == 1
    assert discount_of(Promotion(kind="percent", percent_basis_points=3_333), Money(150, "USD")).minor == 50


@pytest.mark.parametrize(
    ("terms", "minor", "currency", "off"),
    [
        ({"kind": "percent", "percent_basis_points": 10_000}, 999, "USD", 999),
        ({"kind": "fixed", "amounts": {"USD": 500, "JPY": 300}}, 999, "USD", 500),
        ({"kind": "fixed", "amounts": {"USD": 500, "JPY": 300}}, 250, "JPY", 250),
        ({"kind": "fixed", "amounts": {"USD": 500}}, 999, "EUR", 0),
        ({"kind": "percent", "percent_basis_points": 5_000, "most_off": {"USD": 100}}, 999, "USD", 100),
        ({"kind": "free_days", "free_days": 14}, 999, "USD", 0),
    ],
)
def test_what_is_off(terms: dict[str, Any], minor: int, currency: str, off: int) -> None:
    assert discount_of(Promotion(**terms), Money(minor, currency)) == Money(off, currency)


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("welcome20", "WELCOME20"),
        (" Wel come 20\t", "WELCOME20"),
        ("ＷＥＬＣＯＭＥ２０", "WELCOME20"),  # full-width, as an Asian keyboard types
        ("WЕLCOME20", ""),  # the second letter is Cyrillic
        ("ΑBC20", ""),  # the first letter is Greek
        ("A" * 1_000, ""),
        ("AB", ""),
        ("", ""),
        ("A'; DROP TABLE payments_promotion; --", ""),
        ("-ABC", ""),
        ("ABC\u202e20", ""),
        ("ABC\x0020", ""),
    ],
)
def test_a_code_is_what_somebody_meant_and_never_what_only_looks_alike(typed: str, plain: str) -> None:
    assert normal_code(typed) == plain


def test_made_up_codes_have_no_confusable_characters() -> None:
    codes = {made_up_code(prefix="XMAS-", length=10) for _ in range(1_000)}
    assert len(codes) == 1_000
    assert not set("".join(codes)) & set("0O1IL2Z5S8B") - set("XMAS-")
    assert all(normal_code(code) == code for code in codes)
    assert len(set(ALPHABET)) == len(ALPHABET) == 25


@pytest.mark.parametrize(
    ("address", "box"),
    [
        ("Ada.Lovelace+shop@GMail.com", "adalovelace@gmail.com"),
        ("a.d.a.lovelace@googlemail.com", "adalovelace@gmail.com"),
        ("Ada.Lovelace+1@example.com", "ada.lovelace@example.com"),
        ("+tag@example.com", "+tag@example.com"),
        ("nobody", ""),
        ("", ""),
    ],
)
def test_the_mail_box_behind_an_address(address: str, box: str) -> None:
    assert unaliased(address) == box


@pytest.mark.django_db
def test_a_quote_says_what_is_given(merchant: Merchant) -> None:
    make_promotion(merchant, duration="periods", periods=3)
    found = quote("welcome20", purchase(merchant, 999), now=database_now())
    assert (found.discount, found.periods, found.free_days) == (Money(200, "USD"), 3, 0)
    assert found.description == "20% off"


@pytest.mark.django_db
def test_free_days_take_no_money_off(merchant: Merchant) -> None:
    make_promotion(merchant, kind="free_days", free_days=14)
    found = quote("WELCOME20", purchase(merchant), now=database_now())
    assert (found.discount.minor, found.free_days, found.periods) == (0, 14, 0)
    assert refusal("WELCOME20", merchant, kind="order") == "kind"


@pytest.mark.django_db
def test_unknown_used_up_over_paused_and_others_codes_look_the_same(merchant: Merchant, platform: Merchant) -> None:
    now = database_now()
    make_promotion(platform, "OTHERS")
    make_promotion(merchant, "LATER", starts_at=now + timedelta(days=1))
    make_promotion(merchant, "OVER", ends_at=now - timedelta(seconds=1))
    make_promotion(merchant, "NONE", max_uses=0)
    make_promotion(merchant, "MINE", users=[make_user().id])
    pause_promotion(make_promotion(merchant, "PAUSED").id)
    end_promotion(make_promotion(merchant, "ENDED").id)
    codes = ["UNKNOWN", "OTHERS", "LATER", "OVER", "NONE", "MINE", "PAUSED", "ENDED", "A" * 1_000, ""]
    assert {refusal(code, merchant) for code in codes} == {"promotion_code_not_valid"}
    answers = set()
    for code in codes:
        with pytest.raises(PromotionCodeNotValid) as caught:
            quote(code, purchase(merchant), now=now)
        answers.add((str(caught.value.detail), str(caught.value.title), repr(caught.value.extra)))
    assert len(answers) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("terms", "bought", "reason"),
    [
        ({"currencies": ["USD"]}, {"currency": "EUR"}, "currency"),
        ({"kind": "fixed", "amounts": {"USD": 5}}, {"currency": "EUR"}, "currency"),
        ({"least": {"USD": 5_000}}, {"minor": 4_999}, "amount"),
        ({"least": {"USD": 5_000}}, {"currency": "EUR"}, "currency"),
        ({"plans": ["plan_a"]}, {"plan": "plan_b"}, "plan"),
        ({"excluded_plans": ["plan_b"]}, {"plan": "plan_b"}, "plan"),
        ({"prices": ["price_a"]}, {"price": "price_b"}, "price"),
        ({"excluded_prices": ["price_b"]}, {"price": "price_b"}, "price"),
        ({"intervals": ["year"]}, {"interval": "month"}, "interval"),
        ({"is_first_only": True}, {"is_first": False}, "first_purchase"),
        ({"applies_to": "membership"}, {"kind": "order"}, "kind"),
        ({"budget_minor": 10_000, "budget_currency": "USD"}, {"currency": "EUR"}, "currency"),
    ],
)
def test_a_condition_that_is_not_met_is_named(
    merchant: Merchant, terms: dict[str, Any], bought: dict[str, Any], reason: str
) -> None:
    make_promotion(merchant, **terms)
    assert refusal("WELCOME20", merchant, **bought) == reason


@pytest.mark.django_db
def test_a_segment_is_who_signed_up_between_two_days(merchant: Merchant) -> None:
    now = database_now()
    make_promotion(merchant, "NEWCOMERS", joined_from=now - timedelta(days=7), joined_until=now + timedelta(days=7))
    make_promotion(merchant, "VETERANS", joined_until=now - timedelta(days=7))
    user = make_user().id
    assert quote("NEWCOMERS", purchase(merchant, user_id=user), now=now).discount.minor == 2_000
    assert refusal("VETERANS", merchant, user_id=user) == "promotion_code_not_valid"
    assert refusal("NEWCOMERS", merchant) == "promotion_code_not_valid"


@pytest.mark.django_db
def test_a_named_person_and_nobody_else_may_use_it(merchant: Merchant) -> None:
    chosen, other = make_user().id, make_user().id
    make_promotion(merchant, users=[chosen])
    assert quote("WELCOME20", purchase(merchant, user_id=chosen), now=database_now()).discount.minor == 2_000
    assert refusal("WELCOME20", merchant, user_id=other) == "promotion_code_not_valid"


@pytest.mark.django_db
def test_a_seller_has_its_own_code_of_the_same_name(merchant: Merchant, platform: Merchant) -> None:
    make_promotion(merchant)
    make_promotion(platform, percent_basis_points=5_000)
    assert quote("WELCOME20", purchase(platform), now=database_now()).discount.minor == 5_000
    assert quote("WELCOME20", purchase(merchant), now=database_now()).discount.minor == 2_000


@pytest.mark.django_db
def test_a_code_of_the_platform_is_for_every_merchants_orders_and_their_own_goes_first(
    merchant: Merchant, platform: Merchant
) -> None:
    make_promotion(None, percent_basis_points=1_000)
    now = database_now()
    assert quote("WELCOME20", purchase(merchant, kind="order"), now=now).discount.minor == 1_000
    with pytest.raises(PromotionNotApplicable):
        quote("WELCOME20", purchase(platform), now=now)
    make_promotion(merchant)
    assert quote("WELCOME20", purchase(merchant, kind="order"), now=now).discount.minor == 2_000


@pytest.mark.django_db
def test_a_quote_by_a_user_whose_clock_is_ahead_sees_the_promotion_over(merchant: Merchant) -> None:
    now = database_now()
    make_promotion(merchant, ends_at=now + timedelta(days=30))
    assert quote("WELCOME20", purchase(merchant), now=now).discount.minor
    with pytest.raises(PromotionCodeNotValid):
        quote("WELCOME20", purchase(merchant), now=now + timedelta(days=31))


@pytest.mark.django_db
def test_a_code_that_was_used_is_told_before_it_is_tried_again(merchant: Merchant) -> None:
    make_promotion(merchant, max_per_person=1)
    user = make_user().id
    take_once("WELCOME20", purchase(merchant, user_id=user), "sub_1")
    with pytest.raises(PaycoreError) as caught:
        quote("WELCOME20", purchase(merchant, user_id=user), now=database_now())
    assert caught.value.code == "promotion_already_used"
