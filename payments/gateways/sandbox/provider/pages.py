"""The pages people see at the sandbox: where a payer approves or declines, and what this program is.

It is a program of its own, so it has its own few words in two languages instead of paycore's catalogues.
"""

import base64
import hashlib
from html import escape
from urllib.parse import urlsplit

from payments.gateways.sandbox.provider.book import Keep, Txn

_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"

_WORDS = {
    "en": {
        "tag": "en",
        "other": "中文",
        "other_tag": "zh",
        "title": "Sandbox payment",
        "notice": "This is a test. No real money moves.",
        "pay": "Amount to pay",
        "for": "For",
        "order": "Order",
        "keep": "Keep your card or account for later payments",
        "approve_keep": "Agree",
        "approve": "Approve payment",
        "decline": "Decline",
        "back": "Return to the shop",
        "contest": "Play the payer's bank: dispute it",
        "done_here": "You can close this page and go back to where you came from.",
        "KEPT": "Agreed: it is kept for later payments",
        "GONE": "This agreement has ended",
        "PAID": "Payment approved",
        "HELD": "Payment approved; the amount is held",
        "WORKING": "Approved; the sandbox is still working on it",
        "DECLINED": "Payment declined",
        "SHUT": "This payment was closed or has expired",
        "PONDERING": "The sandbox is thinking about it",
        "no_such_page": "There is no such page",
        "wrong_method": "This page cannot do that",
        "home": "paycore sandbox provider",
        "home_1": "A payment provider for trying things out: it answers, calls back, pays out statements and misbehaves"
        " on request, exactly like a real one, except that no real money moves.",
        "home_2": "paycore talks to its API under /v1/. Payers approve or decline on pages that begin with /approve/.",
        "home_3": "Scenarios and test tokens are listed in docs/sandbox.md of the paycore repository.",
    },
    "zh": {
        "tag": "zh-Hans",
        "other": "English",
        "other_tag": "en",
        "title": "沙箱支付",
        "notice": "这是测试，不会产生真实扣款。",
        "pay": "支付金额",
        "for": "商品",
        "order": "订单号",
        "keep": "保存您的银行卡或账户，供以后付款使用",
        "approve_keep": "同意",
        "approve": "同意支付",
        "decline": "拒绝支付",
        "back": "返回商户",
        "contest": "扮演付款人的银行：提出拒付",
        "done_here": "您可以关闭此页面，返回原来的应用。",
        "KEPT": "已同意，将保存供以后付款使用",
        "GONE": "此协议已结束",
        "PAID": "支付成功",
        "HELD": "已同意，金额已预授权",
        "WORKING": "已同意，沙箱正在处理",
        "DECLINED": "支付已被拒绝",
        "SHUT": "该支付已关闭或已过期",
        "PONDERING": "沙箱正在考虑",
        "no_such_page": "页面不存在",
        "wrong_method": "此页面不支持该操作",
        "home": "paycore 沙箱支付渠道",
        "home_1": "用于试验的支付渠道：它会应答、回调、出对账单，也能按要求出错，"
        "与真实渠道一样，只是不会产生真实资金往来。",
        "home_2": "paycore 通过 /v1/ 下的接口与它通信；付款人在 /approve/ 开头的页面上同意或拒绝支付。",
        "home_3": "场景与测试令牌见 paycore 仓库的 docs/sandbox.md。",
    },
}

_STYLE = """
:root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--ink:#16181d;--soft:#5b6270;--line:#d9dce3;--go:#0b6b3a;
--go-ink:#fff;--note:#fff4d6;--note-ink:#5c4300}
@media (prefers-color-scheme:dark){:root{--bg:#121419;--card:#1c1f26;--ink:#f1f2f5;--soft:#a4abb9;--line:#363b46;
--go:#3ecf82;--go-ink:#06230f;--note:#3a2f10;--note-ink:#ffdf94}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;flex-direction:column;align-items:center;justify-content:center;padding:1rem;
background:var(--bg);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"PingFang SC","Noto Sans CJK SC",sans-serif}
main{width:100%;max-width:26rem;background:var(--card);border:1px solid var(--line);border-radius:1rem;padding:1.5rem}
h1{font-size:1.125rem;margin:0 0 1rem}
.note{background:var(--note);color:var(--note-ink);border-radius:.5rem;padding:.5rem .75rem;margin:0 0 1.25rem}
.amount{font-size:2.25rem;font-weight:700;margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.soft{color:var(--soft);margin:0}
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:1.25rem 0;border-top:1px solid var(--line);
padding-top:1rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere;text-align:end}
button,.button{display:block;width:100%;min-height:3rem;margin-top:.75rem;border-radius:.625rem;font:inherit;
font-weight:600;cursor:pointer;border:1px solid var(--line);background:transparent;color:var(--ink);text-align:center;
text-decoration:none;padding:.7rem}
.go{background:var(--go);border-color:var(--go);color:var(--go-ink)}
button:focus-visible,a:focus-visible{outline:3px solid var(--go);outline-offset:2px}
footer{margin-top:1rem}footer a{color:var(--soft);display:inline-block;padding:.75rem}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def choose_language(*, asked: str, accept: str) -> str:
    """``zh`` or ``en``: what the address asks for, else the first of the browser's languages that there is."""
    for tag in [asked, *(part.partition(";")[0].strip() for part in accept[:500].split(","))]:
        language = tag.lower().partition("-")[0]
        if language in _WORDS:
            return language
    return "en"


def content_security_policy(*, returns_to: str = "") -> str:
    """No scripts at all. Browsers hold ``form-action`` against the redirect after the form, so the shop is named."""
    parts = urlsplit(returns_to)
    shop = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
        f"form-action 'self'{shop}; base-uri 'none'; frame-ancestors 'none'"
    )


def approval_page(shown: Txn | Keep, *, language: str) -> str:
    """Where the payer says yes or no: to a payment, or to the keeping of a card for later ones."""
    words = _WORDS[language]
    if isinstance(shown, Txn):
        rows = [(words["for"], shown.title), (words["order"], shown.shop_order)]
        asked = f'<p class="soft">{words["pay"]}</p><p class="amount">{printed_amount(shown.amount, shown.coin)}</p>'
    else:
        rows = [(words["for"], shown.title)]
        asked = f"<p><strong>{words['keep']}</strong></p>"
    details = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows if value)
    yes = words["approve" if isinstance(shown, Txn) else "approve_keep"]
    body = (
        f'<p class="note">{words["notice"]}</p>{asked}'
        + (f"<dl>{details}</dl>" if details else "")
        + (_choice(words, yes=yes) if shown.state == "WAITING" else _ending(shown, words))
    )
    return document(words["title"], body, language=language)


def message_page(word: str, *, language: str) -> str:
    words = _WORDS[language]
    return document(words[word], f'<p class="note">{words["notice"]}</p>', language=language)


def home_page(*, language: str) -> str:
    words = _WORDS[language]
    paragraphs = "".join(f"<p>{words[name]}</p>" for name in ("home_1", "home_2", "home_3"))
    return document(words["home"], f'<p class="note">{words["notice"]}</p>{paragraphs}', language=language)


def printed_amount(amount: int, coin: str) -> str:
    decimals = 0 if coin in _NO_DECIMALS else 3 if coin in _THREE_DECIMALS else 2
    digits = str(amount).rjust(decimals + 1, "0")
    whole, part = (digits[:-decimals], digits[-decimals:]) if decimals else (digits, "")
    return f"{escape(coin)} {int(whole):,}{'.' + part if part else ''}"


def _choice(words: dict[str, str], *, yes: str) -> str:
    return (
        '<form method="post">'
        f'<button class="go" name="decision" value="approve">{yes}</button>'
        f'<button name="decision" value="decline">{words["decline"]}</button></form>'
    )


def _ending(shown: Txn | Keep, words: dict[str, str]) -> str:
    way_back = (
        f'<a class="button go" href="{escape(shown.back_to)}">{words["back"]}</a>'
        if shown.back_to
        else f'<p class="soft">{words["done_here"]}</p>'
    )
    is_paid = isinstance(shown, Txn) and shown.taken
    contest = f'<a class="button" href="/dispute/{shown.page_token}">{words["contest"]}</a>' if is_paid else ""
    return f'<p role="status"><strong>{words.get(shown.state, shown.state)}</strong></p>{way_back}{contest}'


def document(title: str, body: str, *, language: str) -> str:
    words = _WORDS[language]
    return (
        f'<!doctype html><html lang="{words["tag"]}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex"><link rel="icon" href="data:,">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{body}</main>"
        f'<footer><a href="?lang={words["other_tag"]}" lang="{words["other_tag"]}">{words["other"]}</a></footer>'
        "</body></html>"
    )
