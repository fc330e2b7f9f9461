"""Make a data set from videos with subtitles, and evaluate two configurations on it.

python examples/own_dataset.py my-clips talk.mp4 talk.pt.srt talk.en.srt pt en
"""

import sys
from pathlib import Path

import vtlab
from vtlab.evaluation import dataset

folder, video, transcript, translation, source, target = sys.argv[1:]
clip = dataset.NewClip(
    video=Path(video),
    transcript=Path(transcript),
    translation=Path(translation),
    source_language=source,
    target_language=target,
)
dataset.new(Path(folder), [clip])
print(vtlab.load_dataset(folder).to_frame())
for fault in dataset.check(folder).faults:
    print(fault)

suite = Path(folder) / "beams.yaml"
suite.write_text(
    f"dataset: {Path(folder).resolve()}\n"
    "settings: {tts.engines: [piper, kokoro]}\n"
    "matrix: {transcription.options.faster_whisper.beam_size: [1, 5]}\n"
    "metrics: [text, sync]\n"
)
vtlab.evaluate(suite)
print(vtlab.compare(suite="beams").differences())
