"""A bank account, what people transfer to it, and the bank that writes statements about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from paycore.money import Money
from payments.ledger.queries import balance_of
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from reconciliation.banking.matching import due_entries, settle_entry
from reconciliation.banking.models import BankEntry, BankStatement
from reconciliation.banking.receiving import read_stored_file, store_bank_file
from tests.actors import MerchantServer

OUR_IBAN, OUR_BIC = "DE89370400440532013000", "COBADEFFXXX"
PAYER_IBAN = "GB82WEST12345698765432"
DAY = date(2026, 11, 20)


@dataclass(frozen=True)
class Said:
    """One line as the bank books it."""

    amount: str
    text: str = ""
    is_credit: bool = True
    end_to_end: str = "NOTPROVIDED"
    iban: str = PAYER_IBAN
    name: str = "Ada Payer"
    bank_reference: str = ""
    currency: str = "EUR"
    is_return: bool = False
    day: date = DAY

    @property
    def signed(self) -> int:
        minor = Money.from_major(self.amount, self.currency).minor
        return minor if self.is_credit else -minor


@dataclass
class BankDesk:
    server: MerchantServer
    account: GatewayAccount
    written: list[int] = field(default_factory=list)

    def asked(self, amount_minor: int = 10_000, **more: Any) -> Payment:
        """An order that its payer wants to pay by transfer."""
        order = self.server.create_order(amount_minor=amount_minor, currency=more.pop("currency", "EUR"), **more)
        answer = self.server.pay(order["id"], method="bank_transfer")
        assert answer.status_code == 201, answer.content
        return Payment.objects.get(id=answer.json()["id"])

    def receives(self, *lines: Said) -> list[BankEntry]:
        """The bank's file about these lines, read and settled; its entries in the order of the file."""
        statement = self.reads(camt(lines, number=self._number()))
        assert statement.status == "read", (statement.failure_code, statement.failure_detail)
        self.settles()
        return list(statement.entries.order_by("position"))

    def reads(self, body: bytes) -> BankStatement:
        return read_stored_file(store_bank_file(self.account.id, [body]).id)

    def settles(self) -> None:
        while ids := due_entries(limit=100):
            for entry_id in ids:
                settle_entry(entry_id)

    def books(self, currency: str = "EUR") -> dict[str, int]:
        codes = {
            "bank": f"bank:{self.account.id}",
            "gateway": f"gateway:{self.account.id}",
            "suspense": f"suspense:bank:{self.account.id}",
            "cost": "expense:discrepancies",
            "surplus": "suspense",
        }
        return {name: balance_of(code, currency=currency).minor for name, code in codes.items()}

    def _number(self) -> int:
        self.written.append(1)
        return len(self.written)


def camt(
    lines: Sequence[Said], *, number: int = 1, iban: str = OUR_IBAN, opening: int = 100_000, **wrong: str
) -> bytes:
    closing = opening + sum(line.signed for line in lines)
    currency = lines[0].currency if lines else "EUR"
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>',
        f"<GrpHdr><MsgId>M{number}</MsgId><CreDtTm>2026-11-20T20:00:00</CreDtTm></GrpHdr>",
        f"<Stmt><Id>S{number}</Id><CreDtTm>2026-11-20T20:00:00</CreDtTm>",
        f"<Acct><Id><IBAN>{iban}</IBAN></Id></Acct>",
        _balance("OPBD", opening, currency),
        _balance("CLBD", closing, currency) if "closing" not in wrong else wrong["closing"],
        *(_entry(line) for line in lines),
        "</Stmt></BkToCstmrStmt></Document>",
    ]
    return "".join(parts).encode()


def _balance(code: str, minor: int, currency: str) -> str:
    side = "CRDT" if minor >= 0 else "DBIT"
    amount = Money(abs(minor), currency).major
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="{currency}">{amount}</Amt>'
        f"<CdtDbtInd>{side}</CdtDbtInd><Dt><Dt>{DAY}</Dt></Dt></Bal>"
    )


def _entry(line: Said) -> str:
    return (
        f'<Ntry><Amt Ccy="{line.currency}">{line.amount}</Amt><CdtDbtInd>{_side(line)}</CdtDbtInd>'
        + ("<RvslInd>true</RvslInd>" if line.is_return else "")
        + f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{line.day}</Dt></BookgDt><ValDt><Dt>{line.day}</Dt></ValDt>"
        + (f"<AcctSvcrRef>{line.bank_reference}</AcctSvcrRef>" if line.bank_reference else "")
        + "<BkTxCd/>"
        + f"<NtryDtls>{transaction(line)}</NtryDtls></Ntry>"
    )


def batch(lines: Sequence[Said], *, total: str, amounts: Iterable[str]) -> str:
    """Several transfers that the bank booked as one."""
    details = "".join(transaction(line, amount=amount) for line, amount in zip(lines, amounts, strict=True))
    return (
        f'<Ntry><Amt Ccy="EUR">{total}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
        f"<BookgDt><Dt>{DAY}</Dt></BookgDt><BkTxCd/><NtryDtls>{details}</NtryDtls></Ntry>"
    )


def transaction(line: Said, *, amount: str = "") -> str:
    side = "Dbtr" if line.is_credit else "Cdtr"
    money = f'<Amt Ccy="{line.currency}">{amount}</Amt><CdtDbtInd>{_side(line)}</CdtDbtInd>' if amount else ""
    account = f"<{side}Acct><Id><IBAN>{line.iban}</IBAN></Id></{side}Acct>" if line.iban else ""
    parties = f"<RltdPties><{side}><Pty><Nm>{line.name}</Nm></Pty></{side}>{account}</RltdPties>"
    words = f"<RmtInf><Ustrd>{line.text}</Ustrd></RmtInf>" if line.text else ""
    return f"<TxDtls><Refs><EndToEndId>{line.end_to_end}</EndToEndId></Refs>{money}{parties}{words}</TxDtls>"


def _side(line: Said) -> str:
    return "CRDT" if line.is_credit else "DBIT"


def mt940(
    lines: Sequence[Said], *, opening: int = 100_000, account: str = OUR_IBAN, closing: int | None = None
) -> bytes:
    end = opening + sum(line.signed for line in lines) if closing is None else closing
    parts = [":20:STARTUMS", f":25:{account}", ":28C:00001/001", f":60F:C261119EUR{_comma(opening)}"]
    for line in lines:
        mark = "C" if line.is_credit else "D"
        parts.append(f":61:2611201120{mark}{_comma(abs(line.signed))}NTRFNONREF//{line.bank_reference or 'B1'}")
        parts.append(f":86:166?00GUTSCHRIFT?20EREF+{line.end_to_end}?21SVWZ+{line.text}?31{line.iban}?32{line.name}")
    return "\r\n".join([*parts, f":62F:C261120EUR{_comma(end)}", "-", ""]).encode()


def _comma(minor: int) -> str:
    return f"{minor // 100},{minor % 100:02d}"
