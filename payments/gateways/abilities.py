"""What some providers can do beside taking and returning money. Implementing a Protocol is the opt-in.

``gateway_reference`` is the provider's own id of the payment, when an earlier result told it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import IO, ClassVar, Protocol, runtime_checkable

from payments.gateways.contract import DisputeNotice, PaymentResult, SavedToken, SaveRequest, SaveResult


@runtime_checkable
class CaptureCapable(Protocol):
    """Holds first, takes later: ``create_payment`` with ``capture=False`` answers AUTHORIZED."""

    def capture_payment(
        self,
        reference: str,
        *,
        capture_reference: str,
        amount_minor: int,
        currency: str,
        gateway_reference: str = "",
    ) -> PaymentResult:
        """Take ``amount_minor`` more of the held amount; ``capture_reference`` makes it happen once."""

    def void_payment(self, reference: str, *, gateway_reference: str = "") -> PaymentResult: ...


@runtime_checkable
class CloseCapable(Protocol):
    """Can make sure that an unpaid payment will never be paid."""

    def close_payment(
        self, reference: str, *, gateway_reference: str = "", method: str = "", expires_at: datetime | None = None
    ) -> PaymentResult:
        """Answers CANCELED, or whatever the payment became meanwhile. Closing what never arrived also answers CANCELED
        and the provider then refuses it for ever, or can take no money for it without a further call of ours. Where
        the payer can still act until ``expires_at`` (what the request's was), it is NOT_FOUND before that time."""


@runtime_checkable
class LookCapable(Protocol):
    """Where being asked about a payment takes the money that the payer agreed to: the same question, and no more. For
    a payment that ended here."""

    def look_at_payment(self, reference: str, *, gateway_reference: str = "", method: str = "") -> PaymentResult: ...


@runtime_checkable
class VaultCapable(Protocol):
    """Keeps a payer's method so that it can be charged later (``PaymentRequest.saved``)."""

    saveable_methods: ClassVar[frozenset[str]]

    def save_method(self, request: SaveRequest) -> SaveResult: ...

    def fetch_saved(self, reference: str, *, gateway_reference: str = "") -> SaveResult: ...

    def forget_method(self, saved: SavedToken, *, method: str) -> None:
        """So that it can never be charged again. Safe to repeat."""


@runtime_checkable
class MandateCapable(VaultCapable, Protocol):
    """Keeps an agreement under which it may be charged unasked. For ``mandate_methods`` ``SaveRequest.terms`` is
    required."""

    mandate_methods: ClassVar[frozenset[str]]
    notice_days: ClassVar[int]
    """How many whole days before a charge the payer must be told through the provider; 0: not needed."""

    def announce_charge(self, saved: SavedToken, *, amount_minor: int, currency: str, charge_at: datetime) -> None:
        """Tell the payer of a charge to come. Safe to repeat for the same day."""


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """``kind``: receipt, delivery, communication, policy, other."""

    name: str
    content_type: str
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class DisputeEvidence:
    """What the merchant says. ``texts`` by kind: explanation, product_description, customer_name, customer_email,
    delivery_date, tracking_number, carrier, refund_policy, refund_refusal."""

    gateway_reference: str
    texts: Mapping[str, str] = field(default_factory=dict)
    files: tuple[EvidenceFile, ...] = ()


@runtime_checkable
class DisputeCapable(Protocol):
    """Takes the merchant's answer to a dispute."""

    def fetch_dispute(self, gateway_reference: str) -> DisputeNotice: ...

    def submit_evidence(self, evidence: DisputeEvidence) -> DisputeNotice:
        """Final: after it, the provider decides. Safe to repeat."""

    def accept_dispute(self, gateway_reference: str) -> DisputeNotice:
        """Give up: the money is the payer's. Safe to repeat."""


@runtime_checkable
class ProbeCapable(Protocol):
    """Can say whether its address and credentials work."""

    def probe(self) -> str:
        """One cheap call that proves the credentials; what the provider says of the account (its name or id), for
        people. Raises the three GatewayErrors."""


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line of a provider's file in our words. ``kind``: take, give_back, other. Amounts are minor units, always
    positive; ``fee_minor`` is what the provider kept (negative when it gave it back). ``reference`` is our number: a
    payment's, a capture's or a refund's; ``payment_reference`` the payment's."""

    kind: str
    reference: str
    payment_reference: str
    amount_minor: int
    fee_minor: int
    currency: str
    gateway_reference: str = ""
    occurred_at: datetime | None = None


@runtime_checkable
class StatementSource(Protocol):
    def fetch_statement(self, day: date) -> bytes | None:
        """The provider's file of ``day`` (its own calendar), or None when it is not there yet."""


@runtime_checkable
class StatementReader(Protocol):
    """Reads its provider's files, whoever brought them (fetched or uploaded)."""

    statement_zone: ClassVar[str]
    """IANA name of the calendar of its days."""
    statement_ready_after_seconds: ClassVar[int]
    """How long after the end of a day its file is first asked for."""

    def read_statement(self, file: IO[bytes]) -> Iterator[StatementLine]:
        """In small memory, however long the file. Raises :class:`StatementUnreadable`."""


class StatementUnreadable(Exception):
    """Not the provider's format, or a line that cannot be trusted; says where and why. Nothing of it is used."""


@runtime_checkable
class StatementSoFarSource(Protocol):
    """For trying things out: a statement of a day that is not over."""

    def fetch_statement_so_far(self, day: date) -> bytes | None:
        """What the provider did on ``day`` until now."""
