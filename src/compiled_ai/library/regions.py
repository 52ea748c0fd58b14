"""States of the United States and their largest cities."""

from __future__ import annotations

import re

_STATES = """
AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware, FL Florida,
DC District of Columbia, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa, KS Kansas, KY Kentucky,
LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, MS Mississippi, MO Missouri,
MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico, NY New York, NC North Carolina,
ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, PA Pennsylvania, RI Rhode Island, SC South Carolina,
SD South Dakota, TN Tennessee, TX Texas, UT Utah, VT Vermont, VA Virginia, WA Washington, WV West Virginia,
WI Wisconsin, WY Wyoming
"""
_CITIES = """
NY New York, NY New York City, NY Brooklyn, NY Manhattan, NY Buffalo, CA Los Angeles, CA San Francisco, CA San Diego,
CA San Jose, CA Sacramento, CA Oakland, CA Fresno, CA Long Beach, CA Berkeley, CA Palo Alto, IL Chicago, TX Houston,
TX Dallas, TX Austin, TX San Antonio, TX Fort Worth, TX El Paso, PA Philadelphia, PA Pittsburgh, AZ Phoenix,
AZ Tucson, AZ Mesa, FL Miami, FL Orlando, FL Tampa, FL Jacksonville, OH Columbus, OH Cleveland, OH Cincinnati,
IN Indianapolis, NC Charlotte, NC Raleigh, WA Seattle, CO Denver, CO Boulder, DC Washington, TN Nashville, TN Memphis,
MA Boston, MA Cambridge, OR Portland, NV Las Vegas, MI Detroit, MI Ann Arbor, KY Louisville, MD Baltimore,
WI Milwaukee, NM Albuquerque, MO Kansas City, MO St. Louis, GA Atlanta, NE Omaha, MN Minneapolis, LA New Orleans,
HI Honolulu, UT Salt Lake City, VA Richmond, AK Anchorage
"""


def _read(table: str) -> dict[str, str]:
    pairs = (entry.strip().split(" ", 1) for entry in table.split(","))
    return {name.casefold(): code for code, name in pairs}


_CODE_OF = _read(_STATES)
_STATE_OF = _read(_CITIES)


def state_code(name: str) -> str | None:
    """Returns the two letters of a state: of `Ohio`, `OH`, `ohio`; `None` if it is none."""
    plain = name.strip(" .").casefold()
    return _CODE_OF.get(plain) or (plain.upper() if plain.upper() in _CODE_OF.values() else None)


def with_state(place: str) -> str:
    """Writes a city with its state: `Boston` and `Boston, Massachusetts` are `Boston, MA`; other places stay."""
    parts = [part.strip() for part in re.split(r",", place)]
    if len(parts) == 1:
        code = _STATE_OF.get(parts[0].casefold())
        return f"{parts[0]}, {code}" if code else place
    code = state_code(parts[1])
    return f"{parts[0]}, {code}" if code else place
