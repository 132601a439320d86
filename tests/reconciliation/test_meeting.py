"""Lines that meet their records while the file is read, and the join of what is left: the answer is the same."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from paycore.clock import database_now
from payments.orders.models import Capture, Payment
from reconciliation.matching import meeting, records, staging
from reconciliation.matching import reconcile as reconciling
from reconciliation.matching.meeting import Meeting
from reconciliation.matching.reconcile import reconcile
from reconciliation.matching.records import settled_payments, window_of
from reconciliation.matching.totals import Total, add_lines, combined
from reconciliation.statements.layouts import LAYOUTS
from reconciliation.statements.models import Statement
from reconciliation.statements.reader import Stretch, read_statement
from tests.reconciliation.conftest import HEADER, Day, discrepancies

Whole = Callable[[], None]


def stretches(*lines: str, size: int = 1 << 20) -> list[Stretch]:
    body = "".join(f"{line}\n" for line in (HEADER, *lines)).encode()
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return list(read_statement(pieces, LAYOUTS["sandbox"]))


def line(reference: str, amount: int | str = 10, *, fee: int = 1, currency: str = "USD") -> str:
    return f"TAKE,{reference},{reference},t,{currency},{amount},{fee},0,z"


def record(reference: str, amount: int = 10) -> str:
    return f"{reference}\t{amount}\t1\tUSD"


def left(lines: list[str], pages: list[list[str]], *, size: int) -> tuple[list[str], list[str]]:
    """Numbers of lines and of records that are left over."""
    meets = Meeting(iter(pages))
    for stretch in stretches(*lines, size=size):
        meets.add(stretch)
    for _page in meets.finish():
        pass
    return sorted(row[0] for row in meets.lines_left), sorted(meets.records_left)


@pytest.mark.parametrize("size", [40, 100, 10_000])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("page", [1, 3, 100])
def test_only_what_does_not_agree_is_left(size: int, page: int, backwards: bool) -> None:
    keys = [record(f"r{number}") for number in range(10)]
    pages = [keys[start : start + page] for start in range(0, len(keys), page)]
    lines = [line(f"r{number}", 11 if number == 4 else 10) for number in range(9)]
    found = left(lines[::-1] if backwards else lines, pages, size=size)
    assert found == (["6"], ["r4", "r9"])


@pytest.mark.parametrize("size", [40, 10_000])
def test_a_line_that_comes_again_is_left_and_the_record_met_once(size: int) -> None:
    assert left([line("a"), line("b"), line("a"), line("a")], [[record("a"), record("b")]], size=size) == (
        ["4", "5"],
        [],
    )
    assert left([line("x"), line("x")], [[record("b")]], size=size) == (["2", "3"], ["b"])


def test_a_reference_with_tabs_meets_no_record() -> None:
    assert left([line("a\t10\t1\tUSD"), line("b\t10")], [[record("a"), record("b")]], size=100)[1] == ["a", "b"]


def test_totals_are_by_currency_and_sign() -> None:
    totals: dict[str, Total] = {}
    for stretch in stretches(line("a"), line("b", -4), line("c", 7, currency="EUR", fee=2), line("d", 1), size=60):
        add_lines(totals, stretch)
    assert totals == {"USD": Total(3, 11, -4, 3), "EUR": Total(1, 7, 0, 2)}
    together = {"USD": Total(2, 5, 0, 1)}
    assert combined([(totals, 1), ({"EUR": totals["EUR"]}, -1), (together, 1)]) == {"USD": Total(5, 16, -4, 4)}


@pytest.mark.django_db
@pytest.mark.parametrize("waiting", [0, 2, 50_000])
@pytest.mark.parametrize("page", [1, 20_000])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_answer_does_not_depend_on_who_met_whom(
    yesterday: Day, all_is_whole: Whole, monkeypatch: pytest.MonkeyPatch, waiting: int, page: int, backwards: bool
) -> None:
    monkeypatch.setattr(meeting, "MAX_WAITING", waiting)
    monkeypatch.setattr(records, "PAGE_RECORDS", page)
    agreed, thrice, wrong_once, padded, wrong, lost = (yesterday.paid() for _ in range(6))
    yesterday.becomes_yesterday()
    lines = [
        yesterday.line_of(agreed),
        *[yesterday.line_of(thrice)] * 3,
        yesterday.line_of(wrong_once, gross=5),
        yesterday.line_of(wrong_once),
        yesterday.line_of(padded, gross=f"0{padded.captured_minor}"),
        yesterday.line_of(wrong, fee=1_000),
        yesterday.line_of(agreed, reference="nobody", gross=3, fee=0),
        yesterday.line_of(agreed, reference="nobody", gross=4, fee=0),
    ]

    statement = yesterday.receive_lines(*(lines[::-1] if backwards else lines))

    found = {(row.reference, row.kind, row.aspect): row.their_amount_minor for row in discrepancies(statement)}
    amount = agreed.captured_minor
    assert found == {
        (thrice.id, "mismatch", "duplicate"): 2 * amount,
        (wrong_once.id, "mismatch", "duplicate"): 5,
        (wrong.id, "mismatch", "fee"): amount,
        (lost.id, "missing_there", ""): None,
        ("nobody", "missing_here", "unknown"): 4 if backwards else 3,
        ("nobody", "mismatch", "duplicate"): 3 if backwards else 4,
    }
    assert statement.totals["ours"]["USD"]["taken_minor"] == 6 * amount
    assert statement.totals["theirs"]["USD"]["taken_minor"] == 7 * amount + 5 + 7
    assert (statement.lines_read, statement.matched_lines) == (10, 4)
    all_is_whole()


@pytest.mark.django_db
def test_pages_hold_what_was_taken_at_once_and_stands_still(yesterday: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "PAGE_RECORDS", 2)
    taken = sorted(yesterday.paid().id for _ in range(5))
    held = yesterday.paid(capture_method="manual")
    yesterday.server.post(f"/payments/{held.id}/capture", {"amount_minor": 1_000, "is_final": True})
    assert Capture.objects.get().payment_id == held.id
    yesterday.becomes_yesterday()
    fresh = yesterday.paid()
    start, now = LAYOUTS["sandbox"].begins(yesterday.day), database_now()
    statement = Statement(gateway_account_id=yesterday.account.id, day=yesterday.day)

    def numbers(end: timedelta) -> list[list[str]]:
        window = window_of(statement, start=start, end=now + end, now=now)
        return [[key.partition("\t")[0] for key in page] for page in settled_payments(window)]

    assert numbers(timedelta(0)) == [taken[:2], taken[2:4], taken[4:]]
    later = now + timedelta(minutes=2)
    window = window_of(statement, start=start, end=later, now=later)
    assert [key.partition("\t")[0] for page in settled_payments(window) for key in page] == [*taken, fresh.id]


@pytest.mark.django_db
def test_a_day_that_was_read_only_in_part_is_not_taken_for_the_whole(
    yesterday: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same file, first as the day so far and then as the whole day: which it is may change while it is read."""
    payment: Payment = yesterday.paid()
    yesterday.becomes_yesterday()
    statement = yesterday.receive_lines(yesterday.line_of(payment))
    assert statement.status == "closed"
    reconciling.run_again(statement.id)

    def read_and_change(*args: object, **options: object) -> object:
        Statement.objects.update(covers_until=LAYOUTS["sandbox"].ends(yesterday.day) - timedelta(hours=1))
        return staging.stage(*args, **options)  # type: ignore[arg-type]  # passed on as it came

    with monkeypatch.context() as patch:
        patch.setattr(reconciling, "stage", read_and_change)
        assert reconcile(statement.id).status == "parsed"
    assert reconcile(statement.id).status == "closed"
