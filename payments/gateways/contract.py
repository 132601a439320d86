"""What every gateway adapter promises, in paycore's words. Plain Python: no Django here or below.

An adapter speaks one provider's API on one side and these types on the other. It translates; it decides nothing and
stores nothing. Amounts are minor units. Datetimes are aware UTC. Anything a provider says that is not listed in the
adapter is :data:`Outcome.PENDING`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable


class Outcome(StrEnum):
    """What is known about a payment or refund at the provider."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    CANCELED = "canceled"
    NOT_FOUND = "not_found"


class ActionKind(StrEnum):
    REDIRECT = "redirect"
    QR_CODE = "qr_code"
    APP = "app"


@dataclass(frozen=True, slots=True)
class NextAction:
    """What the payer must do: go to ``url``, scan ``qr_text``, or hand ``app_parameters`` to the provider's SDK."""

    kind: ActionKind
    url: str = ""
    qr_text: str = ""
    app_parameters: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """``reference`` is our request number and the idempotency key at the provider: the same one, the same payment."""

    reference: str
    amount_minor: int
    currency: str
    method: str
    description: str
    order_reference: str
    capture: bool = True
    return_url: str = ""
    webhook_url: str = ""
    expires_at: datetime | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    must_prove: bool = False
    """The payer must prove who they are (3-D Secure). Asked only for a method in ``challengeable_methods``."""


@dataclass(frozen=True, slots=True)
class PaymentResult:
    """One piece of evidence about one payment. ``amount_minor`` and ``currency`` are what the provider says of the
    whole payment (None: it does not say); the door compares them. ``captured_minor`` is what was taken so far,
    ``fee_minor`` what the provider keeps of that (None: not said). AUTHORIZED means that something is still held and
    can be taken, also after a part was; SUCCEEDED, that no more will be.

    ``failure_code`` is one of ours: card_declined, insufficient_funds, expired_card, lost_or_stolen, limit_exceeded,
    authentication_failed, suspected_fraud, account_closed, payer_declined, or declined for anything unlisted."""

    reference: str
    outcome: Outcome
    gateway_reference: str = ""
    amount_minor: int | None = None
    currency: str | None = None
    captured_minor: int | None = None
    fee_minor: int | None = None
    failure_code: str = ""
    failure_message: str = ""
    action: NextAction | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefundRequest:
    reference: str
    payment_reference: str
    payment_gateway_reference: str
    amount_minor: int
    currency: str
    reason: str = ""
    payment_amount_minor: int | None = None
    webhook_url: str = ""


@dataclass(frozen=True, slots=True)
class RefundResult:
    reference: str
    outcome: Outcome
    gateway_reference: str = ""
    payment_reference: str = ""
    amount_minor: int | None = None
    currency: str | None = None
    failure_code: str = ""
    failure_message: str = ""
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DisputeNotice:
    gateway_reference: str
    payment_reference: str
    status: str
    amount_minor: int
    currency: str
    reason: str = ""
    evidence_due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookIdentity:
    """What a verified callback is: ``event_id`` is the provider's own id for the notice, the key for duplicates."""

    event_id: str
    event_type: str
    occurred_at: datetime | None = None


WebhookNotice = PaymentResult | RefundResult | DisputeNotice


class GatewayError(Exception):
    """The three ways a call can end without an answer we can use; each says what to do."""

    def __init__(self, message: str, *, code: str = "") -> None:
        self.code = code
        super().__init__(message)


class GatewayRejected(GatewayError):
    """Our request is wrong (4xx that names our fault). Nothing happened; repeating it will not help."""


class GatewayUnavailable(GatewayError):
    """Nothing happened there (connection refused, no such host, "try elsewhere"). Another account may try."""


class GatewayOutcomeUnknown(GatewayError):
    """It may have happened (time-out, 5xx, torn or unverifiable answer). Only asking resolves it."""


class WebhookRefused(GatewayError):
    """A callback that is forged, stale or malformed: answered 4xx, nothing stored as believed."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    deadline_seconds: float = 8.0
    max_response_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    headers: Mapping[str, str]
    body: bytes


HttpTransport = Callable[[HttpRequest], HttpResponse]
"""How an adapter reaches its provider. Raises GatewayUnavailable when no byte can have arrived, GatewayOutcomeUnknown
when it may have; returns any HTTP status as a response."""


@dataclass(frozen=True, slots=True)
class GatewayConfiguration:
    """One gateway account as an adapter sees it: secrets, address, and the transport to use."""

    account_id: str
    base_url: str
    credentials: Mapping[str, str]
    transport: HttpTransport


class Gateway(ABC):
    """Speaks one provider's API. Translates; decides nothing; stores nothing."""

    name: ClassVar[str]
    methods: ClassVar[tuple[str, ...]]
    challengeable_methods: ClassVar[frozenset[str]] = frozenset()
    """Those for which the provider can be told to make the payer prove who they are."""
    webhook_acknowledgement: ClassVar[tuple[int, str, bytes]] = (200, "text/plain", b"")

    def __init__(self, configuration: GatewayConfiguration) -> None:
        self.configuration = configuration

    @abstractmethod
    def create_payment(self, request: PaymentRequest) -> PaymentResult:
        """Ask the provider to collect. Raises the three GatewayErrors."""

    @abstractmethod
    def fetch_payment(self, reference: str) -> PaymentResult:
        """What the provider knows under our request number; ``Outcome.NOT_FOUND`` when it knows nothing (yet)."""

    @abstractmethod
    def create_refund(self, request: RefundRequest) -> RefundResult: ...

    @abstractmethod
    def fetch_refund(self, reference: str) -> RefundResult: ...

    @abstractmethod
    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookIdentity:
        """Over the raw bytes. Raises :class:`WebhookRefused`. Header names are lower case."""

    @abstractmethod
    def translate_webhook(self, body: bytes) -> list[WebhookNotice]: ...


@runtime_checkable
class CaptureCapable(Protocol):
    """Holds first, takes later: ``create_payment`` with ``capture=False`` answers AUTHORIZED."""

    def capture_payment(
        self, reference: str, *, capture_reference: str, amount_minor: int, currency: str
    ) -> PaymentResult:
        """Take ``amount_minor`` more of the held amount; ``capture_reference`` makes it happen once."""

    def void_payment(self, reference: str) -> PaymentResult: ...


@runtime_checkable
class CloseCapable(Protocol):
    """Can make sure that an unpaid payment will never be paid."""

    def close_payment(self, reference: str) -> PaymentResult:
        """Answers CANCELED, or whatever the payment became meanwhile. Closing what never arrived also answers CANCELED
        and the provider then refuses it for ever."""


@runtime_checkable
class StatementSource(Protocol):
    def fetch_statement(self, day: date) -> bytes | None:
        """The provider's file of ``day`` (its own calendar), or None when it is not there yet."""


@runtime_checkable
class StatementSoFarSource(Protocol):
    """For trying things out: a statement of a day that is not over."""

    def fetch_statement_so_far(self, day: date) -> bytes | None:
        """What the provider did on ``day`` until now."""
