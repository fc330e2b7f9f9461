"""Edge's protocol, spoken to a small service on the loopback that answers as the real one does."""

from __future__ import annotations

import asyncio
import io
import json
import re
import struct
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import av
import numpy as np
import pytest
from aiohttp import WSMsgType, web

from vtlab.audio import trim
from vtlab.engines.tts import Voice
from vtlab.engines.tts.edge import Edge, EdgeOptions
from vtlab.errors import LineError, TransientError
from vtlab.text.markup import strip_markup

CASES = Path(__file__).parents[2] / "cases" / "unspeakable_lines.json"
ANTONIO = Voice("pt-BR-AntonioNeural", "pt", "male", "pt-BR")
SECONDS_PER_WORD = 0.3


class StandIn:
    """The service: reads the configuration and the SSML, sends words and sound as its mood (the path) says."""

    def __init__(self) -> None:
        self.configurations: list[str] = []
        self.ssml: list[str] = []
        self.connections = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def address(self, mood: str) -> str:
        return f"ws://127.0.0.1:{self._port}/{mood}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_get("/{mood}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self._port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(runner.cleanup())

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        mood = request.match_info["mood"]
        if mood == "forbidden":
            raise web.HTTPForbidden
        if mood == "busy":
            raise web.HTTPTooManyRequests(headers={"Retry-After": "7"})
        assert request.query["TrustedClientToken"]
        assert request.query["Sec-MS-GEC"]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            assert message.type == WSMsgType.TEXT
            head, _, body = message.data.partition("\r\n\r\n")
            if "Path:speech.config" in head:
                self.configurations.append(body)
            elif "Path:ssml" in head:
                self.ssml.append(body)
                await self._speak(socket, body, mood)
        return socket

    async def _speak(self, socket: web.WebSocketResponse, ssml: str, mood: str) -> None:
        words = re.sub(r"<[^>]+>", "", ssml).split()
        await socket.send_str(self._text("turn.start", {"context": {}}))
        await socket.send_str(self._text("response", {"context": {}}))
        if mood == "stall":
            await asyncio.sleep(30)
        if mood != "mute":
            said = words[: len(words) // 3] if mood == "breaks_off" else words
            for place, word in enumerate(said):
                data = {"Offset": int(place * SECONDS_PER_WORD * 1e7), "Duration": 3_000_000, "text": {"Text": word}}
                await socket.send_str(
                    self._text("audio.metadata", {"Metadata": [{"Type": "WordBoundary", "Data": data}]})
                )
            sound = b"not a sound" if mood == "noise" else mp3(len(said) * SECONDS_PER_WORD)
            for at in range(0, len(sound), 720):
                await socket.send_bytes(self._sound(sound[at : at + 720]))
        if mood == "breaks_off":
            await socket.close()
            return
        await socket.send_bytes(self._binary(""))
        await socket.send_str(self._text("turn.end", {}))

    @staticmethod
    def _text(path: str, body: object) -> str:
        return f"X-RequestId:1\r\nContent-Type:application/json; charset=utf-8\r\nPath:{path}\r\n\r\n{json.dumps(body)}"

    def _sound(self, data: bytes) -> bytes:
        return self._binary("Content-Type:audio/mpeg\r\n", data)

    @staticmethod
    def _binary(kind: str, data: bytes = b"") -> bytes:
        head = f"X-RequestId:1\r\n{kind}Path:audio\r\n".encode()
        return struct.pack(">H", len(head)) + head + data


def mp3(seconds: float) -> bytes:
    """A tone as the service sends sound: MP3, 24 kHz, mono, 48 kbit/s."""
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * 24000)) / 24000).astype(np.float32)
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=24000, layout="mono", bit_rate=48000)
        frame = av.AudioFrame.from_ndarray(tone.reshape(1, -1), format="fltp", layout="mono")
        frame.rate = 24000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


@pytest.fixture(scope="module")
def service() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


def edge(service: StandIn, mood: str, **options: object) -> Edge:
    return Edge(EdgeOptions.model_validate({"endpoint": service.address(mood), **options}), 1)


def test_speech_comes_with_its_words_and_rate(service: StandIn) -> None:
    audio = edge(service, "well").speak("Boa noite a todos.", ANTONIO, 1.1)
    assert audio.rate == 24000
    assert trim(audio).duration == pytest.approx(4 * SECONDS_PER_WORD, abs=0.1)
    assert "(pt-BR, AntonioNeural)'" in service.ssml[-1]
    assert "rate='+10%'" in service.ssml[-1]
    assert '"wordBoundaryEnabled":"true"' in service.configurations[-1]


@pytest.mark.parametrize("rate, written", [(1.0, "+0%"), (0.9, "-10%"), (1.25, "+25%"), (1.07, "+7%")])
def test_rates_are_written_as_the_service_wants_them(service: StandIn, rate: float, written: str) -> None:
    edge(service, "well").speak("Sim.", ANTONIO, rate)
    assert f"rate='{written}'" in service.ssml[-1]


@pytest.mark.parametrize("case", json.loads(CASES.read_text(encoding="utf-8"))["spoken"], ids=lambda case: case["say"])
def test_text_is_escaped_once(service: StandIn, case: dict[str, str]) -> None:
    edge(service, "well").speak(strip_markup(case["text"]), ANTONIO, 1.0)
    assert f">{case.get('ssml', case['say'])}</prosody>" in service.ssml[-1]


def test_a_refusal_is_worth_another_try_and_names_the_clock(service: StandIn) -> None:
    with pytest.raises(TransientError, match=r"403.*clock"):
        edge(service, "forbidden").speak("Sim.", ANTONIO, 1.0)


def test_a_busy_service_says_how_long_to_wait(service: StandIn) -> None:
    with pytest.raises(TransientError, match="429") as raised:
        edge(service, "busy").speak("Sim.", ANTONIO, 1.0)
    assert raised.value.retry_after_s == 7.0


def test_no_sound_is_tried_again_once_then_it_is_the_text(service: StandIn) -> None:
    engine = edge(service, "mute")
    with pytest.raises(TransientError, match="no sound"):
        engine.speak("Hm.", ANTONIO, 1.0)
    with pytest.raises(LineError, match=r"no sound for 'Hm\.'"):
        engine.speak("Hm.", ANTONIO, 1.0)


def test_silence_on_the_line_is_not_waited_for(service: StandIn) -> None:
    with pytest.raises(TransientError, match=r"nothing for 0\.3 s"):
        edge(service, "stall", receive_timeout_s=0.3).speak("Sim.", ANTONIO, 1.0)


def test_speech_that_breaks_off_is_not_taken_for_the_line(service: StandIn) -> None:
    with pytest.raises(TransientError, match="broke off after 'três'"):
        edge(service, "breaks_off").speak("um dois três quatro cinco seis sete oito nove", ANTONIO, 1.0)


def test_sound_that_is_none_is_worth_another_try(service: StandIn) -> None:
    with pytest.raises(TransientError, match="cannot be decoded"):
        edge(service, "noise").speak("Sim.", ANTONIO, 1.0)


def test_nobody_there() -> None:
    with pytest.raises(TransientError, match="connection to Edge failed"):
        Edge(EdgeOptions(endpoint="ws://127.0.0.1:9/x"), 1).speak("Sim.", ANTONIO, 1.0)


def test_the_address_is_put_back(service: StandIn) -> None:
    names = vars(import_module("edge_tts.communicate"))
    before = names["WSS_URL"]
    edge(service, "well").speak("Sim.", ANTONIO, 1.0)
    assert before == names["WSS_URL"]
    assert before.startswith("wss://speech.platform.bing.com")


def test_voices_by_language() -> None:
    options = EdgeOptions(voices=("pt-BR-ThalitaNeural",))
    assert [(voice.name, voice.gender) for voice in Edge.voices(options, "pt")] == [
        ("pt-BR-FranciscaNeural", "female"),
        ("pt-BR-AntonioNeural", "male"),
        ("pt-PT-RaquelNeural", "female"),
        ("pt-PT-DuarteNeural", "male"),
        ("pt-BR-ThalitaNeural", "neutral"),
    ]
    assert [voice.name for voice in Edge.voices(options, "hy")] == ["hy-AM-AnahitNeural", "hy-AM-HaykNeural"]
    assert Edge.voices(options, "eo") == ()
    assert {"pt", "hy", "ru", "ja", "tl"} <= set(Edge.status(options).languages)


@pytest.mark.parametrize("name", ["Thalita", "pt-BR-thalita", "pt-BR-A'/><x Neural"])
def test_names_of_voices_are_looked_at(name: str) -> None:
    with pytest.raises(ValueError, match="no full name of a voice"):
        EdgeOptions(voices=(name,))
    assert Edge.find_voice(name, "pt") is None


def test_voices_that_are_not_listed() -> None:
    assert Edge.find_voice("pt-BR-ThalitaNeural", "pt") == Voice("pt-BR-ThalitaNeural", "pt", "neutral", "pt-BR")
    assert Edge.find_voice("xx-XX-ThalitaNeural", "pt") is None
