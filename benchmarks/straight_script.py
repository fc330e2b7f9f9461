"""The dub a plain script makes: the same models as vtlab's defaults, called one after another.

    python benchmarks/straight_script.py VIDEO --from pt --to en --out FOLDER

What vtlab is measured against. Recognition with beam 5, word times and voice activity; every recognised segment
translated; the voice at its natural rate, sped up by at most 1.1 where it is longer than its segment; put at the
segment's start, whatever it then overlaps. Writes into FOLDER ``<stem>.<to>.mp4``, ``<stem>.<to>.speech.wav`` and
``<stem>.<to>.lines.json``. Uses nothing of vtlab but the places of its weights and its stretching.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vtlab.audio import Audio, resample, stretch, trim
from vtlab.weights import fetch

RATE = 48_000
MAX_SPEED = 1.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--from", dest="source", required=True)
    parser.add_argument("--to", dest="target", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    dub(options.video, options.source, options.target, options.out)


def dub(video: Path, source: str, target: str, out: Path) -> None:
    from faster_whisper import WhisperModel, decode_audio

    began = time.perf_counter()
    recogniser = WhisperModel(str(fetch("whisper/base")), device="cpu", compute_type="int8")
    segments, _ = recogniser.transcribe(
        decode_audio(str(video)), language=source, beam_size=5, word_timestamps=True, vad_filter=True
    )
    heard = list(segments)

    translate = translator(source, target)
    translations = [translate(segment.text.strip()) for segment in heard]

    speak = voice(target)
    original = decode_audio(str(video), sampling_rate=RATE)
    speech = np.zeros(len(original), np.float32)
    background = original.copy()
    lines = []
    for segment, translation in zip(heard, translations, strict=True):
        audio = trim(speak(translation))
        speed = min(max(audio.duration / (segment.end - segment.start), 1.0), MAX_SPEED)
        samples = resample(stretch(audio, speed), RATE).samples
        start = round(segment.start * RATE)
        samples = samples[: max(0, len(speech) - start)]
        speech[start : start + len(samples)] += samples
        background[start : max(start + len(samples), round(segment.end * RATE))] = 0
        lines.append(
            {
                "id": segment.id,
                "start": segment.start,
                "end": segment.end,
                "text": segment.text.strip(),
                "translation": translation,
                "placed_start": start / RATE,
                "placed_end": (start + len(samples)) / RATE,
                "speed": speed,
            }
        )

    out.mkdir(parents=True, exist_ok=True)
    stem = out / f"{video.stem}.{target}"
    write_wav(speech, Path(f"{stem}.speech.wav"))
    write_wav(speech + background, Path(f"{stem}.mix.wav"))
    mux(video, Path(f"{stem}.mix.wav"), Path(f"{stem}.mp4"))
    report = {"wall_s": time.perf_counter() - began, "lines": lines}
    Path(f"{stem}.lines.json").write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")


def translator(source: str, target: str) -> Callable[[str], str]:
    import fxtranslate

    folder = fetch(f"firefox/{source}-{target}")
    model, vocabulary, shortlist = (
        next(folder.glob(pattern)).read_bytes() for pattern in ("model.*.bin", "vocab.*.spm", "lex.*.bin")
    )
    engine = fxtranslate.Translator(model, vocabulary, vocabulary, shortlist)
    return lambda text: str(engine.translate_long(text))


def voice(language: str) -> Callable[[str], Audio]:
    """Piper for English, Kokoro for Portuguese."""
    if language == "en":
        from piper import PiperVoice

        piper = PiperVoice.load(next(fetch("piper/en_US-joe-medium").glob("*.onnx")))

        def speak(text: str) -> Audio:
            parts: list[NDArray[np.float32]] = [chunk.audio_float_array for chunk in piper.synthesize(text)]
            return Audio(np.concatenate(parts or [np.zeros(0, np.float32)]), piper.config.sample_rate)

        return speak
    if language == "pt":
        from kokoro_onnx import Kokoro

        kokoro = Kokoro(str(fetch("kokoro/model")), str(fetch("kokoro/voices")))
        return lambda text: Audio(*kokoro.create(text, voice="pf_dora", lang="pt-br"))
    raise SystemExit(f"The straight script speaks en and pt, not {language!r}.")


def write_wav(samples: NDArray[np.float32], file: Path) -> None:
    from scipy.io import wavfile

    wavfile.write(file, RATE, (np.clip(samples, -1, 1) * 32767).astype(np.int16))


def mux(video: Path, sound: Path, file: Path) -> None:
    import imageio_ffmpeg

    inputs = ["-i", str(video), "-i", str(sound), "-map", "0:v?", "-map", "1:a", "-c:v", "copy"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *inputs, "-c:a", "aac", "-b:a", "160k", str(file)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
