"""The rules' language: what cannot hang, cannot be misread, and is refused with a reason."""

import time

import pytest
from django.core.exceptions import ValidationError

from riskcontrol.facts import FACTS
from riskcontrol.language import MAX_CHARACTERS, FactUnavailable, RuleFailed, compile_expression

FACTS_NOW = {"amount_minor": 500, "currency": "USD", "lists": ["vip"], "is_known_user": True, "on_block_list": False}


def refusal(expression: str) -> str:
    with pytest.raises(ValidationError) as refused:
        compile_expression(expression)
    return " ".join(refused.value.messages)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("amount_minor >= 500", True),
        ("amount_minor * 2 - 1 > 999.5", False),
        ('currency in ["EUR", "USD"]', True),
        ('"vip" in lists and not on_block_list', True),
        ('currency == "EUR" or (is_known_user and amount_minor % 7 == 3)', True),
        ("is_known_user ? amount_minor > 1 : on_block_list", True),
        ("amount_minor > 0.1 + 0.2 # exact decimals", True),
    ],
)
def test_a_rule_is_true_or_false_of_the_facts(expression: str, expected: bool) -> None:
    assert compile_expression(expression).matches(FACTS_NOW) is expected


def test_a_rule_knows_which_facts_it_reads() -> None:
    assert compile_expression("user_count_1h > 3 and amount_minor > 5").needs == {"user_count_1h", "amount_minor"}


@pytest.mark.parametrize(
    "expression",
    [
        f'"{"a" * 40}!" =~ "(a+)+$"',
        'currency =~~ "(a+)+$"',
        "[x for x in lists] == lists",
        "[[[y for y in lists] for x in lists] for z in lists] == lists",
        "9 ** 9 ** 9 > amount_minor",
        "f(amount_minor)",
        "lists.length > 3",
        'lists[0] == "a"',
        'currency[0:1] == "U"',
        "$now == $now",
        '{"a": 1} == {"a": amount_minor}',
        "amount_minor & 1 == 1",
        "amount_minor << 99 > 1",
        'b"a" == b"a"',
        "currency == null",
        "not " * 60 + "is_known_user",
        " or ".join(["is_known_user"] * 90),
        "(" * 990 + "is_known_user" + ")" * 990,
        'currency == "' + "\\" * 1_900,
        "is_known_user" + " " * MAX_CHARACTERS,
    ],
)
def test_what_could_hang_or_reach_out_is_refused_at_once(expression: str) -> None:
    started = time.perf_counter()
    if expression.startswith("((("):
        compile_expression(expression)  # brackets alone nest nothing
    else:
        assert refusal(expression)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("amout_minor > 5", "Did you mean amount_minor?"),
        ("currency == 5", "A text is compared with a number"),
        ('currency in [1, "USD"]', "A text is compared with"),
        ("amount_minor", "must be true or false"),
        ("amount_minor and is_known_user", "write a comparison"),
        ("not currency", "write a comparison"),
        ("true", "reads no fact"),
        ("1 < 2", "reads no fact"),
        ("amount_minor >", "cannot be read"),
        ("amount_minor > > 5", "character 16"),
        ("1 / 0 > amount_minor", "cannot be"),
        ("", "cannot be read"),
        ("\x00", "cannot be read"),
    ],
)
def test_what_never_type_checks_is_refused_with_a_reason(expression: str, why: str) -> None:
    assert why in refusal(expression)


def test_a_missing_fact_is_told_apart_from_a_failing_rule() -> None:
    with pytest.raises(FactUnavailable):
        compile_expression("user_count_1h > 3").matches(FACTS_NOW)
    with pytest.raises(RuleFailed) as failed:
        compile_expression("amount_minor / (amount_minor - 500) > 1").matches(FACTS_NOW)
    assert not isinstance(failed.value, FactUnavailable)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_every_facts_example_is_a_rule(fact) -> None:  # type: ignore[no-untyped-def]
    assert fact.name in compile_expression(fact.example).needs
