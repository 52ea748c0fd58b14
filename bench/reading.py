"""How good and how quick the text of a PDF is against `pdftotext -layout`: `python bench/reading.py --artifact DIR`.

Draws the development invoices (texts with their layout) as PDFs in Courier, first four pages each, reads them with
both in the same run, and prints milliseconds a page, their ratio, and with an artifact of `invoice_fields` the
accuracy on both texts and on the original. Reading is timed inside one process: `read` starts one for each file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "reading"))

from papers import pdf

from compiled_ai.artifact import load_artifact
from compiled_ai.config import load_settings
from compiled_ai.reading.pages import ReadLimits, ReadText
from compiled_ai.reading.pdf import read
from compiled_ai.scoring import score_file

DATA = Path(os.environ.get("COMPILED_AI_DATA") or Path(__file__).parents[2] / "shared" / "data")
_PAGES = 4


def texts(row: Mapping[str, Any], folder: Path, seconds: dict[str, float]) -> dict[str, str]:
    """Returns the original text of a document and what the two readers make of its drawing."""
    pages = row["text"].rstrip("\f\n").split("\f")[:_PAGES]
    drawn = pdf(*[page.encode("cp1252", "replace").decode("cp1252") for page in pages])
    (folder / "a.pdf").write_bytes(drawn)
    started = time.perf_counter()
    reader, found, warnings = read(drawn, ReadLimits(), "")
    seconds["read"] += time.perf_counter() - started
    started = time.perf_counter()
    other = subprocess.run(["pdftotext", "-layout", str(folder / "a.pdf"), "-"], capture_output=True, check=True)
    seconds["pdftotext"] += time.perf_counter() - started
    ours = ReadText("a.pdf", "pdf", reader, tuple(found), tuple(warnings)).text
    return {"original": "".join(f"{page}\f" for page in pages), "read": ours, "pdftotext": other.stdout.decode("utf-8")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artifact", type=Path, help="folder of an artifact of invoice_fields")
    parser.add_argument("--limit", type=int, default=150)
    asked = parser.parse_args()
    rows = [json.loads(line) for line in (DATA / "adbuy" / "dev.jsonl").open(encoding="utf-8")][: asked.limit]
    seconds = {"read": 0.0, "pdftotext": 0.0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told = [texts(row, folder, seconds) for row in rows]
        count = sum(text["original"].count("\f") for text in told)
        for reader, taken in seconds.items():
            print(f"{reader:10} {1000 * taken / count:8.1f} ms a page, n = {count}")
        print(f"ratio read / pdftotext (with its start): {seconds['read'] / seconds['pdftotext']:.1f}")
        if asked.artifact is None:
            return
        artifact = load_artifact(asked.artifact, load_settings().artifacts)
        for source in ("original", "read", "pdftotext"):
            lines = [json.dumps({**row, "text": text[source]}) for row, text in zip(rows, told, strict=True)]
            (folder / "a.jsonl").write_text("\n".join(lines), "utf-8")
            scored = score_file(artifact, folder / "a.jsonl", mapping={"document": "text"}, labels="labels").to_json()
            fields = ", ".join(f"{field} {one['right']}/{one['n']}" for field, one in scored["fields"].items())
            print(f"{source:10} mean {scored['mean']:.3f}: {fields}")


if __name__ == "__main__":
    main()
