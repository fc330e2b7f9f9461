"""Place segments on one absolute timeline: all at once, by linear programming.

Each segment has a window (when its source is spoken) and a natural duration (how long its voice takes at speed 1).
Wanted are starts and durations with the least total of onset drift, offset drift and departure from natural speed,
segments in order and apart, neighbours at like speeds. Start and duration of each segment are the variables; in the
duration, unlike in the speed, every one of these costs is convex and piecewise linear, so the optimum is exact, found
at once for all segments, and the same on every machine. Since every segment is placed on the clock of the picture,
drift cannot accumulate.

The costs are prices per second, to be read against each other: ``ONSET`` against ``FASTER`` says how much faster a
segment may get for the next one to start on time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vtlab.segments import Interval
from vtlab.settings import AudioSyncSettings

# ---- prices per second
ONSET = 1.0  # an onset off by a second, while within the tolerance …
ONSET_LATE = 5.0  # … and the price of each further second beyond it
OFFSET = 0.9  # an end off by a second
UNEVEN = 0.15  # a second more or less by a change of speed between neighbours …
UNEVEN_HEARD = 0.6  # … and where their speeds differ by more than HEARD_STEP
HEARD_STEP = 1.08  # a change of tempo beyond this ratio is heard
NEIGHBOURS_S = 3.0  # segments further apart than this are not neighbours to the ear
NO_WINDOW_S = 0.1  # a window shorter than this says nothing about where the segment should end

# price of a second gained by speaking faster than natural, than the preferred limit, than the speed worth reaching …
FASTER = (0.35, 0.7, 3.0)
# … and than the hard limit, in steps that share a rush evenly: a convex price is least when all pay the same
RUSHED = tuple(
    (float(factor), 60.0 * 1.3**step)
    for step, factor in enumerate((*np.arange(1.0, 1.3, 0.025).round(3), 1.35, 1.45, 1.6, 1.8, 2.2, 3.0))
)
SLOWER = (0.25, 0.7)  # price of a second filled by speaking slower than natural, than the preferred limit

# ---- speeds
# A segment whose voice needs up to 1.3 times its slot is worth that speed, since then it ends with its source. One that
# needs 1.4 times cannot end with it anyway: it keeps to the preferred speed and runs on into the silence.
WORTH_SPEED, WORTH_UP_TO, WORTHLESS_FROM = 1.2, 1.3, 1.4
# ---- crowds
CROWD_GAP_S = 0.4  # segments with less silence between them are one stretch
CROWD_LINES = 4  # a stretch of fewer segments is no crowd: silence is near
CROWD_DENSE = 0.9  # share of a crowd that is speech: there is no silence to run on into
CROWDED = 1.0  # a stretch that needs more than this on average is crowded: its segments share the speed it needs …
CROWD_ROOM = 1.03  # … with so much to spare for keeping time within it
CROWD_UNEVEN = 20.0  # price of steps between neighbours in a crowd beyond HEARD_STEP


@dataclass(frozen=True)
class Placement:
    """The place of one segment in seconds, and its speed (1.0 = natural, native rate and stretching together)."""

    start: float
    end: float
    speed: float


def place(
    windows: Sequence[Interval], natural_s: Sequence[float], total_s: float | None, settings: AudioSyncSettings
) -> list[Placement]:
    """Return the best placement of all segments, in order, none overlapping.

    Speeds stay within the settings' limits; the upper one gives way only where segments cannot fit otherwise, and then
    evenly over the whole crowded stretch.

    Args:
        windows: Where the sources are spoken; they may touch, overlap, be empty or run backwards.
        natural_s: Durations at speed 1, all positive.
        total_s: Length of the track, in which all must fit; ``None`` where there is no end.
        settings: Preferred speeds and limits, gap and tolerance.

    Raises:
        ValueError: There are not as many durations as windows.
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
    """Return the speed of each segment, for a voice that is about to speak: ``place`` without the places."""
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
    # a track too short for its segments even without the gaps and at any speed that is still speech is filled evenly
    gap = settings.gap_s
    if total_s is not None:
        gap = min(gap, total_s / (10 * len(natural)))
    starts = [program.variable(0.0) for _ in windows]
    durations = [program.variable(0.0, 0.0, seconds / settings.min_speed) for seconds in natural]

    limits = _crowd_limits(windows, natural, total_s, settings)
    for line, window in enumerate(windows):
        _price_drift(program, starts[line], durations[line], window, settings)
        _price_speed(program, durations[line], float(natural[line]), window, limits[line], settings)
        program.at_most(-natural[line] / 100, (durations[line], -1.0))  # never nothing
        if line:
            before = line - 1
            program.at_most(-gap, (starts[before], 1.0), (durations[before], 1.0), (starts[line], -1.0))
            if window.start - windows[before].end < NEIGHBOURS_S:
                crowded = limits[before] == limits[line] != settings.max_speed
                _price_steps(program, durations[before], durations[line], natural[before], natural[line], crowded)
    if total_s is not None:
        program.at_most(total_s, (starts[-1], 1.0), (durations[-1], 1.0))

    solution = program.solve()
    return solution[starts], solution[durations]


def _crowd_limits(
    windows: Sequence[Interval], natural: np.ndarray, total_s: float | None, settings: AudioSyncSettings
) -> list[float]:
    """Return the speed above which a segment is rushed: the settings' limit, or in a crowd what the crowd needs."""
    limits = [settings.max_speed] * len(windows)
    first = 0
    for line in range(1, len(windows) + 1):
        if line < len(windows) and windows[line].start - windows[line - 1].end < CROWD_GAP_S:
            continue
        end = windows[line].start if line < len(windows) else total_s
        if end is not None and line - first >= CROWD_LINES:
            room = end - windows[first].start - settings.gap_s * (line - first)
            needed = float(natural[first:line].sum()) / max(room, 0.01)
            spoken = sum(window.duration for window in windows[first:line])
            dense = spoken > CROWD_DENSE * (windows[line - 1].end - windows[first].start)
            if needed > CROWDED and dense:
                limits[first:line] = [needed * CROWD_ROOM] * (line - first)
        first = line
    return limits


def _price_drift(program: _Program, start: int, duration: int, window: Interval, settings: AudioSyncSettings) -> None:
    for sign in (1.0, -1.0):
        program.priced_above(ONSET, sign * window.start, (start, sign))
        program.priced_above(ONSET_LATE - ONSET, sign * window.start + settings.onset_tolerance_s, (start, sign))
        if window.duration > NO_WINDOW_S:
            program.priced_above(OFFSET, sign * window.end, (start, sign), (duration, sign))


def _price_speed(
    program: _Program, duration: int, natural: float, window: Interval, limit: float, settings: AudioSyncSettings
) -> None:
    """Price the duration of a segment; slopes add up, so each step pays what it adds to the one before."""
    paid = 0.0
    preferred = settings.preferred_max_speed
    worth = preferred
    if window.duration > NO_WINDOW_S:
        share = (WORTHLESS_FROM - natural / window.duration) / (WORTHLESS_FROM - WORTH_UP_TO)
        worth = preferred + max(0.0, WORTH_SPEED - preferred) * min(max(share, 0.0), 1.0)
    for speed, price in zip((1.0, preferred, worth), FASTER, strict=True):
        program.priced_above(price - paid, -natural / speed, (duration, -1.0))
        paid = price
    for factor, price in RUSHED:
        program.priced_above(price - paid, -natural / (limit * factor), (duration, -1.0))
        paid = price
    paid = 0.0
    for speed, price in zip((1.0, settings.preferred_min_speed), SLOWER, strict=True):
        program.priced_above(price - paid, natural / speed, (duration, 1.0))
        paid = price


def _price_steps(program: _Program, one: int, two: int, natural_one: float, natural_two: float, crowded: bool) -> None:
    """Price unlike slowness (duration ÷ natural duration) of neighbours, per second of the shorter one."""
    shorter = min(natural_one, natural_two)
    heard = CROWD_UNEVEN if crowded else UNEVEN_HEARD
    for (a, natural_a), (b, natural_b) in (
        ((one, natural_one), (two, natural_two)),
        ((two, natural_two), (one, natural_one)),
    ):
        program.priced_above(UNEVEN * shorter, 0.0, (a, 1 / natural_a), (b, -1 / natural_b))
        program.priced_above(heard * shorter, 0.0, (a, 1 / natural_a), (b, -HEARD_STEP / natural_b))
