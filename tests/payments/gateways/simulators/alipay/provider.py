"""Trades, refunds and agreements at Alipay, as its documents describe them; in memory, safe under threads."""

import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from payments.gateways.contract import GatewayOutcomeUnknown, GatewayUnavailable, HttpRequest, HttpResponse
from tests.payments.gateways.contract_harness import Trouble
from tests.payments.gateways.simulators.alipay import wire
from tests.payments.gateways.simulators.alipay.book import Agreement, Trade, names_of
from tests.payments.gateways.simulators.alipay.wire import Refused

HTML = HttpResponse(502, {"Content-Type": "text/html"}, b"<html><h1>502 Bad Gateway</h1></html>")


@dataclass
class AlipaySimulator:
    """An :data:`HttpTransport`. ``scans_at_once``: whoever is shown a QR code scans it, so its trade begins."""

    merchant: wire.Merchant
    clock: Callable[[], float]
    key_name: str = "alipay"
    scans_at_once: bool = False

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.trades: dict[str, Trade] = {}
        self.codes: dict[str, tuple[dict[str, Any], str]] = {}
        self.agreements: dict[str, Agreement] = {}
        self.bills: dict[str, bytes] = {}
        self.sent: list[tuple[str, bytes]] = []
        self.requests: list[dict[str, str]] = []
        self.declines: dict[str, str] = {}
        self.unlisted: set[str] = set()
        self.troubles: dict[str, Trouble] = {}
        self.tamper: Callable[[bytes], bytes] | None = None
        self.refund_queries_lag = False
        self.numbers = itertools.count(2026112222001400000)
        self._services: dict[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
            "alipay.trade.query": self._query,
            "alipay.trade.close": self._close,
            "alipay.trade.precreate": self._precreate,
            "alipay.trade.pay": self._pay,
            "alipay.trade.refund": self._refund,
            "alipay.trade.fastpay.refund.query": self._refund_query,
            "alipay.user.agreement.query": self._agreement_query,
            "alipay.user.agreement.unsign": self._unsign,
            "alipay.data.dataservice.bill.downloadurl.query": self._bill,
        }

    # --- the wire ------------------------------------------------------------------------------------------------

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if urlsplit(request.url).path.startswith("/bills/"):
            body = self.bills.get(urlsplit(request.url).path.removeprefix("/bills/"))
            return HttpResponse(404, {}, b"") if body is None else HttpResponse(200, {}, body)
        trouble = self._trouble(request)
        if trouble is Trouble.CONNECTION_REFUSED:
            raise GatewayUnavailable("connection refused", code="connection_refused")
        if trouble is Trouble.TIMEOUT_BEFORE_EFFECT:
            raise GatewayOutcomeUnknown("no answer before the deadline", code="timeout")
        if trouble is Trouble.ERROR_5XX_BEFORE_EFFECT:
            return HTML
        with self.lock:
            body = self._answer(request)
        if trouble is Trouble.TIMEOUT_AFTER_EFFECT:
            raise GatewayOutcomeUnknown("no answer before the deadline", code="timeout")
        if trouble is Trouble.ERROR_5XX_AFTER_EFFECT:
            return HTML
        body = body[: len(body) // 2] if trouble is Trouble.TORN_ANSWER else body
        if self.tamper is not None:
            tamper, self.tamper = self.tamper, None
            body = tamper(body)
        return HttpResponse(200, {"Content-Type": "text/html;charset=utf-8"}, body)

    def _trouble(self, request: HttpRequest) -> Trouble | None:
        if not self.troubles:
            return None
        parameters = wire.parameters_of(request)
        content = json.loads(parameters["biz_content"])
        creates = {
            "alipay.trade.precreate": "out_trade_no",
            "alipay.trade.pay": "out_trade_no",
            "alipay.trade.refund": "out_request_no",
        }
        return self.troubles.pop(content.get(creates.get(parameters["method"], ""), ""), None)

    def _answer(self, request: HttpRequest) -> bytes:
        method, is_signed = "error", True
        try:
            parameters = wire.parameters_of(request)
            self.requests.append(parameters)
            method = parameters.get("method", method)
            content = wire.check_request(parameters, self.merchant, now=self.clock())
            service = self._services.get(method)
            if service is None:
                raise Refused("40002", "isv.invalid-method")
            words = {"code": "10000", "msg": "Success"} | service(content, parameters.get("notify_url", ""))
        except Refused as no:
            is_signed = no.is_signed
            words = {"code": no.code, "msg": "Business Failed", "sub_code": no.sub_code, "sub_msg": "拒绝/原因"}
            words |= no.words
        certificates = self.merchant.certificates
        return wire.answer(
            method,
            words,
            key=wire.key_pair(self.key_name) if is_signed else None,
            certificate=certificates[2] if certificates else None,
        )

    def now(self) -> str:
        return datetime.fromtimestamp(self.clock(), wire.SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")

    # --- trades --------------------------------------------------------------------------------------------------

    def _find(self, content: dict[str, Any]) -> Trade:
        if content.get("trade_no"):
            found = next((one for one in self.trades.values() if one.trade_no == content["trade_no"]), None)
        else:
            found = self.trades.get(content.get("out_trade_no", ""))
        if found is None:
            raise Refused("40004", "ACQ.TRADE_NOT_EXIST")
        if found.status == "WAIT_BUYER_PAY" and found.expires and found.expires <= self.now():
            found.status = "TRADE_CLOSED"
            self.tell(found)
        return found

    def _begin(self, content: dict[str, Any], notify_url: str) -> Trade:
        """The payer opened the cashier: from here on Alipay knows a trade."""
        known = self.trades.get(content["out_trade_no"])
        if known is not None:
            self._find(content)
            if known.amount != Decimal(content["total_amount"]):
                raise Refused("40004", "ACQ.CONTEXT_INCONSISTENT")
            self._refuse_ended(known)
            return known
        if content.get("time_expire", "9") <= self.now():
            raise Refused("40004", "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR")
        trade = Trade(
            out_trade_no=content["out_trade_no"],
            trade_no=str(next(self.numbers)),
            amount=Decimal(content["total_amount"]),
            subject=content["subject"],
            notify_url=notify_url,
            expires=content.get("time_expire", ""),
            made_at=self.now(),
        )
        self.trades[trade.out_trade_no] = trade
        return trade

    def _refuse_ended(self, trade: Trade) -> None:
        if trade.status in ("TRADE_SUCCESS", "TRADE_FINISHED"):
            raise Refused("40004", "ACQ.TRADE_HAS_SUCCESS")
        if trade.status == "TRADE_CLOSED":
            raise Refused("40004", "ACQ.TRADE_HAS_CLOSE")

    def _precreate(self, content: dict[str, Any], notify_url: str) -> dict[str, Any]:
        _require(content, "out_trade_no", "total_amount", "subject")
        known = self.trades.get(content["out_trade_no"])
        if known is not None:
            self._begin(content, notify_url)
        code = f"https://qr.alipay.com/bax{next(self.numbers)}"
        self.codes[code] = (content, notify_url)
        if self.scans_at_once:
            self.scan(code)
        return {"out_trade_no": content["out_trade_no"], "qr_code": code}

    def _pay(self, content: dict[str, Any], notify_url: str) -> dict[str, Any]:
        _require(content, "out_trade_no", "total_amount", "subject", "product_code", "agreement_params")
        agreement = self.agreements.get(content["agreement_params"]["agreement_no"])
        if agreement is None or agreement.status != "NORMAL":
            raise Refused("40004", "ACQ.AGREEMENT_NOT_EXIST")
        if content["product_code"] != "CYCLE_PAY_AUTH":
            raise Refused("40004", "ACQ.ACCESS_FORBIDDEN")
        if Decimal(content["total_amount"]) > Decimal(agreement.terms["single_amount"]):
            raise Refused("40004", "ACQ.CYCLE_PAY_SINGLE_FEE_EXCEED")
        trade = self._begin(content, notify_url)
        if content["out_trade_no"] in self.declines:
            raise Refused("40004", self.declines.pop(content["out_trade_no"]))  # and the trade waits for the payer
        if content["out_trade_no"] in self.unlisted:
            return {"code": "10003", "msg": " order success pay inprocess", **names_of(trade)}
        self.pay(trade.out_trade_no)
        return {**names_of(trade), "gmt_payment": trade.paid_at, "buyer_logon_id": "j***@example.com"}

    def _query(self, content: dict[str, Any], _notify_url: str) -> dict[str, Any]:
        trade = self._find(content)
        status = "TRADE_FROZEN" if trade.out_trade_no in self.unlisted else trade.status
        words: dict[str, Any] = {**names_of(trade), "trade_status": status, "buyer_logon_id": "j***@example.com"}
        words |= {"receipt_amount": str(trade.amount) if trade.paid_at else "0.00", "point_amount": "0.00"}
        if trade.paid_at:
            words |= {"send_pay_date": trade.paid_at, "fund_bill_list": [{"amount": str(trade.amount)}]}
        return words

    def _close(self, content: dict[str, Any], _notify_url: str) -> dict[str, Any]:
        trade = self._find(content)
        if trade.status != "WAIT_BUYER_PAY":
            raise Refused("40004", "ACQ.TRADE_STATUS_ERROR")
        trade.status = "TRADE_CLOSED"
        self.tell(trade)
        return {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no}

    def _refund(self, content: dict[str, Any], _notify_url: str) -> dict[str, Any]:
        trade = self._find(content)
        amount, number = Decimal(content["refund_amount"]), content.get("out_request_no") or trade.out_trade_no
        known = trade.refunds.get(number)
        if known is not None and known[0] != amount:
            raise Refused("40004", "ACQ.DISCORDANT_REPEAT_REQUEST")
        if known is None:
            if trade.status == "TRADE_FINISHED":
                raise Refused("40004", "ACQ.TRADE_HAS_FINISHED")
            if trade.status != "TRADE_SUCCESS":
                raise Refused("40004", "ACQ.TRADE_STATUS_ERROR")
            if trade.refunded + amount > trade.amount:
                raise Refused("40004", "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")
            trade.refunds[number] = (amount, self.now())
            trade.status = "TRADE_CLOSED" if trade.refunded == trade.amount else "TRADE_SUCCESS"
            self.tell(trade, refund=number)
        return {
            **names_of(trade),
            "fund_change": "Y" if known is None else "N",
            "refund_fee": str(trade.refunded),
            "gmt_refund_pay": trade.refunds[number][1],
        }

    def _refund_query(self, content: dict[str, Any], _notify_url: str) -> dict[str, Any]:
        _require(content, "out_request_no")
        trade = self._find(content)
        known = trade.refunds.get(content["out_request_no"])
        if known is None or self.refund_queries_lag:
            return {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no}
        words = {
            **names_of(trade),
            "out_request_no": content["out_request_no"],
            "refund_amount": str(known[0]),
            "refund_status": "REFUND_SUCCESS",
        }
        if "gmt_refund_pay" in content.get("query_options", []):
            words["gmt_refund_pay"] = known[1]
        return words

    # --- agreements and bills ------------------------------------------------------------------------------------

    def _agreement_query(self, content: dict[str, Any], _notify_url: str) -> dict[str, Any]:
        found = self.agreements.get(content.get("agreement_no", ""))
        if content.get("external_agreement_no"):
            _require(content, "personal_product_code", "sign_scene")
            wanted = content["external_agreement_no"]
            found = next((one for one in self.agreements.values() if one.external_no == wanted), None)
        if found is None or found.status == "UNSIGN":
            raise Refused("40004", "USER_AGREEMENT_NOT_EXIST")
        return {
            "agreement_no": found.agreement_no,
            "external_agreement_no": found.external_no,
            "status": found.status,
            "principal_id": "2088101117955611",
            "alipay_logon_id": "j***@example.com",
            "sign_time": found.signed_at,
            "personal_product_code": "CYCLE_PAY_AUTH_P",
        }

    def _unsign(self, content: dict[str, Any], _notify_url: str) -> dict[str, Any]:
        found = self.agreements.get(content.get("agreement_no", ""))
        if found is None or found.status == "UNSIGN":
            raise Refused("40004", "USER_AGREEMENT_NOT_EXIST")
        self.end_agreement(found.agreement_no)
        return {}

    def _bill(self, content: dict[str, Any], _notify_url: str) -> dict[str, Any]:
        _require(content, "bill_type", "bill_date")
        if content["bill_date"] not in self.bills:
            raise Refused("40004", "isp.bill_not_exist")
        return {"bill_download_url": f"http://alipay.test/bills/{content['bill_date']}"}

    # --- what payers do ------------------------------------------------------------------------------------------

    def open(self, signed: str) -> Trade:
        """Alipay's app or page with what the merchant signed: an order string, or the query of a page's address."""
        with self.lock:
            parameters = dict(parse_qsl(signed, keep_blank_values=True))
            content = wire.check_request(parameters, self.merchant, now=None)
            return self._begin(content, parameters.get("notify_url", ""))

    def scan(self, code: str) -> Trade:
        with self.lock:
            content, notify_url = self.codes[code]
            return self._begin(content, notify_url)

    def pay(self, out_trade_no: str) -> None:
        """The payer confirms. Nothing comes of it when the trade has ended."""
        with self.lock:
            trade = self._find({"out_trade_no": out_trade_no})
            if trade.status != "WAIT_BUYER_PAY":
                return
            trade.status, trade.paid_at = "TRADE_SUCCESS", self.now()
            self.tell(trade)

    def finish(self, out_trade_no: str) -> None:
        """Months later: no more refunds."""
        trade = self.trades[out_trade_no]
        trade.status = "TRADE_FINISHED"
        self.tell(trade)

    def agree(self, signed: str) -> Agreement:
        """The payer opens what the merchant signed for alipay.user.agreement.page.sign, and agrees."""
        with self.lock:
            parameters = dict(parse_qsl(signed, keep_blank_values=True))
            content = wire.check_request(parameters, self.merchant, now=None)
            if (
                parameters["method"] != "alipay.user.agreement.page.sign"
                or not content["external_agreement_no"].isalnum()
            ):
                raise Refused("40002", "isv.invalid-parameter")
            agreement = Agreement(
                external_no=content["external_agreement_no"],
                agreement_no=str(next(self.numbers)),
                terms=content["period_rule_params"],
                notify_url=parameters.get("notify_url", ""),
                signed_at=self.now(),
            )
            self.agreements[agreement.agreement_no] = agreement
            self.tell_agreement(agreement)
            return agreement

    def end_agreement(self, agreement_no: str) -> None:
        agreement = self.agreements[agreement_no]
        agreement.status, agreement.ended_at = "UNSIGN", self.now()
        self.tell_agreement(agreement)

    # --- notices -------------------------------------------------------------------------------------------------

    def tell(self, trade: Trade, *, refund: str = "") -> None:
        words = {
            "notify_type": "trade_status_sync",
            "trade_status": trade.status,
            "seller_id": self.merchant.seller_id,
            "gmt_create": trade.made_at,
            "buyer_id": "2088101117955611",
            **names_of(trade),
            "subject": trade.subject,
        }
        if trade.paid_at:
            words |= {"gmt_payment": trade.paid_at, "receipt_amount": str(trade.amount)}
        if trade.refunds:
            words |= {"refund_fee": str(trade.refunded)}
        if refund:
            words |= {"out_biz_no": refund, "gmt_refund": f"{trade.refunds[refund][1]}.123"}
        if trade.status == "TRADE_CLOSED":
            words |= {"gmt_close": self.now()}
        self.send(trade.notify_url, words)

    def tell_agreement(self, agreement: Agreement) -> None:
        has_ended = agreement.status == "UNSIGN"
        words = {
            "notify_type": "dut_user_unsign" if has_ended else "dut_user_sign",
            "status": agreement.status,
            "agreement_no": agreement.agreement_no,
            "external_agreement_no": agreement.external_no,
            "alipay_user_id": "2088101117955611",
            "alipay_logon_id": "j***@example.com",
            "personal_product_code": "CYCLE_PAY_AUTH_P",
            "sign_time": agreement.signed_at,
        }
        if has_ended:
            words |= {"unsign_time": agreement.ended_at}
        self.send(agreement.notify_url, words)

    def send(self, url: str, words: dict[str, str]) -> None:
        if not url:
            return
        common = {
            "notify_id": f"2026112200222{next(self.numbers)}",
            "notify_time": self.now(),
            "app_id": self.merchant.app_id,
            "auth_app_id": self.merchant.app_id,
        }
        self.sent.append((url, wire.notice(common | words, key=wire.key_pair(self.key_name))))


def _require(content: dict[str, Any], *names: str) -> None:
    for name in names:
        if not content.get(name):
            raise Refused("40004", "ACQ.INVALID_PARAMETER")
