"""`golden import`: labelled documents become golden cases, or every wrong cell is named and nothing is written."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from papers import pdf, xlsx

from compiled_ai import import_golden
from compiled_ai.errors import InputError, NotFound, SpecError, UsageError
from compiled_ai.golden_check import check_golden
from compiled_ai.golden_import import Imported, ImportOptions
from compiled_ai.spec.loader import load_spec

SPEC = """
metadata: {name: "Letters", data_basis: "synthetic"}
inputs:
  - {name: "letter", type: "text"}
logic_requirements:
  - step: "read_letter"
    type: "function"
    description: "vendor follows From:, total follows Total:, day is the first date."
    schema: {vendor: string?, gross_total: money?, day: date?, copies: integer?, paid: boolean?}
"""
HEADER = ["File", "Vendor", "Gross Total", "day", "Remarks"]
ROWS: Sequence[Sequence[Any]] = [
    ["one.txt", "Oakes Ltd", "$1,101.50", datetime.date(2024, 3, 13), "first"],
    ["TWO", "Elm & Co", 88, "14/03/2024", ""],
    ["three", "Oakes Ltd", "null", "2024-03-15", ""],
]


class Desk:
    """A folder with documents, a specification, and a sheet of labels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.papers = folder / "papers"
        self.papers.mkdir()
        self.spec = folder / "letters.yaml"
        self.spec.write_text(SPEC, "utf-8")
        self.put("one.txt", "From: Oakes Ltd\nDate: 13 March 2024\nTotal: $1,101.50")
        self.put("two.txt", "From: Elm & Co\nDate: 14 March 2024\nTotal: $88.00")
        (self.papers / "three.pdf").write_bytes(pdf("From: Oakes Ltd\nDate: 15 March 2024"))

    def put(self, name: str, text: str) -> None:
        (self.papers / name).write_text(text, "utf-8")

    def sheet(self, rows: Sequence[Sequence[Any]] = ROWS, header: Sequence[Any] = HEADER) -> Path:
        return xlsx(self.folder / "labels.xlsx", Labels=[header, *rows])

    def __call__(self, labels: Path, *, key: str = "File", spec: bool = True, **options: Any) -> Imported:
        chosen = ImportOptions(key, self.spec if spec else None, **{"out": self.out, **options})
        return import_golden(self.papers, labels, chosen)

    @property
    def out(self) -> Path:
        return self.folder / "letters" / "golden.jsonl"

    def cases(self) -> list[Any]:
        return [json.loads(line) for line in self.out.read_text("utf-8").splitlines()]

    def refuses(self, rows: Sequence[Sequence[Any]], **options: Any) -> list[str]:
        with pytest.raises(SpecError) as caught:
            self(self.sheet(rows), **options)
        assert not self.out.exists(), "nothing is half-written"
        return [str(finding) for finding in caught.value.details]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_rows_become_cases_typed_as_the_specification_says(desk: Desk) -> None:
    imported = desk(desk.sheet())
    one, two, three = desk.cases()
    assert one["id"] == "one.txt" and one["input"]["letter"].startswith("From: Oakes Ltd\n")
    assert one["expected"] == {"vendor": "Oakes Ltd", "gross_total": "1101.50", "day": "2024-03-13"}
    assert two["expected"] == {"vendor": "Elm & Co", "gross_total": "88", "day": "2024-03-14"}
    assert three["expected"] == {"vendor": "Oakes Ltd", "gross_total": None, "day": "2024-03-15"}
    assert three["input"]["letter"].endswith("\f")
    assert imported.fields == ("vendor", "gross_total", "day")
    assert imported.unlabelled == ("copies", "paid")


def test_what_is_imported_is_what_the_specification_reads_and_golden_check_passes(desk: Desk) -> None:
    desk(desk.sheet())
    assert [case.id for case in load_spec(desk.spec).golden] == ["one.txt", "TWO", "three"]
    assert check_golden(desk.out).findings == ()


def test_rows_without_a_file_and_files_without_a_row_are_reported(desk: Desk) -> None:
    desk.put("extra.txt", "From: nobody")
    desk.put(".hidden", "x")
    imported = desk(desk.sheet([*ROWS, ["four", "Ash", 1, "2024-03-20", ""]]))
    assert imported.rows_without_file == ("labels.xlsx[Labels]!A5: 'four'",)
    assert imported.files_without_row == ("extra.txt",)
    assert imported.cases == 3
    assert "row without a file: labels.xlsx[Labels]!A5: 'four'\nfile without a row: extra.txt" in imported.page()


def test_every_wrong_cell_is_named_at_once_and_nothing_is_written(desk: Desk) -> None:
    header = [*HEADER, "Copies", "Paid"]
    rows = [
        ["one", "Oakes", "twelve", "soon", "", 1.5, "maybe"],
        ["two", "Elm", 1, "13/03/2024 - 14/03/2024", "", 1, "yes"],
        ["three", None, None, None, "unlabelled", None, None],
    ]
    with pytest.raises(SpecError) as caught:
        desk(desk.sheet(rows, header))
    assert [str(finding) for finding in caught.value.details] == [
        "labels.xlsx[Labels]!C2: column 'Gross Total': 'twelve' is no number. Write it as 1234.50.",
        "labels.xlsx[Labels]!D2: column 'day': 'soon' is not one date. Write it as 2024-05-31.",
        "labels.xlsx[Labels]!F2: column 'Copies': '1.5' is no whole number.",
        "labels.xlsx[Labels]!G2: column 'Paid': 'maybe' is neither true nor false. Write yes or no.",
        "labels.xlsx[Labels]!D3: column 'day': '13/03/2024 - 14/03/2024' is not one date. Write it as 2024-05-31.",
        "labels.xlsx[Labels]!B4: column 'Vendor': the row has no label. Fill one in, or delete the row.",
    ]
    assert not desk.out.exists() and list(desk.folder.glob("letters/*")) == []


@pytest.mark.parametrize(
    ("total", "day", "copies"),
    [
        ("2,795.OO", "l3/03/2024", "1O.00"),
        ("$2,795. 00", "13//03/2024", "l2.00"),
        ("S12.50", "13703/24", "B.00"),
        ("1 ,915.00", "13/O3/2024", "1O"),
    ],
)
def test_a_label_is_never_repaired_as_a_scanned_document_is(desk: Desk, total: str, day: str, copies: str) -> None:
    with pytest.raises(SpecError) as caught:
        desk(desk.sheet([["one", "Oakes", total, day, "", copies]], [*HEADER, "Copies"]))
    assert [str(finding) for finding in caught.value.details] == [
        f"labels.xlsx[Labels]!C2: column 'Gross Total': {total!r} is no number. Write it as 1234.50.",
        f"labels.xlsx[Labels]!D2: column 'day': {day!r} is not one date. Write it as 2024-05-31.",
        f"labels.xlsx[Labels]!F2: column 'Copies': {copies!r} is no number. Write it as 1234.50.",
    ]
    assert not desk.out.exists()


@pytest.mark.parametrize(
    "day",
    ["13/03/2024", "13.03.24", "2024-3-13", "20240313", "13 Mar 2024", "March 13, 2024", "13 March '24", "13-Mar-24"],
)
def test_a_date_that_needs_no_repair_is_read_however_it_is_written(desk: Desk, day: str) -> None:
    desk(desk.sheet([["one", "Oakes", None, day, ""]]))
    assert desk.cases()[0]["expected"]["day"] == "2024-03-13"


@pytest.mark.parametrize(
    ("written", "ways"),
    [
        ("45,50", "45.50 or 4550"),
        ("1,234", "1.234 or 1234"),
        ("1.234", "1.234 or 1234"),
        ("$0,5", "0.5 or 05"),
        ("1,000,00", "1000.00 or 100000"),
        ("1.000.00", "1000.00 or 100000"),
    ],
)
def test_an_amount_that_may_be_two_is_named_and_nothing_is_written(desk: Desk, written: str, ways: str) -> None:
    assert desk.refuses([["one", "Oakes", written, None, ""]]) == [
        f"labels.xlsx[Labels]!C2: column 'Gross Total': {written!r} may be {ways}. "
        "Write the one that it is, with a point or none."
    ]


@pytest.mark.parametrize(
    ("telling", "written", "read"),
    [
        ("1.234,50", "45,50", "45.50"),
        ("1.234,50", "1.234", "1234"),
        ("1,234.50", "1,234", "1234"),
        ("12.50", "1,234", "1234"),
        ("1,234,567.5", "1,234,567", "1234567"),
    ],
)
def test_another_amount_of_the_sheet_tells_what_stands_before_the_cents(
    desk: Desk, telling: str, written: str, read: str
) -> None:
    desk(desk.sheet([["one", "Oakes", telling, None, ""], ["two", "Elm", written, None, ""]]))
    assert desk.cases()[1]["expected"]["gross_total"] == read


def test_an_amount_unlike_the_others_of_the_sheet_is_named(desk: Desk) -> None:
    (found,) = desk.refuses([["one", "Oakes", "12.50", None, ""], ["two", "Elm", "45,50", None, ""]])
    assert found.startswith("labels.xlsx[Labels]!C3: column 'Gross Total': '45,50' may be 45.50 or 4550.")
    both = desk.refuses(
        [["one", "Oakes", "1.234,50", None, ""], ["two", "Elm", "12.50", None, ""], ["three", "E", "4,5", None, ""]]
    )
    assert [each.partition(": ")[0] for each in both] == ["labels.xlsx[Labels]!C4"], "the sheet tells nothing"


def test_a_whole_number_with_thousands_is_no_fraction(desk: Desk) -> None:
    header = [*HEADER, "Copies"]
    desk(desk.sheet([["one", "Oakes", None, None, "", "1,234"], ["two", "Elm", None, None, "", "12"]], header))
    assert [case["expected"]["copies"] for case in desk.cases()] == [1234, 12]


def test_one_case_is_one_case(desk: Desk) -> None:
    page = desk(desk.sheet(ROWS[:1])).page()
    assert "\n1 case in 1 group, labels for vendor" in f"\n{page}"


def test_documents_that_cannot_be_read_are_named_and_nothing_is_written(desk: Desk) -> None:
    (desk.papers / "two.txt").write_bytes(b"\0\1")
    (desk.papers / "three.pdf").write_bytes(pdf(""))
    told = desk.refuses(ROWS)
    assert told[0] == ("two.txt: 'two.txt' is binary, not text. Name a PDF, HTML, DOCX, XLSX, image or text file.")
    assert told[1].startswith("three.pdf: 'three.pdf' has no text layer")


def test_links_out_of_the_folder_are_refused(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret", "utf-8")
    (desk.papers / "two.txt").unlink()
    (desk.papers / "two.txt").symlink_to(tmp_path / "secret.txt")
    assert "lies outside" in desk.refuses(ROWS)[0]


def test_a_row_that_may_mean_two_files_and_a_file_with_two_rows_are_errors(desk: Desk) -> None:
    desk.put("one.html", "<p>From: Oakes</p>")
    told = desk.refuses([["one", "Oakes", 1, "2024-03-13", ""], *ROWS[1:], ["two.txt", "Elm", 2, "2024-03-14", ""]])
    assert told == [
        "labels.xlsx[Labels]!A2: column 'File': 'one' may be 'one.html' or 'one.txt'.",
        "labels.xlsx[Labels]!A5: column 'File': 'two.txt' has a row already, at labels.xlsx[Labels]!A3.",
    ]


def test_dates_that_may_be_two_days_need_an_order(desk: Desk) -> None:
    rows = [["one", "Oakes", 1, "03/04/2024", ""], ["two", "Elm", 2, "04/05/2024", ""]]
    with pytest.raises(UsageError, match=r"Labels\]!D2: '03/04/2024' may be two days\. Say --date-order mdy or"):
        desk(desk.sheet(rows))
    desk(desk.sheet(rows), date_order="dmy")
    assert [case["expected"]["day"] for case in desk.cases()] == ["2024-04-03", "2024-05-04"]
    with pytest.raises(UsageError, match=r"--date-order is 'ydm'\. Use mdy, dmy or ymd"):
        desk(desk.sheet(rows), date_order="ydm", replace=True)


def test_dates_in_two_orders_are_refused(desk: Desk) -> None:
    rows = [["one", "Oakes", 1, "13/04/2024", ""], ["two", "Elm", 2, "04/25/2024", ""]]
    assert desk.refuses(rows) == [
        "labels.xlsx[Labels]!D3: dates are written in two orders: '04/25/2024' here, '13/04/2024' at "
        "labels.xlsx[Labels]!D2. Correct one."
    ]


def test_dates_in_two_orders_hide_no_other_wrong_cell(desk: Desk) -> None:
    rows = [["one", "Oakes", "lots", "13/04/2024", ""], ["two", "Elm", "1,000,00", "04/25/2024", ""]]
    told = desk.refuses([*rows, ["three", "Oakes", 1, "soon", ""]])
    assert [each.split(": ")[0].removeprefix("labels.xlsx[Labels]!") for each in told] == ["D3", "C2", "C3", "D4"]


def test_of_many_wrong_cells_the_first_are_shown_and_the_others_counted(desk: Desk) -> None:
    for number in range(60):
        desk.put(f"more{number}.txt", "From: Oakes")
    rows = [[f"more{number}", "Oakes", "lots", None, ""] for number in range(60)]
    with pytest.raises(SpecError) as caught:
        desk(desk.sheet(rows))
    assert (len(caught.value.details), str(caught.value).splitlines()[-1]) == (60, "... and 10 more")


def test_csv_is_read_too_with_its_lines(desk: Desk) -> None:
    labels = desk.folder / "labels.csv"
    labels.write_text('File,Vendor,Gross Total\none,Oakes Ltd,"1,101.50"\ntwo,Elm & Co,lots\n', "utf-8-sig")
    with pytest.raises(SpecError, match=r"labels\.csv:3: column 'Gross Total': 'lots' is no number"):
        desk(labels)
    labels.write_text('File,Vendor,Gross Total\none,Oakes Ltd,"1,101.50"\n', "utf-8-sig")
    assert desk(labels).cases == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"File,Vendor\none,Gr\xf6\xdfe\n", r"'labels\.csv' is not UTF-8 \(byte 18\)\. Save it as UTF-8"),
        (b"File,Vendor,Vendor\n", r"Column 'Vendor' occurs twice in 'labels\.csv'\. Rename one"),
        (b"File,Vendor\none,Oakes,Ltd\n", r"labels\.csv:2: the row has more cells than the header\. Quote commas"),
        (b"\n", r"'labels\.csv' has no rows\. The first row must name the columns"),
        (b"Name,Vendor\none,Oakes\n", r"'labels\.csv' has no column 'File'\..* Known: Name, Vendor\. Correct --key"),
        (b"File,Vendor\nnine,Oakes\n", r"No row names a file in .*: labels\.csv:2: 'nine'\. Is --key the right column"),
        (b"File,Remarks\none,Oakes\n", r"No column of 'labels\.csv' is called like an output"),
    ],
)  # fmt: skip
def test_sheets_that_cannot_be_used_say_why(desk: Desk, content: bytes, said: str) -> None:
    labels = desk.folder / "labels.csv"
    labels.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        desk(labels)


def test_files_and_folders_that_are_not_there(desk: Desk) -> None:
    with pytest.raises(NotFound, match=r"There is no sheet of labels .*gone\.xlsx"):
        desk(desk.folder / "gone.xlsx")
    with pytest.raises(UsageError, match=r"'letters\.yaml' is no \.xlsx or \.csv file\. Save the labels as one"):
        desk(desk.spec)
    with pytest.raises(NotFound, match=r"There is no folder .*gone"):
        import_golden(desk.folder / "gone", desk.sheet(), ImportOptions("File"))


def test_golden_cases_that_are_there_are_replaced_only_when_asked(desk: Desk) -> None:
    desk(desk.sheet())
    with pytest.raises(UsageError, match=r"golden\.jsonl' is there already\. .* or replace it with --replace"):
        desk(desk.sheet())
    assert desk(desk.sheet(ROWS[:2]), replace=True).cases == 2


def test_a_folder_cannot_take_golden_cases(desk: Desk) -> None:
    with pytest.raises(UsageError, match="is a folder. Name the file of golden cases with --out"):
        desk(desk.sheet(), out=desk.papers, replace=True)


def test_columns_of_other_names_are_mapped_and_the_key_need_not_be_first(desk: Desk) -> None:
    sheet = desk.sheet([["Oakes Ltd", "one.txt"]], ["Supplier", "Path"])
    desk(sheet, key="Path", mapping={"expected.vendor": "Supplier"})
    assert desk.cases()[0]["expected"] == {"vendor": "Oakes Ltd"}
    for mapping, said in (
        ({"expected.vender": "Supplier"}, "--map names 'expected.vender', which is no field. Did you mean"),
        ({"expected.vendor": "Suplier"}, "has no column 'Suplier'. Did you mean 'Supplier'"),
    ):
        with pytest.raises(UsageError, match=said.replace(".", r"\.")):
            desk(sheet, key="Path", mapping=mapping, replace=True)


def test_a_group_column_keeps_a_vendor_together(desk: Desk) -> None:
    imported = desk(desk.sheet(), group="Vendor")
    assert [case["group"] for case in desk.cases()] == ["Oakes Ltd", "Elm & Co", "Oakes Ltd"]
    assert imported.groups == 2


def test_without_a_specification_labels_are_texts_under_the_names_of_their_columns(desk: Desk) -> None:
    desk(desk.sheet(), spec=False)
    one = desk.cases()[0]
    assert one["expected"] == {
        "vendor": "Oakes Ltd", "gross_total": "$1,101.50", "day": "2024-03-13", "remarks": "first",
    }  # fmt: skip
    assert set(one["input"]) == {"document"}
    with pytest.raises(UsageError, match=r"--map names the input 'letter'\. Name the specification with --spec"):
        desk(desk.sheet(), spec=False, mapping={"letter": "Remarks"}, replace=True)


def _with_inputs(desk: Desk, inputs: Mapping[str, str]) -> None:
    listed = "\n".join(f'  - {{name: "{name}", type: "{kind}"}}' for name, kind in inputs.items())
    desk.spec.write_text(SPEC.replace('  - {name: "letter", type: "text"}', listed), "utf-8")


def test_inputs_beside_the_document_come_from_columns_and_boxes_from_the_document(desk: Desk) -> None:
    _with_inputs(desk, {"lines": "list[box]", "received": "date"})
    sheet = desk.sheet([["three.pdf", "Oakes Ltd", "2024-03-20"]], ["File", "Vendor", "Received"])
    desk(sheet)
    given = desk.cases()[0]["input"]
    assert given["received"] == "2024-03-20"
    assert [box[4] for box in given["lines"]] == ["From: Oakes Ltd", "Date: 15 March 2024"]
    assert load_spec(desk.spec).golden[0].id == "three.pdf"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"one": "text", "two": "text"}, r"Inputs 'one' and 'two' could both hold the document\. .*--map two=COLUMN"),
        ({"letter": "text", "amount": "money"}, r"Nothing is said of input 'amount'\. Write --map amount=COLUMN"),
        ({"amount": "money?"}, r"No input is left for the document\. It needs an input of type text or list\[box\]"),
    ],
)
def test_inputs_that_nothing_can_fill_are_told(desk: Desk, inputs: Mapping[str, str], said: str) -> None:
    _with_inputs(desk, inputs)
    with pytest.raises(UsageError, match=said):
        desk(desk.sheet())


def test_a_label_outside_a_closed_set_is_told_at_its_cell(desk: Desk) -> None:
    desk.spec.write_text(SPEC.replace("vendor: string?", "vendor: {type: string?, enum: [Oakes Ltd, Elm]}"), "utf-8")
    told = desk.refuses(ROWS)
    assert told[0].startswith("labels.xlsx[Labels]!B3: column 'Vendor': 'Elm & Co' does not fit 'vendor': ")


def test_an_error_of_the_sheet_is_an_input_error_of_exit_code_two() -> None:
    assert {kind.exit_code for kind in (SpecError, UsageError, InputError, NotFound)} == {2}
