"""Money that the payer sends from a bank account: a reference for each payment, and statements as the evidence.

There is no provider to ask: what is known of a payment is in the bank's statements, which reconciliation reads and
brings to the door. So an answer here never says more than "the payer is to transfer", and a refund stays pending until
the line of a payout is seen.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from stdnum import bic, iban, iso11649
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10

from paycore.money import Money
from payments.gateways.contract import (
    AccountField,
    ActionKind,
    Gateway,
    GatewayConfiguration,
    GatewayRejected,
    NextAction,
    Outcome,
    PaymentRequest,
    PaymentResult,
    RefundRequest,
    RefundResult,
    WebhookIdentity,
    WebhookNotice,
    WebhookRefused,
)

RANDOM_CHARACTERS = 16
"""The end of a payment's id that is chance: 16 characters of base 32 are 80 bits."""
_MOST_BY_QR = 99_999_999_999
"""EPC069-12: 999 999 999.99 EUR."""


def creditor_reference(payment_id: str) -> str:
    """``RF`` and two check digits (ISO 11649) before the 80 random bits of the payment's id: nobody guesses another's,
    and a typing error is seen."""
    tail = payment_id.rpartition("_")[2][-RANDOM_CHARACTERS:].upper()
    if len(tail) < RANDOM_CHARACTERS or not (tail.isascii() and tail.isalnum()):
        raise GatewayRejected("a payment's id ends in sixteen letters and digits", code="gateway_rejected")
    return f"RF{mod_97_10.calc_check_digits(tail + 'RF')}{tail}"


class BankTransferGateway(Gateway):
    """Settings: ``iban``, ``bic``, ``holder``, ``bank_name`` of the account that takes the money. Implements
    CloseCapable. ``ValueError`` for an account that cannot exist."""

    name: ClassVar[str] = "bank_transfer"
    methods: ClassVar[tuple[str, ...]] = ("bank_transfer",)
    # Nothing is stored, so what was not told to us cannot be found; telling it again is the same reference.
    resolves_by_repeating: ClassVar[bool] = True
    payer_needs_seconds: ClassVar[int] = 7 * 86_400  # over a weekend with a holiday on each side
    account_fields: ClassVar[tuple[AccountField, ...]] = (
        AccountField("iban", is_secret=False),
        AccountField("bic", is_secret=False),
        AccountField("holder", is_secret=False),
        AccountField("bank_name", is_secret=False, is_required=False),
    )

    def __init__(self, configuration: GatewayConfiguration) -> None:
        super().__init__(configuration)
        settings = configuration.settings
        try:
            self._iban = iban.validate(settings.get("iban", ""))
            self._bic = bic.validate(settings.get("bic", ""))
        except ValidationError as error:
            raise ValueError(f"not an account of a bank: {error}") from error
        self._holder, self._bank_name = settings.get("holder", "").strip(), settings.get("bank_name", "").strip()
        if not self._holder:
            raise ValueError("the account has no holder")

    def create_payment(self, request: PaymentRequest) -> PaymentResult:
        if request.method not in self.methods:
            raise GatewayRejected("not a bank transfer", code="method_not_supported")
        if request.saved is not None or request.is_off_session:
            raise GatewayRejected("a transfer is made by the payer", code="method_not_supported")
        if not request.capture:
            raise GatewayRejected("a transfer cannot be held", code="method_not_supported")
        reference = creditor_reference(request.reference)
        return PaymentResult(
            request.reference,
            Outcome.REQUIRES_ACTION,
            gateway_reference=reference,
            amount_minor=request.amount_minor,
            currency=request.currency,
            action=self._words_for_payer(request, reference),
        )

    def _words_for_payer(self, request: PaymentRequest, reference: str) -> NextAction:
        amount = Money(request.amount_minor, request.currency)
        return NextAction(
            ActionKind.BANK_TRANSFER,
            qr_text=self._epc_text(amount, reference),
            app_parameters={
                "iban": iban.format(self._iban),
                "bic": self._bic,
                "holder": self._holder,
                "bank_name": self._bank_name,
                "reference": iso11649.format(reference),
                "amount": str(amount),
            },
            expires_at=request.expires_at,
        )

    def _epc_text(self, amount: Money, reference: str) -> str:
        """The European Payments Council's QR (EPC069-12, version 002): banking apps fill a SEPA transfer in from it."""
        if amount.currency != "EUR" or amount.minor > _MOST_BY_QR:
            return ""
        lines = ("BCD", "002", "1", "SCT", self._bic, self._holder[:70], self._iban, f"EUR{amount.major:.2f}", "")
        return "\n".join((*lines, reference))

    def fetch_payment(self, reference: str, *, gateway_reference: str = "", method: str = "") -> PaymentResult:
        if not gateway_reference:
            return PaymentResult(reference, Outcome.NOT_FOUND)
        return PaymentResult(reference, Outcome.REQUIRES_ACTION, gateway_reference=gateway_reference)

    def close_payment(
        self, reference: str, *, gateway_reference: str = "", method: str = "", expires_at: datetime | None = None
    ) -> PaymentResult:
        """Nobody can stop a transfer; money that comes late is surplus, which the door knows."""
        return PaymentResult(reference, Outcome.CANCELED, gateway_reference=gateway_reference)

    def create_refund(self, request: RefundRequest) -> RefundResult:
        """Waits for a payout file, which two people make and release."""
        return RefundResult(
            request.reference,
            Outcome.PENDING,
            payment_reference=request.payment_reference,
            amount_minor=request.amount_minor,
            currency=request.currency,
        )

    def fetch_refund(
        self, reference: str, *, payment_reference: str = "", payment_gateway_reference: str = ""
    ) -> RefundResult:
        return RefundResult(reference, Outcome.PENDING, payment_reference=payment_reference)

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookIdentity:
        raise WebhookRefused("a bank sends no callbacks here", code="no_callbacks")

    def translate_webhook(self, body: bytes) -> list[WebhookNotice]:
        return []
