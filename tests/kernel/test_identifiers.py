import re
import time

import pytest

from paycore import identifiers
from paycore.card_numbers import contains_card_number
from paycore.identifiers import PrefixedIdField, new_id


def test_an_id_is_a_prefix_and_26_characters_that_cannot_be_misread() -> None:
    for _id in range(1_000):
        assert re.fullmatch(r"pay_[0-9a-hjkmnp-tv-z]{26}", new_id("pay"))


def test_ids_do_not_repeat() -> None:
    assert len({new_id("x") for _id in range(20_000)}) == 20_000


def test_ids_sort_by_the_time_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (0, 1, 31, 32, 1_000_000, 2**40, 2**48 - 1):
        monkeypatch.setattr(identifiers.time, "time_ns", lambda now=milliseconds: now * 1_000_000)
        made.append(new_id("x"))
    assert made == sorted(made)
    assert made[0].startswith("x_0000000000")
    assert made[-1].startswith("x_7zzzzzzzzz")


def test_the_time_can_be_read_back() -> None:
    before = time.time_ns() // 1_000_000
    value = 0
    for letter in new_id("x")[2:12]:
        value = value * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(letter)
    assert before <= value <= time.time_ns() // 1_000_000


def test_no_id_is_taken_for_a_card_number() -> None:
    assert not any(contains_card_number(f"/orders/{new_id('ord')}") for _id in range(5_000))


def test_the_field_fills_itself_fits_and_survives_a_migration() -> None:
    field = PrefixedIdField(prefix="order")
    assert len(field.get_default()) <= field.max_length == 40
    _name, _path, args, options = field.deconstruct()
    copy = PrefixedIdField(*args, **options)
    assert (copy.prefix, copy.primary_key) == ("order", True)
    assert copy.get_default().startswith("order_")
    assert PrefixedIdField(prefix="x", primary_key=False).deconstruct()[3]["primary_key"] is False
