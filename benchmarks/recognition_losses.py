"""Sentences that recognition loses, on random concatenations of short utterances with pauses between them.

    python benchmarks/recognition_losses.py [--files 40] [--seeds 1,2] [--sequential] [--clips] [--out FILE]

Each file is 3 to 8 utterances of one language, 0.6 to 2.2 s apart, with other levels, fades and room noise. What the
transcription stage makes of it is aligned with what is said. A run of at least four words that the transcript lacks,
or has more than a second from where they are said, is a loss; it is silent where no finding covers it. Word errors and
processor time stand beside those of ``WhisperModel.transcribe`` of faster-whisper with its own voice activity, and the
processor time of the stage is measured on the data sets' own clips too, which lose nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import jiwer
import numpy as np

from vtlab.audio import Audio, cut, fade, gain, loudness_lufs
from vtlab.engines.transcription import Transcriber
from vtlab.engines.transcription.faster_whisper import FasterWhisper
from vtlab.engines.voice_activity.silero import Silero
from vtlab.evaluation.dataset import load_dataset
from vtlab.events import Finding
from vtlab.languages import UNSPACED
from vtlab.media import choose_audio, decode_speech, probe
from vtlab.metrics.text import normalise
from vtlab.segments import Interval, Segment, Word
from vtlab.settings import TranscriptionSettings
from vtlab.stages.transcription import find_speech, transcribe

ROOT = Path(__file__).parents[1]
RATE_HZ = 16000
LONGEST_UTTERANCE_S = 12.0
UTTERANCES = (3, 8)
PAUSE_S = (0.6, 2.2)
LOST_RUN = 4  # fewer words in a row are word errors, not a loss
OFF_S = 1.0  # a word this far from its utterance is said at another time
COVERED = 0.5  # of a lost run's time: what a finding must cover at least


@dataclass(frozen=True)
class Said:
    """One utterance of a concatenation and when it is said."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, eq=False)
class Concatenation:
    """A sound made of utterances whose words and times are known."""

    name: str
    language: str
    audio: Audio
    said: tuple[Said, ...]

    @property
    def text(self) -> str:
        return " ".join(utterance.text for utterance in self.said)


@dataclass(frozen=True)
class Loss:
    """A run of words that a transcript lacks or has at another time."""

    start: float
    end: float
    words: tuple[str, ...]
    silent: bool


@dataclass
class Figures:
    """Sum up what recognition made of a set of files."""

    files: int = 0
    seconds: float = 0.0
    silent_losses: int = 0
    silent_words: int = 0
    told_losses: int = 0
    findings: int = 0
    cpu_s: float = 0.0
    wer: float | None = None
    losses: list[dict[str, object]] = field(default_factory=list)


def utterances(folder: Path) -> dict[str, list[tuple[Audio, str]]]:
    """Return the utterances of a data set with known times, at most 12 s long, by language: 16 kHz sound and text."""
    found: dict[str, list[tuple[Audio, str]]] = {}
    for clip in load_dataset(folder).clips:
        if not clip.timed:
            continue
        info = probe(clip.path)
        audio = decode_speech(clip.path, choose_audio(info, None, None), info.duration_s)
        for segment in clip.segments:
            assert segment.start is not None
            assert segment.end is not None
            if segment.end - segment.start <= LONGEST_UTTERANCE_S:
                sound = fade(cut(audio, segment.start - 0.06, segment.end + 0.06), 0.05)
                found.setdefault(clip.source_language, []).append((sound, segment.text))
    return found


def concatenations(folders: Sequence[Path], files: int, seed: int) -> Iterator[Concatenation]:
    """Yield random concatenations, the same ones for the same seed; languages by the number of their utterances."""
    random = np.random.default_rng(seed)
    pool: dict[str, list[tuple[Audio, str]]] = {}
    for folder in folders:
        for language, found in utterances(folder).items():
            pool.setdefault(language, []).extend(found)
    languages = sorted(language for language, found in pool.items() if len(found) >= UTTERANCES[0])
    shares = np.sqrt([len(pool[language]) for language in languages])
    for number in range(files):
        language = str(random.choice(languages, p=shares / shares.sum()))
        most = min(UTTERANCES[1], len(pool[language]))
        picks = random.choice(len(pool[language]), int(random.integers(UTTERANCES[0], most + 1)), replace=False)
        yield concatenation(f"{seed}-{number:02}-{language}", language, [pool[language][i] for i in picks], random)


def concatenation(
    name: str, language: str, parts: Sequence[tuple[Audio, str]], random: np.random.Generator
) -> Concatenation:
    """Return the utterances one after another with random pauses, levels and room noise."""
    at, said, sounds = float(random.uniform(0.2, 1.5)), [], []
    for sound, text in parts:
        lufs = loudness_lufs(sound) or -23.0
        sounds.append((round(at * RATE_HZ), gain(sound, -23.0 - lufs + float(random.uniform(-6, 6))).samples))
        said.append(Said(at, at + sound.duration, text))
        at += sound.duration + float(random.uniform(*PAUSE_S))
    noise_db = float(random.choice([-75.0, -60.0, -50.0]))
    samples = random.normal(0, 10 ** (noise_db / 20), round(at * RATE_HZ)).astype(np.float32)
    for first, sound in sounds:
        samples[first : first + len(sound)] += sound
    return Concatenation(name, language, Audio(samples, RATE_HZ), tuple(said))


def losses(file: Concatenation, lines: Sequence[Segment], findings: Sequence[Finding]) -> list[Loss]:
    """Return the runs of at least four words that are missing from the lines or far from where they are said."""
    reference = [
        (token, at, utterance)
        for utterance in file.said
        for token, at in _spread(utterance.text, [(utterance.text, utterance.start, utterance.end)], file.language)
    ]
    heard = [
        token
        for line in lines
        for token in _spread(line.text, [(word.text, word.start, word.end) for word in line.words], file.language)
    ]
    lost = [True] * len(reference)
    if heard:
        alignment = jiwer.process_words(
            " ".join(token for token, _, _ in reference), " ".join(token for token, _ in heard)
        ).alignments[0]
        for chunk in alignment:
            if chunk.type not in ("equal", "substitute"):
                continue
            pairs = zip(
                range(chunk.ref_start_idx, chunk.ref_end_idx),
                range(chunk.hyp_start_idx, chunk.hyp_end_idx),
                strict=True,
            )
            for said, hyp in pairs:
                utterance = reference[said][2]
                lost[said] = not utterance.start - OFF_S <= heard[hyp][1] <= utterance.end + OFF_S
    found: list[Loss] = []
    first = 0
    for index in range(len(lost) + 1):
        if index < len(lost) and lost[index]:
            continue
        if index - first >= LOST_RUN:
            run = reference[first:index]
            found.append(_loss(run[0][1], run[-1][1], tuple(token for token, _, _ in run), findings))
        first = index + 1
    return found


def _spread(text: str, words: Sequence[tuple[str, float, float]], language: str) -> list[tuple[str, float]]:
    """Normalised words (characters without spaces between words) with the time of the middle of each."""
    tokens = _tokens(text, language)
    at, times = 0, [(0, words[0][1])]
    for word, start, end in words:
        times += [(at, start), (at + len(word), end)]
        at += len(word) + 1
    known, when = zip(*times, strict=True)
    total = sum(map(len, tokens)) + len(tokens) - 1
    out, passed = [], 0.0
    for token in tokens:
        middle = (passed + len(token) / 2) / max(total, 1) * (at - 1)
        out.append((token, float(np.interp(middle, known, when))))
        passed += len(token) + 1
    return out


def _tokens(text: str, language: str) -> list[str]:
    words = normalise(text, language).split()
    return list("".join(words)) if language in UNSPACED else words


def _loss(start: float, end: float, words: tuple[str, ...], findings: Sequence[Finding]) -> Loss:
    run = Interval(start, end)
    covered = sum(
        run.overlap(Interval(finding.start, finding.end))
        for finding in findings
        if finding.start is not None and finding.end is not None
    )
    return Loss(start, end, words, silent=covered < COVERED * run.duration)


class Sequential:
    """Sequential decoding by faster-whisper with its own voice activity filter."""

    def __init__(self) -> None:
        from faster_whisper import WhisperModel

        (weights,) = FasterWhisper.weights(FasterWhisper.Options())
        self._model = WhisperModel(str(weights.path), device="cpu", compute_type="int8", cpu_threads=2)

    def lines(self, audio: Audio, language: str) -> list[Segment]:
        """Return what is heard, a segment of Whisper's each."""
        beam_size = FasterWhisper.Options().beam_size
        segments, _ = self._model.transcribe(
            audio.samples, language=language, beam_size=beam_size, vad_filter=True, word_timestamps=True
        )
        return [
            Segment(
                number,
                segment.start,
                segment.end,
                " ".join(word.word.strip() for word in segment.words),
                tuple(Word(word.word.strip(), word.start, word.end, word.probability) for word in segment.words),
            )
            for number, segment in enumerate(segments)
            if segment.words
        ]


class Stage:
    """Voice activity and the transcription stage with the default engines."""

    def __init__(self, engine: Transcriber | None = None) -> None:
        self.settings = TranscriptionSettings()
        self.activity = Silero(Silero.Options(), 2)
        self.engine = engine or FasterWhisper(FasterWhisper.Options(), 2)

    def lines(self, audio: Audio, language: str) -> tuple[list[Segment], list[Finding]]:
        """Return the lines and the findings."""
        findings: list[Finding] = []
        speech = find_speech(audio, self.activity, self.settings.voice_activity)
        return list(transcribe(audio, speech, self.engine, self.settings, language, findings.append)), findings


def score(
    files: Sequence[Concatenation], heard: Sequence[tuple[Sequence[Segment], Sequence[Finding]]], cpu_s: float
) -> Figures:
    """Return the losses and the word errors (character errors where there are no words) of transcripts of the files."""
    figures = Figures(len(files), sum(file.audio.duration for file in files), cpu_s=cpu_s)
    for file, (lines, findings) in zip(files, heard, strict=True):
        figures.findings += sum(finding.start is not None for finding in findings)
        for loss in losses(file, lines, findings):
            figures.losses.append({"file": file.name, **asdict(loss)})
            figures.silent_losses += loss.silent
            figures.silent_words += len(loss.words) * loss.silent
            figures.told_losses += not loss.silent
    figures.wer = wer([(file.text, file.language) for file in files], [lines for lines, _ in heard])
    return figures


def wer(said: Sequence[tuple[str, str]], heard: Sequence[Sequence[Segment]]) -> float:
    """Return the word error rate over texts with their languages; characters count where words are not spaced."""
    references = [" ".join(_tokens(text, language)) for text, language in said]
    hypotheses = [
        " ".join(_tokens(" ".join(line.text for line in lines), language))
        for lines, (_, language) in zip(heard, said, strict=True)
    ]
    return float(jiwer.process_words(references, hypotheses).wer)


def whole_clips(folder: Path) -> list[tuple[str, str, Audio, str]]:
    """Return the clips of a data set: name, language, 16 kHz sound, text."""
    out = []
    for clip in load_dataset(folder).clips:
        info = probe(clip.path)
        audio = decode_speech(clip.path, choose_audio(info, None, None), info.duration_s)
        out.append((clip.id, clip.source_language, audio, " ".join(segment.text for segment in clip.segments)))
    return out


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", default="people,spoken", help="names under datasets/, or folders")
    parser.add_argument("--files", type=int, default=40, help="concatenations per seed")
    parser.add_argument("--seeds", default="1,2", help="one set of files each")
    parser.add_argument("--sequential", action="store_true", help="measure sequential decoding as well")
    parser.add_argument("--clips", action="store_true", help="measure the data sets' own clips as well")
    parser.add_argument("--out", type=Path, help="where to write the JSON; else it is printed")
    given = parser.parse_args()
    folders = [Path(name) if Path(name).is_dir() else ROOT / "datasets" / name for name in given.datasets.split(",")]
    stage, results = Stage(), {}
    for seed in map(int, given.seeds.split(",")):
        files = list(concatenations(folders, given.files, seed))
        began = time.process_time()
        heard = [stage.lines(file.audio, file.language) for file in files]
        results[f"seed {seed}, stage"] = asdict(score(files, heard, time.process_time() - began))
        if given.sequential:
            sequential = Sequential()
            began = time.process_time()
            lines = [(sequential.lines(file.audio, file.language), ()) for file in files]
            results[f"seed {seed}, sequential"] = asdict(score(files, lines, time.process_time() - began))
    for folder in folders if given.clips else ():
        clips = whole_clips(folder)
        began = time.process_time()
        heard = [stage.lines(audio, language) for _, language, audio, _ in clips]
        results[f"clips of {folder.name}"] = {
            "seconds": sum(audio.duration for _, _, audio, _ in clips),
            "cpu_s": time.process_time() - began,
            "wer": wer([(text, language) for _, language, _, text in clips], [lines for lines, _ in heard]),
            "findings": [
                (name, finding.message)
                for (name, *_), (_, findings) in zip(clips, heard, strict=True)
                for finding in findings
                if finding.start is not None
            ],
        }
    text = json.dumps(results, indent=1, ensure_ascii=False)
    if given.out is None:
        print(text)
    else:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
