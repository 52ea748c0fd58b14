"""Files that were made to harm, or that are broken: each a clear error or a clean text, in bounded time and memory."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest
from papers import assembled, docx, pdf, with_parts, xlsx

from compiled_ai.errors import InputError, NotFound
from compiled_ai.reading import ReadLimits, read_document

WORDS = "Invoice 4411 of Oakes 2020"


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"There is no file 'gone\.pdf' to read"):
        read_document("gone.pdf", root=tmp_path)
    with pytest.raises(NotFound, match="There is no file"):
        read_document("a\0b", root=tmp_path)


def test_paths_and_links_out_of_the_root_are_refused(tmp_path: Path) -> None:
    secret = put(tmp_path, "secret.txt", b"secret words")
    root = tmp_path / "papers"
    root.mkdir()
    (root / "link.txt").symlink_to(secret)
    (root / "folder").symlink_to(tmp_path)
    (root / "inside.txt").symlink_to(put(root, "a.txt", b"plain words"))
    for name in ("../secret.txt", str(secret), "link.txt", "folder/secret.txt"):
        with pytest.raises(InputError, match=r"lies outside .*Copy it there, or name another root"):
            read_document(name, root=root)
    assert read_document("inside.txt", root=root).text == "plain words"


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pdf")
    for name in ("pipe.pdf", "."):
        with pytest.raises(InputError, match="is no regular file"):
            read_document(name, root=tmp_path)


def test_a_link_that_leads_to_itself_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "a.txt")
    with pytest.raises(NotFound):
        read_document(tmp_path / "a.txt")


def test_a_huge_sparse_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("wb") as stream:
        stream.truncate(1 << 30)
    with pytest.raises(InputError, match=r"'a\.txt' has 1,073,741,824 bytes, more than 50,000,000"):
        read_document(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'a\.txt' is empty"):
        read_document(put(tmp_path, "a.txt", b" \n"))


@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\x01" + bytes(64), bytes(range(256)) * 4, b"words\0words"])
def test_binary_called_text_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match=r"'a\.txt' is binary, not text"):
        read_document(put(tmp_path, "a.txt", content))


def test_text_that_breaks_its_own_mark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is marked as utf-16 and is not"):
        read_document(put(tmp_path, "a.txt", b"\xff\xfea\x00\x00\xd8a\x00"))


def test_an_encrypted_pdf_says_so_unless_its_password_is_empty(tmp_path: Path) -> None:
    import io

    import pypdf

    for password in ("secret", ""):
        writer = pypdf.PdfWriter(io.BytesIO(pdf(WORDS)))
        writer.encrypt(password, "owner", algorithm="AES-256")
        writer.write(tmp_path / f"a{password}.pdf")
    assert WORDS in read_document(tmp_path / "a.pdf").text
    with pytest.raises(InputError, match=r"'asecret\.pdf' is encrypted\. Save it without a password"):
        read_document(tmp_path / "asecret.pdf")


def test_a_pdf_of_an_unknown_encryption_says_so(tmp_path: Path) -> None:
    import io

    import pypdf

    writer = pypdf.PdfWriter(io.BytesIO(pdf(WORDS)))
    writer.encrypt("", "owner", algorithm="AES-256")
    writer.write(tmp_path / "a.pdf")
    path = put(tmp_path, "b.pdf", (tmp_path / "a.pdf").read_bytes().replace(b"/Standard", b"/Stranger"))
    with pytest.raises(InputError, match=r"'b\.pdf' cannot be opened: only Standard .*\. Save it anew, without a pass"):
        read_document(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_pdf_is_one_clear_error_or_a_text(tmp_path: Path, share: float) -> None:
    whole = pdf(WORDS, WORDS)
    path = put(tmp_path, "a.pdf", whole[: int(len(whole) * share)])
    try:
        assert WORDS in read_document(path).text
    except InputError as fault:
        assert str(fault).startswith("'a.pdf' ")


def test_a_pdf_whose_page_tree_contains_itself_ends(tmp_path: Path) -> None:
    loop = assembled([
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 2 /Kids [2 0 R 3 0 R] /Parent 3 0 R >>",
        b"<< /Type /Pages /Count 2 /Kids [2 0 R 3 0 R] /Parent 2 0 R >>",
    ])  # fmt: skip
    with pytest.raises(InputError, match=r"^'a\.pdf' "):
        read_document(put(tmp_path, "a.pdf", loop))


def test_a_pdf_stream_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    bomb = zlib.compress(b"q " * 150_000_000, 1)
    stream = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(bomb), bomb)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>"
    parts = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", page, stream]
    with pytest.raises(InputError, match=r"^'a\.pdf' "):
        read_document(put(tmp_path, "a.pdf", assembled(parts)), limits=ReadLimits(seconds=20))


def test_more_pages_than_allowed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'a\.pdf' has 3 pages, more than 2\. Split it, or raise max_pages"):
        read_document(put(tmp_path, "a.pdf", pdf(WORDS, WORDS, WORDS)), limits=ReadLimits(max_pages=2))


def test_more_text_than_allowed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds 1,000 characters, more than 999"):
        read_document(put(tmp_path, "a.txt", b"a" * 1000), limits=ReadLimits(max_characters=999))


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    bomb = {"word/media/image1.xml": b"0" * 300_000_000}
    with pytest.raises(InputError, match=r"unpacks to \d+ parts with 300,[\d,]+ bytes, more than 200,000,000"):
        read_document(with_parts(docx(tmp_path / "a.docx", [WORDS]), bomb))


@pytest.mark.parametrize("coding", ["utf-8", "utf-16"])
def test_an_office_file_with_entities_is_refused(tmp_path: Path, coding: str) -> None:
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0" encoding="{coding}"?><!DOCTYPE x [<!ENTITY l0 "lol">{lol}]><x>&l9;</x>'
    for path, part in (
        (docx(tmp_path / "a.docx", [WORDS]), "word/document.xml"),
        (xlsx(tmp_path / "a.xlsx", One=[["x"]]), "xl/sharedStrings.xml"),
    ):
        with pytest.raises(InputError, match=f"declares a document type in '{part}', which such files must not"):
            read_document(with_parts(path, {part: bomb.encode(coding)}))


def test_a_sheet_that_claims_to_be_endless_is_read_for_what_it_has(tmp_path: Path) -> None:
    path = xlsx(tmp_path / "a.xlsx", One=[["x"]])
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        b'<dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1"><v>7</v></c></row>'
        b'<row r="1048576"><c r="B1048576"><v>8</v></c></row></sheetData></worksheet>'
    )
    assert read_document(with_parts(path, {"xl/worksheets/sheet1.xml": sheet})).text.split() == ["7", "8"]


def test_archives_that_are_no_office_files_and_old_ones_say_what_to_do(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("x.txt", "x")
    with pytest.raises(InputError, match="is an archive, but neither DOCX nor XLSX"):
        read_document(tmp_path / "a.docx")
    with pytest.raises(InputError, match=r"is a damaged or encrypted archive: .*Save it anew, without a password"):
        read_document(put(tmp_path, "b.docx", b"PK\x03\x04" + bytes(40)))
    with pytest.raises(InputError, match="is an old binary or an encrypted Office file"):
        read_document(put(tmp_path, "c.doc", b"\xd0\xcf\x11\xe0" + bytes(40)))


def test_html_nested_too_deeply_is_refused_rather_than_cut(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'a\.html' is nested too deeply\. Save what a browser shows of it"):
        read_document(put(tmp_path, "a.html", b"<html>" + b"<div><b>" * 100_000 + b"word"))


def test_an_image_with_more_pixels_than_allowed_is_refused(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("1", (4000, 4000)).save(tmp_path / "a.png")
    with pytest.raises(
        InputError, match=r"has more than 1,000,000 pixels\. Make it smaller|Tesseract is not installed"
    ):
        read_document(tmp_path / "a.png", limits=ReadLimits(max_pixels=1_000_000))


def test_reading_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    pages = [f"{WORDS}\n" * 200] * 300
    with pytest.raises(InputError, match=r"'a\.pdf' was not read within 2 s\. Split it, or raise the limit"):
        read_document(put(tmp_path, "a.pdf", pdf(*pages)), limits=ReadLimits(seconds=2))


def test_reading_that_needs_too_much_memory_is_ended(tmp_path: Path) -> None:
    path = put(tmp_path, "a.txt", b"word " * 9_000_000)
    with pytest.raises(InputError, match=r"'a\.txt' needs more than 96 MB of memory|reader ended with code"):
        read_document(path, limits=ReadLimits(memory_mb=96))


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from compiled_ai.reading import document

    path = put(tmp_path, "a.txt", b"first words")
    found = document._opened

    def swapped(*arguments: object) -> object:
        told = found(*arguments)  # type: ignore[arg-type]
        other = put(tmp_path, "b.txt", b"other words")
        other.replace(path)
        return told

    monkeypatch.setattr(document, "_opened", swapped)
    with pytest.raises(InputError, match=r"'a\.txt' has changed while it was read\. Try again"):
        read_document(path)
