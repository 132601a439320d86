from decimal import Decimal

import pytest
from babel.numbers import get_currency_precision
from hypothesis import given
from hypothesis import strategies as st

from paycore.money import CURRENCIES, CurrencyMismatch, InvalidAmount, Money, UnknownCurrency

amounts = st.integers(min_value=-(10**15), max_value=10**15)


@given(amounts, st.integers(min_value=0, max_value=10_000))
def test_basis_point_split_sums_to_the_whole(minor: int, basis_points: int) -> None:
    part, rest = Money(minor, "USD").split_basis_points(basis_points)
    assert part + rest == Money(minor, "USD")
    assert abs(Decimal(part.minor) - Decimal(minor) * basis_points / 10_000) <= Decimal("0.5")


@given(amounts, st.integers(min_value=0, max_value=10_000))
def test_split_of_a_reversed_amount_is_the_reversed_split(minor: int, basis_points: int) -> None:
    part, rest = Money(minor, "EUR").split_basis_points(basis_points)
    assert Money(-minor, "EUR").split_basis_points(basis_points) == (-part, -rest)


def test_half_a_unit_rounds_away_from_zero() -> None:
    assert Money(50, "USD").split_basis_points(100)[0] == Money(1, "USD")
    assert Money(49, "USD").split_basis_points(100)[0] == Money(0, "USD")
    assert Money(-50, "USD").split_basis_points(100)[0] == Money(-1, "USD")


@given(amounts, st.lists(st.integers(min_value=0, max_value=10**6), min_size=1, max_size=20).filter(any))
def test_allocation_sums_to_the_whole_and_is_fair_to_a_unit(minor: int, weights: list[int]) -> None:
    shares = Money(minor, "CNY").allocate(weights)
    assert sum(share.minor for share in shares) == minor
    for share, weight in zip(shares, weights, strict=True):
        assert abs(Decimal(share.minor) - Decimal(minor) * weight / sum(weights)) < 1


@pytest.mark.parametrize("weights", [[], [0, 0], [-1, 2], [1.5], [True]])
def test_allocation_refuses_weights_that_mean_nothing(weights: list[int]) -> None:
    with pytest.raises(InvalidAmount):
        Money(100, "CNY").allocate(weights)


@given(amounts, st.sampled_from(sorted(CURRENCIES)))
def test_major_and_back_is_the_same_money(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert Money.from_major(money.major, currency) == money
    assert Money.from_major(str(money).split()[0], currency) == money


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("12.34", "USD", 1234), ("12.3", "USD", 1230), ("12", "USD", 1200), ("12.340", "USD", 1234), ("500", "JPY", 500),
     ("1.234", "KWD", 1234), ("-0.01", "USD", -1), ("1.250", "IQD", 1250)],
)  # fmt: skip
def test_major_units_are_read_by_the_iso_exponent(text: str, currency: str, minor: int) -> None:
    assert Money.from_major(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    "text", ["", ".", "1.", ".5", "1e3", "1_0", "１２", " 1", "+1", "12.345", "NaN", "--1", "1,000", "9" * 30]
)
def test_odd_spellings_of_an_amount_are_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        Money.from_major(text, "USD")


def test_a_yen_has_no_decimals() -> None:
    with pytest.raises(InvalidAmount):
        Money.from_major("1.5", "JPY")


@pytest.mark.parametrize("minor", [True, 1.0, "12", Decimal(1), None, 2**63, -(2**63)])
def test_only_whole_numbers_that_fit_64_bits_are_money(minor: object) -> None:
    with pytest.raises(InvalidAmount):
        Money(minor, "USD")  # type: ignore[arg-type]  # the point of the test


def test_a_sum_beyond_64_bits_is_refused() -> None:
    with pytest.raises(InvalidAmount):
        Money(2**63 - 1, "USD") + Money(1, "USD")


@pytest.mark.parametrize("currency", ["usd", "XXX", "", "BTC", "US"])
def test_a_currency_that_is_not_enabled_is_refused(currency: str) -> None:
    with pytest.raises(UnknownCurrency):
        Money(1, currency)


def test_currencies_never_mix() -> None:
    dollar, euro = Money(1, "USD"), Money(1, "EUR")
    for mix in (lambda: dollar + euro, lambda: dollar - euro, lambda: dollar < euro, lambda: dollar >= euro):
        with pytest.raises(CurrencyMismatch):
            mix()
    assert dollar != euro


def test_money_is_never_added_to_a_bare_number() -> None:
    with pytest.raises(TypeError):
        Money(1, "USD") + 1
    with pytest.raises(TypeError):
        Money(1, "USD") * 1.5


def test_order_within_a_currency() -> None:
    small, large = Money(1, "USD"), Money(2, "USD")
    assert small < large
    assert small <= Money(1, "USD")
    assert max(small, large) == large
    assert sum([small, large], Money.zero("USD")) == Money(3, "USD")
    assert (-large).is_negative
    assert abs(-large) == large
    assert large * 3 == Money(6, "USD")


# CLDR says how people print; ISO 4217 says how many decimals exist. Where they differ, ISO binds.
PRINTED_WITH_FEWER_DECIMALS = {"IQD": (3, 0)}


def test_exponents_agree_with_babel_but_for_listed_printing_habits() -> None:
    different = {
        code: (exponent, get_currency_precision(code))
        for code, exponent in CURRENCIES.items()
        if exponent != get_currency_precision(code)
    }
    assert different == PRINTED_WITH_FEWER_DECIMALS
    assert len(CURRENCIES) >= 35


def test_printing_shows_the_iso_decimals_in_the_readers_way() -> None:
    assert Money(123456, "USD").format("en") == "$1,234.56"
    assert Money(500, "JPY").format("en") == "¥500"
    assert Money(1500, "IQD").format("en").endswith("1.500")
    assert Money(1234, "KWD").format("en").endswith("1.234")
    assert Money(2900, "CNY").format("zh-hans") == "¥29.00"
    assert Money(2900, "CNY").format("zh_Hans") == "¥29.00"
    assert Money(123456, "EUR").format("de").startswith("1.234,56")
    assert Money(-100, "USD").format("en") == "-$1.00"
    assert Money(2**63 - 1, "USD").format("en") == "$92,233,720,368,547,758.07"
