"""Dub one session: the dub itself, its early preview, its scores, its segment previews, its artifacts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from serve.state import Artifact
from serve.worker.artifacts import Artifacts, artifact, publish
from serve.worker.background import Checkpoint
from serve.worker.preview import EarlyPreview, cut_pieces
from serve.worker.protocol import Done, Dub, Happened, Opened, PreviewReady, Report, SegmentReached
from serve.worker.quality import QualityMeter
from serve.worker.upload import hide_folders
from vtlab import media, outputs, pipeline
from vtlab.engines.pool import EnginePool
from vtlab.errors import Cancelled, VtlabError
from vtlab.events import Event, StageFinished
from vtlab.segments import PlacedSegment, Segment, SpokenSegment, TranslatedSegment
from vtlab.settings import Settings

Send = Callable[[Report], None]


def dub(job: Dub, file: Path, settings: Settings, pool: EnginePool, send: Send, checkpoint: Checkpoint) -> Done:
    """Dub `file`, the upload of the job as it was opened; return what came of it once the artifacts are in place.

    Raises:
        UserError: The input, the settings or the machine must be changed first.
        Cancelled: The checkpoint ended the work.
    """
    artifacts = Artifacts(job.artifacts_folder, job.session_id)
    preview = EarlyPreview(
        file,
        settings,
        artifacts.early_preview,
        job.folder / "early",
        checkpoint,
        lambda path: send(PreviewReady(job.job, str(path))),
    )
    meter = QualityMeter(file, settings, checkpoint)
    listener = _Listener(job.job, send, preview, meter)
    with _reported_length(job.job, file, send), preview.join_at_exit(), meter.join_at_exit():
        made = pipeline.dub(
            file,
            settings=settings,
            out=job.folder / "out",
            on_event=listener.event,
            checkpoint=checkpoint,
            on_segment=listener.segment,
            pool=pool,
            overwrite=True,  # the session's own folder
        )
    pieces, more = _pieces(made, job.folder / "previews", checkpoint)
    quality, absent = meter.scores(made)
    if preview.problem is not None:
        more["no-preview"] = f"There is no early preview: {preview.problem}"
    more = {code: hide_folders(message, file) for code, message in more.items()}
    checkpoint()
    published = _publish_results(made, artifacts)
    (job.folder / "dub.json").write_bytes(made.record_file.read_bytes())
    shutil.rmtree(job.folder / "out", ignore_errors=True)
    return Done(
        job=job.job,
        paths={
            "output": str(artifacts.video),
            "original_srt": str(artifacts.source_subtitles),
            "translated_srt": str(artifacts.target_subtitles),
        },
        artifacts=published,
        source_language=made.record.source_language,
        duration_s=made.record.source.seconds,
        output_bytes=artifacts.video.stat().st_size,
        original_bytes=file.stat().st_size,
        quality=quality,
        absent=absent,
        pieces=tuple(pieces),
        more=more,
    )


@dataclass(frozen=True)
class _Listener:
    """Passes what happens in a dub to the server, the preview and the meter."""

    job: int
    send: Send
    preview: EarlyPreview
    meter: QualityMeter

    def event(self, event: Event) -> None:
        self.send(Happened(self.job, event))
        match event:
            case StageFinished(stage="tts"):
                self.preview.finish()
            case StageFinished(stage="audio_sync"):
                self.meter.start()

    def segment(self, segment: Segment | TranslatedSegment | SpokenSegment | PlacedSegment) -> None:
        match segment:
            case PlacedSegment():
                self.meter.add(segment)
            case SpokenSegment():
                self.preview.add(segment)
                self.send(SegmentReached(self.job, "tts", segment.source.source.end))
            case TranslatedSegment():
                self.send(SegmentReached(self.job, "translation", segment.source.end))
            case Segment():
                self.send(SegmentReached(self.job, "transcription", segment.end))


@contextmanager
def _reported_length(job: int, file: Path, send: Send) -> Iterator[None]:
    """Report the length of the video from a thread: the dub, whose first stage takes a while, needs not wait."""

    def probe() -> None:
        with suppress(VtlabError):  # which the dub itself reports
            send(Opened(job, media.probe(file).duration_s))

    thread = Thread(target=probe, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _pieces(made: outputs.Dub, folder: Path, checkpoint: Checkpoint) -> tuple[list[str], dict[str, str]]:
    """Return the names of the segment previews; or none, and why: a dub does not fail for want of them."""
    try:
        return cut_pieces(made.media, folder, checkpoint), {}
    except Cancelled:
        raise
    except VtlabError as error:
        return [], {"no-pieces": f"There are no segment previews: {error}"}


def _publish_results(made: outputs.Dub, artifacts: Artifacts) -> tuple[Artifact, ...]:
    """Move the results to their names, the video last: it shows the gateway that all is there."""
    record = made.record
    hashes = {output.kind: output.sha256 for output in record.outputs}
    published = []
    for kind, file, path in (
        (f"subtitles_{record.source_language}_srt", made.subtitles[record.source_language], artifacts.source_subtitles),
        (f"subtitles_{record.target_language}_srt", made.subtitles[record.target_language], artifacts.target_subtitles),
        ("video" if made.video else "audio", made.media, artifacts.video),
    ):
        publish(file, path)
        published.append(artifact(path, hashes[kind]))
    return tuple(published)
