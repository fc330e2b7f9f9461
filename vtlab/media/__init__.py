"""Media files: probe and decode (PyAV); encode (PyAV), mux and burn (ffmpeg, which nothing else starts).

One clock for everything: seconds since the file's first timestamp, which is what the picture is shown by. Callers write
``media.probe(...)``, ``media.mux(...)``; which module a function stands in is a matter of this package.
"""

from vtlab.media.decoding import SPEECH_HZ, decode_blocks, decode_span, decode_speech, speech_blocks
from vtlab.media.encoding import aac_rate, discard_on_failure, write_aac, write_flac
from vtlab.media.ffmpeg import check_ffmpeg, ffmpeg_binary, ffmpeg_version, inspect_ffmpeg, run_ffmpeg
from vtlab.media.muxing import MP4_VIDEO, PREVIEW_HEIGHT, SubtitleTrack, excerpt, mux, preview
from vtlab.media.streams import (
    AudioStream,
    Extraction,
    MediaInfo,
    VideoStream,
    choose_audio,
    count_frames,
    probe,
)

__all__ = [
    "MP4_VIDEO",
    "PREVIEW_HEIGHT",
    "SPEECH_HZ",
    "AudioStream",
    "Extraction",
    "MediaInfo",
    "SubtitleTrack",
    "VideoStream",
    "aac_rate",
    "check_ffmpeg",
    "choose_audio",
    "count_frames",
    "decode_blocks",
    "decode_span",
    "decode_speech",
    "discard_on_failure",
    "excerpt",
    "ffmpeg_binary",
    "ffmpeg_version",
    "inspect_ffmpeg",
    "mux",
    "preview",
    "probe",
    "run_ffmpeg",
    "speech_blocks",
    "write_aac",
    "write_flac",
]
