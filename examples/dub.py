"""Dub a video and print its segments.

python examples/dub.py talk.mp4 --from pt --to en
"""

import argparse

import vtlab

parser = argparse.ArgumentParser(description="Dub a video and print its segments.")
parser.add_argument("video")
parser.add_argument("--from", dest="source", help="language spoken; detected by default")
parser.add_argument("--to", required=True, help="language to dub into")
parser.add_argument("--out", default="dubbed", help="folder for the results")
arguments = parser.parse_args()

dub = vtlab.dub(arguments.video, to=arguments.to, source=arguments.source, out=arguments.out)

print(dub.media)
print(dub.lines()[["start", "text", "translation", "speed"]].to_string())
findings = dub.findings()
print(findings[findings.severity != "info"].to_string(index=False))
