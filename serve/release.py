"""The configuration that new sessions run: the release in force, fit for the gateway's page and for this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from serve.sessions.options import Configuration
from vtlab.engines import check_engines
from vtlab.errors import EngineError, SettingsError, UserError
from vtlab.releases import store
from vtlab.releases.store import Release
from vtlab.settings import ENVIRONMENT_PREFIX, NOT_SETTINGS, Settings, fingerprint, load_settings

log = logging.getLogger(__name__)

MACHINE = "INITIALIZATION__"  # settings that belong to the machine, not to the release

# what the gateway's page needs: it takes the translated subtitles for burned in, and shows the dub in a browser.
# No metric looks at the picture, so what was measured of a release holds for it with these, too.
PAGE = {"browser_safe": True}
BURNED = {"burn_subtitles": True, "soft_subtitles": False}


class ActiveRelease:
    """Find the release in force, or the packaged default before the first one.

    It is called for each session, so a promotion or a rollback counts from the next session on. A release that turns
    out to be damaged, names an engine or an option that is not here, or whose weights are not those it was evaluated
    with, is logged and does not replace a good one.

    Attributes:
        release: The release in force; `None` where something else is served.
        configuration: What was served last.
    """

    def __init__(
        self,
        folder: Path,
        *,
        unmeasured: bool = False,
        burn_subtitles: bool = True,
        file: Path | None = None,
        overrides: tuple[str, ...] = (),
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Find what is served.

        Args:
            folder: Of the releases.
            unmeasured: Serve settings or weights that no evaluation stands for.
            burn_subtitles: Draw translated subtitles into the picture, whatever the release says.
            file: A settings file to serve instead of the release.
            overrides: Settings (`tts.voice=…`) to serve instead of the release's.
            environment: Variables with settings (`VTLAB_TTS__VOICE`).

        Raises:
            UserError: No evaluation stands for what should be served, or it cannot be read.
        """
        self._folder, self._unmeasured = folder, unmeasured
        self._picture = {**PAGE, **(BURNED if burn_subtitles else {})}
        self._machine = {
            name: value for name, value in environment.items() if name.startswith(ENVIRONMENT_PREFIX + MACHINE)
        }
        others = sorted(
            name
            for name in environment
            if name.startswith(ENVIRONMENT_PREFIX) and name not in NOT_SETTINGS and name not in self._machine
        )
        chosen = [*([f"--settings {file}"] if file else []), *(f"--set {text}" for text in overrides), *others]
        if chosen and not unmeasured:
            raise SettingsError(
                f"No evaluation stands for settings chosen here ({', '.join(chosen)}). Evaluate and promote them "
                "('vtlab eval', 'vtlab promote'), or serve them all the same with --unmeasured."
            )
        self._chosen = load_settings(file, overrides, environment) if chosen else None
        self._packaged = load_settings(None, (), self._machine)
        self._refused: tuple[int, str] | None = None
        self.release: Release | None = None
        self.configuration = self._packaged_or_chosen()
        if self._chosen is None and (release := store.current(folder)) is not None:
            self._take(release, measured=self._check(release))
        self._fault = _find_fault(self.configuration)
        if self._fault is not None:
            log.error(
                "%s", self._fault, extra={"event": "release", "release": self.configuration.name, "code": "E_ENGINE"}
            )

    def __call__(self) -> Configuration:
        """Return what a new session runs; look for a new release first.

        Raises:
            EngineError: What is served names an engine or an option that is not here.
        """
        if self._chosen is None:
            self._look_for_release()
        if self._fault is not None:
            raise EngineError(self._fault)
        return self.configuration

    def _look_for_release(self) -> None:
        try:
            release = store.current(self._folder)
            if release is not None and release is not self.release:
                check_engines(release.settings)
                self._take(release, measured=self._check(release))
                self._fault = None
                log.info(
                    "Now in force: %s", self.figures(), extra={"event": "release", "release": self.configuration.name}
                )
            elif release is None and self.release is not None:
                raise SettingsError(f"{self._folder} holds no release any more.")
            self._refused = None
        except UserError as error:
            # the good one goes on; logged once, not for every session
            problem = (self.release.number if self.release else 0, str(error))
            if problem != self._refused:
                self._refused = problem
                log.error(
                    "%s Still in force: %s",
                    error,
                    self.configuration.name,
                    extra={"event": "release", "code": error.code},
                )

    def figures(self) -> str:
        """Return what is served and what was measured of it, in a few sentences."""
        settings = self.configuration.settings
        fault = "" if self._fault is None else f" {self._fault}"
        if self.release is None:
            name = f"{self.configuration.name}, settings {fingerprint(settings)}"
            return f"{name}. No evaluation stands for it; 'vtlab promote' puts one in force that has one.{fault}"
        evidence = self.release.evidence
        values = [
            f"{metric} {value:.4g}{_interval(evidence.intervals.get(metric))}"
            for metric, value in sorted(evidence.values.items())
        ]
        gates = f"{sum(gate.passed for gate in evidence.gates)} of {len(evidence.gates)} gates passed"
        sentences = [
            f"{self.configuration.name}, settings {self.release.fingerprint}: {evidence.clips} clips of "
            f"{self.release.dataset}, run {self.release.run_id}, promoted by {self.release.who} on "
            f"{self.release.when:%Y-%m-%d}; {gates}."
        ]
        if self.release.forced is not None:
            sentences.append(f"Promoted against objections: {self.release.forced}.")
        if values:
            pairs = ", ".join("-".join(pair) for pair in self.release.pairs)
            sentences.append(f"Measured on {pairs}: {', '.join(values)}.")
        if not settings.video_combination.burn_subtitles:
            sentences.append("No subtitles are burned in, so the gateway's page shows none over the dub.")
        return " ".join(sentences) + fault

    def _packaged_or_chosen(self) -> Configuration:
        if self._chosen is not None:
            return Configuration(self._for_page(self._chosen), "settings chosen here, unmeasured")
        return Configuration(self._for_page(self._packaged), "packaged default (there is no release)")

    def _take(self, release: Release, *, measured: bool) -> None:
        self.release = release
        machine = load_settings(None, (), self._machine).initialization
        own = machine.model_dump(include=machine.model_fields_set)
        settings = release.settings.model_copy(
            update={"initialization": release.settings.initialization.model_copy(update=own)}
        )
        name = f"release {release.number} ({release.suite}/{release.name})"
        pairs = release.pairs if measured else ()
        self.configuration = Configuration(self._for_page(settings), name, pairs)

    def _for_page(self, settings: Settings) -> Settings:
        combination = settings.video_combination.model_copy(update=self._picture)
        return settings.model_copy(update={"video_combination": combination})

    def _check(self, release: Release) -> bool:
        """Return whether the weights here are those that were evaluated; others need `unmeasured`."""
        differences = store.verify(release)
        if not differences:
            return True
        sentences = " ".join(difference.message for difference in differences)
        if not self._unmeasured:
            raise SettingsError(f"{sentences} Or serve release {release.number} all the same with --unmeasured.")
        log.warning("%s", sentences, extra={"event": "release", "release": f"release {release.number}"})
        return False


def _find_fault(configuration: Configuration) -> str | None:
    """Return why no session can run the configuration here; `None` where nothing speaks against it."""
    try:
        check_engines(configuration.settings)
    except UserError as error:
        return f"{error} No session can run {configuration.name} until this is mended; all are refused."
    return None


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" ({interval[0]:.4g} to {interval[1]:.4g})"
