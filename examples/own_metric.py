"""Measure something new: how many of the numbers that are spoken does the translation keep?

PYTHONPATH=examples python examples/own_metric.py talk.en.mp4 talk.mp4 manifest.jsonl
"""

import re
import sys

import vtlab
from vtlab.metrics.metric import SumMetric
from vtlab.metrics.needs import RECORD, REFERENCE
from vtlab.metrics.units import Unit


def numbers_kept(unit: Unit) -> tuple[float, float] | None:
    """Return how many numbers of the segment its translation has, and how many there are."""
    if unit.segment is None or unit.segment.text is None or unit.segment.translated is None:
        return None
    spoken = re.findall(r"\d+", unit.segment.text)
    return sum(number in unit.segment.translated for number in spoken), len(spoken)


NUMBERS_KEPT = SumMetric(
    "numbers_kept",
    "1",
    "higher",
    "share of the numbers in the source that the translation keeps",
    target=(1.0, None),
    needs=(RECORD, REFERENCE),
    counts=numbers_kept,  # the value is the sum of the first column ÷ the sum of the second
    nothing="no number is spoken",
)

if __name__ == "__main__":
    dubbed, source, reference = sys.argv[1:]
    measured = vtlab.measure(dubbed, source=source, reference=reference, metrics=["own_metric:NUMBERS_KEPT"])
    print(measured["own_metric:NUMBERS_KEPT"].value, measured["own_metric:NUMBERS_KEPT"].why_absent)
