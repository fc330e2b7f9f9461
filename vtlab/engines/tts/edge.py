"""Microsoft Edge's voices over the network, through edge-tts: natural, in 70 languages, without a key or a promise.

The service asks for little and refuses often: 403 when the clock is off or it wants no more of us, an answer without
sound for a text it does not like, a connection that goes quiet. Each is turned into ``TransientError`` (worth another
try) or ``LineError`` (not for this text); patience itself is the stage's. Sound that ends before the text does, which
the protocol does not report, is told by the word boundaries that come with it.
"""

from __future__ import annotations

import asyncio
import io
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, field_validator

from vtlab.audio import Audio
from vtlab.engines import Status
from vtlab.engines.tts import Gender, TtsEngine, Voice
from vtlab.errors import LanguageError, LineError, TransientError
from vtlab.languages import language_code
from vtlab.settings import Section
from vtlab.weights import Weights

if TYPE_CHECKING:
    from aiohttp import ClientResponseError

# locale: names of its voices, a woman's and a man's in turn (the service's own list, shortened; without "Neural")
VOICES = {
    "af-ZA": "Adri Willem", "am-ET": "Mekdes Ameha", "ar-EG": "Salma Shakir", "az-AZ": "Banu Babek",
    "bg-BG": "Kalina Borislav", "bn-BD": "Nabanita Pradeep", "bs-BA": "Vesna Goran", "ca-ES": "Joana Enric",
    "cs-CZ": "Vlasta Antonin", "cy-GB": "Nia Aled", "da-DK": "Christel Jeppe", "de-DE": "Katja Conrad Amala Killian",
    "el-GR": "Athina Nestoras", "en-US": "Aria Guy Jenny Christopher Michelle Eric", "en-GB": "Sonia Ryan Libby Thomas",
    "es-ES": "Elvira Alvaro", "es-MX": "Dalia Jorge", "et-EE": "Anu Kert", "fa-IR": "Dilara Farid",
    "fi-FI": "Noora Harri", "fil-PH": "Blessica Angelo", "fr-FR": "Denise Henri", "fr-CA": "Sylvie Antoine",
    "ga-IE": "Orla Colm", "gl-ES": "Sabela Roi", "gu-IN": "Dhwani Niranjan", "he-IL": "Hila Avri",
    "hi-IN": "Swara Madhur", "hr-HR": "Gabrijela Srecko", "hu-HU": "Noemi Tamas", "hy-AM": "Anahit Hayk",
    "id-ID": "Gadis Ardi", "is-IS": "Gudrun Gunnar", "it-IT": "Elsa Diego", "ja-JP": "Nanami Keita",
    "ka-GE": "Eka Giorgi", "kk-KZ": "Aigul Daulet", "km-KH": "Sreymom Piseth", "kn-IN": "Sapna Gagan",
    "ko-KR": "SunHi InJoon", "lo-LA": "Keomany Chanthavong", "lt-LT": "Ona Leonas", "lv-LV": "Everita Nils",
    "mk-MK": "Marija Aleksandar", "ml-IN": "Sobhana Midhun", "mn-MN": "Yesui Bataa", "mr-IN": "Aarohi Manohar",
    "ms-MY": "Yasmin Osman", "mt-MT": "Grace Joseph", "my-MM": "Nilar Thiha", "nb-NO": "Pernille Finn",
    "ne-NP": "Hemkala Sagar", "nl-NL": "Colette Maarten", "pl-PL": "Zofia Marek", "ps-AF": "Latifa GulNawaz",
    "pt-BR": "Francisca Antonio", "pt-PT": "Raquel Duarte", "ro-RO": "Alina Emil", "ru-RU": "Svetlana Dmitry",
    "si-LK": "Thilini Sameera", "sk-SK": "Viktoria Lukas", "sl-SI": "Petra Rok", "so-SO": "Ubax Muuse",
    "sq-AL": "Anila Ilir", "sr-RS": "Sophie Nicholas", "sv-SE": "Sofie Mattias", "sw-KE": "Zuri Rafiki",
    "ta-IN": "Pallavi Valluvar", "te-IN": "Shruti Mohan", "th-TH": "Premwadee Niwat", "tr-TR": "Emel Ahmet",
    "uk-UA": "Polina Ostap", "ur-PK": "Uzma Asad", "uz-UZ": "Madina Sardor", "vi-VN": "HoaiMy NamMinh",
    "zh-CN": "Xiaoxiao Yunxi Xiaoyi Yunjian", "zu-ZA": "Thando Themba",
}  # fmt: skip
FULL_NAME = re.compile(
    r"([a-z]{2,3}-[A-Z][A-Za-z]+)(?:-[a-z]+)?-[A-Z][A-Za-z]*Neural"
)  # "zh-CN-liaoning-XiaobeiNeural"
SEXES: tuple[Gender, Gender] = ("female", "male")
BROKE_OFF = 0.7  # share of the text's letters and digits that the word boundaries must cover


class EdgeOptions(Section):
    """Options of ``tts.edge``."""

    voices: tuple[str, ...] = Field((), description="further voices by their full names, such as pt-BR-ThalitaNeural")
    connect_timeout_s: int = Field(10, ge=1, description="longest wait for a connection, seconds")
    receive_timeout_s: float = Field(20.0, gt=0, description="longest silence on an open connection, seconds")
    proxy: str | None = Field(None, description="address of an HTTP proxy; empty: as the environment says")
    endpoint: str | None = Field(None, description="another service that speaks the protocol (ws://…); empty: Edge's")

    @field_validator("voices")
    @classmethod
    def _full_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            match = FULL_NAME.fullmatch(name)
            if match is None:
                raise ValueError(f"{name!r} is no full name of a voice, such as pt-BR-ThalitaNeural")
            language_code(match[1])
        return names


class Edge(TtsEngine):
    """Speak with the voices of Microsoft Edge; one request at a time."""

    Options = EdgeOptions
    licence = "LGPL-3.0 (edge-tts); the service is Microsoft's, under its terms"
    network = True
    parallel = 1
    max_chars = 1300  # the protocol takes 4,096 bytes, and edge-tts cuts longer text anywhere
    rates = (0.5, 2.0)
    seconds_per_unit = 0.075

    @classmethod
    def status(cls, options: EdgeOptions) -> Status:
        if find_spec("edge_tts") is None:
            return Status(False, problem="the package edge-tts is missing", fix="pip install edge-tts")
        return Status(True, tuple(sorted({language_code(locale) for locale in VOICES})))

    @classmethod
    def voices(cls, options: EdgeOptions, language: str) -> tuple[Voice, ...]:
        if find_spec("edge_tts") is None:
            return ()
        return tuple(voice for voice in _voices(options) if voice.language == language)

    @classmethod
    def find_voice(cls, name: str, language: str) -> Voice | None:
        """Return a voice that ``VOICES`` lacks, where its name is spelt as the service's and it speaks the language.

        The service has some 300 and adds more; whether it has this one is seen when it speaks.
        """
        match = FULL_NAME.fullmatch(name)
        if match is None or find_spec("edge_tts") is None:
            return None
        try:
            speaks = language_code(match[1]) == language or "Multilingual" in name
        except LanguageError:
            return None
        return Voice(name, language, "neutral", match[1]) if speaks else None

    @classmethod
    def weights(cls, options: EdgeOptions, voice: Voice) -> tuple[Weights, ...]:
        return ()  # the service has them

    def __init__(self, options: EdgeOptions, threads: int) -> None:
        import edge_tts  # noqa: F401  # a missing package is known before the first segment

        self._options = options
        self._one_at_a_time = threading.Lock()
        self._unheard: set[tuple[str, str]] = set()

    def units(self, text: str, voice: Voice) -> float:
        """Return the number of letters and digits, since the phonemes of this voice are unknown."""
        return float(sum(letter.isalnum() for letter in text))

    def speak(self, text: str, voice: Voice, rate: float) -> Audio:
        """Return mono speech, 24 kHz.

        Raises:
            TransientError: The service refused, was silent, or broke off.
            LineError: It gave no sound for this text twice.
        """
        with self._one_at_a_time, _use_endpoint(self._options.endpoint):
            mp3, words = asyncio.run(self._request(text, voice, rate))
        if words and _weight("".join(words)) < BROKE_OFF * _weight(text):
            raise TransientError(f"Edge's {voice.name} broke off after {words[-1]!r}.")
        return _decode(mp3)

    async def _request(self, text: str, voice: Voice, rate: float) -> tuple[bytes, list[str]]:
        import aiohttp
        from edge_tts import exceptions

        sound, words = [], []
        try:
            async for chunk in self._stream(text, voice, rate):
                if chunk["type"] == "audio":
                    sound.append(chunk["data"])
                else:
                    words.append(chunk["text"])
        except aiohttp.ClientResponseError as error:
            raise _refusal(error) from error
        except exceptions.SkewAdjustmentError as error:
            raise TransientError("Edge refused the connection (403) without telling the time.") from error
        except exceptions.NoAudioReceived as error:
            self._raise_no_sound(text, voice, error)
        except TimeoutError as error:
            raise TransientError(
                f"Edge sent nothing for {self._options.receive_timeout_s:g} s, or did not answer at all."
            ) from error
        except (aiohttp.ClientError, OSError, exceptions.EdgeTTSException) as error:
            raise TransientError(f"The connection to Edge failed: {error or type(error).__name__}.") from error
        self._unheard.discard((text, voice.name))
        return b"".join(sound), words

    async def _stream(self, text: str, voice: Voice, rate: float) -> AsyncIterator[Any]:
        """Yield the service's messages; raise ``TimeoutError`` where none comes for too long."""
        from edge_tts import Communicate

        # edge-tts escapes the text for SSML: it must not be escaped before
        messages = Communicate(
            text,
            voice.name,
            rate=f"{round((rate - 1) * 100):+d}%",
            boundary="WordBoundary",
            proxy=self._options.proxy,
            connect_timeout=self._options.connect_timeout_s,
        ).stream()
        try:
            while True:
                # edge-tts's own timeout ends with the handshake: aiohttp does not apply it to a websocket's messages
                async with asyncio.timeout(self._options.receive_timeout_s):
                    message = await anext(messages, None)
                if message is None:
                    return
                yield message
        finally:
            await messages.aclose()

    def _raise_no_sound(self, text: str, voice: Voice, error: Exception) -> None:
        """Raise ``TransientError`` the first time a text gets no sound, and ``LineError`` the second time."""
        key = (text, voice.name)
        if key in self._unheard:
            raise LineError(f"Edge's {voice.name} gives no sound for {text!r}.") from error
        self._unheard.add(key)
        raise TransientError(f"Edge's {voice.name} gave no sound for {text!r}.") from error


@contextmanager
def _use_endpoint(address: str | None) -> Iterator[None]:
    """Replace Edge's address for one request: edge-tts keeps it in its module and has no argument for it."""
    if address is None:
        yield
        return
    from edge_tts.constants import TRUSTED_CLIENT_TOKEN

    names = vars(import_module("edge_tts.communicate"))
    kept = names["WSS_URL"]
    names["WSS_URL"] = f"{address}?TrustedClientToken={TRUSTED_CLIENT_TOKEN}"
    try:
        yield
    finally:
        names["WSS_URL"] = kept


def _refusal(error: ClientResponseError) -> TransientError:
    after = _seconds(None if error.headers is None else error.headers.get("Retry-After"))
    if error.status == 403:
        note = "; where it goes on, set the computer's clock, or update edge-tts: pip install -U edge-tts"
        return TransientError(f"Edge refused the connection (403){note}.")
    return TransientError(f"Edge answered {error.status} ({error.message}).", retry_after_s=after)


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() else None


def _voices(options: EdgeOptions) -> Iterator[Voice]:
    for locale, names in VOICES.items():
        for place, name in enumerate(names.split()):
            yield Voice(f"{locale}-{name}Neural", language_code(locale), SEXES[place % 2], locale)
    for name in options.voices:
        locale = "-".join(name.split("-")[:-1])
        yield Voice(name, language_code(locale), "neutral", locale)


def _weight(text: str) -> int:
    return sum(letter.isalnum() for letter in text)


def _decode(mp3: bytes) -> Audio:
    import av
    from av.audio.resampler import AudioResampler

    parts = []
    try:
        with av.open(io.BytesIO(mp3), "r", format="mp3") as container:
            hertz = container.streams.audio[0].rate
            resampler = AudioResampler("flt", "mono", hertz)
            for frame in container.decode(audio=0):
                parts += [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)]
    except (av.FFmpegError, IndexError) as error:
        raise TransientError(f"Edge sent sound that cannot be decoded: {error}") from error
    return Audio(np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32), hertz)
