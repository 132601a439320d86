"""Sums of each side, by currency."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciliation.statements.reader import Stretch


@dataclass(slots=True)
class Total:
    """Signed minor units; what was given back is negative."""

    count: int = 0
    taken_minor: int = 0
    given_back_minor: int = 0
    fee_minor: int = 0

    def add(self, other: "Total", *, times: int = 1) -> None:
        self.count += times * other.count
        self.taken_minor += times * other.taken_minor
        self.given_back_minor += times * other.given_back_minor
        self.fee_minor += times * other.fee_minor


Totals = dict[str, Total]


def add_lines(totals: Totals, stretch: Stretch) -> None:
    """The most frequent currency is summed at once: all, less the others."""
    amounts, fees, currencies = list(map(int, stretch.amounts)), list(map(int, stretch.fees)), stretch.currencies
    found = set(currencies)
    main = max(found, key=currencies.count)
    of_main = totals.setdefault(main, Total())
    of_main.add(_sum(amounts, fees))
    for currency in found - {main}:
        positions = _positions(currencies, currency)
        total = _sum([amounts[position] for position in positions], [fees[position] for position in positions])
        of_main.add(total, times=-1)
        totals.setdefault(currency, Total()).add(total)


def _positions(values: list[str], value: str) -> list[int]:
    """Of a rare value: from find to find."""
    found, position = [], -1
    for _ in range(values.count(value)):
        position = values.index(value, position + 1)
        found.append(position)
    return found


def _sum(amounts: Sequence[int], fees: Iterable[int]) -> Total:
    given_back = sum(amount for amount in amounts if amount < 0) if min(amounts) < 0 else 0
    return Total(len(amounts), sum(amounts) - given_back, given_back, sum(fees))


def combined(parts: Iterable[tuple[Totals, int]]) -> Totals:
    """Each part so many times; currencies of which nothing is left are left out."""
    result: Totals = {}
    for totals, times in parts:
        for currency, total in totals.items():
            result.setdefault(currency, Total()).add(total, times=times)
    return {currency: total for currency, total in result.items() if total.count}
