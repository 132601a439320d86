"""What the simulation of memberships finds: each promise broken on purpose, in a few days of a few members' lives.

The storm is the same every time: every answer of the provider is lost on the way, and on the day of the first renewals
the database goes back to that morning. The code as it is comes through it as if nothing had been.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from memberships.invoices import paying, recognition
from memberships.models import Invoice, Period
from memberships.renewals import collecting, next_period, opening, settling_many
from memberships.subscriptions.calendar import period_end
from paycore.database import call_function
from paycore.identifiers import new_id
from payments.gateways.contract import Outcome, PaymentResult
from payments.ledger.services import Entry
from payments.orders import batches
from payments.orders.asking import ask_to_collect
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from tests.faults import membership_world
from tests.faults.membership_lives import Life, Spell
from tests.faults.membership_runs import live
from tests.faults.membership_weather import Luck

pytestmark = [
    pytest.mark.faults, pytest.mark.slow, pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("membership_power"),
]  # fmt: skip
CALM = Luck("calm", deaths=0, one_in=0)
STORM = Luck("storm", deaths=0, one_in=1, troubles=("timeout_after",), restored_on=frozenset((10,)))
DEADLY = Luck("deadly", deaths=1, restored_on=frozenset((11,)))
ALL_DAYS = 19
"""Charged every ten days; on the 18th the last overdue one is given up."""


MEMBER = Life(
    number=0, zone="UTC", country="DE", currency="USD", plan="premium", interval="day", joins_on=0, second_of_day=0,
    start="paid", coupon="",
)  # fmt: skip
LIVES = (
    MEMBER,
    replace(MEMBER, number=1, zone="Europe/Berlin", currency="EUR", coupon="HALF", plan="platinum", second_of_day=1),
    replace(MEMBER, number=2, spells=(Spell(8, 11, "insufficient_funds", "mended"),), second_of_day=2),
    replace(MEMBER, number=3, spells=(Spell(8, 400, "card_declined", "never"),), second_of_day=3),
    replace(MEMBER, number=4, zone="Asia/Shanghai", currency="JPY", joins_on=1, second_of_day=4),
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@dataclass(frozen=True)
class Mutant:
    """``breaks`` a promise; ``found_as`` is who finds it, within so many days."""

    breaks: Callable[[pytest.MonkeyPatch], None]
    found_as: str
    days: int = 13


def charge_under_a_new_number(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(batches, "derived_id", lambda prefix, *_what: new_id(prefix))


def order_under_a_new_number(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(opening, "derived_id", lambda prefix, *_what: new_id(prefix))


def take_silence_for_a_no(patch: pytest.MonkeyPatch) -> None:
    def ask(payment: Payment, account: GatewayAccount) -> tuple[PaymentResult | None, str]:
        result, note = ask_to_collect(payment, account)
        return result or PaymentResult(payment.id, Outcome.FAILED, failure_code="declined"), note

    patch.setattr(batches, "ask_to_collect", ask)


def claim_without_a_lease(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(opening, "LOOK_AGAIN", timedelta(0))
    patch.setattr(collecting, "LOOK_AGAIN", timedelta(0))
    patch.setattr(membership_world, "MOST_ROUNDS", 8)


def settle_twice(patch: pytest.MonkeyPatch) -> None:
    real = settling_many._move_on

    def twice(periods: Sequence[Period], **more: Any) -> None:
        real(periods, **more)
        real(periods, **more)

    patch.setattr(settling_many, "_move_on", twice)


def book_twice(patch: pytest.MonkeyPatch) -> None:
    real = paying.entries_for_paid

    def twice(invoice: Invoice) -> list[Entry]:
        entries = real(invoice)
        return entries + [replace(entry, phase="again") for entry in entries]

    patch.setattr(paying, "entries_for_paid", twice)


def forget_grace(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settings, "PAYCORE_GRACE_DAYS", 0)


def give_up_early(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settings, "PAYCORE_RENEWAL_RETRY_DAYS", (1, 3))


def sell_a_day_less(patch: pytest.MonkeyPatch) -> None:
    def earlier(starts_at: datetime, **more: Any) -> datetime:
        return period_end(starts_at, **more) - timedelta(days=1)

    patch.setattr(next_period, "period_end", earlier)


def earn_until(days: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Revenue until a later, or an earlier, midnight than the last one."""

    def breaks(patch: pytest.MonkeyPatch) -> None:
        def elsewhen(*arguments: Any) -> Any:
            call_function("simulated.move", timedelta(days=days))
            try:
                return call_function(*arguments)
            finally:
                call_function("simulated.move", timedelta(days=-days))

        patch.setattr(recognition, "call_function", elsewhen)

    return breaks


MUTANTS = {
    "charge_under_a_new_number": Mutant(charge_under_a_new_number, "double_charges"),
    "order_under_a_new_number": Mutant(order_under_a_new_number, "provider_disagrees"),
    "take_silence_for_a_no": Mutant(take_silence_for_a_no, "provider_disagrees"),
    "claim_without_a_lease": Mutant(claim_without_a_lease, "surprises"),
    "settle_twice": Mutant(settle_twice, "given_twice"),
    "book_twice": Mutant(book_twice, "invariants"),
    "forget_grace": Mutant(forget_grace, "impatience"),
    "give_up_early": Mutant(give_up_early, "impatience", ALL_DAYS),
    "sell_a_day_less": Mutant(sell_a_day_less, "spans_sold_wrong"),
    "earn_a_day_early": Mutant(earn_until(1), "earned_wrong"),
    "earn_a_day_late": Mutant(earn_until(-1), "earned_wrong"),
}


def test_the_code_as_it_is_comes_through_every_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = live(monkeypatch, lives=LIVES, luck=CALM, days=ALL_DAYS)
    assert calm.books, "nothing was booked"
    for luck in (STORM, DEADLY):
        assert live(monkeypatch, lives=LIVES, luck=luck, days=ALL_DAYS) == calm, luck.name


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_promise_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    mutant = MUTANTS[name]
    with monkeypatch.context() as patch:
        mutant.breaks(patch)
        with pytest.raises(AssertionError, match=f"{mutant.found_as}: "):
            live(monkeypatch, lives=LIVES, luck=STORM, days=mutant.days)
