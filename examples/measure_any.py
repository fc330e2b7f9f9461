"""Measure a dub that any tool made against its source, and print what misses its target.

python examples/measure_any.py theirs.mp4 --source talk.mp4 --from pt --to en
"""

import argparse

import vtlab

parser = argparse.ArgumentParser(description="Measure a dub that any tool made.")
parser.add_argument("dubbed")
parser.add_argument("--source", required=True, help="the video that was dubbed")
parser.add_argument("--from", dest="source_language", required=True)
parser.add_argument("--to", dest="target_language", required=True)
parser.add_argument("--reference", help="transcript and translation: SRT, WebVTT, text, or a manifest line")
arguments = parser.parse_args()

measured = vtlab.measure(
    arguments.dubbed,
    source=arguments.source,
    reference=arguments.reference,
    source_language=arguments.source_language,
    target_language=arguments.target_language,
)
table = measured.to_frame()
print(table[table.verdict == "missed"].to_string())
print(measured["sync_within_150ms"].value, measured["bleu"].why_absent)
