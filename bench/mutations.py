"""How a reading function holds on pages that are printed differently: `python bench/mutations.py ARTIFACT [--help]`.

Each mutation redraws the real pages of the development file so that their labels stay right: other date formats, other
spellings of amounts, values below their labels, columns swapped, wider or narrower spacing, and so on. Prints the share
that is right, over all fields and for each, for the half of the pages that was looked at while building the library and
for the half that was only scored (halves by a hash of the id).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiled_ai import load_artifact
from compiled_ai.library.dates import parse_date
from compiled_ai.library.labels import is_label
from compiled_ai.library.money import parse_amount
from compiled_ai.runtime.loading import as_program
from compiled_ai.runtime.stepper import Done, Program, advance

DATA = Path(os.environ.get("COMPILED_AI_DATA") or Path(__file__).parents[2] / "shared" / "data")
FIELDS = ("contract_num", "advertiser", "gross_amount", "flight_from", "flight_to")
HEAD = 40
"""Lines of a page that hold its header."""
Mutation = Callable[[str], str]
_DATE = re.compile(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{2})(?![\d/])")
_RANGE = re.compile(r"(?<=\d)\s?-\s?(?=\d{1,2}/\d{1,2}/\d{2})")
_MONEY = re.compile(r"\$(\d[\d,]*\.\d\d)")
_CELL = re.compile(r"[^\s]+(?: [^\s]+)*")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def dated(write: Callable[[int, int, int], str]) -> Mutation:
    """Writes every date of a page in another format, keeping the column of what follows where there is room."""

    def redraw(match: re.Match[str]) -> str:
        month, day, year = (int(part) for part in match.groups())
        return write(month, day, 2000 + year) if 1 <= month <= 12 else match.group()

    return lambda text: _fitted(text, _DATE, redraw)


def priced(write: Callable[[str], str]) -> Mutation:
    return lambda text: _fitted(text, _MONEY, lambda match: write(match.group(1)))


def _fitted(text: str, pattern: re.Pattern[str], redraw: Callable[[re.Match[str]], str]) -> str:
    """Replaces matches; a longer text takes its room from the spaces after it, as long as two stay."""
    lines = []
    for line in text.split("\n"):
        for match in reversed(list(pattern.finditer(line))):
            fresh, rest = redraw(match), line[match.end() :]
            blank = len(rest) - len(rest.lstrip(" "))
            grown = len(fresh) - (match.end() - match.start())
            rest = rest[min(grown, max(0, blank - 2)) :] if grown > 0 else (" " * -grown if blank > 1 else "") + rest
            line = line[: match.start()] + fresh + rest
        lines.append(line)
    return "\n".join(lines)


def below(text: str) -> str:
    """Puts the value of a label that has one right of it into the next line, under the label."""
    lines: list[str] = []
    for number, line in enumerate(text.split("\n")):
        cells = list(_CELL.finditer(line))
        pairs = [(one, two) for one, two in zip(cells, cells[1:], strict=False) if _labels(one, two)]
        if number >= HEAD or not pairs or len(pairs) * 2 < len(cells) - 1:
            lines.append(line)
            continue
        values = {two.start() for _, two in pairs}
        lines.append(_drawn([(cell.start(), cell.group()) for cell in cells if cell.start() not in values]))
        lines += [_drawn([(one.start(), two.group()) for one, two in pairs]), ""]
    return "\n".join(lines)


def _labels(one: re.Match[str], two: re.Match[str]) -> bool:
    return is_label(one.group()) >= 0.9 and is_label(two.group()) < 0.5


def _drawn(cells: Sequence[tuple[int, str]]) -> str:
    line = ""
    for at, text in cells:
        line = line.ljust(at if len(line) < at else len(line) + 2) + text
    return line


def colons(text: str) -> str:
    """`Label      value` becomes `Label: value`."""
    lines = text.split("\n")
    for number, line in enumerate(lines[:HEAD]):
        cells = list(_CELL.finditer(line))
        for one, two in reversed(list(zip(cells, cells[1:], strict=False))):
            if _labels(one, two):
                gap = " " * (two.start() - one.end() - 2) if two.end() < len(line) else ""
                mark = " " if one.group().endswith(":") else ": "
                line = line[: one.end()] + mark + line[two.start() : two.end()] + gap + line[two.end() :]
        lines[number] = line
    return "\n".join(lines)


def swapped(text: str) -> str:
    """Exchanges the two halves of the header at a gutter, a column where every line is blank."""
    lines = text.split("\n")
    head = lines[:25]
    width = max(map(len, head), default=0)
    gutters = [at for at in range(30, width - 20) if all(line[at - 2 : at + 1].strip() == "" for line in head)]
    if not gutters:
        return text
    cut = min(gutters, key=lambda at: abs(at - width / 2))
    lines[:25] = [f"{line[cut:].ljust(width - cut)}    {line[:cut]}".rstrip() for line in head]
    return "\n".join(lines)


def spaced(factor: float) -> Mutation:
    """Widens or narrows each run of three or more blanks; two stay at least."""
    return lambda text: re.sub(r"(?<=\S) {3,}", lambda match: " " * max(2, round(len(match.group()) * factor)), text)


def reworded(words: Mapping[str, str]) -> Mutation:
    """Replaces labels by other wordings."""
    pattern = re.compile("|".join(rf"\b{re.escape(word)}(?!\w)" for word in words))

    def redraw(match: re.Match[str]) -> str:
        return words[match.group()]

    return lambda text: _fitted(text, pattern, redraw)


def smudged(text: str) -> str:
    """Slips of OCR in one letter of every twelfth word of letters."""
    dice = random.Random(len(text))
    likes = {"o": "c", "e": "c", "i": "l", "l": "1", "t": "f", "a": "s", "n": "m", "r": "t", "C": "G", "A": "R"}

    def slip(match: re.Match[str]) -> str:
        word = match.group()
        places = [at for at, sign in enumerate(word) if sign in likes]
        if dice.random() > 1 / 12 or not places:
            return word
        at = dice.choice(places)
        return word[:at] + likes[word[at]] + word[at + 1 :]

    return re.sub(r"[A-Za-z]{5,}", slip, text)


def on_cells(redraw: Callable[[str, random.Random], str], share: float) -> Mutation:
    """Redraws a share of the cells of each line that look like labels, keeping the column of what follows."""

    def mutated(text: str) -> str:
        dice = random.Random(len(text))

        def one(match: re.Match[str]) -> str:
            cell = match.group()
            return redraw(cell, dice) if is_label(cell) >= 0.5 and dice.random() < share else cell

        return _fitted(text, _CELL, one)

    return mutated


def slipped(cell: str, dice: random.Random) -> str:
    """One letter of a cell misread, lost or doubled."""
    places = [at for at, sign in enumerate(cell) if sign.isalpha()]
    at = dice.choice(places) if places else 0
    return cell[:at] + dice.choice(("", "~", "i", "c", cell[at] * 2, ".")) + cell[at + 1 :]


def marked(cell: str, dice: random.Random) -> str:
    """A stroke of the form's frame, or dirt, before or behind a cell."""
    mark = dice.choice(("|", "'", "_", "~", "[", "\u2018", "*", "."))
    return mark + cell if dice.random() < 0.5 else f"{cell} {mark}"


def closed(text: str) -> str:
    """Closes one in eight of the gaps between columns to a single space."""
    dice = random.Random(len(text))
    return re.sub(r"(?<=\S) {3,}", lambda match: " " if dice.random() < 1 / 8 else match.group(), text)


def slanted(by: int) -> Mutation:
    """Moves what stands right of a gutter of the header a line down (1) or up (-1), as on a slanted scan."""

    def mutated(text: str) -> str:
        lines = text.split("\n")
        head = [line.ljust(260) for line in lines[:HEAD]]
        gutters = [at for at in range(60, 200) if all(line[at - 2 : at + 1].strip() == "" for line in head[:25])]
        if not gutters:
            return text
        cut = gutters[len(gutters) // 2]
        right = [line[cut:] for line in head]
        right = [" ", *right[:-1]] if by > 0 else [*right[1:], " "]
        lines[:HEAD] = [(line[:cut] + moved).rstrip() for line, moved in zip(head, right, strict=True)]
        return "\n".join(lines)

    return mutated


TERMS = (
    "The advertiser and the agency are jointly liable for the gross amount of this contract. No order number,\n"
    "flight date or invoice total is binding until 03/01/2031. Terms net 30. Client means the advertiser named above.\n"
)
MUTATIONS: Mapping[str, Mutation] = {
    "as it is": lambda text: text,
    "dates 2020-06-08": dated(lambda m, d, y: f"{y}-{m:02}-{d:02}"),
    "dates Jun 8, 2020": dated(lambda m, d, y: f"{_MONTHS[m - 1]} {d}, {y}"),
    "dates 08-Jun-20": dated(lambda m, d, y: f"{d:02}-{_MONTHS[m - 1]}-{y % 100}"),
    "dates 8 June 2020": dated(lambda m, d, y: f"{d} {_MONTHS[m - 1]}. {y}"),
    "dates Jun08/20": dated(lambda m, d, y: f"{_MONTHS[m - 1]}{d:02}/{y % 100}"),
    "dates 6.8.2020": dated(lambda m, d, y: f"{m}.{d}.{y}"),
    "ranges with to": lambda text: _RANGE.sub(" to ", text),
    "ranges with thru": lambda text: _RANGE.sub(" thru ", text),
    "ranges with a dash": lambda text: _RANGE.sub(" \u2013 ", text),
    "amounts 1,234.50": priced(lambda digits: digits),
    "amounts USD 1,234.50": priced(lambda digits: f"USD {digits}"),
    "amounts 1,234.50 USD": priced(lambda digits: f"{digits} USD"),
    "amounts $ 1,234.50": priced(lambda digits: f"$ {digits}"),
    "amounts $1234.50": priced(lambda digits: "$" + digits.replace(",", "")),
    "values below labels": below,
    "labels with colons": colons,
    "columns swapped": swapped,
    "spacing x 1.5": spaced(1.5),
    "spacing x 0.6": spaced(0.6),
    "spacing 2": spaced(0.0),
    "indented by 15": lambda text: "\n".join(" " * 15 + line for line in text.split("\n")),
    "not indented": lambda text: "\n".join(line.lstrip(" ") for line in text.split("\n")),
    "blank line between": lambda text: text.replace("\n", "\n\n"),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "capitals": str.upper,
    "small letters": str.lower,
    "page twice": lambda text: text + "\f" + text,
    "terms before": lambda text: TERMS + "\n" + text,
    "terms after": lambda text: text + "\n" + TERMS,
    "slips of OCR": smudged,
    "slips in labels": on_cells(slipped, 1 / 3),
    "slips in all labels": on_cells(slipped, 1.0),
    "dirt at labels": on_cells(marked, 1 / 3),
    "label words apart": on_cells(lambda cell, dice: cell.replace(" ", "  "), 1 / 3),
    "label words glued": on_cells(lambda cell, dice: cell.replace(" ", ""), 1 / 3),
    "gaps closed": closed,
    "right half a line down": slanted(1),
    "right half a line up": slanted(-1),
    "other labels 1": reworded(
        {
            "Advertiser": "Client",
            "Flight Dates": "Campaign Dates",
            "Contract Dates": "Campaign Dates",
            "Order Flight": "Air Dates",
            "Schedule Dates": "Schedule Period",
            "Gross Total": "Total Gross",
            "Contract #": "Contract Number",
            "Invoice #": "Invoice No.",
            "Contract / Revision": "Contract No. / Rev.",
        }
    ),
    "other labels 2": reworded(
        {
            "Advertiser": "Advertiser Name",
            "Flight Dates": "Flight",
            "Contract Dates": "Flight Dates",
            "Order Flight": "Flight Dates",
            "Schedule Dates": "Contract Period",
            "Gross Total": "Gross Amount",
            "Totals": "Total",
            "Contract #": "Contract ID",
            "Invoice #": "Invoice Number",
            "Contract / Revision": "Contract",
            "Order / Rev": "Order Number",
        }
    ),
}


@dataclass
class Tally:
    right: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))
    counted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIELDS, 0))

    @property
    def mean(self) -> float:
        return sum(self.right[name] / max(1, self.counted[name]) for name in FIELDS) / len(FIELDS)


def is_right(name: str, label: str, got: Any) -> bool:
    if got is None:
        return False
    if name == "gross_amount":
        return parse_amount(label) == parse_amount(str(got))
    if name.startswith("flight"):
        day = parse_date(label)
        return day is not None and day.isoformat() == got
    plain = [re.sub(r"[\W_]", "", str(text).lower()) for text in (label, got)]
    return plain[0] == plain[1]


def looked_at(row: Mapping[str, Any]) -> bool:
    return int(hashlib.sha256(row["id"].encode()).hexdigest(), 16) % 2 == 0


def read(program: Program, text: str) -> Mapping[str, Any]:
    end = advance(program, {"document": text}, ())
    return end.output if isinstance(end, Done) else {}


def measured(program: Program, rows: Sequence[Mapping[str, Any]], mutation: Mutation) -> Tally:
    tally = Tally()
    for row in rows:
        got = read(program, mutation(row["text"]))
        for name in FIELDS:
            if label := row["labels"].get(name):
                tally.counted[name] += 1
                tally.right[name] += is_right(name, label, got.get(name))
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", help="an artifact that reads `document`")
    parser.add_argument("--only", default="", help="mutations whose name contains this")
    options = parser.parse_args()
    path = DATA / "adbuy" / "dev.jsonl"
    if not path.exists():
        raise SystemExit(f"{path.name!r} is missing; set COMPILED_AI_DATA to the folder with the data sets.")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    program = as_program(load_artifact(options.artifact).sealed)
    for title, half in (("looked at", True), ("only scored", False)):
        chosen = [row for row in rows if looked_at(row) is half]
        print(f"{title} (n {len(chosen)})  mean  {'  '.join(FIELDS)}")
        for name, mutation in MUTATIONS.items():
            if options.only in name:
                tally = measured(program, chosen, mutation)
                shares = "  ".join(f"{tally.right[one] / max(1, tally.counted[one]):.3f}" for one in FIELDS)
                print(f"  {name:<22} {tally.mean:.3f}  {shares}", flush=True)


if __name__ == "__main__":
    main()
