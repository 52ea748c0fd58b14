"""How a reading function holds on pages of systems that no development file shows.

`python bench/other_systems.py ARTIFACT`: `bench/pages/*.txt` are made-up pages in the manner of other traffic
and billing systems; each is drawn a number of times with made-up names, numbers, dates and amounts. The pages `a*` and
`c*` were read while the library was changed, the pages `b*` and `d*` were written before and only scored. Each round
comes from one hand, so that this shows what breaks, not how often.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from mutations import FIELDS, MUTATIONS, Tally, measured

from compiled_ai import load_artifact
from compiled_ai.runtime.loading import as_program

PAGES = Path(__file__).parent / "pages"
NAMES = (
    "Friends of Jane Okonkwo",
    "Citizens for Better Roads PAC",
    "Hartley for Senate",
    "Marsh Valley Tomorrow",
    "Committee to Elect Rosa Delgado",
    "POL/Dana Brightwater/Governor/DEM",
    "Ohioans United for Schools Inc",
    "BLUE RIVER VICTORY FUND",
)
AGENCIES = ("Northgate Media LLC", "Canal Street Partners", "Ridge & Vale Communications", "MEDIA STRATEGIES GROUP")
STATIONS = ("KQZB", "WXLV", "KTTR", "WPVK")


def drawn(template: str, seed: int) -> dict[str, object]:
    """One page of a system, as a row of the development file has it."""
    dice = random.Random(seed)
    first = date(2020, 1, 6) + timedelta(days=dice.randrange(300))
    last = first + timedelta(days=dice.choice((4, 6, 13, 27)))
    gross = Decimal(dice.randrange(300_00, 90_000_00, 500)) / 100
    name = dice.choice(NAMES)
    number = str(dice.randrange(10**5, 10 ** dice.choice((6, 7, 8))))
    words = _words(first, last, gross) | {
        "contract": number,
        "advertiser": name,
        "agency": dice.choice(AGENCIES),
        "station": dice.choice(STATIONS),
    }
    labels = {"contract_num": number, "advertiser": name, "gross_amount": f"${gross:,.2f}"}
    labels |= {"flight_from": f"{first:%m/%d/%y}", "flight_to": f"{last:%m/%d/%y}"}
    return {"text": template.format_map(words), "labels": labels}


def _words(first: date, last: date, gross: Decimal) -> dict[str, str]:
    """What a page may say of dates and amounts, in all spellings that the pages use."""
    words = {}
    for name, day in (("from", first), ("to", last)):
        words[name] = f"{day:%m/%d/%y}"
        words[name + "4"] = f"{day.month}/{day.day}/{day.year}"
        words[name + "L"] = f"{day:%b %d, %Y}"
        words[name + "D"] = f"{day:%d-%b-%y}"
        words[name + "F"] = f"{day:%B} {day.day}, {day.year}"
        words[name + "M"] = f"{day:%b%d/%y}".upper()
    commission = (gross * Decimal("0.15")).quantize(Decimal("0.01"))
    for name, amount in (("gross", gross), ("commission", commission), ("net", gross - commission)):
        words[name] = f"${amount:,.2f}"
        words["bare" if name == "gross" else "bare" + name] = f"{amount:,.2f}"
    return words


def pages(times: int) -> Iterator[tuple[str, list[Mapping[str, object]]]]:
    for path in sorted(PAGES.glob("*.txt")):
        template = path.read_text(encoding="utf-8")
        yield path.stem, [drawn(template, seed) for seed in range(times)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", help="an artifact that reads `document`")
    parser.add_argument("--times", type=int, default=8, help="how often each page is drawn")
    parser.add_argument("--mutation", choices=tuple(MUTATIONS), default="as it is", help="redraw the pages by this one")
    options = parser.parse_args()
    program = as_program(load_artifact(options.artifact).sealed)
    means: dict[str, list[float]] = {}
    print(f"{'page':<22} mean  {'  '.join(FIELDS)}")
    for name, rows in pages(options.times):
        tally: Tally = measured(program, rows, MUTATIONS[options.mutation])
        shares = "  ".join(f"{tally.right[one] / max(1, tally.counted[one]):.3f}" for one in FIELDS)
        print(f"{name:<22} {tally.mean:.3f}  {shares}", flush=True)
        means.setdefault(name[0], []).append(tally.mean)
    for letter, title in (("a", "read"), ("b", "only scored"), ("c", "read"), ("d", "only scored")):
        own = means[letter]
        print(f"{letter}, {title}: {sum(own) / len(own):.3f} (n {len(own)} pages x {options.times})")


if __name__ == "__main__":
    main()
