"""The XML interface of mandates (委托代扣): sign, look up, end, charge, ask; and its notices."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as Xml

from payments.gateways.contract import HttpRequest, HttpResponse
from tests.payments.gateways.contract_harness import SignedCallback
from tests.payments.gateways.simulators.wechat.book import Contract, Order, Refusal
from tests.payments.gateways.simulators.wechat.keyring import API_V2_KEY, APPID, MCHID, PLAN_ID

if TYPE_CHECKING:
    from tests.payments.gateways.simulators.wechat.provider import WechatSimulator

BEIJING = timezone(timedelta(hours=8))


class Fail(Exception):
    """A signed answer with result_code FAIL."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def sign(fields: dict[str, str], *, sign_type: str = "MD5", key: str = API_V2_KEY) -> str:
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sign" and fields[name] != "")
    data = f"{text}&key={key}".encode()
    if sign_type == "HMAC-SHA256":
        return hmac.new(key.encode(), data, hashlib.sha256).hexdigest().upper()
    return hashlib.md5(data).hexdigest().upper()


def to_xml(fields: dict[str, str]) -> bytes:
    return f"<xml>{''.join(f'<{name}><![CDATA[{value}]]></{name}>' for name, value in fields.items())}</xml>".encode()


def from_xml(body: bytes) -> dict[str, str]:
    return {element.tag: element.text or "" for element in Xml.fromstring(body)}


class Papay:
    def __init__(self, provider: "WechatSimulator") -> None:
        self.provider = provider
        self.fails_next: str = ""
        """err_code of the next answer."""
        self.refuses: dict[str, str] = {}
        """How the charge of a number ends, by its error code; others succeed when approved."""
        self.must_be_announced = False
        self.hours = range(7, 22)
        """Of the day in Beijing, when it announces and charges."""

    def respond(self, request: HttpRequest) -> HttpResponse:
        path = urlsplit(request.url).path
        if path == "/papay/h5entrustweb":
            query = parse_qs(urlsplit(request.url).query)
            fields = {name: values[0] for name, values in query.items()}
        else:
            fields = from_xml(request.body)
        sign_type = "HMAC-SHA256" if len(fields.get("sign", "")) == 64 else "MD5"
        if fields.get("sign") != sign(fields, sign_type=sign_type):
            return _answer({"return_code": "FAIL", "return_msg": "签名失败"})
        said = {"return_code": "SUCCESS", "return_msg": "OK", "appid": APPID, "mch_id": MCHID}
        try:
            said |= {"result_code": "SUCCESS", **self._handle(path, fields)}
        except Fail as fail:
            said |= {"result_code": "FAIL", "err_code": fail.code, "err_code_des": fail.code.lower()}
        if path == "/papay/h5entrustweb":
            return _answer(said)
        said["nonce_str"] = secrets.token_hex(16)
        return _answer({**said, "sign": sign(said, sign_type=sign_type)})

    def _handle(self, path: str, fields: dict[str, str]) -> dict[str, str]:
        if fields.get("mch_id") != MCHID or fields.get("appid") != APPID:
            raise Fail("APPID_MCHID_NOT_MATCH")
        if self.fails_next:
            code, self.fails_next = self.fails_next, ""
            raise Fail(code)
        return {
            "/papay/preentrustweb": self._prepare,
            "/papay/h5entrustweb": self._prepare_h5,
            "/papay/querycontract": self._query_contract,
            "/papay/deletecontract": self._delete_contract,
            "/pay/pappayapply": self._apply,
            "/pay/paporderquery": self._query,
        }[path](fields)

    # --- contracts ---------------------------------------------------------------------------------------------

    def _prepare(self, fields: dict[str, str]) -> dict[str, str]:
        self._remember(fields)
        return {"pre_entrustweb_id": f"5778aad{secrets.token_hex(20)}"}

    def _prepare_h5(self, fields: dict[str, str]) -> dict[str, str]:
        if not fields.get("clientip"):
            raise Fail("PARAM_ERROR")
        self._remember(fields)
        return {"redirect_url": f"https://payapp.weixin.qq.com/papay/readentrustweb?session_id={secrets.token_hex(8)}"}

    def _remember(self, fields: dict[str, str]) -> None:
        code, serial = fields["contract_code"], fields["request_serial"]
        if not code.isalnum() or not serial.isdigit() or serial[0] == "0" or int(serial) > 2**63 - 1:
            raise Fail("PARAM_ERROR")
        if fields["plan_id"] != PLAN_ID or not fields["notify_url"] or fields["version"] != "1.0":
            raise Fail("PARAM_ERROR")
        self.provider.book.contracts.setdefault(
            code,
            Contract(
                code=code,
                contract_id=self.provider.book.next_number("Wx1546351125201"),
                plan_id=fields["plan_id"],
                serial=serial,
                openid="oHZx6uMbIG46UXQ3SKxU",
                notify_url=fields["notify_url"],
            ),
        )

    def sign_contract(self, code: str) -> Contract:
        """The payer agrees."""
        contract = self.provider.book.contracts[code]
        contract.state, contract.signed_at = "0", self.provider.clock()
        self._notify_contract(contract, change="ADD", at=contract.signed_at)
        return contract

    def end_contract(self, contract: Contract) -> None:
        contract.state, contract.ended_at = "1", self.provider.clock()
        self._notify_contract(contract, change="DELETE", at=contract.ended_at)

    def _notify_contract(self, contract: Contract, *, change: str, at: float) -> None:
        fields = {
            "return_code": "SUCCESS",
            "result_code": "SUCCESS",
            "mch_id": MCHID,
            "contract_code": contract.code,
            "plan_id": contract.plan_id,
            "openid": contract.openid,
            "change_type": change,
            "operate_time": _long(at),
            "contract_id": contract.contract_id,
            "request_serial": contract.serial,
        }
        self.provider.sent.append(self.notice(fields))

    def notice(self, fields: dict[str, str], *, key: str = API_V2_KEY) -> SignedCallback:
        return SignedCallback({"content-type": "text/xml"}, to_xml({**fields, "sign": sign(fields, key=key)}))

    def _find_contract(self, fields: dict[str, str]) -> Contract:
        book = self.provider.book
        if "contract_id" in fields:
            contract = book.contract_by_id(fields["contract_id"])
        else:
            contract = book.contracts.get(fields["contract_code"]) if fields.get("plan_id") == PLAN_ID else None
        if contract is None or contract.signed_at is None:
            raise Fail("CONTRACT_NOT_EXIST")
        return contract

    def _query_contract(self, fields: dict[str, str]) -> dict[str, str]:
        contract = self._find_contract(fields)
        said = {
            "contract_id": contract.contract_id,
            "plan_id": contract.plan_id,
            "request_serial": contract.serial,
            "contract_code": contract.code,
            "contract_state": contract.state,
            "contract_signed_time": _long(contract.signed_at),
            "openid": contract.openid,
        }
        if contract.ended_at is not None:
            said |= {"contract_terminated_time": _long(contract.ended_at), "contract_termination_mode": "2"}
        return said

    def _delete_contract(self, fields: dict[str, str]) -> dict[str, str]:
        contract = self._find_contract(fields)
        if contract.state != "0":
            raise Fail("CONTRACT_NOT_EXIST")
        self.end_contract(contract)
        return {"contract_id": contract.contract_id}

    def announce(self, contract_id: str, *, words: dict[str, Any]) -> None:
        if "contract_id" in words or words.get("mchid") != MCHID:
            raise Refusal(400, "PARAM_ERROR")
        contract = self.provider.book.contract_by_id(contract_id)
        if contract is None or contract.state != "0":
            raise Refusal(404, "CONTRACT_NOT_EXIST")
        if self._beijing().hour not in self.hours:
            raise Refusal(403, "RULE_LIMIT")
        said = {
            "contract_id": contract_id,
            "day": self._beijing().date(),
            "amount": words["estimated_amount"]["amount"],
        }
        if said in self.provider.book.announcements:
            raise Refusal(400, "ALREADY_EXISTS")
        self.provider.book.announcements.append(said)

    # --- charges -----------------------------------------------------------------------------------------------

    def _apply(self, fields: dict[str, str]) -> dict[str, str]:
        number, total = fields["out_trade_no"], int(fields["total_fee"])
        if fields.get("trade_type") != "PAP" or not fields.get("notify_url") or fields.get("fee_type") != "CNY":
            raise Fail("PARAM_ERROR")
        contract = self.provider.book.contract_by_id(fields["contract_id"])
        if contract is None or contract.state != "0":
            raise Fail("CONTRACT_NOT_EXIST")
        if self._beijing().hour not in self.hours:
            raise Fail("RULELIMIT")
        if self.must_be_announced and not self._was_announced(contract, total):
            raise Fail("RULELIMIT")
        known = self.provider.book.orders.get(number)
        if known is not None:
            if known.total != total or known.contract_id != contract.contract_id:
                raise Fail("OUT_TRADE_NO_USED")
            if known.state != "ACCEPT":
                raise Fail("ORDERPAID" if known.state in ("SUCCESS", "REFUND") else "OUT_TRADE_NO_USED")
            return {}
        order = Order(number, dict(fields), "PAP", total, state="ACCEPT", contract_id=contract.contract_id)
        order.state_said = self.provider.says_instead.get(number, "")
        self.provider.book.orders[number] = order
        return {}

    def _was_announced(self, contract: Contract, total: int) -> bool:
        today = self._beijing().date()
        return any(
            said["contract_id"] == contract.contract_id
            and said["amount"] >= total
            and 2 <= (today - said["day"]).days <= 8
            for said in self.provider.book.announcements
        )

    def execute(self, number: str) -> None:
        """The accepted charge is made, or fails."""
        order = self.provider.book.orders[number]
        if order.state != "ACCEPT":
            return
        order.error_code = self.refuses.get(number, "")
        order.paid_at = self.provider.clock()
        order.state = "PAY_FAIL" if order.error_code else "SUCCESS"
        if not order.error_code:
            order.transaction_id = self.provider.book.next_number("4200005678")
        self.provider.sent.append(self.notice({"return_code": "SUCCESS", "mch_id": MCHID, **self._words(order)}))

    def _query(self, fields: dict[str, str]) -> dict[str, str]:
        order = self.provider.book.orders.get(fields["out_trade_no"])
        if order is None:
            raise Fail("ORDERNOTEXIST")
        return self._words(order)

    def _words(self, order: Order) -> dict[str, str]:
        said = {
            "result_code": "SUCCESS",
            "out_trade_no": order.number,
            "trade_state": order.state_said or order.state,
            "total_fee": str(order.total),
            "fee_type": "CNY",
            "contract_id": order.contract_id,
        }
        if order.transaction_id:
            said |= {"transaction_id": order.transaction_id, "time_end": _short(order.paid_at), "bank_type": "CFT"}
        if order.error_code:
            said |= {"err_code": order.error_code, "err_code_des": "余额不足"}
        return said

    def _beijing(self) -> datetime:
        return datetime.fromtimestamp(self.provider.clock(), BEIJING)


def _answer(fields: dict[str, str]) -> HttpResponse:
    return HttpResponse(200, {"Content-Type": "text/xml"}, to_xml(fields))


def _long(moment: float | None) -> str:
    return f"{datetime.fromtimestamp(moment or 0, BEIJING):%Y-%m-%d %H:%M:%S}"


def _short(moment: float | None) -> str:
    return f"{datetime.fromtimestamp(moment or 0, BEIJING):%Y%m%d%H%M%S}"
