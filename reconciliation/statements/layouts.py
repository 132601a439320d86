"""How each gateway writes its statements: the names of its columns and its words, in our terms."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

TAKE, GIVE_BACK, OTHER = "t", "g", "o"
"""What a line is about: money taken, money given back, or something that has no name here."""


@dataclass(frozen=True, slots=True)
class Layout:
    """``columns`` are found by name in any order; others are kept in the file and not read. Amounts are signed minor
    units, given-back money negative. ``reference`` is our own number: a payment's, a capture's or a refund's."""

    reference: str
    payment_reference: str
    kind: str
    amount: str
    fee: str
    currency: str
    gateway_reference: str
    occurred_at: str
    kinds: Mapping[str, str]
    encoding: str = "utf-8"
    delimiter: str = ","
    zone: tzinfo = UTC
    ready_after: timedelta = timedelta(minutes=10)
    """How long after the end of a day its statement is first asked for."""

    @property
    def required(self) -> tuple[str, ...]:
        return (self.reference, self.payment_reference, self.kind, self.amount, self.fee, self.currency)

    def begins(self, day: date) -> datetime:
        """Midnight of the provider's calendar."""
        return datetime.combine(day, time(), tzinfo=self.zone)

    def ends(self, day: date) -> datetime:
        return self.begins(day + timedelta(days=1))

    def today(self, now: datetime) -> date:
        return now.astimezone(self.zone).date()


LAYOUTS: dict[str, Layout] = {
    "sandbox": Layout(
        reference="reference",
        payment_reference="payment_reference",
        kind="kind",
        amount="gross",
        fee="fee",
        currency="coin",
        gateway_reference="txn",
        occurred_at="at",
        kinds={"TAKE": TAKE, "GIVE_BACK": GIVE_BACK},
    ),
}
"""By the name of the gateway."""
