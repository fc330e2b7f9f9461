"""The ten defects, planted into two real dubs: each is found by the rule that is for it, and untouched dubs raise none.

The whole table, over all clips and strengths, is made by ``benchmarks/planted_defects.py``; this must not get lost.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from dubbing import PEOPLE, Dubbing
from evaluation.defects import DEFECTS, Parts, taken_apart

from vtlab.engines.pool import EnginePool
from vtlab.evaluation.dataset import load_dataset
from vtlab.measurement.recognizer import Recognizer
from vtlab.outputs import Dub
from vtlab.store.results import Store

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from planted_defects import GROUPS, RULES, alarms, measured, voice  # noqa: E402

FOUND_BY = {
    "shifted": "sync_within_150ms",
    "hurried": "tail_cut_max_s",
    "dropped": "completeness",
    "untranslated": "translation_quality",
    "swapped": "tts_wer",
    "overlapping": "overruns",
    "clipped": "tail_cut_max_s",
    "invented": "invented_lines",
    "lost": "background_loss_db",
    "leak": "source_leak_db",
}


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    return Recognizer(Store(tmp_path_factory.mktemp("recognizer")))


@pytest.fixture(scope="module")
def dubs(
    sentences: tuple[Dubbing, Dub], pool: EnginePool, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Parts]:
    """Real speakers in a quiet room, and a synthetic voice beside a fan."""
    out = tmp_path_factory.mktemp("planted")
    store = sentences[0].store
    spoken = ROOT / "datasets" / "spoken"
    replayed = {"engine": "reference", "options": {"reference": {"file": spoken / "manifest.jsonl"}}}
    replayed["options"]["reference"]["clip"] = "pt_workshop_hum"
    given = {"engines": ["reference"], "options": {"reference": {"file": spoken / "manifest.jsonl"}}}
    kept = {"keep_speech_track": True}
    people = Dubbing(store, out, pool, PEOPLE / "sentences_pt.mp4", ("pt", "en")).run(audio_sync=kept)
    workshop = Dubbing(store, out, pool, spoken / "clips" / "pt_workshop_hum.mp4", ("pt", "en"))
    hum = workshop.run(audio_sync=kept, transcription=replayed, translation=given)
    return {
        "people": apart(people, "people", "sentences_pt"),
        "spoken": apart(hum, "spoken", "pt_workshop_hum"),
    }


def apart(dub: Dub, dataset: str, clip: str) -> Parts:
    found = load_dataset(ROOT / "datasets" / dataset).clip(clip)
    files = dub.files
    return taken_apart(found, files["video"], dub.record, files["speech_track"], voice(dub.record))


@pytest.mark.parametrize("kind", ["people", "spoken"])
def test_untouched_dubs_raise_no_alarm(kind: str, dubs: dict[str, Parts], recognizer: Recognizer) -> None:
    assert alarms(measured(dubs[kind], list(RULES), recognizer, kbps=96).values) == []


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_are_found(name: str, dubs: dict[str, Parts], recognizer: Recognizer) -> None:
    dub = dubs["spoken" if name in ("lost", "leak", "invented", "overlapping") else "people"]
    planted = DEFECTS[name].plant(dub, DEFECTS[name].nominal)
    assert planted is not None
    found = measured(planted, [FOUND_BY[name]], recognizer)
    assert alarms(found.values) == [FOUND_BY[name]]


def test_every_rule_is_measured() -> None:
    assert set(RULES) <= {metric for group in GROUPS.values() for metric in group}
