"""Documents as PDF, with a font of our own that has Chinese: nothing of the machine is needed. The same document gives
the same bytes."""

import logging
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # ships no types
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from memberships.invoices.documents import PrintedDocument, PrintedSum

FONT = Path(settings.BASE_DIR) / "memberships" / "fonts" / "NotoSansSC-Regular.ttf"
_FAMILY = "paycore"
_INK, _SOFT, _LINE = (20, 22, 29), (89, 96, 115), (223, 226, 236)
_MARGIN, _WIDTH = 20, 170
_UNKNOWN = "\u25a1"

logging.getLogger("fontTools").setLevel(logging.ERROR)  # it tells of every table that it cuts


def render_pdf(document: PrintedDocument) -> bytes:
    """A4. Signs that the font lacks are printed as a box."""
    page = _Page(document)
    page.head()
    page.table()
    page.sums()
    return bytes(page.pdf.output())


@lru_cache(maxsize=1)
def _known_signs() -> frozenset[int]:
    with TTFont(FONT, lazy=True) as font:
        return frozenset(font.getBestCmap())


def printable(text: str) -> str:
    known = _known_signs()
    return "".join(sign if ord(sign) in known else _stand_in(sign) for sign in text)


def _stand_in(sign: str) -> str:
    if sign.isspace():
        return " "
    if not sign.isprintable():
        return ""
    return _UNKNOWN if ord(_UNKNOWN) in _known_signs() else "?"


class _Page:
    def __init__(self, document: PrintedDocument) -> None:
        self.document = document
        self.pdf = pdf = FPDF(format="A4")
        pdf.set_creation_date(document.issued_at)
        pdf.set_title(f"{printable(document.title)} {document.number}")
        pdf.set_lang(document.language)
        pdf.set_margins(_MARGIN, _MARGIN)
        pdf.set_auto_page_break(True, margin=_MARGIN)
        pdf.add_font(_FAMILY, fname=FONT)
        pdf.add_page()

    def head(self) -> None:
        document = self.document
        for index, line in enumerate(document.seller):
            self._write(line, size=11 if index == 0 else 9, colour=_INK if index == 0 else _SOFT, height=5)
        self.pdf.ln(8)
        self._write(document.title, size=20, height=10)
        self._write(f"{document.number} · {document.state}", size=10, colour=_SOFT, height=6)
        self.pdf.ln(4)
        for label, words in document.facts:
            self._row(label, words, size=9, height=5.5, left=_SOFT)
        self.pdf.ln(6)

    def table(self) -> None:
        description, quantity, amount = self.document.headings
        self._three(description, quantity, amount, colour=_SOFT, size=9)
        self._rule()
        for line in self.document.lines:
            self._three(line.description, line.quantity, line.amount, colour=_INK, size=10)
            if line.detail:
                self._write(line.detail, size=8, colour=_SOFT, height=4.5)
            self.pdf.ln(1.5)
        self._rule()

    def sums(self) -> None:
        for row in self.document.sums:
            self._sum(row)
        if self.document.note:
            self.pdf.ln(8)
            self._write(self.document.note, size=9, colour=_SOFT, height=5)

    def _sum(self, row: PrintedSum) -> None:
        size = 12 if row.is_total else 10
        self._row(row.label, row.amount, size=size, height=7, left=_INK if row.is_total else _SOFT)

    def _three(self, description: str, quantity: str, amount: str, *, colour: tuple[int, int, int], size: int) -> None:
        pdf = self.pdf
        self._style(size, colour)
        words = printable(description)
        broken = pdf.multi_cell(105, 6, words, dry_run=True, output="LINES")
        height = 6 * max(1, len(broken) if isinstance(broken, list) else 1)
        if pdf.will_page_break(height):
            pdf.add_page()
        top = pdf.get_y()
        pdf.multi_cell(105, 6, words, align="L", new_x=XPos.RIGHT, new_y=YPos.TOP)
        pdf.multi_cell(20, 6, printable(quantity), align="R", new_x=XPos.RIGHT, new_y=YPos.TOP)
        pdf.cell(_WIDTH - 125, 6, printable(amount), align="R")
        pdf.set_xy(_MARGIN, top + height)

    def _row(self, label: str, words: str, *, size: int, height: float, left: tuple[int, int, int]) -> None:
        pdf = self.pdf
        self._style(size, left)
        pdf.cell(60, height, printable(label))
        self._style(size, _INK)
        pdf.multi_cell(_WIDTH - 60, height, printable(words), align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _write(self, text: str, *, size: int, height: float, colour: tuple[int, int, int] = _INK) -> None:
        self._style(size, colour)
        self.pdf.multi_cell(_WIDTH, height, printable(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _style(self, size: int, colour: tuple[int, int, int]) -> None:
        self.pdf.set_font(_FAMILY, size=size)
        self.pdf.set_text_color(*colour)

    def _rule(self) -> None:
        self.pdf.ln(1)
        self.pdf.set_draw_color(*_LINE)
        self.pdf.line(_MARGIN, self.pdf.get_y(), _MARGIN + _WIDTH, self.pdf.get_y())
        self.pdf.ln(2)
