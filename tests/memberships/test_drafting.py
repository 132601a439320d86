"""Invoices sum to the cent, whatever is on them."""

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memberships.invoices.books import entries_of_paid, pair
from memberships.invoices.drafting import ChargeLine, Discount, Draft, TaxRule, draft_invoice, net_of, tax_of
from memberships.invoices.issuing import invoice_row
from paycore.money import CurrencyMismatch, InvalidAmount, Money

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GERMAN = TaxRule("DE", "VAT", 1900, is_inclusive=False)
GERMAN_INSIDE = TaxRule("DE", "VAT", 1900, is_inclusive=True)
currencies = st.sampled_from(["USD", "JPY", "KWD", "CNY"])


def line(minor: int, *, currency: str = "USD", kind: str = "plan") -> ChargeLine:
    return ChargeLine(kind if minor >= 0 else "credit", "Premium", Money(minor, currency), plan="pln_1", price="pri_1")


def off(minor: int, currency: str = "USD") -> Discount:
    return Discount(Money(minor, currency), "Welcome", "red_1")


def draft(*minors: int, tax: TaxRule | None = None, discount: int = 0, credit: int = 0) -> Draft:
    return draft_invoice(
        [line(minor) for minor in minors],
        tax=tax,
        discounts=[off(discount)] if discount else [],
        credit=Money(credit, "USD"),
    )


def test_tax_on_top_is_added_and_tax_inside_is_told() -> None:
    on_top, inside = draft(1000, tax=GERMAN), draft(1000, tax=GERMAN_INSIDE)
    assert (on_top.subtotal_minor, on_top.tax_minor, on_top.total_minor) == (1000, 190, 1190)
    assert (inside.subtotal_minor, inside.tax_minor, inside.total_minor) == (840, 160, 1000)
    assert inside.lines[0]["net_minor"] == 840


def test_a_discount_is_spread_over_the_charges_before_tax() -> None:
    made = draft(1000, 500, tax=GERMAN, discount=300)
    assert [row["discount_minor"] for row in made.lines] == [200, 100, 0]
    assert [row["tax_minor"] for row in made.lines] == [152, 76, 0]
    assert made.total_minor == 1200 + 228
    assert (made.lines[2]["kind"], made.lines[2]["amount_minor"], made.lines[2]["redemption"]) == (
        "discount", -300, "red_1",
    )  # fmt: skip


def test_a_discount_takes_no_more_than_there_is_and_nothing_of_a_credit() -> None:
    made = draft(1000, -400, discount=5000)
    assert (made.discount_minor, made.total_minor, made.new_credit_minor) == (1000, 0, 400)


def test_two_discounts_together_take_no_more_than_the_charges() -> None:
    made = draft_invoice([line(1000)], tax=None, discounts=[off(700), off(700)], credit=Money(0, "USD"))
    assert [row["amount_minor"] for row in made.lines] == [1000, -700, -300]
    assert (made.discount_minor, made.total_minor) == (1000, 0)


def test_credit_is_used_up_to_the_total_and_no_further() -> None:
    assert (draft(1000, credit=300).credit_minor, draft(1000, credit=300).due_minor) == (300, 700)
    assert (draft(1000, credit=3000).credit_minor, draft(1000, credit=3000).due_minor) == (1000, 0)


def test_what_credits_exceed_charges_by_is_owed_with_its_tax() -> None:
    made = draft(500, -1500, tax=GERMAN, credit=200)
    assert (made.total_minor, made.due_minor, made.credit_minor, made.new_credit_minor) == (0, 0, 0, 1190)
    assert (made.tax_minor, made.taxes) == (0, ())


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="lines"):
        draft()
    with pytest.raises(CurrencyMismatch):
        draft_invoice([line(100)], tax=None, credit=Money(0, "EUR"))
    for lines, discounts, credit in (
        ([line(100)], [off(-1)], 0),
        ([line(100)], [], -1),
        ([ChargeLine("plan", "x", Money(-100, "USD"))], [], 0),
        ([ChargeLine("credit", "x", Money(100, "USD"))], [], 0),
    ):
        with pytest.raises(InvalidAmount):
            draft_invoice(lines, tax=None, discounts=discounts, credit=Money(credit, "USD"))
    with pytest.raises(InvalidAmount):
        draft(100, tax=TaxRule("XX", "x", 10_001, is_inclusive=False))


@given(
    currency=currencies,
    minors=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=8),
    rate=st.integers(0, 10_000),
    is_inclusive=st.booleans(),
    discounts=st.lists(st.integers(0, 10**9), max_size=3),
    credit=st.integers(0, 10**9),
)
def test_everything_sums_to_the_smallest_unit(
    currency: str, minors: list[int], rate: int, is_inclusive: bool, discounts: list[int], credit: int
) -> None:
    tax = TaxRule("DE", "VAT", rate, is_inclusive=is_inclusive)
    made = draft_invoice(
        [line(minor, currency=currency) for minor in minors],
        tax=tax,
        discounts=[off(minor, currency) for minor in discounts],
        credit=Money(credit, currency),
    )
    net, taxed = net_of(made.lines), tax_of(made.lines)
    assert made.total_minor - made.new_credit_minor == net + taxed
    assert made.subtotal_minor - made.discount_minor + made.tax_minor == made.total_minor
    assert made.due_minor == made.total_minor - made.credit_minor >= 0
    assert 0 <= made.credit_minor <= credit
    assert made.total_minor == 0 or made.new_credit_minor == 0
    assert sum(row["discount_minor"] for row in made.lines) == made.discount_minor == min(
        sum(discounts), sum(minor for minor in minors if minor > 0)
    )  # fmt: skip
    base = sum(minors) - made.discount_minor
    exact = Fraction(base * rate, 10_000 + rate if is_inclusive else 10_000)
    assert abs(taxed - exact) <= Fraction(1, 2)
    charges = [row for row in made.lines if row["kind"] != "discount"]
    assert all(row["tax_minor"] * (row["amount_minor"] - row["discount_minor"]) >= 0 for row in charges)
    assert all(0 <= row["discount_minor"] <= max(0, row["amount_minor"]) for row in charges)


@given(
    minors=st.lists(st.integers(-(10**6), 10**6).filter(bool), min_size=1, max_size=5),
    rate=st.integers(0, 3000),
    credit=st.integers(0, 10**6),
)
def test_the_books_of_any_invoice_balance_and_leave_deferred_what_the_lines_are_net(
    minors: list[int], rate: int, credit: int
) -> None:
    made = draft(*minors, tax=TaxRule("DE", "VAT", rate, is_inclusive=True), credit=credit)
    invoice = invoice_row(
        made, number="PC-1", kind="change", user_id="usr_1", subscription_id=None, country="DE", language="en", now=NOW
    )
    moved: dict[str, int] = {}
    for entry in entries_of_paid(invoice, seller_id="mer_1"):
        assert all(leg.amount.minor > 0 and leg.debit != leg.credit for leg in entry.legs)
        for leg in entry.legs:
            moved[leg.debit] = moved.get(leg.debit, 0) + leg.amount.minor
            moved[leg.credit] = moved.get(leg.credit, 0) - leg.amount.minor
    assert moved.get("membership:deferred", 0) == -net_of(made.lines)
    assert moved.get("membership:tax:DE", 0) == -tax_of(made.lines)
    assert moved.get("merchant:mer_1:pending", 0) == made.due_minor
    assert moved.get("membership:credit", 0) == made.credit_minor - made.new_credit_minor
    assert sum(moved.values()) == 0


def test_an_entry_that_does_not_balance_is_refused() -> None:
    with pytest.raises(ValueError, match="balances"):
        pair([("a", 1), ("b", -2)], "USD")
