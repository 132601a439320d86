"""camt.053 (versions 2, 4 and 8): proved against ISO 20022's schema, without a document type, entities or network."""

from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree
from stdnum import iban as iban_rules

from paycore.errors import PaycoreError
from paycore.money import Money
from reconciliation.banking.lines import AccountStatement, Balance, BankFileRefused, Line

_SCHEMAS = Path(__file__).parent / "schemas"
_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"
_VERSIONS = ("camt.053.001.02", "camt.053.001.04", "camt.053.001.08")
_OPENING, _CLOSING = ("OPBD", "PRCD"), ("CLBD",)

Node = Any  # lxml ships no types


def read_camt(body: bytes) -> list[AccountStatement]:
    """Raises :class:`BankFileRefused`."""
    root = _parsed(body)
    version = root.tag.removeprefix("{" + _NAMESPACE).partition("}")[0]
    if version not in _VERSIONS:
        raise BankFileRefused("unsupported_version", str(root.tag)[:80])
    schema = _schema(version)
    if not schema.validate(root):
        error = schema.error_log[0]
        raise BankFileRefused("not_valid", f"line {error.line}: {error.type_name}"[:200])
    statements = [_statement(node) for node in _all(root, "BkToCstmrStmt/Stmt")]
    if not statements:
        raise BankFileRefused("no_statement")
    return statements


def _parsed(body: bytes) -> Node:
    """An encoding that hides its angle brackets would hide a document type as well."""
    if b"\x00" in body or body.startswith((b"\xff\xfe", b"\xfe\xff", b"+/v")):
        raise BankFileRefused("wrong_encoding")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise BankFileRefused("has_dtd")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BankFileRefused("not_xml", str(error)[:200]) from error
    tree = root.getroottree()
    if tree.docinfo.internalDTD is not None or tree.docinfo.doctype:
        raise BankFileRefused("has_dtd")
    return root


@cache
def _schema(version: str) -> etree.XMLSchema:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return etree.XMLSchema(etree.parse(str(_SCHEMAS / f"{version}.xsd"), parser))


def _all(node: Node, path: str) -> list[Node]:
    """``path`` without namespaces: the file has only the one that chose its schema."""
    found: list[Node] = node.findall("/".join(f"{{*}}{step}" for step in path.split("/")))
    return found


def _text(node: Node, *paths: str) -> str:
    """The first of these that says something."""
    for path in paths:
        for found in _all(node, path):
            if found.text and found.text.strip():
                return str(found.text).strip()
    return ""


def _texts(node: Node, *paths: str) -> list[str]:
    return [str(found.text).strip() for path in paths for found in _all(node, path) if found.text]


def _statement(node: Node) -> AccountStatement:
    lines = [line for entry in _all(node, "Ntry") if _is_booked(entry) for line in _lines(entry)]
    return AccountStatement(
        account=_text(node, "Acct/Id/IBAN", "Acct/Id/Othr/Id"),
        lines=lines,
        opening=_balance(node, _OPENING),
        closing=_balance(node, _CLOSING),
    )


def _is_booked(entry: Node) -> bool:
    return _text(entry, "Sts/Cd", "Sts") == "BOOK"


def _balance(node: Node, codes: tuple[str, ...]) -> Balance | None:
    for code in codes:
        for balance in _all(node, "Bal"):
            if _text(balance, "Tp/CdOrPrtry/Cd") == code:
                minor, currency = _amount(_all(balance, "Amt")[0])
                return Balance(minor if _text(balance, "CdtDbtInd") == "CRDT" else -minor, currency)
    return None


def _amount(node: Node) -> tuple[int, str]:
    currency = node.get("Ccy", "")
    try:
        return Money.from_major((node.text or "").strip(), currency).minor, currency
    except PaycoreError as error:
        raise BankFileRefused("bad_amount", f"{node.text} {currency}"[:60]) from error


def _lines(entry: Node) -> Iterator[Line]:
    """One for each transaction where the bank booked several as one and tells each one's amount; else the entry."""
    minor, currency = _amount(_all(entry, "Amt")[0])
    details = _all(entry, "NtryDtls/TxDtls")
    if not minor:
        return
    if len(details) < 2:
        yield _line(entry, details, minor=minor, currency=currency)
        return
    parts = [_part(detail) for detail in details]
    if {part[1] for part in parts} == {currency} and sum(part[0] for part in parts) == minor:
        for number, (detail, (amount, _currency)) in enumerate(zip(details, parts, strict=True), start=1):
            if amount:
                yield _line(entry, [detail], minor=amount, currency=currency, part=number)
    else:
        # Whose share is how much is not said, so a person has to look.
        yield _line(entry, details, minor=minor, currency=currency)


def _part(detail: Node) -> tuple[int, str]:
    nodes = _all(detail, "Amt") or _all(detail, "AmtDtls/TxAmt/Amt")
    return _amount(nodes[0]) if nodes else (0, "")


def _line(entry: Node, details: list[Node], *, minor: int, currency: str, part: int = 0) -> Line:
    is_credit = _text(entry, "CdtDbtInd") == "CRDT"
    one = details[0] if len(details) == 1 else None
    side = "Dbtr" if is_credit else "Cdtr"
    iban = _text(one, f"RltdPties/{side}Acct/Id/IBAN") if one is not None else ""
    booked = _day(entry, "BookgDt") or _day(entry, "ValDt")
    if booked is None:
        raise BankFileRefused("line_not_understood", "BookgDt")
    return Line(
        amount_minor=minor,
        currency=currency,
        is_credit=is_credit,
        booked_on=booked,
        value_on=_day(entry, "ValDt") or booked,
        remittance=_remittance(entry, details),
        end_to_end_id=_end_to_end(one),
        bank_reference=_bank_reference(entry, one, part=part),
        name=_text(one, f"RltdPties/{side}/Nm", f"RltdPties/{side}/Pty/Nm")[:140] if one is not None else "",
        iban=iban if iban_rules.is_valid(iban) else "",
        is_return=_text(entry, "RvslInd") == "true" or any(_all(detail, "RtrInf") for detail in details),
    )


def _end_to_end(detail: Node | None) -> str:
    given = _text(detail, "Refs/EndToEndId") if detail is not None else ""
    return "" if given.upper() in ("NOTPROVIDED", "NOT PROVIDED") else given[:35]


def _bank_reference(entry: Node, detail: Node | None, *, part: int) -> str:
    own = _text(detail, "Refs/AcctSvcrRef", "Refs/TxId") if detail is not None else ""
    shared = _text(entry, "AcctSvcrRef", "NtryRef")
    return (own or (f"{shared}#{part}" if part and shared else shared))[:64]


def _remittance(entry: Node, details: list[Node]) -> str:
    words = [
        word
        for detail in details
        for word in _texts(
            detail, "RmtInf/Ustrd", "RmtInf/Strd/CdtrRefInf/Ref", "RmtInf/Strd/AddtlRmtInf", "AddtlTxInf"
        )
    ]
    return " ".join([*words, *_texts(entry, "AddtlNtryInf")])[:1000]


def _day(entry: Node, name: str) -> date | None:
    given = _text(entry, f"{name}/Dt", f"{name}/DtTm")
    return date.fromisoformat(given[:10]) if given else None
