"""The plan of a sweep: which results are kept already, and which clips are to be dubbed under which configurations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vtlab.errors import UserError
from vtlab.evaluation.dataset import Clip
from vtlab.evaluation.suite.model import Configuration, Suite
from vtlab.evaluation.sweep.clip import Job, choose_engines, result_key
from vtlab.evaluation.sweep.results import clip_folder, read_result
from vtlab.text.glossary import load_glossary


@dataclass(frozen=True)
class Task:
    """A clip and the configurations it is still to be dubbed under, in the order of the suite."""

    clip: Clip
    configurations: tuple[Configuration, ...]


@dataclass(frozen=True)
class Plan:
    """What a sweep will do.

    Attributes:
        job: The suite, its data set, and the folder of results.
        clips: The clips it runs on.
        configurations: All configurations of the suite.
        tasks: What is still to be dubbed and measured.
        found: The number of results that are kept already.
        outdated: Folders of results to be made anew: of clips that failed, or all that are not to be resumed.
    """

    job: Job
    clips: tuple[Clip, ...]
    configurations: tuple[Configuration, ...]
    tasks: tuple[Task, ...]
    found: int
    outdated: tuple[Path, ...]

    @property
    def total(self) -> int:
        """The number of results when the sweep is finished."""
        return len(self.clips) * len(self.configurations)


def plan_sweep(suite: Suite, folder: Path, *, limit: int = 0, resume: bool = True) -> Plan:
    """Return the plan of a sweep; nothing is written, dubbed or loaded but the data set.

    Args:
        suite: The suite, checked.
        folder: Holds the results of suites.
        limit: The first clips only; 0 for all.
        resume: Keep results that are there, except those of clips that failed.

    Raises:
        UserError: No clip could be dubbed under some configuration.
    """
    dataset = suite.load_dataset()
    job = Job(suite, dataset, folder)
    clips = suite.select_clips(dataset)[: limit or None]
    configurations = tuple(suite.configurations())
    for configuration in configurations:
        _check_engines(configuration, clips)
    tasks, outdated, found = [], [], 0
    for clip in clips:
        missing = []
        for configuration in configurations:
            home = clip_folder(folder, suite.name, configuration.name, clip.id)
            known = read_result(home)
            if known is not None and (not resume or known.status == "failed"):
                outdated.append(home)
            elif known is not None and known.key == result_key(job, configuration, clip):
                found += 1
                continue
            missing.append(configuration)
        if missing:
            tasks.append(Task(clip, tuple(missing)))
    return Plan(job, clips, configurations, tuple(tasks), found, tuple(outdated))


def _check_engines(configuration: Configuration, clips: Iterable[Clip]) -> None:
    by_pair = {(clip.source_language, clip.target_language): clip for clip in clips}
    problems = []
    for clip in by_pair.values():
        try:
            choose_engines(configuration.for_clip(clip))
            load_glossary(configuration.settings.translation.glossary)
        except UserError as error:
            problems.append(error)
    if problems and len(problems) == len(by_pair):
        first = problems[0]
        raise type(first)(f"Configuration {configuration.name!r}: {first}", code=first.code) from first
