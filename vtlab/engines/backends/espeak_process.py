"""Speaks one text with espeak-ng's library: a program, run by ``espeak.py``, that takes the options of ``espeak-ng``.

    python espeak_process.py LIBRARY DATA -v VOICE -s WPM --stdin --stdout

Reads UTF-8 from stdin and writes a WAV file (16 bit, mono) to stdout. Constants are those of espeak-ng's
``speak_lib.h``. Imports nothing but the standard library, so that it starts at once.
"""

from __future__ import annotations

import ctypes
import sys
import wave

OUTPUT_SYNCHRONOUS = 2
INITIALIZE_DONT_EXIT = 0x8000
PARAMETER_RATE = 1
POSITION_CHARACTER = 1
CHARACTERS_UTF8 = 1
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def main(library: str, data: str, voice: str, wpm: int) -> None:
    """Speak the text on standard input, and write a WAV file to standard output."""
    espeak = ctypes.CDLL(library)
    sounds: list[bytes] = []

    def hear(samples: ctypes._Pointer[ctypes.c_short], count: int, _: object) -> int:
        if samples and count > 0:
            sounds.append(ctypes.string_at(samples, 2 * count))
        return 0

    rate_hz = espeak.espeak_Initialize(OUTPUT_SYNCHRONOUS, 0, data.encode(), INITIALIZE_DONT_EXIT)
    if rate_hz <= 0:
        sys.exit(f"espeak-ng does not start with the data in {data}")
    if espeak.espeak_SetVoiceByName(voice.encode()) != 0:
        sys.exit(f"there is no voice {voice}")
    espeak.espeak_SetParameter(PARAMETER_RATE, wpm, 0)
    callback = CALLBACK(hear)
    espeak.espeak_SetSynthCallback(callback)
    text = sys.stdin.buffer.read() + b"\0"
    failed = espeak.espeak_Synth(
        text, ctypes.c_size_t(len(text)), 0, POSITION_CHARACTER, 0, CHARACTERS_UTF8, None, None
    )
    if failed or espeak.espeak_Synchronize() != 0:
        sys.exit(f"espeak-ng failed with code {failed}")
    with wave.open(sys.stdout.buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        content = b"".join(sounds)
        out.setnframes(len(content) // 2)  # known before the header is written, since a pipe cannot be patched
        out.writeframesraw(content)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    options = dict(zip(arguments[2:6:2], arguments[3:6:2], strict=True))
    main(arguments[0], arguments[1], options["-v"], int(options["-s"]))
