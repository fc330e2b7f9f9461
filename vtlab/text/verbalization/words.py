"""The words of each language for all but plain numbers: money, units, months, clocks, addresses, abbreviations."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Money:
    """A currency in words: singular, plural, its hundredth part in both."""

    one: str
    many: str
    cent: str
    cents: str


@dataclass(frozen=True)
class Words:
    """The words of one language that ``num2words`` lacks: money by sign, units by sign, months in order."""

    point: str
    percent: str
    to: str  # between the ends of a range
    and_: str
    of: str  # between a million and what there are a million of; empty where nothing stands there
    minus: str
    number: str
    money: dict[str, Money]
    units: dict[str, tuple[str, str]]
    months: tuple[str, ...]
    date: str  # with {day}, {month} and {year}
    hours: tuple[str, str, str]  # one o'clock, n o'clock, with minutes; {h} and {m} are words
    address: dict[str, str]
    abbreviations: dict[str, str]
    magnitudes: tuple[str, ...] = ()
    decimal_comma: bool = True
    feminine_hours: bool = False
    digits_after_point: bool = False  # "three point one four" rather than "three point fourteen"
    ordinals: str = r"(?!)"
    signs: dict[str, str] = field(default_factory=dict)  # between or before figures
    fractions: dict[str, str] = field(default_factory=dict)  # by "1/2"
    short_magnitudes: dict[str, str] = field(default_factory=dict)  # after an amount of money
    dialect: str = ""  # of num2words, where it differs from the code


def units(**words: tuple[str, str]) -> dict[str, tuple[str, str]]:
    """Return units by their signs, of which some cannot stand as keyword arguments (``kmh`` for ``km/h``)."""
    signs = {"kmh": "km/h", "ms_": "m/s", "degc": "°C", "degf": "°F", "m2": "m²", "km2": "km²", "m3": "m³", "deg": "°"}
    return {signs.get(sign, sign): pair for sign, pair in words.items()}
