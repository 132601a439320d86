from typing import Any

import pytest
from rest_framework import serializers

from paycore.fields import CurrencyField, MinorUnitsField, StrictCharField, StrictIntegerField, StrictSerializer
from paycore.parsers import loads_strict
from paycore.problems import problem_of


class Line(StrictSerializer):
    name = StrictCharField(max_length=20)
    quantity = StrictIntegerField(min_value=1, max_value=100, required=False)


class OrderForm(StrictSerializer):
    id = StrictCharField(read_only=True)
    amount = MinorUnitsField()
    currency = CurrencyField()
    note = StrictCharField(multiline=True, required=False, allow_null=True)
    lines = Line(many=True, required=False)


VALID = {"amount": 1, "currency": "USD"}


def errors_of(data: Any) -> dict[str, str]:
    form = OrderForm(data=data)
    with pytest.raises(serializers.ValidationError) as refused:
        form.is_valid(raise_exception=True)
    return {error["pointer"]: error["code"] for error in problem_of(refused.value).errors}


def test_a_valid_body_is_kept_exactly() -> None:
    body = {**VALID, "note": " a\n\tb ", "lines": [{"name": "元 é"}]}
    form = OrderForm(data=body)
    assert form.is_valid(), form.errors
    assert form.validated_data == body


@pytest.mark.parametrize(
    ("literal", "code"),
    [
        ("true", "not_an_integer"),
        ('"12"', "not_an_integer"),
        ('"1_0"', "not_an_integer"),
        ("1.0", "not_an_integer"),
        ("1e3", "not_an_integer"),
        ("[1]", "not_an_integer"),
        ("{}", "not_an_integer"),
        ("null", "null"),
        ("0", "min_value"),
        ("-5", "min_value"),
    ],
)
def test_amounts_are_positive_json_integers(literal: str, code: str) -> None:
    body = loads_strict(f'{{"amount": {literal}, "currency": "USD"}}'.encode(), max_bytes=100)
    assert errors_of(body) == {"/amount": code}


def test_amounts_reach_exactly_to_64_bits() -> None:
    assert OrderForm(data={**VALID, "amount": 2**63 - 1}).is_valid()
    assert errors_of({**VALID, "amount": 2**63}) == {"/amount": "max_value"}


@pytest.mark.parametrize("currency", ["usd", "XXX", "", 840, None, True, ["USD"], {}])
def test_currencies_are_enabled_codes_in_capitals(currency: Any) -> None:
    assert errors_of({**VALID, "currency": currency})["/currency"] in {"unknown_currency", "null"}


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "a\x7f", "a\u202eb", "\ufeffa", "a\u2028b"])
def test_a_line_of_text_has_no_hidden_characters(name: str) -> None:
    assert errors_of({**VALID, "lines": [{"name": "ok"}, {"name": name}]}) == {"/lines/1/name": "invalid_characters"}


@pytest.mark.parametrize("note", ["a\x00b", "a\rb", "a\u202eb", "\x1b[31m"])
def test_longer_text_has_only_tabs_and_line_feeds(note: str) -> None:
    assert errors_of({**VALID, "note": note}) == {"/note": "invalid_characters"}


@pytest.mark.parametrize("name", [1, 1.5, True, [], {}])
def test_text_is_never_made_of_something_else(name: Any) -> None:
    assert errors_of({**VALID, "lines": [{"name": name}]}) == {"/lines/0/name": "not_a_string"}


def test_unknown_and_read_only_fields_are_refused_beside_other_errors() -> None:
    body = {"amount": 0, "currency": "USD", "id": "ord_1", "a/b~c": 1, "lines": [{"name": "x", "prize": 1}]}
    assert errors_of(body) == {
        "/amount": "min_value",
        "/id": "unknown_field",
        "/a~1b~0c": "unknown_field",
        "/lines/0/prize": "unknown_field",
    }


@pytest.mark.parametrize("body", [[], "x", 1, None, True])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    assert errors_of(body) in ({"": "invalid"}, {"": "null"})
