"""What every gateway adapter promises, in paycore's words. Plain Python: no Django here or below.

An adapter speaks one provider's API on one side and these types on the other. It translates; it decides nothing and
stores nothing. Amounts are minor units. Datetimes are aware UTC. Anything a provider says that is not listed in the
adapter is :data:`Outcome.PENDING`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar


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
    BANK_TRANSFER = "bank_transfer"


@dataclass(frozen=True, slots=True)
class NextAction:
    """What the payer must do: go to ``url``, scan ``qr_text``, hand ``app_parameters`` to the provider's SDK, or
    transfer the money with the words in ``app_parameters`` (iban, bic, holder, reference)."""

    kind: ActionKind
    url: str = ""
    qr_text: str = ""
    app_parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SavedToken:
    """What a provider wants to hear in order to charge a saved method: a card's token, a contract's number."""

    token: str = field(repr=False)
    customer_reference: str = ""


@dataclass(frozen=True, slots=True)
class SavedMethod:
    """What a provider tells of a method that it keeps for us. Never a card number; ``label`` is already masked
    (``j***@example.com``). ``fingerprint`` is equal for the same card, where the provider says so."""

    token: str
    customer_reference: str = ""
    brand: str = ""
    last4: str = ""
    expiry_month: int | None = None
    expiry_year: int | None = None
    fingerprint: str = ""
    country: str = ""
    label: str = ""


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
    payer_reference: str = ""
    """Our own id of the person who pays, when it is known."""
    customer_reference: str = ""
    """The provider's id of that person at this account, when there is one."""
    saved: SavedToken | None = None
    """Charge this saved method instead of asking the payer for one."""
    is_off_session: bool = False
    """Nobody is there to answer: a charge that would need the payer fails with ``authentication_required``."""
    saves_method: bool = False
    """Keep the method for later charges; the result then says which (``saved``)."""


@dataclass(frozen=True, slots=True)
class PaymentResult:
    """One piece of evidence about one payment. ``amount_minor`` and ``currency`` are what the provider says of the
    whole payment (None: it does not say); the door compares them. ``captured_minor`` is what was taken so far,
    ``fee_minor`` what the provider keeps of that (None: not said). AUTHORIZED means that something is still held and
    can be taken, also after a part was; SUCCEEDED, that no more will be.

    ``failure_code`` is one of :data:`payments.gateways.failures.FAILURES`; ``declined`` for anything unlisted.
    FAILED is only said when nobody can still make the same attempt succeed: a page that lets the payer try another
    card is REQUIRES_ACTION. ``saved`` is the method that was kept, when that was asked for."""

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
    saved: SavedMethod | None = None


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


class DisputeStatus(StrEnum):
    WARNING = "warning"
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class DisputeNotice:
    """One piece of evidence about one dispute. ``payment_reference`` is ours; when the provider does not repeat it,
    ``payment_gateway_reference`` is the one that it gave the payment. ``fee_minor`` is what it charges for the dispute
    so far. Anything unlisted: ``needs_response`` when a date to answer by is set, else ``under_review``. ``reason`` is
    one of fraudulent, not_received, not_as_described, duplicate, canceled, amount, credit_not_processed, other."""

    gateway_reference: str
    payment_reference: str
    status: DisputeStatus
    amount_minor: int
    currency: str
    reason: str = "other"
    evidence_due_at: datetime | None = None
    payment_gateway_reference: str = ""
    fee_minor: int = 0
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MandateTerms:
    """What the payer agreed that may be taken unasked: at most so much, so often, from when."""

    max_amount_minor: int
    currency: str
    interval: str = "month"
    """``day``, ``week``, ``month`` or ``year``, ``interval_count`` of them."""
    interval_count: int = 1
    first_charge_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SaveRequest:
    """Keep a payer's method without taking money now. ``reference`` is ours (``pm_…``) and idempotent."""

    reference: str
    method: str
    payer_reference: str
    description: str
    currency: str
    customer_reference: str = ""
    return_url: str = ""
    webhook_url: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    terms: MandateTerms | None = None


@dataclass(frozen=True, slots=True)
class SaveResult:
    """What is known of it: REQUIRES_ACTION until the payer agreed, SUCCEEDED with ``saved``, FAILED, CANCELED (also
    when the payer ended it later, at the provider), PENDING or NOT_FOUND."""

    reference: str
    outcome: Outcome
    gateway_reference: str = ""
    saved: SavedMethod | None = None
    action: NextAction | None = None
    failure_code: str = ""
    failure_message: str = ""
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookIdentity:
    """What a verified callback is: ``event_id`` is the provider's own id for the notice, the key for duplicates."""

    event_id: str
    event_type: str
    occurred_at: datetime | None = None


WebhookNotice = PaymentResult | RefundResult | DisputeNotice | SaveResult


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
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    deadline_seconds: float = 8.0
    max_response_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


HttpTransport = Callable[[HttpRequest], HttpResponse]
"""How an adapter reaches its provider. Raises GatewayUnavailable when no byte can have arrived, GatewayOutcomeUnknown
when it may have; returns any HTTP status as a response."""


@dataclass(frozen=True, slots=True)
class AccountField:
    """One thing that an account of a gateway is set up with, by the provider's own name for it. Secrets are stored
    encrypted and never shown; the rest is shown. ``is_override`` stands a counterpart in for the provider (another
    address, other roots of trust) and is refused in production. Rotation with overlap: every secret that checks what
    comes in may also be given as ``{name}_previous``."""

    name: str
    is_secret: bool = True
    is_required: bool = True
    is_multiline: bool = False
    is_override: bool = False
    can_overlap: bool = False


@dataclass(frozen=True, slots=True)
class GatewayConfiguration:
    """One gateway account as an adapter sees it: address, secrets, other settings, and the transport to use."""

    account_id: str
    base_url: str
    credentials: Mapping[str, str] = field(repr=False)
    transport: HttpTransport
    settings: Mapping[str, str] = field(default_factory=dict)

    def secrets_in_use(self, name: str) -> tuple[str, ...]:
        """The secret ``name`` and, during a rotation, the one before it. KeyError when there is none."""
        previous = self.credentials.get(f"{name}_previous", "")
        return (self.credentials[name], previous) if previous else (self.credentials[name],)


class Gateway(ABC):
    """Speaks one provider's API. Translates; decides nothing; stores nothing.

    ``gateway_reference`` is the provider's own id, when an earlier result told it; ``method`` the payment's method.
    """

    name: ClassVar[str]
    methods: ClassVar[tuple[str, ...]]
    currencies: ClassVar[frozenset[str]] = frozenset()
    """Empty: any."""
    addresses: ClassVar[tuple[str, ...]] = ()
    """The provider's own: the first is its production, the others for trials. In production an account must use one
    of them; empty: any address."""
    account_fields: ClassVar[tuple[AccountField, ...]] = ()
    challengeable_methods: ClassVar[frozenset[str]] = frozenset()
    """Those for which the provider can be told to make the payer prove who they are."""
    methods_that_need_ip: ClassVar[frozenset[str]] = frozenset()
    """Their requests carry the payer's address, as ``options["payer_ip"]``."""
    resolves_by_repeating: ClassVar[bool] = False
    """A payment whose answer was lost may not be found by asking, or not what the payer must do; sending the same
    request again tells both."""
    repeats_for_seconds: ClassVar[int | None] = None
    """For how long the provider knows a repeat as the same request; None: always."""
    payer_needs_seconds: ClassVar[int] = 0
    """How long a payer may need to do what is asked; the order stays open at least as long."""
    webhooks_are_hints: ClassVar[bool] = False
    """A callback's signature does not bind its content: what it tells of is read anew before it is believed."""
    webhook_acknowledgement: ClassVar[tuple[int, str, bytes]] = (200, "text/plain", b"")

    def __init__(self, configuration: GatewayConfiguration) -> None:
        self.configuration = configuration

    @abstractmethod
    def create_payment(self, request: PaymentRequest) -> PaymentResult:
        """Ask the provider to collect. Raises the three GatewayErrors."""

    @abstractmethod
    def fetch_payment(self, reference: str, *, gateway_reference: str = "", method: str = "") -> PaymentResult:
        """What the provider knows under our request number; ``Outcome.NOT_FOUND`` when it knows nothing (yet)."""

    @abstractmethod
    def create_refund(self, request: RefundRequest) -> RefundResult: ...

    @abstractmethod
    def fetch_refund(
        self, reference: str, *, payment_reference: str = "", payment_gateway_reference: str = ""
    ) -> RefundResult: ...

    @abstractmethod
    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookIdentity:
        """Over the raw bytes. Raises :class:`WebhookRefused`. Header names are lower case. No transaction is open."""

    @abstractmethod
    def translate_webhook(self, body: bytes) -> list[WebhookNotice]:
        """Plain reading of a verified body: a transaction is open, so nothing is asked of the provider here."""
