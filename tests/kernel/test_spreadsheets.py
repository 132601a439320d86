"""CSV that a spreadsheet opens without running what a stranger typed into it."""

import csv
import io

from paycore.spreadsheets import csv_response


def test_a_file_keeps_every_character_and_begins_no_formula() -> None:
    rows = [("=1+1", 'a "quoted", cell', 5), ("第一", None, "line\nbreak")]

    response = csv_response(file_name="rows.csv", headers=("Name", "@Note", "Count"), rows=rows)

    text = b"".join(response.streaming_content).decode("utf-8")  # type: ignore[arg-type]  # not an asynchronous one
    assert text.startswith("\ufeffName")
    assert list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))) == [
        ["Name", "'@Note", "Count"],
        ["'=1+1", 'a "quoted", cell', "5"],
        ["第一", "", "line\nbreak"],
    ]
    assert response["Content-Disposition"] == 'attachment; filename="rows.csv"'
