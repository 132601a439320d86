"""委托代扣 (papay): a payer's standing consent. Signed in WeChat, announced through WeChat, charged by day.

Signing, looking up, ending and charging speak the XML interface; the announcement is APIv3. WeChat's rule for a
charge: told on day 1, waited on day 2, charged from day 3 on, between 07:00 and 22:00 Beijing time.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

from payments.gateways.contract import (
    ActionKind,
    GatewayConfiguration,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    NextAction,
    Outcome,
    PaymentRequest,
    PaymentResult,
    SavedMethod,
    SavedToken,
    SaveRequest,
    SaveResult,
)
from payments.gateways.wechat.client import WechatClient, new_nonce, refusal
from payments.gateways.wechat.v2 import HMAC_SHA256, V2Client
from payments.gateways.wechat.words import (
    BEIJING,
    CONTRACT_STATES,
    FAILURE_CODES,
    MANDATE_STATES,
    read_beijing_time,
    shorten,
)

NOTICE_DAYS = 2
CHARGEABLE_DAYS = 7
OPENS, CLOSES = 7, 22
"""Hours of the day in Beijing."""
ASKED_AGAIN = {"ORDERPAID", "ORDER_PAID", "OUT_TRADE_NO_USED", "ORDERCLOSED", "ORDER_CLOSED"}
"""The number is known there: what became of it is another question."""
NOT_KNOWN = {"ORDERNOTEXIST", "ORDER_NOT_EXIST"}
NO_CONTRACT = {"CONTRACT_NOT_EXIST", "CONTRACT_NOT_EXISTS", "CONTRACTNOTEXIST"}
UNDECIDED = {"SYSTEMERROR", "SYSTEM_ERROR", "BANKERROR", "BANK_ERROR", "USERPAYING", "USER_PAYING"}
_REFERENCE = re.compile(r"[a-z0-9_]{1,64}")


def contract_code_of(reference: str) -> str:
    """Ours → WeChat's: only letters and digits are allowed there, and ours has no capitals."""
    if not _REFERENCE.fullmatch(reference):
        raise GatewayRejected("a reference that cannot be a contract_code", code="gateway_rejected")
    return reference.replace("_", "Z")


def reference_of(contract_code: str) -> str:
    return contract_code.replace("Z", "_")


class Mandates:
    """The parts of the adapter that keep and charge mandates."""

    def __init__(self, configuration: GatewayConfiguration, client: WechatClient, v2: V2Client) -> None:
        self._configuration = configuration
        self._client = client
        self._v2 = v2

    def save(self, request: SaveRequest) -> SaveResult:
        fields = self._v2.common_fields() | {
            "plan_id": self._plan_id(),
            "contract_code": contract_code_of(request.reference),
            "request_serial": _serial_of(request.reference),
            "contract_display_account": shorten(request.description, max_bytes=96) or "-",
            "notify_url": request.webhook_url,
            "version": "1.0",
            "timestamp": self._v2.timestamp(),
        }
        ways = {"app": self._sign_in_app, "jsapi": self._sign_in_wechat, "h5": self._sign_in_browser}
        way = ways.get(str(request.options.get("scene", "app")))
        if way is None:
            raise GatewayRejected("scene is app, jsapi or h5", code="invalid_details")
        return SaveResult(request.reference, Outcome.REQUIRES_ACTION, action=way(request, fields))

    def fetch(self, reference: str, *, contract_id: str) -> SaveResult:
        asked = (
            {"contract_id": contract_id}
            if contract_id
            else {"plan_id": self._plan_id(), "contract_code": contract_code_of(reference)}
        )
        fields = self._v2.ask("/papay/querycontract", self._v2.common_fields() | asked | {"version": "1.0"})
        if fields.get("result_code") != "SUCCESS":
            if fields.get("err_code") in NO_CONTRACT:
                return SaveResult(reference, Outcome.NOT_FOUND)
            raise _refusal(fields)
        if fields.get("contract_code", "") != contract_code_of(reference):
            raise GatewayOutcomeUnknown("an answer about another contract", code="wrong_reference")
        return contract_result(fields, outcome=CONTRACT_STATES.get(fields.get("contract_state", ""), Outcome.PENDING))

    def end(self, saved: SavedToken) -> None:
        asked = self._v2.common_fields() | {"contract_id": saved.token, "version": "1.0"}
        fields = self._v2.ask("/papay/deletecontract", asked | {"contract_termination_remark": "用户申请解约"})
        if fields.get("result_code") == "SUCCESS":
            return
        now = self._v2.ask("/papay/querycontract", asked)
        is_gone = now.get("err_code") in NO_CONTRACT or now.get("contract_state") == "1"
        if not is_gone:
            raise _refusal(fields)

    def announce(self, saved: SavedToken, *, amount_minor: int, currency: str, charge_at: datetime) -> None:
        today, charged_on = self._beijing_now().date(), charge_at.astimezone(BEIJING).date()
        self._require_hours()
        _require_yuan(currency)
        if not NOTICE_DAYS <= (charged_on - today).days < NOTICE_DAYS + CHARGEABLE_DAYS:
            raise GatewayRejected("announce 2 to 8 days before the charge", code="gateway_rejected")
        answer = self._client.ask(
            "POST",
            f"/v3/papay/contracts/{quote(saved.token, safe='')}/notify",
            {
                "mchid": self._configuration.settings.get("mchid", ""),
                "appid": self._v2.common_fields()["appid"],
                "deduct_duration": {"count": CHARGEABLE_DAYS, "unit": "DAY"},
                "estimated_amount": {"amount": amount_minor, "currency": currency},
            },
        )
        if not answer.is_ok and answer.code != "ALREADY_EXISTS":
            raise refusal(answer)

    def charge(self, request: PaymentRequest) -> PaymentResult:
        if request.saved is None:
            raise GatewayRejected("a mandate must be signed before it is charged", code="method_not_supported")
        self._require_hours()
        fields = self._v2.ask(
            "/pay/pappayapply",
            self._v2.common_fields()
            | {
                "nonce_str": new_nonce(),
                "body": shorten(request.description, max_bytes=127) or "-",
                "out_trade_no": request.reference,
                "total_fee": str(request.amount_minor),
                "fee_type": request.currency,
                "spbill_create_ip": str(request.options.get("payer_ip") or "127.0.0.1"),
                "notify_url": request.webhook_url,
                "trade_type": "PAP",
                "contract_id": request.saved.token,
            },
        )
        if fields.get("result_code") == "SUCCESS":
            return PaymentResult(request.reference, Outcome.PENDING)  # accepted; the money moves later
        if fields.get("err_code") in ASKED_AGAIN:
            known = self.fetch_charge(request.reference)
            if known.amount_minor in (None, request.amount_minor) and known.outcome is not Outcome.NOT_FOUND:
                return known
        raise _refusal(fields)

    def fetch_charge(self, reference: str) -> PaymentResult:
        """WeChat's own staff say of a number that is "not found" here: send it again, it is charged once."""
        asked = self._v2.common_fields() | {"out_trade_no": reference, "nonce_str": new_nonce()}
        fields = self._v2.ask("/pay/paporderquery", asked)
        if fields.get("result_code") != "SUCCESS":
            if fields.get("err_code") in NOT_KNOWN:
                return PaymentResult(reference, Outcome.NOT_FOUND)
            raise _refusal(fields)
        if fields.get("out_trade_no") != reference:
            raise GatewayOutcomeUnknown("an answer about another payment", code="wrong_reference")
        return charge_result(fields)

    def _sign_in_app(self, request: SaveRequest, fields: Mapping[str, str]) -> NextAction:
        asked = {**fields, "sign_type": HMAC_SHA256, "return_app": "Y"}
        answer = self._v2.ask("/papay/preentrustweb", asked, sign_type=HMAC_SHA256)
        if answer.get("result_code") != "SUCCESS":
            raise _refusal(answer)
        session = answer.get("pre_entrustweb_id", "")
        if not session:
            raise GatewayOutcomeUnknown("no pre_entrustweb_id", code="malformed")
        return NextAction(ActionKind.APP, app_parameters={"pre_entrustweb_id": session, "businessType": "12"})

    def _sign_in_wechat(self, request: SaveRequest, fields: Mapping[str, str]) -> NextAction:
        """Opened inside WeChat; nothing is asked from here."""
        query = urlencode(self._v2.signed({**fields, "return_web": "1"}))
        return NextAction(ActionKind.REDIRECT, url=f"{self._base_url()}/papay/entrustweb?{query}#wechat_redirect")

    def _sign_in_browser(self, request: SaveRequest, fields: Mapping[str, str]) -> NextAction:
        """This answer is not signed by WeChat, so its address must at least be WeChat's."""
        ip = str(request.options.get("payer_ip") or "")
        if not ip:
            raise GatewayRejected("h5 needs payer_ip", code="invalid_details")
        asked = self._v2.signed({**fields, "clientip": ip}, sign_type=HMAC_SHA256)
        response = self._v2.send("GET", f"/papay/h5entrustweb?{urlencode(asked)}")
        answer = self._v2.read(response, must_be_signed=False)
        address = answer.get("redirect_url", "")
        if answer.get("result_code") != "SUCCESS" or not self._is_of_wechat(address):
            raise GatewayOutcomeUnknown("no address of WeChat to go to", code="malformed")
        return NextAction(ActionKind.REDIRECT, url=address)

    def _is_of_wechat(self, address: str) -> bool:
        try:
            parts = urlsplit(address)
        except ValueError:
            return False
        host = parts.hostname or ""
        is_counterpart = f"{parts.scheme}://{parts.netloc}" == self._base_url()
        return (parts.scheme == "https" and host.endswith(".weixin.qq.com")) or is_counterpart

    def _require_hours(self) -> None:
        if not OPENS <= self._beijing_now().hour < CLOSES:
            raise GatewayRejected("mandates rest from 22:00 to 07:00 in Beijing", code="outside_hours")

    def _beijing_now(self) -> datetime:
        return datetime.fromtimestamp(self._client.now(), UTC).astimezone(BEIJING)

    def _plan_id(self) -> str:
        plan_id = self._configuration.settings.get("plan_id", "")
        if not plan_id:
            raise GatewayRejected("mandates need plan_id", code="account_misconfigured")
        return plan_id

    def _base_url(self) -> str:
        return self._configuration.base_url.rstrip("/")


def charge_result(fields: Mapping[str, str]) -> PaymentResult:
    """From a query's answer or a callback; both tell ``trade_state``, a failed callback perhaps only ``err_code``."""
    if fields.get("result_code") == "SUCCESS":
        outcome = MANDATE_STATES.get(fields.get("trade_state", ""), Outcome.PENDING)
    else:
        outcome = Outcome.PENDING if fields.get("err_code") in UNDECIDED else Outcome.FAILED
    total = _digits(fields.get("total_fee", ""))
    if outcome is Outcome.SUCCEEDED and total is None:
        outcome = Outcome.PENDING  # what is not said cannot be compared with what is owed
    code = fields.get("err_code", "")
    is_failed = outcome is Outcome.FAILED
    return PaymentResult(
        reference=fields.get("out_trade_no", ""),
        outcome=outcome,
        gateway_reference=fields.get("transaction_id", ""),
        amount_minor=total,
        currency=(fields.get("fee_type") or "CNY") if total is not None else None,
        captured_minor=total if outcome is Outcome.SUCCEEDED else None,
        failure_code=FAILURE_CODES.get(code, "declined") if is_failed else "",
        failure_message=(fields.get("err_code_des") or fields.get("trade_state_desc", ""))[:300] if is_failed else "",
        occurred_at=read_beijing_time(fields.get("time_end", "")),
    )


def contract_result(fields: Mapping[str, str], *, outcome: Outcome) -> SaveResult:
    is_kept = outcome is Outcome.SUCCEEDED
    token, payer = fields.get("contract_id", ""), fields.get("openid", "")
    written = fields.get("operate_time") or fields.get(
        "contract_terminated_time" if not is_kept else "contract_signed_time", ""
    )
    return SaveResult(
        reference=reference_of(fields.get("contract_code", "")),
        outcome=outcome if token or not is_kept else Outcome.PENDING,
        gateway_reference=token,
        saved=SavedMethod(token=token, customer_reference=payer) if is_kept and token else None,
        occurred_at=read_beijing_time(written),
    )


def _refusal(fields: Mapping[str, str]) -> GatewayError:
    """For a signed FAIL. Only what is listed is a "no"; anything else may have happened."""
    code = fields.get("err_code", "")
    said = f"WeChat Pay: {code} {fields.get('err_code_des', '')}"[:300]
    if code in UNDECIDED or code not in FAILURE_CODES:
        return GatewayOutcomeUnknown(said, code=(code or "unknown").lower()[:64])
    return GatewayRejected(said, code=FAILURE_CODES[code])


def _serial_of(reference: str) -> str:
    """A number of 18 digits that stays the same for the same reference ("only for sorting", must be unique)."""
    return str(10**17 + int.from_bytes(hashlib.sha256(reference.encode()).digest()[:8]) % (9 * 10**17))


def _require_yuan(currency: str) -> None:
    if currency != "CNY":
        raise GatewayRejected("WeChat Pay takes yuan", code="currency_not_supported")


def _digits(written: str) -> int | None:
    return int(written) if written.isascii() and written.isdigit() and len(written) <= 12 else None
