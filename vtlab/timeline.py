"""Placing lines on one absolute timeline: all at once, by linear programming.

Each line has a window (when its source is spoken) and a natural duration (how long its voice takes at speed 1). Wanted
are starts and durations with the least total of onset drift, offset drift and departure from natural speed, lines in
order and apart, neighbours at like speeds. Start and duration of each line are the variables; in the duration, unlike
in the speed, every one of these costs is convex and piecewise linear, so the optimum is exact, found at once for all
lines, and the same on every machine. Since every line is placed on the clock of the picture, drift cannot accumulate.

The costs are prices per second, to be read against each other: ``ONSET`` against ``SPEED`` says how much faster a line
may get for the next one to start on time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vtlab.segments import Interval
from vtlab.settings import AudioSyncSettings

ONSET = 1.0  # an onset off by a second, while within the tolerance …
ONSET_LATE = 5.0  # … and the price of each further second beyond it
OFFSET = 0.9  # an end off by a second
UNEVEN = 0.4  # a second more or less by a change of speed between neighbours …
UNEVEN_HEARD = 0.6  # … and where their speeds differ by more than HEARD_STEP
HEARD_STEP = 1.08  # a change of tempo beyond this ratio is heard
NEIGHBOURS_S = 3.0  # lines further apart than this are not neighbours to the ear
NO_WINDOW_S = 0.1  # a window shorter than this says nothing about where the line should end

# price of a second gained by speaking faster than the first number (1.1 and 1.3 stand for the settings' limits);
# the steps above the limit are there to share a rush evenly: a convex price is least when all pay the same
FASTER = ((1.0, 0.35), (1.1, 1.2), (1.2, 3.0))
RUSHED = tuple(
    (float(factor), 60.0 * 1.3**step)
    for step, factor in enumerate((*np.arange(1.0, 1.3, 0.025).round(3), 1.35, 1.45, 1.6, 1.8, 2.2, 3.0))
)
# price of a second filled by speaking slower than the first number
SLOWER = ((1.0, 0.35), (0.9, 3.0))


@dataclass(frozen=True)
class Placement:
    """Where one line goes: seconds, and its speed (1.0 = natural, native rate and stretching together)."""

    start: float
    end: float
    speed: float


def place(
    windows: Sequence[Interval], natural_s: Sequence[float], total_s: float | None, settings: AudioSyncSettings
) -> list[Placement]:
    """The best placement of all lines, in order, none overlapping, all within ``total_s``.

    ``windows`` are where the sources are spoken; they may touch, overlap, be empty or run backwards. ``natural_s`` are
    durations at speed 1, all positive. Speeds stay within the settings' limits; the upper one gives way only where
    lines cannot fit otherwise, and then evenly over the whole crowded stretch.
    """
    if len(windows) != len(natural_s):
        raise ValueError(f"{len(windows)} windows for {len(natural_s)} lines")
    if not windows:
        return []
    starts, durations = _solve(windows, np.asarray(natural_s, float), total_s, settings)
    placements, earliest = [], 0.0
    for start, duration, natural in zip(starts, durations, natural_s, strict=True):
        begin = max(float(start), earliest)  # the solver's own tolerance must not become an overlap
        placements.append(Placement(begin, begin + float(duration), natural / float(duration)))
        earliest = begin + float(duration)
    return placements


def plan_rates(
    windows: Sequence[Interval], natural_s: Sequence[float], settings: AudioSyncSettings, total_s: float | None = None
) -> list[float]:
    """The speed that each line should have, for a voice that is about to speak: ``place`` without the places."""
    return [placement.speed for placement in place(windows, natural_s, total_s, settings)]


class _Program:
    """Rows and prices of a linear program with variables ≥ 0, collected piece by piece."""

    def __init__(self) -> None:
        self.prices: list[float] = []
        self.low: list[float] = []
        self.high: list[float] = []
        self._entries: list[tuple[int, int, float]] = []
        self._limits: list[float] = []

    def variable(self, price: float, low: float = 0.0, high: float = np.inf) -> int:
        self.prices.append(price)
        self.low.append(low)
        self.high.append(high)
        return len(self.prices) - 1

    def at_most(self, limit: float, *terms: tuple[int, float]) -> None:
        """Σ factor × variable ≤ limit."""
        row = len(self._limits)
        self._entries += [(row, variable, factor) for variable, factor in terms]
        self._limits.append(limit)

    def priced_above(self, price: float, limit: float, *terms: tuple[int, float]) -> None:
        """``price`` for each unit by which Σ factor × variable exceeds ``limit``."""
        excess = self.variable(price)
        self.at_most(limit, *terms, (excess, -1.0))

    def solve(self) -> np.ndarray:
        from scipy.optimize import linprog
        from scipy.sparse import csr_array

        rows, columns, factors = zip(*self._entries, strict=True)
        matrix = csr_array((factors, (rows, columns)), shape=(len(self._limits), len(self.prices)))
        bounds = np.column_stack([self.low, self.high])
        result = linprog(self.prices, A_ub=matrix, b_ub=self._limits, bounds=bounds, method="highs")
        if result.status != 0:
            raise ArithmeticError(f"placement has no solution: {result.message}")
        return np.asarray(result.x)


def _solve(
    windows: Sequence[Interval], natural: np.ndarray, total_s: float | None, settings: AudioSyncSettings
) -> tuple[np.ndarray, np.ndarray]:
    program = _Program()
    # a track too short for its lines even without the gaps and at any speed that is still speech is filled evenly
    gap = settings.gap_s
    if total_s is not None:
        gap = min(gap, total_s / (10 * len(natural)))
    starts = [program.variable(0.0) for _ in windows]
    durations = [program.variable(0.0, 0.0, seconds / settings.min_speed) for seconds in natural]

    for line, window in enumerate(windows):
        _price_drift(program, starts[line], durations[line], window, float(natural[line]), settings)
        _price_speed(program, durations[line], float(natural[line]), settings)
        program.at_most(-natural[line] / 100, (durations[line], -1.0))  # never nothing
        if line:
            before = line - 1
            program.at_most(-gap, (starts[before], 1.0), (durations[before], 1.0), (starts[line], -1.0))
            if window.start - windows[before].end < NEIGHBOURS_S:
                _price_steps(program, durations[before], durations[line], natural[before], natural[line])
    if total_s is not None:
        program.at_most(total_s, (starts[-1], 1.0), (durations[-1], 1.0))

    solution = program.solve()
    return solution[starts], solution[durations]


def _price_drift(
    program: _Program, start: int, duration: int, window: Interval, natural: float, settings: AudioSyncSettings
) -> None:
    for sign in (1.0, -1.0):
        program.priced_above(ONSET, sign * window.start, (start, sign))
        program.priced_above(ONSET_LATE - ONSET, sign * window.start + settings.onset_tolerance_s, (start, sign))
        if window.duration > NO_WINDOW_S:
            program.priced_above(OFFSET, sign * window.end, (start, sign), (duration, sign))


def _price_speed(program: _Program, duration: int, natural: float, settings: AudioSyncSettings) -> None:
    """Prices on the duration of a line; slopes add up, so each step pays what it adds to the one before."""
    paid = 0.0
    for speed, price in FASTER:
        limit = settings.preferred_max_speed if speed == 1.1 else speed
        program.priced_above(price - paid, -natural / limit, (duration, -1.0))
        paid = price
    for factor, price in RUSHED:
        program.priced_above(price - paid, -natural / (settings.max_speed * factor), (duration, -1.0))
        paid = price
    paid = 0.0
    for speed, price in SLOWER:
        limit = settings.preferred_min_speed if speed == 0.9 else speed
        program.priced_above(price - paid, natural / limit, (duration, 1.0))
        paid = price


def _price_steps(program: _Program, one: int, two: int, natural_one: float, natural_two: float) -> None:
    """Prices on unlike slowness (duration ÷ natural duration) of neighbours, per second of the shorter one."""
    shorter = min(natural_one, natural_two)
    for (a, natural_a), (b, natural_b) in (
        ((one, natural_one), (two, natural_two)),
        ((two, natural_two), (one, natural_one)),
    ):
        program.priced_above(UNEVEN * shorter, 0.0, (a, 1 / natural_a), (b, -1 / natural_b))
        program.priced_above(UNEVEN_HEARD * shorter, 0.0, (a, 1 / natural_a), (b, -HEARD_STEP / natural_b))
