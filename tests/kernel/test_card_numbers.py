import time
import uuid
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban

from paycore.card_numbers import (
    CardDataNotAllowed,
    contains_card_number,
    json_contains_card_number,
    may_contain_card_number,
    redact_card_numbers,
)
from paycore.identifiers import new_id

# Published test numbers, by network and length.
CARDS = {
    "visa": "4242424242424242",
    "visa 13": "4222222222222",
    "visa 19": "4000000000000000006",
    "mastercard": "5555555555554444",
    "mastercard 2": "2223003122003222",
    "amex": "378282246310005",
    "discover": "6011111111111117",
    "diners": "30569309025904",
    "diners 16": "3056930009020004",
    "jcb": "3566002020360505",
    "unionpay": "6200000000000005",
    "unionpay 19": "6205500000000000004",
    "maestro": "6759649826438453",
    "maestro 12": "501800000009",
}


@pytest.mark.parametrize("number", CARDS.values(), ids=CARDS)
def test_numbers_of_every_network_are_found_and_removed(number: str) -> None:
    for text in (
        number,
        f"card {number}.",
        f"卡号{number}",
        f'{{"n":"{number}"}}',
        f"pan={number}&x=1",
        f"card{number}",
    ):
        assert contains_card_number(text), text
        assert number not in redact_card_numbers(text)


@pytest.mark.parametrize(
    "text",
    [
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242.4242.4242.4242",
        "4242_4242_4242_4242",
        "4242 - 4242\u00a04242\u20134242".replace(" - ", "- "),
        "3782 822463 10005",
        "no 12 4242 4242 4242 4242 exp 12 26",
        "４２４２４２４２４２４２４２４２",
        "4242\n4242\n4242\n4242",
        "visa4242424242424242exp1226",
    ],
)
def test_grouping_and_other_digits_hide_nothing(text: str) -> None:
    assert contains_card_number(text)
    assert "4242" not in redact_card_numbers(text)
    assert "10005" not in redact_card_numbers(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4242424242424241",  # wrong Luhn digit
        "1732212345678",  # milliseconds
        "1732212345678901",  # microseconds
        "2026112122001412345678901234",  # an Alipay trade number
        "4200001234202611211234567890",  # a WeChat transaction id
        "2026-11-21 10:00:00",
        "+4915123456786",
        "+1 415 555 2671",
        "+86 138 0013 8000",
        "4006381333931",  # a German article number
        "0.4242424242424242",
        "9" * 200,
        "0" * 16,
        "deadbeef4242424242424242cafe0123456789abcdef0123456789abcdef01234567",
        "127.0.0.1 10.0.0.12 192.168.100.200",
    ],
)
def test_other_long_numbers_are_left_alone(text: str) -> None:
    assert not contains_card_number(text)
    assert redact_card_numbers(text) is text


def test_our_own_ids_and_uuids_are_never_card_numbers() -> None:
    for _ in range(20_000):
        assert not contains_card_number(f"{new_id('pay')} {uuid.uuid4()}")
    assert not contains_card_number("ord_4242424242424242aaaaaaaaaa")


@given(st.text("0123456789 -", max_size=60))
def test_redaction_leaves_nothing_to_find(text: str) -> None:
    assert not contains_card_number(redact_card_numbers(text))


@given(st.text(max_size=80), st.sampled_from(sorted(CARDS.values())), st.text(max_size=80))
def test_the_first_look_never_misses_what_the_search_finds(before: str, number: str, after: str) -> None:
    text = f"{before}{number}{after}"
    if contains_card_number(text):
        assert may_contain_card_number(text.encode())


def test_json_is_searched_in_keys_strings_and_integers() -> None:
    number = "4242424242424242"
    assert json_contains_card_number({"a": [{"b": number}]})
    assert json_contains_card_number({number: 1})
    assert json_contains_card_number({"reference": int(number)})
    assert json_contains_card_number([int(number)])


@pytest.mark.parametrize(
    "key", ["amount", "amount_minor", "total_amount", "created_at", "timestamp", "expires", "time_ms"]
)
def test_amounts_and_clocks_are_not_card_numbers(key: str) -> None:
    assert not json_contains_card_number({key: 4242424242424242})
    assert json_contains_card_number({key: "4242424242424242"})


def test_the_refusal_does_not_repeat_the_number() -> None:
    refusal = CardDataNotAllowed()
    assert (refusal.code, refusal.http_status) == ("card_data_not_allowed", 400)
    assert not contains_card_number(f"{refusal} {refusal.title} {refusal.detail}")


@pytest.mark.parametrize(
    "text", ["4 " * 32_000, "4" * 64_000, "4242 " * 12_000, "4_" * 32_000, "4242 4242 4242 424" * 3_000]
)
def test_hostile_text_is_searched_in_bounded_time(text: str) -> None:
    started = time.process_time()
    redact_card_numbers(text)
    assert time.process_time() - started < 2


def test_a_grouped_iban_is_no_card_number() -> None:
    """French accounts of bank 30004 look like Diners cards, one in four by the Luhn digit as well."""
    digits = Random(1)
    suspected = 0
    for _trial in range(400):
        account = "30004" + "".join(digits.choices("0123456789", k=16))
        number = account + f"{97 - int(account + '00') % 97:02d}"
        whole = "FR" + iban.calc_check_digits(f"FR00{number}") + number
        assert iban.is_valid(whole)
        assert not contains_card_number(f"Pay to {iban.format(whole)}, please")
        suspected += contains_card_number(iban.format(whole)[5:])
    assert suspected, "without its country and check digits some of them are taken for cards"


def test_a_card_number_behind_a_wrong_iban_is_found() -> None:
    assert contains_card_number("DE00 4111 1111 1111 1111 00")
