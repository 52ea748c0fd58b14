"""Quantities with units: read and converted exactly, in decimals.

A table of its own instead of a units library: exact definitions, no floats, and no half second of import.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext

from compiled_ai.library.money import find_amounts
from compiled_ai.library.places import LocatedDecimal
from compiled_ai.library.values import NUMBERS

_TABLE = """
length m: nm 1e-9, um 1e-6, mm 0.001, cm 0.01, dm 0.1, m 1, km 1000, in 0.0254, ft 0.3048, yd 0.9144, mi 1609.344
length m: nmi 1852
area m2: mm2 0.000001, cm2 0.0001, m2 1, ha 10000, km2 1000000, sqin 0.00064516, sqft 0.09290304, sqyd 0.83612736
area m2: acre 4046.8564224
volume l: ul 0.000001, ml 0.001, cl 0.01, dl 0.1, l 1, m3 1000, cm3 0.001, tsp 0.00492892159375
volume l: tbsp 0.01478676478125, floz 0.0295735295625, cup 0.2365882365, pt 0.473176473, qt 0.946352946
volume l: gal 3.785411784
mass g: ng 1e-9, mcg 0.000001, mg 0.001, g 1, kg 1000, t 1000000, oz 28.349523125, lb 453.59237, st 6350.29318
time s: ms 0.001, s 1, min 60, h 3600, d 86400, wk 604800
speed m/s: m/s 1, km/h 0.27777777777777777777777777777777778, mph 0.44704, kn 0.51444444444444444444444444444444444
energy j: j 1, kj 1000, cal 4.184, kcal 4184, wh 3600, kwh 3600000, btu 1055.05585262
pressure pa: pa 1, hpa 100, kpa 1000, bar 100000, mbar 100, psi 6894.757293168, mmhg 133.322387415, atm 101325
data byte: bit 0.125, byte 1, kb 1000, mb 1000000, gb 1000000000, tb 1000000000000, kib 1024, mib 1048576
data byte: gib 1073741824
concentration g/l: mg/dl 0.01, g/dl 10, g/l 1, mg/l 0.001, ng/ml 0.000001, mcg/ml 0.001, mg/ml 1
temperature k: c 1, f 1, k 1
acceleration m/s2: m/s2 1, ft/s2 0.3048
calendar month: month 1, quarter 3, year 12, decade 120
charge coulomb: coulomb 1, millicoulomb 0.001, microcoulomb 0.000001, nanocoulomb 1e-9
frequency hz: hz 1, khz 1000, mhz 1000000, ghz 1000000000
power w: w 1, kw 1000, hp 745.69987158227022
voltage v: mv 0.001, v 1, kv 1000
angle deg: deg 1, rad 57.295779513082320876798154814105170
"""
_ALIAS_TEXT = """
meter=m, metre=m, kilometer=km, kilometre=km, centimeter=cm, millimeter=mm, inch=in, inches=in, "=in, foot=ft,
feet=ft, '=ft, yard=yd, mile=mi, sq ft=sqft, ft2=sqft, square feet=sqft, m²=m2, sqm=m2, hectare=ha, liter=l,
litre=l, milliliter=ml, millilitre=ml, cc=cm3, fl oz=floz, gallon=gal, quart=qt, pint=pt, gram=g, gramme=g,
kilogram=kg, kilo=kg, milligram=mg, microgram=mcg, µg=mcg, μg=mcg, ug=mcg, tonne=t, ounce=oz, pound=lb, lbs=lb,
stone=st, second=s, sec=s, minute=min, hour=h, hr=h, day=d, week=wk, kph=km/h, kmh=km/h, knot=kn, calorie=cal,
mm hg=mmhg, °c=c, celsius=c, deg c=c, °f=f, fahrenheit=f, deg f=f, kelvin=k, bytes=byte,
yr=year, mc=millicoulomb, µc=microcoulomb, μc=microcoulomb, uc=microcoulomb, nc=nanocoulomb, hertz=hz, kilohertz=khz,
megahertz=mhz, gigahertz=ghz, watt=w, kilowatt=kw, horsepower=hp, volt=v, kilovolt=kv, degree=deg, °=deg, radian=rad
"""


def _read_table() -> dict[str, tuple[str, Decimal]]:
    units: dict[str, tuple[str, Decimal]] = {}
    for line in _TABLE.strip().splitlines():
        head, entries = line.split(":", 1)
        for entry in entries.split(","):
            name, factor = entry.split()
            units[name] = (head.split()[0], Decimal(factor))
    return units


def _read_aliases() -> dict[str, str]:
    pairs = [pair.strip().split("=") for pair in _ALIAS_TEXT.replace("\n", " ").split(",") if pair.strip()]
    return {pair[0]: pair[1] for pair in pairs}


_UNITS = _read_table()
_ALIASES = _read_aliases()


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit in short form (`kg`, `mg/dl`)."""

    value: LocatedDecimal
    unit: str

    def to(self, unit: str) -> Decimal:
        """Returns the number in another unit of the same dimension; raises `ValueError` otherwise."""
        return convert(self.value, self.unit, unit)


def unit_of(name: str) -> str | None:
    """Returns the short form of a unit's name (`kilograms` is `kg`), or `None` if it is unknown."""
    plain = re.sub(r"\s+", " ", name.strip()[:30].lower()).rstrip(".")
    for candidate in (
        plain,
        _ALIASES.get(plain, ""),
        plain.removesuffix("s"),
        _ALIASES.get(plain.removesuffix("s"), ""),
    ):
        if candidate in _UNITS:
            return candidate
    return None


def dimension_of(unit: str) -> str:
    """Returns what a unit in its short form measures (`mass`), or "" for one that is unknown."""
    return _UNITS[unit][0] if unit in _UNITS else ""


def convert(value: Decimal, source: str, target: str) -> Decimal:
    """Converts a number between units of one dimension: `convert(Decimal(180), "lb", "kg")`.

    Raises `ValueError` for unknown units and for units of different dimensions. Rounded to 28 digits.
    """
    first, second = unit_of(source), unit_of(target)
    if first is None or second is None:
        raise ValueError(
            f"Unknown unit {source if first is None else target!r}. Use a short form such as kg, lb, cm, ft, ml."
        )
    dimension, factor = _UNITS[first]
    other, divisor = _UNITS[second]
    if dimension != other:
        raise ValueError(
            f"{source!r} is a unit of {dimension}, {target!r} of {other}; give two units of one dimension."
        )
    with localcontext(NUMBERS):
        if dimension == "temperature":
            return _from_kelvin(_to_kelvin(Decimal(value), first), second)
        return _short(Decimal(value) * factor / divisor)


def _short(value: Decimal) -> Decimal:
    with localcontext(NUMBERS) as context:
        context.prec = 28
        rounded = +value
        return (
            rounded.quantize(Decimal(1))
            if rounded == rounded.to_integral_value() and abs(rounded) < 10**20
            else rounded.normalize()
        )


def _to_kelvin(value: Decimal, unit: str) -> Decimal:
    if unit == "f":
        return (value - 32) * 5 / 9 + Decimal("273.15")
    return value + Decimal("273.15") if unit == "c" else value


def _from_kelvin(value: Decimal, unit: str) -> Decimal:
    if unit == "f":
        return _short((value - Decimal("273.15")) * 9 / 5 + 32)
    return _short(value - Decimal("273.15") if unit == "c" else value)


_AFTER = re.compile(
    r"\s{0,3}(mm hg|sq ft|fl oz|square feet|deg [cf]|°[CF]|[A-Za-zµμ]{1,10}(?:/[A-Za-z]{1,3}|[23²])?|[\"'])",
    re.IGNORECASE,
)


def parse_quantity(text: str) -> Quantity | None:
    """Reads the first number of a text that is followed by a known unit: `weight: 81.5 kg`, `5 mg/dL`, `6'`."""
    short = text[:2000]
    for found in find_amounts(short):
        after = _AFTER.match(short, found.end)
        unit = unit_of(after.group(1)) if after else None
        if unit:
            return Quantity(found.value, unit)
    return None
