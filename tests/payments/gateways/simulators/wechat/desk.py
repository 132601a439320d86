"""The counter of the made-up WeChat Pay: orders, refunds, and what a payer does with them."""

import re
from typing import TYPE_CHECKING, Any

from tests.payments.gateways.simulators.wechat.book import Order, Refund, Refusal
from tests.payments.gateways.simulators.wechat.keyring import APPID, MCHID

if TYPE_CHECKING:
    from tests.payments.gateways.simulators.wechat.provider import WechatSimulator


class Desk:
    """``refunds_take_time``: a refund is PROCESSING until finish_refund."""

    def __init__(self, provider: "WechatSimulator") -> None:
        self.provider = provider
        self.refunds_take_time = False

    def approve(self, number: str) -> None:
        """The payer pays, if that is still possible."""
        order = self.provider.book.orders.get(number)
        if order is None or order.state != "NOTPAY":
            return
        order.state, order.paid_at = "SUCCESS", self.provider.clock()
        order.transaction_id = self.provider.book.next_number("4200001234")
        self.provider.notify("TRANSACTION.SUCCESS", "transaction", self.transaction(order))

    def create(self, scene: str, *, words: dict[str, Any]) -> dict[str, Any]:
        _check_order(words, scene=scene)
        number, total = words["out_trade_no"], words["amount"]["total"]
        order = self.provider.book.orders.get(number)
        if order is None:
            order = Order(
                number, words, scene, total, prepay_id=self.provider.book.next_number("wx201410272009395522657a")
            )
            order.state_said = self.provider.says_instead.get(number, "")
            self.provider.book.orders[number] = order
        elif (order.words, order.scene) != (words, scene):
            raise Refusal(403, "OUT_TRADE_NO_USED", "商户订单号重复")
        elif order.state == "CLOSED":
            raise Refusal(400, "ORDER_CLOSED", "订单已关闭")
        elif order.state != "NOTPAY":
            raise Refusal(400, "ORDER_PAID", "订单已支付")
        return {
            "native": {"code_url": f"weixin://wxpay/bizpayurl?pr={order.prepay_id[-8:]}"},
            "h5": {"h5_url": f"https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id={order.prepay_id}"},
        }.get(scene, {"prepay_id": order.prepay_id})

    def query(self, number: str, *, words: dict[str, Any]) -> dict[str, Any]:
        if words.get("mchid") != MCHID:
            raise Refusal(400, "PARAM_ERROR", "mchid")
        return self.transaction(self.provider.book.order(number))

    def transaction(self, order: Order) -> dict[str, Any]:
        said = {
            "appid": APPID,
            "mchid": MCHID,
            "out_trade_no": order.number,
            "trade_state": order.state_said or order.state,
            "trade_state_desc": order.state,
            "amount": {"total": order.total, "payer_total": order.total, "currency": "CNY", "payer_currency": "CNY"},
        }
        if order.transaction_id:
            said |= {
                "transaction_id": order.transaction_id,
                "trade_type": order.scene.upper(),
                "bank_type": "OTHERS",
                "success_time": self.provider.beijing(order.paid_at),
                "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
                "attach": "",
            }
        return said

    def close(self, number: str, *, words: dict[str, Any]) -> None:
        """204 for a number that is closed already or was never seen, as merchants report."""
        order = self.provider.book.orders.get(number)
        if order is None or order.state == "CLOSED":
            return
        if order.state == "USERPAYING":
            raise Refusal(202, "USERPAYING")
        if order.state != "NOTPAY":
            raise Refusal(400, "ORDER_PAID")
        order.state = "CLOSED"

    def refund(self, *, words: dict[str, Any]) -> dict[str, Any]:
        amount = words.get("amount", {})
        order = next(
            (
                one
                for one in self.provider.book.orders.values()
                if words.get("transaction_id", one.transaction_id) == one.transaction_id
                and words.get("out_trade_no", one.number) == one.number
                and one.transaction_id
            ),
            None,
        )
        if order is None:
            raise Refusal(404, "RESOURCE_NOT_EXISTS", "订单不存在")
        number, wanted = words["out_refund_no"], amount["refund"]
        known = self.provider.book.refunds.get(number)
        if known is not None:
            if (known.amount, known.order.number) != (wanted, order.number):
                raise Refusal(400, "PARAM_ERROR", "订单金额或退款金额与之前请求不一致")
            return self.refund_words(known)
        if amount["total"] != order.total or amount.get("currency") != "CNY" or type(wanted) is not int or wanted < 1:
            raise Refusal(400, "PARAM_ERROR")
        if order.refunded + wanted > order.total:
            raise Refusal(400, "INVALID_REQUEST", "退款金额大于支付金额")
        refund = Refund(
            number,
            self.provider.book.next_number("50000000382019052709732"),
            order,
            wanted,
            "PROCESSING",
            self.provider.clock(),
        )
        refund.notify_url = words.get("notify_url", "")
        order.refunded += wanted
        order.state = "REFUND"
        self.provider.book.refunds[number] = refund
        if not self.refunds_take_time:
            self.finish_refund(number)
        return self.refund_words(refund)

    def finish_refund(self, number: str, *, state: str = "SUCCESS") -> None:
        refund = self.provider.book.refunds[number]
        if refund.state != "PROCESSING":
            return
        refund.state = state
        if state == "SUCCESS":
            refund.succeeded_at = self.provider.clock()
        if state == "CLOSED":
            refund.order.refunded -= refund.amount
        self.provider.notify(f"REFUND.{state}", "refund", self._refund_notice(refund))

    def refund_words(self, refund: Refund) -> dict[str, Any]:
        said = {
            "refund_id": refund.refund_id,
            "out_refund_no": refund.number,
            "transaction_id": refund.order.transaction_id,
            "out_trade_no": refund.order.number,
            "channel": "ORIGINAL",
            "user_received_account": "支付用户零钱",
            "create_time": self.provider.beijing(refund.created_at),
            "status": refund.state,
            "amount": {
                "total": refund.order.total,
                "refund": refund.amount,
                "payer_total": refund.order.total,
                "payer_refund": refund.amount,
                "currency": "CNY",
            },
        }
        if refund.succeeded_at is not None:
            said["success_time"] = self.provider.beijing(refund.succeeded_at)
        return said

    def _refund_notice(self, refund: Refund) -> dict[str, Any]:
        said = self.refund_words(refund)
        said |= {"mchid": MCHID, "refund_status": said.pop("status")}
        del said["amount"]["currency"], said["create_time"], said["channel"]
        return said

    def query_refund(self, number: str, *, words: dict[str, Any]) -> dict[str, Any]:
        if number not in self.provider.book.refunds:
            raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
        return self.refund_words(self.provider.book.refunds[number])


def _check_order(words: dict[str, Any], *, scene: str) -> None:
    amount, description = words.get("amount", {}), words.get("description", "")
    needs = {"jsapi": words.get("payer", {}).get("openid"), "h5": words.get("scene_info", {}).get("payer_client_ip")}
    rules = {
        "out_trade_no": re.fullmatch(r"[0-9A-Za-z_\-|*]{1,32}", words.get("out_trade_no", "")),
        "amount": type(amount.get("total")) is int and amount["total"] > 0 and amount.get("currency", "CNY") == "CNY",
        "notify_url": words.get("notify_url"),
        "description": 0 < len(description.encode()) <= 127,
        "what this scene needs": needs.get(scene, True),
    }
    for name, is_kept in rules.items():
        if not is_kept:
            raise Refusal(400, "PARAM_ERROR", name)
    if words.get("mchid") != MCHID or words.get("appid") != APPID:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH")
