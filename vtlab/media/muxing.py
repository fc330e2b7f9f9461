"""Muxing by ffmpeg: the dubbed video, its preview, and pieces of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtlab.languages import three_letters
from vtlab.media.container import DEMUXERS
from vtlab.media.encoding import discard_on_failure
from vtlab.media.ffmpeg import ffmpeg_path, run_ffmpeg, time_limit
from vtlab.media.streams import AudioStream, MediaInfo

# codecs that MP4 holds and players find there; anything else goes to Matroska
MP4_VIDEO = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "h263"})
PREVIEW_HEIGHT = 360
PREVIEW_CRF = 28


@dataclass(frozen=True)
class SubtitleTrack:
    """A subtitle file (SRT) that goes into the result, with its language."""

    language: str
    path: Path


def mux(
    info: MediaInfo,
    dub: Path,
    out: Path,
    *,
    language: str,
    subtitles: Sequence[SubtitleTrack] = (),
    original: AudioStream | None = None,
    burn: Path | None = None,
    encode: bool = False,
    crf: int = 20,
    folder: Path,
    checkpoint: Callable[[], None] = lambda: None,
) -> Path:
    """Write the picture with the dub as its first sound, and return ``out``.

    Streams other than the picture and the chosen sound are left out.

    Args:
        info: The source.
        dub: The dubbed sound, AAC in MP4.
        out: The file to write; its suffix decides the container.
        language: Of the dub.
        subtitles: Soft subtitle tracks.
        original: The source's sound to keep as a second track.
        burn: Subtitles to draw into the picture; it is then encoded again.
        encode: Whether to encode the picture as H.264; it is copied otherwise.
        crf: Quality of x264.
        folder: The dub's own, for temporary files.
        checkpoint: See ``run_ffmpeg``.
    """
    import ffmpeg

    # genpts: AVI has no presentation times, and the muxers want them
    source = ffmpeg.input(
        ffmpeg_path(info.path), protocol_whitelist="file", format_whitelist=DEMUXERS, fflags="+genpts"
    )
    sound = ffmpeg.input(ffmpeg_path(dub), protocol_whitelist="file", format="mov")
    streams: list[Any] = []
    options: dict[str, Any] = {"c:a": "copy", "map_metadata": 0, "map_chapters": 0}
    if info.video is not None:
        picture = source["V:0"]
        if burn is not None or encode:
            picture = picture.filter("pad", "ceil(iw/2)*2", "ceil(ih/2)*2")
            if burn is not None:
                shutil.copyfile(burn, folder / "burn.srt")
                picture = picture.filter("subtitles", "burn.srt")
            options |= {
                "c:v": "libx264",
                "crf": crf,
                "preset": "veryfast",
                "pix_fmt": "yuv420p",
                "fps_mode": "passthrough",
            }
        else:
            options |= {"c:v": "copy", "copyinkf": None}  # also what a recording shows before its first key frame
            if info.video.codec == "hevc" and out.suffix == ".mp4":
                options["tag:v"] = "hvc1"  # the tag that Apple's players ask for
        streams.append(picture)
    streams.append(sound["a:0"])
    options |= {"metadata:s:a:0": _tag(language), "disposition:a:0": "default"}
    if original is not None:
        kept = source[f"a:{original.index}"].filter("aresample", **{"async": 1, "first_pts": 0})  # holes stay holes
        streams.append(kept)
        options |= {"metadata:s:a:1": _tag(original.language), "disposition:a:1": "0", "c:a:1": "aac"}
    for number, track in enumerate(subtitles):
        streams.append(ffmpeg.input(ffmpeg_path(track.path), protocol_whitelist="file", format="srt")["s:0"])
        options[f"metadata:s:s:{number}"] = _tag(track.language)
        options[f"disposition:s:{number}"] = "0"  # there to be chosen: players show a default one unasked
    if subtitles:
        options["c:s"] = "mov_text" if out.suffix in (".mp4", ".m4a", ".mov") else "srt"
    if out.suffix in (".mp4", ".m4a", ".mov"):
        options |= {"movflags": "+faststart", "write_tmcd": 0}
    spec = ffmpeg.output(*streams, ffmpeg_path(out), **options).overwrite_output()
    with discard_on_failure(out):
        run_ffmpeg(spec, time_limit(info.duration_s), checkpoint, folder)
    return out


def preview(
    info: MediaInfo,
    sound: Path,
    out: Path,
    start_s: float,
    end_s: float,
    *,
    burn: Path | None = None,
    folder: Path,
    checkpoint: Callable[[], None] = lambda: None,
) -> Path:
    """Write a small MP4 of a part of the result (H.264, AAC, index first), and return ``out``.

    Without a picture it is sound alone.

    Args:
        info: The source; its picture is at most ``PREVIEW_HEIGHT`` lines high in the preview.
        sound: The dubbed sound, AAC in MP4, on the file's clock; it need not reach beyond ``end_s``.
        out: The file to write.
        start_s: Where the part begins.
        end_s: Where it ends.
        burn: Subtitles to draw into the picture, which count from ``start_s``.
        folder: The dub's own, for temporary files.
        checkpoint: See ``run_ffmpeg``.
    """
    import ffmpeg

    span = {"ss": round(start_s, 3), "t": round(end_s - start_s, 3)}
    streams: list[Any] = []
    options: dict[str, Any] = {"c:a": "copy", "movflags": "+faststart", "map_metadata": -1, "write_tmcd": 0}
    if info.video is not None:
        plain = {"protocol_whitelist": "file", "format_whitelist": DEMUXERS, "fflags": "+genpts"}
        picture = ffmpeg.input(ffmpeg_path(info.path), **plain, **span)["V:0"]
        picture = picture.filter("scale", "-2", f"min({PREVIEW_HEIGHT},ceil(ih/2)*2)")
        if burn is not None:
            shutil.copyfile(burn, folder / "burn.srt")
            picture = picture.filter("subtitles", "burn.srt")
        streams.append(picture)
        options |= {"c:v": "libx264", "crf": PREVIEW_CRF, "preset": "ultrafast", "pix_fmt": "yuv420p"}
    streams.append(ffmpeg.input(ffmpeg_path(sound), protocol_whitelist="file", format="mov", **span)["a:0"])
    spec = ffmpeg.output(*streams, ffmpeg_path(out), **options).overwrite_output()
    with discard_on_failure(out):
        run_ffmpeg(spec, time_limit(end_s), checkpoint, folder)
    return out


def excerpt(
    info: MediaInfo,
    out: Path,
    start_s: float,
    end_s: float,
    folder: Path,
    checkpoint: Callable[[], None] = lambda: None,
) -> Path:
    """Copy picture and first sound of an MP4 from ``start_s`` to ``end_s``, and return ``out``.

    It shows nothing before ``start_s``, though the copy begins at a key frame.
    """
    import ffmpeg

    span = {"ss": round(start_s, 3), "t": round(end_s - start_s, 3)}
    source = ffmpeg.input(ffmpeg_path(info.path), protocol_whitelist="file", format="mov", **span)
    streams = [source["V:0"]] if info.video is not None else []
    spec = ffmpeg.output(*streams, source["a:0"], ffmpeg_path(out), c="copy", movflags="+faststart", write_tmcd=0)
    with discard_on_failure(out):
        run_ffmpeg(spec.overwrite_output(), time_limit(end_s - start_s), checkpoint, folder)
    return out


def _tag(language: str | None) -> str:
    return f"language={'und' if language is None else three_letters(language)}"
