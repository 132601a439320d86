"""Everything a person reads is there in Chinese; whoever adds a sentence without it is told here which."""

import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import unfold
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.translation.template import templatize

from merchants.models import Merchant
from paycore.money import Money
from paycore.notifications.rendering import render
from payments.checkout.services import SessionDraft, create_session
from payments.orders.services import OrderDraft, OrderLine, create_order
from tests.actors import MerchantServer

CATALOGUE = Path(settings.LOCALE_PATHS[0]) / "zh_Hans" / "LC_MESSAGES"
APPS = ("paycore", "accounts", "merchants", "riskcontrol", "payments", "memberships", "reconciliation")
CALLS: Any = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|\{\w*\}|</?\w+[^>]*>|https?://\S+")
MAILS = ("alert", "membership_activated", "payment_received", "refund_failed", "refund_succeeded", "welcome")
MAIL_CONTEXT: dict[str, str | int] = {
    "what": "退款失败",
    "object_id": "pay_1",
    "address": "/ops/",
    "merchant_name": "街角小店",
    "description": "高级版一个月",
    "order_id": "ord_1",
    "payment_id": "pay_1",
    "refund_id": "ref_1",
    "plan_name": "高级版",
    "name": "小艾",
    "amount_minor": 123_456,
    "currency": "CNY",
    "paid_at": "2026-11-21T09:30:00+00:00",
    "ends_at": "2026-12-21T09:30:00+00:00",
}

Phrase = tuple[str, str]
"""Context (or nothing) and the sentence; of a plural the singular, as in a catalogue."""


def phrases_in(path: Path) -> set[Phrase]:
    """What gettext would find in a Python file or a template."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":  # a template becomes lines of calls, whose indentation means nothing
        text = "\n".join(line.lstrip() for line in templatize(text).splitlines())
    found = extract("python", BytesIO(text.encode()), keywords=CALLS, options={"encoding": "utf-8"})
    return {(context or "", said if isinstance(said, str) else said[0]) for _line, said, _notes, context in found}


def phrases_of_project() -> set[Phrase]:
    found: set[Phrase] = set()
    for app in APPS:
        for path in (Path(settings.BASE_DIR) / app).rglob("*"):
            is_template = path.suffix in {".html", ".txt"} and "templates" in path.parts
            if path.suffix == ".py" or is_template:
                found |= phrases_in(path)
    return found


def phrases_of_unfold() -> set[Phrase]:
    """The consoles are Unfold's pages, and Unfold brings no Chinese."""
    root = Path(unfold.__file__).parent
    places: list[Iterable[Path]] = [root.glob("*.py")]
    for folder in ("contrib/filters", "mixins", "templates", "templatetags"):
        places += [(root / folder).rglob("*.py"), (root / folder).rglob("*.html")]
    return {phrase for paths in places for path in paths for phrase in phrases_in(path)}


def read_catalogue() -> Catalog:
    with (CATALOGUE / "django.po").open("rb") as file:
        return read_po(file)


def forms(message: Message) -> tuple[str, ...]:
    """What it says in Chinese: once, or for every number."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def entries(catalogue: Catalog) -> dict[Phrase, tuple[str, ...]]:
    def context(message: Message) -> str:
        found: str | bytes = message.context or ""  # Babel reads bytes from a compiled catalogue
        return found.decode() if isinstance(found, bytes) else found

    return {
        (context(message), message.id if isinstance(message.id, str) else message.id[0]): forms(message)
        for message in catalogue
        if message.id
    }


def prose_left_in_english(markup: str, *, data: Iterable[str] = ()) -> list[str]:
    """Two English words in a row, in what a reader sees; product names and ``data`` aside."""
    text = re.sub(r"<(script|style|code)\b.*?</\1>|<!--.*?-->", " ", markup, flags=re.DOTALL)
    spoken = re.findall(r'(?:alt|title|aria-label|placeholder)="([^"]*)"', text)
    text = re.sub(r"<[^>]*>", "\n", text)
    for known in data:
        text = text.replace(known, " ")
    return re.findall(r"[A-Za-z']{2,}[ ]+[a-z']{2,}[^\n]*", "\n".join([text, *spoken]))


@pytest.fixture
def payer_page(merchant: Merchant, account: object) -> str:
    draft = OrderDraft(
        merchant_id=merchant.id, amount=Money(1999, "USD"), description="笔记本", lines=[OrderLine("笔记本", 1999, 1)]
    )
    return f"/pay/{create_session(create_order(draft), SessionDraft(created_by='test')).id}"


@pytest.fixture
def chinese() -> Iterator[Client]:
    with translation.override("zh-hans"):
        yield Client(headers={"accept-language": "zh-CN,zh;q=0.9"})


def test_every_sentence_of_the_project_is_in_chinese() -> None:
    known = entries(read_catalogue())

    assert sorted(phrase for phrase in phrases_of_project() if not all(known.get(phrase, ("",)))) == []


def test_every_sentence_of_the_consoles_framework_is_in_chinese() -> None:
    def in_chinese(context: str, said: str) -> str:
        if context:
            return translation.pgettext(context, said)
        once = translation.gettext(said)
        return once if once != said else translation.ngettext(said, said, 1)

    with translation.override("zh-hans"):
        missing = [
            said
            for context, said in sorted(phrases_of_unfold())
            if in_chinese(context, said) == said and re.search("[A-Za-z]{2}", PLACEHOLDER.sub("", said))
        ]
    assert missing == []


def test_no_translation_is_a_guess_or_a_leftover() -> None:
    catalogue = read_catalogue()

    assert [message.id for message in catalogue if message.id and message.fuzzy] == []
    assert list(catalogue.obsolete) == []


def test_translations_have_the_placeholders_and_marks_of_the_original() -> None:
    wrong = []
    for message in read_catalogue():
        if not message.id:
            continue
        original = message.id if isinstance(message.id, str) else message.id[1]
        for said in forms(message):
            if sorted(PLACEHOLDER.findall(said)) != sorted(PLACEHOLDER.findall(original)):
                wrong.append((original, said))
    assert wrong == []


def test_chinese_has_one_form_for_every_number() -> None:
    assert "msgstr[1]" not in (CATALOGUE / "django.po").read_text(encoding="utf-8")  # Babel drops what is too much


def test_the_compiled_catalogue_is_the_written_one() -> None:
    with (CATALOGUE / "django.mo").open("rb") as file:
        compiled = entries(read_mo(file))

    assert compiled == entries(read_catalogue())


def test_the_search_finds_what_gettext_would(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text(
        'a = _("one")\nb = gettext_lazy("two " "parts")\nc = ngettext("%d cat", "%d cats", n) % n\n'
        'd = pgettext("order", "Open")\n'
    )
    page = tmp_path / "page.html"
    page.write_text(
        '<p>\n  {% translate "said" %}\n    {% blocktranslate trimmed count n=n %}\n   a {{ n }}\n  dog'
        '{% plural %}{{ n }} dogs{% endblocktranslate %}\n {% include "x" with title=_("passed") %}\n</p>'
    )

    assert phrases_in(code) == {("", "one"), ("", "two parts"), ("", "%d cat"), ("order", "Open")}
    assert phrases_in(page) == {("", "said"), ("", "a %(n)s dog"), ("", "passed")}


def test_the_search_reaches_views_templates_and_consoles() -> None:
    said = {phrase for _context, phrase in phrases_of_project()}

    assert {"Take a test payment", "Where to look", "Request a refund", "This currency is not enabled."} <= said
    assert "Type to search" in {phrase for _context, phrase in phrases_of_unfold()}


def test_english_prose_in_a_page_is_noticed() -> None:
    page = '<p>支付</p><code>make demo</code><a title="Go back now">Visa</a><b>Corner Shop sells it</b>'

    assert prose_left_in_english(page, data=["Corner Shop"]) == ["sells it", "Go back now"]


@pytest.mark.django_db
def test_the_payment_page_is_chinese(chinese: Client, payer_page: str, merchant: Merchant) -> None:
    page = chinese.get(payer_page).content.decode()

    assert 'lang="zh-hans"' in page
    assert "选择支付方式" in page
    assert "支付 US$19.99" in page
    assert prose_left_in_english(page, data=[merchant.name]) == []


@pytest.mark.django_db
def test_the_landing_page_is_chinese(chinese: Client) -> None:
    page = chinese.get("/").content.decode()

    assert 'lang="zh-hans"' in page
    assert "试付一笔" in page
    assert prose_left_in_english(page) == []


@pytest.mark.django_db
@pytest.mark.parametrize(("site", "title"), [("ops", "paycore 运营后台"), ("merchant", "paycore 商户后台")])
def test_the_consoles_greet_in_chinese(chinese: Client, site: str, title: str) -> None:
    page = chinese.get(reverse(f"{site}:login")).content.decode()

    assert 'lang="zh-hans"' in page
    assert title in page
    assert "邮箱" in page
    assert prose_left_in_english(page) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "title"),
    [
        ("get", "/api/v1/orders/ord_0", "您要找的内容不存在。"),
        ("post", "/api/v1/orders", "部分字段无效。"),
        ("delete", "/api/v1/orders", "该地址不支持此请求方法。"),
    ],
)
def test_a_refusal_is_explained_in_chinese(merchant_server: MerchantServer, method: str, path: str, title: str) -> None:
    headers = {"Authorization": f"Bearer {merchant_server.secret}", "Accept-Language": "zh-Hans"}

    answer = Client().generic(method.upper(), path, b"{}", content_type="application/json", headers=headers)

    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["title"] == title
    explained = [problem["title"], problem["detail"], *(error["detail"] for error in problem.get("errors", []))]
    assert prose_left_in_english("\n".join(explained)) == []


@pytest.mark.parametrize("template", MAILS)
def test_a_mail_is_wholly_chinese(template: str) -> None:
    message = render(template, context=MAIL_CONTEXT, language="zh-hans")

    for part in (message.subject, message.text, message.html):
        assert re.search(r"[\u4e00-\u9fff]", part)
        assert prose_left_in_english(part) == []
