"""What Stripe, WeChat Pay, Alipay and PayPal tell, in every order and with copies: one state, one set of books."""

from itertools import permutations
from typing import Any

import pytest

from tests.faults.provider_stories import (
    ENDING,
    PAYING,
    REFUNDING,
    tell_of_a_payment,
    tell_of_a_refund,
    tell_of_an_end,
)
from tests.faults.provider_world import AMOUNT, ProviderWorld

KEPT = {"payment": ("succeeded", AMOUNT), "left": (None, "", None), "order": ("paid", 0, None)}


def judge_payment(world: ProviderWorld, method: str, stories: list[tuple[str, ...]]) -> list[str]:
    """All stories end alike; at PayPal a payer's word alone is no money, so a cancellation may come before it."""
    found: list[str] = []
    ends: list[dict[str, Any]] = []
    for story in stories:
        end = tell_of_a_payment(world, method, story)
        found += [f"{story}: {failure}" for failure in world.failures]
        is_left = method == "paypal" and end["order"][0] == "canceled"
        if is_left:
            assert end["payment"][:2] == ("canceled", 0), story
        else:
            ends.append(end)
            seen = end | {"payment": end["payment"][:2]}
            found += [f"{story}: {seen}"] if seen != KEPT else []
    assert ends
    return found + [f"fees differ: {end}" for end in ends if end != ends[0]] + world.judge_books()


def judge_refund(world: ProviderWorld, method: str, stories: list[tuple[str, ...]]) -> list[str]:
    found: list[str] = []
    ends: list[dict[str, Any]] = []
    for story in stories:
        ends.append(tell_of_a_refund(world, method, story))
        found += [f"{story}: {failure}" for failure in world.failures]
        found += [f"{story}: {ends[-1]}"] if ends[-1]["refunds"] != [("succeeded", 400)] else []
    return found + [f"ends differ: {end}" for end in ends if end != ends[0]] + world.judge_books()


def judge_end(world: ProviderWorld, method: str, stories: list[tuple[str, ...]]) -> list[str]:
    """Nothing was taken; the order expired, or was canceled, whichever came first."""
    found: list[str] = []
    for story in stories:
        end = tell_of_an_end(world, method, story)
        found += [f"{story}: {failure}" for failure in world.failures]
        is_over = end["order"][0] in ("expired", "canceled") and end["payment"][:2] in (("expired", 0), ("canceled", 0))
        found += [] if is_over and end["left"][2] is None else [f"{story}: {end}"]
    return found + world.judge_books()


@pytest.mark.parametrize("method", ENDING)
def test_news_of_an_end_forwards_and_backwards(shop: ProviderWorld, method: str) -> None:
    names = ENDING[method]
    assert not (found := judge_end(shop, method, [names, names[::-1]])), "\n".join(found)


@pytest.mark.faults
@pytest.mark.parametrize("method", ENDING)
def test_news_of_an_end_in_every_order(shop: ProviderWorld, method: str) -> None:
    assert not (found := judge_end(shop, method, list(permutations(ENDING[method])))), "\n".join(found)


@pytest.mark.parametrize("method", PAYING)
def test_news_of_a_payment_forwards_and_backwards(shop: ProviderWorld, method: str) -> None:
    names = PAYING[method]
    assert not (found := judge_payment(shop, method, [names, names[::-1]])), "\n".join(found)


@pytest.mark.parametrize("method", REFUNDING)
def test_news_of_a_refund_forwards_and_backwards(shop: ProviderWorld, method: str) -> None:
    names = REFUNDING[method]
    assert not (found := judge_refund(shop, method, [names, names[::-1]])), "\n".join(found)


@pytest.mark.faults
@pytest.mark.parametrize("method", PAYING)
def test_news_of_a_payment_in_every_order(shop: ProviderWorld, method: str) -> None:
    stories = list(permutations(PAYING[method]))
    assert len(stories) == 24
    assert not (found := judge_payment(shop, method, stories)), "\n".join(found)


@pytest.mark.faults
@pytest.mark.parametrize("method", REFUNDING)
def test_news_of_a_refund_in_every_order(shop: ProviderWorld, method: str) -> None:
    stories = list(permutations(REFUNDING[method]))
    assert len(stories) == 24
    assert not (found := judge_refund(shop, method, stories)), "\n".join(found)
