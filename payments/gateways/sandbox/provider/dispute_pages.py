"""The page on which whoever tries things out plays the payer's bank: contests a payment, and decides."""

from html import escape

from payments.gateways.sandbox.provider.book import Contest, Txn
from payments.gateways.sandbox.provider.pages import document, printed_amount

_WORDS = {
    "en": {
        "title": "Sandbox dispute",
        "notice": "This is a test. You play the payer's bank; no real money moves.",
        "none": "Nobody disputes this payment.",
        "open": "Dispute it: “it was not me”",
        "alert": "Only warn that a dispute may come",
        "contest": "Open the dispute",
        "shop": "Decide for the shop",
        "payer": "Decide for the payer",
        "answered": "The shop has answered.",
        "ALERT": "An early alert",
        "CONTESTED": "Waits for the shop's answer",
        "WEIGHED": "The answer is being weighed",
        "KEPT_BY_SHOP": "Decided for the shop",
        "TAKEN_BACK": "Decided for the payer",
    },
    "zh": {
        "title": "沙箱拒付",
        "notice": "这是测试：您扮演付款人的银行，不会产生真实资金往来。",
        "none": "该支付没有争议。",
        "open": "提出拒付：“不是我付的”",
        "alert": "仅发出拒付预警",
        "contest": "正式提出拒付",
        "shop": "判商户胜诉",
        "payer": "判付款人胜诉",
        "answered": "商户已经答复。",
        "ALERT": "拒付预警",
        "CONTESTED": "等待商户答复",
        "WEIGHED": "正在审理答复",
        "KEPT_BY_SHOP": "商户胜诉",
        "TAKEN_BACK": "付款人胜诉",
    },
}
OPENINGS = ("open", "alert")
_CHOICES = {
    "ALERT": ("contest",),
    "CONTESTED": ("shop", "payer"),
    "WEIGHED": ("shop", "payer"),
    "KEPT_BY_SHOP": ("contest",),
    "TAKEN_BACK": ("shop",),
}


def dispute_page(txn: Txn, contest: Contest | None, *, language: str) -> str:
    """Of a payment's newest dispute."""
    words = _WORDS[language]
    amount = printed_amount(contest.amount if contest else txn.taken, txn.coin)
    state = words.get(contest.state, contest.state) if contest else words["none"]
    answered = f'<p class="soft">{words["answered"]}</p>' if contest and contest.answer else ""
    names = _CHOICES.get(contest.state, ()) if contest else OPENINGS
    buttons = "".join(f'<button name="move" value="{name}">{words[name]}</button>' for name in names)
    body = (
        f'<p class="note">{words["notice"]}</p><p class="amount">{amount}</p><p class="soft">{escape(txn.title)}</p>'
        f'<p role="status"><strong>{escape(state)}</strong></p>{answered}<form method="post">{buttons}</form>'
    )
    return document(words["title"], body, language=language)
