"""Speaks Alipay's API: app, page and QR payments, and charges under an agreement (周期扣款). Its words stop here.

Nothing exists at Alipay under our number until the payer opens the cashier: an order string or a page's address is
made without a call, and a QR code's trade begins when it is scanned. What we gave out can be paid until its
``time_expire``, which is therefore always set and never later than the request's ``expires_at``.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import IO, Any, ClassVar

from payments.gateways.abilities import StatementLine
from payments.gateways.alipay import mandates, notices, statements, trades, words
from payments.gateways.alipay.client import AlipayClient, Answer
from payments.gateways.contract import (
    AccountField,
    ActionKind,
    Gateway,
    GatewayConfiguration,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    NextAction,
    Outcome,
    PaymentRequest,
    PaymentResult,
    RefundRequest,
    RefundResult,
    SavedToken,
    SaveRequest,
    SaveResult,
    WebhookIdentity,
    WebhookNotice,
)

_PRODUCTS = {
    "alipay.trade.app.pay": "QUICK_MSECURITY_PAY",
    "alipay.trade.page.pay": "FAST_INSTANT_TRADE_PAY",
    "alipay.trade.wap.pay": "QUICK_WAP_WAY",
    "alipay.trade.precreate": "FACE_TO_FACE_PAYMENT",
    "alipay.trade.pay": mandates.PRODUCT,
}
LIFETIME = timedelta(minutes=30)
MAX_LIFETIME = timedelta(days=15)
QR_LIFETIME = timedelta(hours=2)
CLOCK_DIFFERENCE = timedelta(seconds=60)
MAX_AMOUNT_MINOR = 100_000_000 * 100


class AlipayGateway(Gateway):
    """Implements CloseCapable, MandateCapable, ProbeCapable, StatementSource and StatementReader."""

    name: ClassVar[str] = "alipay"
    methods: ClassVar[tuple[str, ...]] = ("alipay_app", "alipay_page", "alipay_qr", "alipay_mandate")
    currencies: ClassVar[frozenset[str]] = frozenset({"CNY"})
    addresses: ClassVar[tuple[str, ...]] = (
        "https://openapi.alipay.com/gateway.do",
        "https://openapi-sandbox.dl.alipaydev.com/gateway.do",
    )
    account_fields: ClassVar[tuple[AccountField, ...]] = (
        AccountField("app_id", is_secret=False),
        AccountField("seller_id", is_secret=False),
        AccountField("app_private_key", is_multiline=True),
        AccountField("alipay_public_key", is_required=False, is_multiline=True, can_overlap=True),
        AccountField("alipay_public_cert", is_required=False, is_multiline=True, can_overlap=True),
        AccountField("app_cert", is_secret=False, is_required=False, is_multiline=True),
        AccountField("alipay_root_cert", is_secret=False, is_required=False, is_multiline=True),
        AccountField("sign_scene", is_secret=False, is_required=False),
        AccountField("minutes_to_pay", is_secret=False, is_required=False),
    )
    # A lost QR code is unknown to a query until somebody scans it; the same number again is the same trade.
    resolves_by_repeating: ClassVar[bool] = True
    webhook_acknowledgement: ClassVar[tuple[int, str, bytes]] = (200, "text/plain", b"success")
    saveable_methods: ClassVar[frozenset[str]] = frozenset({"alipay_mandate"})
    mandate_methods: ClassVar[frozenset[str]] = frozenset({"alipay_mandate"})
    notice_days: ClassVar[int] = 0
    statement_zone: ClassVar[str] = "Asia/Shanghai"
    statement_ready_after_seconds: ClassVar[int] = 10 * 3600

    def __init__(self, configuration: GatewayConfiguration, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(configuration)
        self._clock = clock
        self._client = AlipayClient(configuration, clock=clock)

    # --- paying --------------------------------------------------------------------------------------------------

    def create_payment(self, request: PaymentRequest) -> PaymentResult:
        if request.method not in self.methods:
            raise GatewayRejected(f"Alipay has no method {request.method}", code="method_not_supported")
        if request.currency not in self.currencies:
            raise GatewayRejected("Alipay takes CNY only", code="currency_not_supported")
        if not 0 < request.amount_minor <= MAX_AMOUNT_MINOR:
            raise GatewayRejected("Alipay takes 0.01 to 100,000,000.00", code="amount_not_supported")
        create = {
            "alipay_app": self._app,
            "alipay_page": self._page,
            "alipay_qr": self._qr,
            "alipay_mandate": self._charge,
        }
        return create[request.method](request, self._expiry(request))

    def fetch_payment(self, reference: str, *, gateway_reference: str = "", method: str = "") -> PaymentResult:
        answer = self._client.ask("alipay.trade.query", {"out_trade_no": reference})
        if answer.refusal == words.NOT_THERE:
            return PaymentResult(reference=reference, outcome=Outcome.NOT_FOUND)
        _refuse(answer)
        return trades.payment_result(answer, reference=reference, method=method)

    def close_payment(
        self, reference: str, *, gateway_reference: str = "", method: str = "", expires_at: datetime | None = None
    ) -> PaymentResult:
        """``expires_at`` is what the request's was. Alipay closes no trade that the payer has not begun; until that
        time what we gave out can still be paid, so such a payment is NOT_FOUND before it and CANCELED after. A charge
        under an agreement leaves nothing with the payer: it is CANCELED at once."""
        answer = self._client.ask("alipay.trade.close", {"out_trade_no": reference})
        if answer.refusal == words.NOT_THERE:
            over = expires_at is not None and self._now() > expires_at + CLOCK_DIFFERENCE
            outcome = Outcome.CANCELED if over or method == "alipay_mandate" else Outcome.NOT_FOUND
            return PaymentResult(reference=reference, outcome=outcome)
        if answer.refusal in words.CANNOT_CLOSE:
            return self.fetch_payment(reference, method=method)
        _refuse(answer)
        if not answer.words.get("out_trade_no"):  # documented as optional: what was closed is asked for
            return self.fetch_payment(reference, method=method)
        trades.require_about(answer, reference)
        return PaymentResult(
            reference=reference, outcome=Outcome.CANCELED, gateway_reference=str(answer.words.get("trade_no") or "")
        )

    def _app(self, request: PaymentRequest, expires_at: datetime) -> PaymentResult:
        method = "alipay.trade.app.pay"
        order = self._client.order_string(
            method, self._order(request, expires_at, method=method), notify_url=request.webhook_url
        )
        action = NextAction(ActionKind.APP, app_parameters={"order_string": order}, expires_at=expires_at)
        return _asked(request, action)

    def _page(self, request: PaymentRequest, expires_at: datetime) -> PaymentResult:
        """``options["scene"] == "h5"``: the page for a phone's browser, which opens Alipay's app."""
        method = "alipay.trade.wap.pay" if request.options.get("scene") == "h5" else "alipay.trade.page.pay"
        url = self._client.page_url(
            method,
            self._order(request, expires_at, method=method),
            notify_url=request.webhook_url,
            return_url=request.return_url,
        )
        return _asked(request, NextAction(ActionKind.REDIRECT, url=url, expires_at=expires_at))

    def _qr(self, request: PaymentRequest, expires_at: datetime) -> PaymentResult:
        method = "alipay.trade.precreate"
        content = self._order(request, expires_at, method=method)
        answer = self._client.ask(method, content, notify_url=request.webhook_url)
        if answer.refusal in words.ALREADY:
            return self._as_it_is(request)
        _refuse(answer)
        trades.require_about(answer, request.reference)
        code = answer.words.get("qr_code")
        if not isinstance(code, str) or not code:
            raise GatewayOutcomeUnknown("the answer holds no QR code", code="malformed")
        good_until = min(expires_at, self._now() + QR_LIFETIME)
        return _asked(request, NextAction(ActionKind.QR_CODE, qr_text=code, expires_at=good_until))

    def _charge(self, request: PaymentRequest, expires_at: datetime) -> PaymentResult:
        if request.saved is None:
            raise GatewayRejected("an agreement's number is needed", code="gateway_rejected")
        method = "alipay.trade.pay"
        content = self._order(request, expires_at, method=method)
        content["agreement_params"] = {"agreement_no": request.saved.token}
        answer = self._client.ask(method, content, notify_url=request.webhook_url)
        if answer.refusal in words.ALREADY:
            return self._as_it_is(request)
        if answer.refusal:
            return self._declined(request, answer)
        return trades.payment_result(answer, reference=request.reference, method=request.method)

    def _as_it_is(self, request: PaymentRequest) -> PaymentResult:
        """Our number is known there: what became of it, when it is the same payment."""
        result = self.fetch_payment(request.reference, method=request.method)
        if result.amount_minor not in (None, request.amount_minor):
            raise GatewayRejected("Alipay knows the number with another amount", code="gateway_rejected")
        return result

    def _declined(self, request: PaymentRequest, answer: Answer) -> PaymentResult:
        """A refused charge may leave a trade behind that the payer can still pay in Alipay's app: it is failed only
        when that is closed, or was never made."""
        code = words.failure_code(answer.refusal)
        if words.is_fault_of_the_request(code):
            raise GatewayRejected(f"Alipay refuses the charge: {answer.refusal[:80]}", code=code)
        try:
            closed = self.close_payment(request.reference, method=request.method)
        except GatewayError as problem:  # says nothing about the charge
            raise GatewayOutcomeUnknown(f"not closed after {answer.refusal[:80]}", code=problem.code) from problem
        if closed.outcome is not Outcome.CANCELED:
            return closed
        return PaymentResult(
            reference=request.reference,
            outcome=Outcome.FAILED,
            gateway_reference=closed.gateway_reference,
            failure_code=code,
            failure_message=f"{answer.refusal} {answer.says}".strip(),
        )

    def _order(self, request: PaymentRequest, expires_at: datetime, *, method: str) -> dict[str, Any]:
        return {
            "out_trade_no": request.reference,
            "total_amount": words.yuan(request.amount_minor),
            "subject": words.subject(request.description),
            "product_code": _PRODUCTS[method],
            "time_expire": words.beijing(expires_at),
        }

    def _expiry(self, request: PaymentRequest) -> datetime:
        now = self._now()
        expires_at = min(request.expires_at or now + LIFETIME, now + self._lifetime())
        if expires_at <= now:
            raise GatewayRejected("the payment's time is over", code="closed")
        return expires_at

    def _lifetime(self) -> timedelta:
        """``minutes_to_pay``: the longest that what we give out can be paid, 15 days unless the account says less."""
        minutes = self._client.setting("minutes_to_pay")
        if not minutes:
            return MAX_LIFETIME
        if not (
            minutes.isascii() and minutes.isdigit() and 0 < int(minutes[:6]) <= MAX_LIFETIME // timedelta(minutes=1)
        ):
            raise GatewayRejected("minutes_to_pay is no number of minutes", code="account_misconfigured")
        return timedelta(minutes=int(minutes))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    # --- giving back ---------------------------------------------------------------------------------------------

    def create_refund(self, request: RefundRequest) -> RefundResult:
        """The answer names the sum of all refunds of the trade, so what became of this one is asked for."""
        content = {
            "out_trade_no": request.payment_reference,
            "refund_amount": words.yuan(request.amount_minor),
            "out_request_no": request.reference,
            "refund_reason": words.subject(request.reason or "Refund"),
        }
        if request.currency not in self.currencies:
            raise GatewayRejected("Alipay takes CNY only", code="currency_not_supported")
        answer = self._client.ask("alipay.trade.refund", content)
        _refuse(answer)
        trades.require_about(answer, request.payment_reference)
        result = self.fetch_refund(request.reference, payment_reference=request.payment_reference)
        if result.outcome is Outcome.NOT_FOUND:
            # Refunds show up in queries some seconds later; ``fund_change`` says that the money has moved by this one.
            is_moved = answer.words.get("fund_change") == "Y"
            return RefundResult(
                reference=request.reference,
                outcome=Outcome.SUCCEEDED if is_moved else Outcome.PENDING,
                payment_reference=request.payment_reference,
            )
        return result

    def fetch_refund(
        self, reference: str, *, payment_reference: str = "", payment_gateway_reference: str = ""
    ) -> RefundResult:
        content: dict[str, Any] = {"out_request_no": reference, "query_options": ["gmt_refund_pay"]}
        if payment_reference:
            content["out_trade_no"] = payment_reference
        elif payment_gateway_reference:
            content["trade_no"] = payment_gateway_reference
        else:
            raise GatewayRejected("Alipay finds a refund by its payment only", code="gateway_rejected")
        answer = self._client.ask("alipay.trade.fastpay.refund.query", content)
        if answer.refusal == words.NOT_THERE:
            return RefundResult(reference=reference, outcome=Outcome.NOT_FOUND)
        _refuse(answer)
        if payment_reference:
            trades.require_about(answer, payment_reference)
        return trades.refund_result(answer, reference=reference)

    # --- callbacks -----------------------------------------------------------------------------------------------

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookIdentity:
        return notices.verify(self._client, body)

    def translate_webhook(self, body: bytes) -> list[WebhookNotice]:
        return notices.translate(body)

    # --- agreements ----------------------------------------------------------------------------------------------

    def save_method(self, request: SaveRequest) -> SaveResult:
        if request.method not in self.saveable_methods:
            raise GatewayRejected(f"Alipay keeps no {request.method}", code="method_not_supported")
        method = "alipay.user.agreement.page.sign"
        scene = self._client.setting("sign_scene")
        content = mandates.agreement_in_words(request, scene=scene, now=self._clock())
        if mandates.is_for_app(request):
            action = mandates.app_action(self._client.order_string(method, content, notify_url=request.webhook_url))
        else:
            url = self._client.page_url(method, content, notify_url=request.webhook_url, return_url=request.return_url)
            action = NextAction(ActionKind.REDIRECT, url=url)
        return SaveResult(reference=request.reference, outcome=Outcome.REQUIRES_ACTION, action=action)

    def fetch_saved(self, reference: str, *, gateway_reference: str = "") -> SaveResult:
        """Alipay forgets an agreement that ended: one that it once gave a number and now does not know is CANCELED."""
        content = {
            "personal_product_code": mandates.PERSONAL_PRODUCT,
            "sign_scene": self._client.setting("sign_scene"),
            "external_agreement_no": mandates.number_of(reference),
        }
        if gateway_reference:
            content = {"agreement_no": gateway_reference}
        answer = self._client.ask("alipay.user.agreement.query", content)
        if answer.refusal in words.NO_AGREEMENT:
            outcome = Outcome.CANCELED if gateway_reference else Outcome.NOT_FOUND
            return SaveResult(reference=reference, outcome=outcome, gateway_reference=gateway_reference)
        _refuse(answer)
        try:
            result = mandates.agreement_result(answer.words, reference=reference)
        except words.NotUnderstood as problem:
            raise GatewayOutcomeUnknown(f"the answer is malformed: {problem}", code="malformed") from None
        told = answer.words.get("external_agreement_no")
        is_other = told not in (None, mandates.number_of(reference))
        if is_other or gateway_reference not in ("", result.gateway_reference):
            raise GatewayOutcomeUnknown("the answer is about another agreement", code="wrong_reference")
        return result

    def forget_method(self, saved: SavedToken, *, method: str) -> None:
        answer = self._client.ask("alipay.user.agreement.unsign", {"agreement_no": saved.token})
        if answer.refusal not in words.NO_AGREEMENT:
            _refuse(answer)

    def announce_charge(self, saved: SavedToken, *, amount_minor: int, currency: str, charge_at: datetime) -> None:
        """Alipay asks for no notice before a charge (``notice_days`` is 0)."""

    # --- the account ---------------------------------------------------------------------------------------------

    def probe(self) -> str:
        """Asks for a payment that cannot be: that Alipay says so, signed, proves the application and both keys."""
        answer = self._client.ask("alipay.trade.query", {"out_trade_no": "paycore_probe"})
        if answer.refusal != words.NOT_THERE:
            _refuse(answer)
        return self._client.setting("app_id")

    def fetch_statement(self, day: date) -> bytes | None:
        content = {"bill_type": "trade", "bill_date": day.isoformat()}
        answer = self._client.ask("alipay.data.dataservice.bill.downloadurl.query", content)
        if answer.refusal in words.NO_BILL:
            return None
        _refuse(answer)
        url = answer.words.get("bill_download_url")
        if not isinstance(url, str) or not url:
            raise GatewayOutcomeUnknown("the answer holds no address", code="malformed")
        return self._client.download(url)

    def read_statement(self, file: IO[bytes]) -> Iterator[StatementLine]:
        return statements.read_bill(file)


def _asked(request: PaymentRequest, action: NextAction) -> PaymentResult:
    return PaymentResult(reference=request.reference, outcome=Outcome.REQUIRES_ACTION, action=action)


def _refuse(answer: Answer) -> None:
    """Raises GatewayRejected for a business refusal that nobody has an answer to."""
    if answer.refusal:
        raise GatewayRejected(
            f"Alipay refuses: {answer.refusal[:80]} {answer.says}".strip(), code=words.failure_code(answer.refusal)
        )
