"""One clip through the eight stages: turn a knob, see and hear what changed. Opened by ``vtlab debug [VIDEO]``."""

import marimo

app = marimo.App(width="full", app_title="vtlab debug")


@app.cell
def _():
    from pathlib import Path
    from threading import Event, Lock
    from time import monotonic

    import marimo as mo

    from vtlab import languages
    from vtlab.apps import controls, debugger, player
    from vtlab.apps.launch import read_arguments
    from vtlab.errors import VtlabError
    from vtlab.events import STAGES
    from vtlab.media import snippets
    from vtlab.settings import fingerprint, load_settings

    return (
        Event, Lock, Path, STAGES, VtlabError, controls, debugger, fingerprint, languages,
        load_settings, mo, monotonic, player, read_arguments, snippets,
    )  # fmt: skip


@app.cell
def _(debugger, languages, mo, read_arguments):
    arguments = read_arguments()
    pool = debugger.shared_pool()
    page = debugger.make_page_folder()
    clips = debugger.list_clips()
    get_latest, set_latest = mo.state("path")  # of the three ways to choose a clip, the one used last
    choose_clip = mo.ui.dropdown(
        list(clips), label="clip of a data set", searchable=True, allow_select_none=True,
        on_change=lambda _: set_latest("clip"),
    )  # fmt: skip
    choose_path = mo.ui.text(
        value=arguments.get("video", ""), label="or a file's path", full_width=True,
        on_change=lambda _: set_latest("path"),
    )  # fmt: skip
    choose_upload = mo.ui.file(
        filetypes=["video/*", "audio/*"], label="or upload", max_size=2_000_000_000,
        on_change=lambda _: set_latest("upload"),
    )  # fmt: skip
    known = {"": None, **{f"{name} ({code})": code for code, (name, _) in languages.LANGUAGES.items()}}
    labels = {code: label for label, code in known.items()}
    choose_from = mo.ui.dropdown(
        known, value=labels.get(arguments.get("from"), ""), label="spoken (empty: detected)", searchable=True
    )
    choose_to = mo.ui.dropdown(known, value=labels.get(arguments.get("to"), ""), label="dub into", searchable=True)
    choose_settings = mo.ui.text(
        value=arguments.get("settings", ""), label="base settings file (empty: defaults)", full_width=True
    )
    mo.vstack(
        [
            mo.md("# One clip, stage by stage"),
            mo.hstack([choose_clip, choose_path, choose_upload], widths=[1, 2, 1], align="end", wrap=True),
            mo.hstack([choose_from, choose_to, choose_settings], widths=[1, 1, 2], align="end", wrap=True),
        ]
    )
    return (
        arguments, choose_clip, choose_from, choose_path, choose_settings, choose_to, choose_upload, clips, get_latest,
        page, pool,
    )  # fmt: skip


@app.cell
def _(Path, VtlabError, choose_settings, load_settings, mo):
    try:
        base_settings = load_settings(
            Path(choose_settings.value).expanduser() if choose_settings.value.strip() else None
        )
    except VtlabError as _error:
        mo.stop(True, mo.callout(str(_error), kind="danger"))
    return (base_settings,)


@app.cell
def _(Path, choose_clip, choose_path, choose_upload, clips, debugger, get_latest):
    _given = {"path": choose_path.value, "clip": choose_clip.value, "upload": choose_upload.value}
    _ways = [way for way in (get_latest(), *_given) if _given[way]]
    video = clip = None  # the clip is one of a data set, with its reference
    match _ways[:1]:
        case ["upload"]:
            video = debugger.keep_upload(choose_upload.name(), choose_upload.contents())
        case ["clip"]:
            clip = clips[choose_clip.value]
            video = clip.path
        case ["path"]:
            video = Path(choose_path.value).expanduser()
    return clip, video


@app.cell
def _(base_settings, choose_from, choose_to, clip, languages, mo, video):
    mo.stop(video is None, mo.callout("Choose a clip: from a data set, by its path, or upload one."))
    source_language, target_language = choose_from.value, choose_to.value
    if clip is not None:  # what is spoken in it is known
        source_language = clip.source_language
        if target_language in (None, source_language):
            target_language = clip.target_language
    mo.stop(target_language is None, mo.callout("Choose the language to dub into."))
    base = base_settings.model_copy(update={"source_language": source_language, "target_language": target_language})
    _from = "the language that is heard" if source_language is None else languages.language_name(source_language)
    mo.md(f"**{video.name}**, from {_from} into {languages.language_name(target_language)}")
    return (base,)


@app.cell
def _(Lock, STAGES, base_settings, controls, mo):
    # one control per setting of every stage, as the models of the settings describe them; they stay as they are turned
    # when another clip is chosen
    knobs = mo.ui.dictionary({stage: controls.make_controls(stage, getattr(base_settings, stage)) for stage in STAGES})
    run_button = mo.ui.run_button(label="Run", kind="success", keyboard_shortcut="Ctrl-Enter")
    # by cells that name `knobs` itself every turn of one is noticed; those that only show the controls name these
    control_of = knobs.elements
    get_shown, set_shown = mo.state(None)  # what is shown below: the settings, and the dub they made
    get_asked, set_asked = mo.state(None)  # the video and the settings to dub it with
    get_failed, set_failed = mo.state(None)  # why there is no dub of what was asked for
    dubbing = Lock()  # one at a time
    place = {"minute": 0, "page": 1, "part": 1}  # where it is looked at: the same in the next dub
    return (
        control_of, dubbing, get_asked, get_failed, get_shown, knobs, place, run_button, set_asked, set_failed,
        set_shown,
    )  # fmt: skip


@app.cell
def _(mo):
    def floating(row, *parts):
        """Within reach from every section; ``row`` counts from the bottom of the window."""
        shown = mo.hstack(parts, justify="start", align="center")
        if mo.app_meta().mode == "edit":  # there the editor's own bars are at the bottom
            return shown
        return shown.style(
            {"position": "fixed", "bottom": f"{0.8 + 4 * row}rem", "right": "1rem", "z-index": "40",
             "padding": "0.4rem 1rem", "border-radius": "8px", "background": "var(--background)",
             "box-shadow": "0 1px 8px #0005", "max-width": "70vw"}
        )  # fmt: skip

    return (floating,)


@app.cell
def _(
    VtlabError, base, controls, debugger, floating, get_asked, get_failed, get_shown, knobs, mo, named_video,
    run_button, set_asked, set_failed, video,
):  # fmt: skip
    try:
        _wanted, _wrong = (video, controls.apply_controls(base, knobs.value)), None
    except VtlabError as _error:
        _wanted, _wrong = None, str(_error)
    _shown, _asked, _failed = get_shown(), get_asked(), get_failed()
    _applied = _shown[0] if _shown is not None and _shown[2] == video else None
    _message = mo.md("Dubbing.")
    if _wrong is not None:
        _message = mo.callout(_wrong, kind="danger")
    elif _applied == _wanted[1]:
        _message = mo.md("What is below was made with these settings.")
    elif run_button.value:
        set_failed(None)
        set_asked(_wanted)
    elif _failed is not None and _asked == _wanted:
        _message = mo.callout(_failed, kind="danger")
    elif _asked != _wanted:
        _opening = video == named_video and (_asked is None or _asked[0] != video)
        if _opening or debugger.runs_at_once(_applied, _wanted[1]):
            set_failed(None)
            set_asked(_wanted)
        else:
            _why = "nothing is dubbed yet."
            if _applied is not None:
                _why = f"{debugger.first_changed_stage(_applied, _wanted[1])} and the stages after it are to run again."
            _message = mo.callout(f"Press Run: {_why.replace('_', ' ')}", kind="warn")
    floating(0, run_button, _message)
    return


@app.cell
def _(
    Event, Path, VtlabError, debugger, dubbing, floating, get_asked, mo, monotonic, page, pool, set_failed, set_shown,
):  # fmt: skip
    # in a thread of its own, so that knobs turn and buttons work meanwhile
    mo.stop(get_asked() is None)

    def _dub(video, settings, stop, button):
        thread, drawn_at = mo.current_thread(), [monotonic()]

        def show(phrase, share):
            if thread.should_exit:  # something else was asked for meanwhile
                stop.set()
            elif monotonic() - drawn_at[0] > 0.3:  # drawing takes longer than what is quick
                drawn_at[0] = monotonic()
                mo.output.replace(floating(1, button, mo.md(f"{share:.0%} {phrase}")))

        with dubbing:  # the one before it has ended
            try:
                folder = debugger.results_folder(Path(page.name), video, "current")
                made = debugger.dub_clip(video, settings, folder, pool, debugger.track_progress(show), stop)
                if not thread.should_exit:
                    mo.output.clear()
                    set_shown((settings, made, video))
            except Exception as error:
                if not thread.should_exit:
                    mo.output.clear()
                    known = isinstance(error, VtlabError)
                    set_failed(str(error) if known else f"A fault in vtlab ({type(error).__name__}: {error}).")
                if not isinstance(error, VtlabError):
                    raise

    _stop = Event()
    _button = mo.ui.button(label="Stop", kind="danger", on_click=lambda _, stop=_stop: stop.set())
    mo.Thread(target=_dub, args=(*get_asked(), _stop, _button), daemon=True).start()
    return


@app.cell
def _(STAGES, base_settings, control_of, controls, get_shown, mo, video):
    # before there is a dub of this video to show: what it is to be made with
    mo.stop(get_shown() is not None and get_shown()[2] == video)
    mo.accordion(
        {
            stage.replace("_", " "): controls.explain_controls(stage, getattr(base_settings, stage), control_of[stage])
            for stage in STAGES
        }
    )
    return


@app.cell
def _(Path, arguments):
    # a video named on the command line is dubbed without being asked
    named_video = Path(arguments["video"]).expanduser() if "video" in arguments else None
    return (named_video,)


@app.cell
def _(debugger, get_shown, mo, video):
    mo.stop(get_shown() is None or get_shown()[2] != video)
    shown_settings, dub, shown_video = get_shown()
    record = dub.record
    stages = debugger.summarize_stages(record)
    mo.hstack(
        [
            mo.stat(f"{record.wall_s:.1f} s", label="this run"),
            mo.stat(len(record.segments), label="segments"),
            mo.stat(f"{record.completeness:.0%}", label="segments spoken"),
            mo.stat(sum(stage.from_store for stage in stages.values()), label="stages from the store"),
            mo.stat("none" if record.loudness_lufs is None else f"{record.loudness_lufs:.1f} LUFS", label="loudness"),
            mo.stat(len(record.findings), label="findings"),
        ],
        justify="start",
        wrap=True,
    )
    return dub, record, shown_settings, shown_video, stages


@app.cell
def _(mo, snippets):
    def picture(draw):
        """What ``draw`` draws, once it comes into view."""

        def drawn():
            from vtlab import plots

            figure = draw()
            return mo.image(snippets.data_url(plots.png(figure), "image/png"), alt=figure.get_suptitle())

        return mo.lazy(drawn, show_loading_indicator=True)

    return (picture,)


@app.cell
def _(base_settings, control_of, controls, debugger, mo, stages):
    def section(stage, *results):
        """A stage: what it did on the right, its settings on the left, its findings below."""
        summary = stages[stage]
        number = list(stages).index(stage) + 1
        parts = list(results)
        if summary.findings:
            _found = debugger.finding_rows(summary.findings)
            parts.append(mo.ui.table(_found, selection=None, page_size=5, wrapped_columns=["message"]))
        else:
            parts.append(mo.md("<small>No findings.</small>"))
        # many settings scroll: results are not a page apart for their sake
        settings = controls.explain_controls(stage, getattr(base_settings, stage), control_of[stage]).style(
            {"max-height": "36rem", "overflow-y": "auto", "padding-right": "0.5rem"}
        )
        left = mo.vstack([mo.md(f"## {number} {stage.replace('_', ' ')}"), mo.md(f"*{summary.sentence}*"), settings])
        # as wide as its column: what is wider scrolls
        right = mo.vstack(parts).style({"width": "0", "min-width": "100%", "overflow-x": "auto"})
        # below each other in a narrow window
        return mo.hstack(
            [left.style({"min-width": "17rem"}), mo.vstack([right]).style({"min-width": "26rem"})],
            widths=[1, 3], gap=2, align="start", wrap=True,
        )  # fmt: skip

    return (section,)


@app.cell
def _(mo, record, section):
    _engines = [
        {
            "stage": engine.stage,
            "engine": engine.engine,
            "languages": engine.languages,
            "weights": ", ".join(f"{weights['name']} {weights['sha256'][:12]}" for weights in engine.weights),
        }
        for engine in record.engines
    ]
    section("initialization", mo.ui.table(_engines, selection=None, label="engines that made this dub"))
    return


@app.cell
def _(dub, picture, section):
    def _waveform():
        from vtlab import plots

        return plots.source_waveform(dub)

    section("audio_extraction", picture(_waveform))
    return


@app.cell
def _(mo, place, record):
    page_s = 60
    _last = max(0, int((record.source.seconds - 0.001) // page_s))
    minute = mo.ui.slider(
        0, max(1, _last), 1, value=min(place["minute"], _last), label="minute", show_value=True, disabled=_last == 0,
        on_change=lambda value: place.update(minute=value),
    )  # fmt: skip
    return page_s, minute


@app.cell
def _(page_s, minute, mo, picture, record, section, shown_video, snippets):
    _from, _to = minute.value * page_s, min(record.source.seconds, (minute.value + 1) * page_s)

    def _heard(video=shown_video, start=_from, end=_to):
        return mo.audio(snippets.wav(snippets.snippet(video, start, end)))

    def _words():
        from vtlab import plots

        return plots.words(record, minute.value * page_s, min(record.source.seconds, (minute.value + 1) * page_s))

    # drawn and heard when this cell has ended, and its names are gone

    _rows = [
        {
            "segment": segment.id,
            "start": round(segment.start, 2),
            "end": round(segment.end, 2),
            "text": segment.text,
            "confidence": None if segment.confidence is None else round(segment.confidence, 2),
            "speaker": segment.speaker or "",
        }
        for segment in record.segments
    ]
    section(
        "transcription", minute, mo.lazy(_heard), picture(_words),
        mo.ui.table(_rows, selection=None, page_size=8, wrapped_columns=["text"]),
    )  # fmt: skip
    return


@app.cell
def _(debugger, mo, record, section):
    section(
        "translation",
        mo.ui.table(
            debugger.text_rows(record), selection=None, page_size=8,
            wrapped_columns=["source", "translation", "other candidates"],
        ),
    )  # fmt: skip
    return


@app.cell
def _(mo, place, record):
    segments_a_page = 6  # players on a page
    _pages = max(1, -(-len(record.segments) // segments_a_page))
    speech_page = mo.ui.number(
        1, _pages, 1, value=min(place["page"], _pages), label=f"page of {_pages}",
        on_change=lambda value: place.update(page=value),
    )  # fmt: skip
    return segments_a_page, speech_page


@app.cell
def _(segments_a_page, dub, mo, record, section, snippets, speech_page):
    def _spoken(segment):
        track = dub.speech_track
        text = mo.md(f"**{segment.id}** {segment.spoken_text or '—'}")
        if segment.failed is not None or segment.planned_end <= segment.planned_start:
            return mo.hstack([text, mo.md(segment.failed or "nothing to say")], widths=[3, 2])
        player = mo.audio(snippets.segment_sound(track, segment.planned_start, segment.planned_end))
        about = mo.md(f"<small>{segment.voice}, rate {segment.rate:.2f}</small>")
        return mo.hstack([text, about, player], widths=[3, 1, 2], align="center")

    _first = (speech_page.value - 1) * segments_a_page
    section("tts", speech_page, *[_spoken(segment) for segment in record.segments[_first : _first + segments_a_page]])
    return


@app.cell
def _(dub, mo, record, shown_video, snippets):
    from vtlab.apps.timeline import Timeline

    _segments = {segment.id: segment for segment in record.segments}

    def _sounds(number):
        segment = _segments[number]
        source = snippets.segment_sound(shown_video, segment.start, segment.end)
        dubbed = snippets.segment_sound(dub.speech_track, segment.planned_start, segment.planned_end)
        return snippets.data_url(source, "audio/wav"), snippets.data_url(dubbed, "audio/wav")

    timeline = mo.ui.anywidget(Timeline(record, _sounds))
    return (timeline,)


@app.cell
def _(debugger, mo, picture, record, section, timeline):
    def _speeds():
        from vtlab import plots

        return plots.speeds(record)

    section(
        "audio_sync",
        timeline,
        picture(_speeds),
        mo.ui.table(debugger.sync_rows(record), selection=None, page_size=8, wrapped_columns=["text"]),
    )
    return


@app.cell
def _(dub, mo, section):
    def _cues(file):
        import pysubs2

        return mo.ui.table(
            [
                {
                    "cue": number,
                    "start": round(cue.start / 1000, 2),
                    "end": round(cue.end / 1000, 2),
                    "text": cue.plaintext,
                    "characters a second": round(len(cue.plaintext) / max(0.001, cue.duration / 1000), 1),
                }
                for number, cue in enumerate(pysubs2.load(str(file)), 1)
            ],
            selection=None,
            page_size=8,
            wrapped_columns=["text"],
        )

    section(
        "subtitle_generation",
        mo.ui.tabs({kind: _cues(file) for kind, file in dub.files.items() if kind.endswith("_srt")}),
    )
    return


@app.cell
def _(dub, mo, place, player):
    # a long dub is shown in parts
    _parts = player.count_parts(dub.media)
    part = mo.ui.number(
        1, _parts, 1, value=min(place["part"], _parts), label=f"part of {_parts}, {player.PART_S / 60:g} minutes each",
        on_change=lambda value: place.update(part=value),
    )  # fmt: skip
    return (part,)


@app.cell
def _(dub, part, picture, player, record, section, shown_settings):
    _file = dub.media

    def _loudness():
        from vtlab import plots

        return plots.dub_loudness(dub)

    _subtitles = None  # where they are in the picture already
    if not shown_settings.video_combination.burn_subtitles:
        _subtitles = dub.webvtt.get(record.target_language)
    _player = player.show_part(_file, _subtitles, record.target_language, part.value - 1)
    section("video_combination", *([part] if player.count_parts(_file) > 1 else []), _player, picture(_loudness))
    return


@app.cell
def _(dub, mo):
    mo.stop(dub is None)  # there is nothing to keep yet
    compare_button = mo.ui.run_button(label="Measure against the base configuration")
    settings_file = mo.ui.text(value="out/debug/settings.yaml", label="settings file", full_width=True)
    save_button = mo.ui.run_button(label="Save as settings")
    keep_buttons = mo.vstack([mo.hstack([settings_file, save_button], widths=[3, 1]), compare_button])
    return compare_button, keep_buttons, save_button, settings_file


@app.cell
def _(Path, VtlabError, debugger, fingerprint, mo, save_button, settings_file, shown_settings, shown_video):
    saved = None
    if save_button.value:
        try:
            _file = debugger.save_settings(shown_settings, Path(settings_file.value.strip()).expanduser())
            _command = debugger.format_command(shown_video, shown_settings, _file)
            saved = mo.callout(
                f"Saved {_file}, with which what is above was made (fingerprint {fingerprint(shown_settings)}): "
                f"{_command}",
                kind="success",
            )
        except VtlabError as _error:
            saved = mo.callout(str(_error), kind="danger")
    return (saved,)


@app.cell
def _(
    Path, VtlabError, base, clip, compare_button, debugger, dub, mo, page, player, pool, record, shown_settings,
    shown_video,
):  # fmt: skip
    compared = None
    if compare_button.value:
        try:
            with mo.status.spinner("Dubbing with the base configuration and measuring both"):
                _folder = debugger.results_folder(Path(page.name), shown_video, "base")
                _base = debugger.dub_clip(shown_video, base, _folder, pool, lambda event: None)
                _reference = None if clip is None else clip.segments
                _rows = debugger.compare_metrics(shown_video, _base, dub, _reference)
            _file = _base.media
            _subtitles = _base.webvtt.get(record.target_language)
            compared = mo.vstack(
                [
                    mo.md("### Against the base configuration"),
                    mo.ui.table(debugger.list_changes(base, shown_settings), selection=None, label="settings"),
                    mo.ui.table(_rows, selection=None, page_size=40, wrapped_columns=["meaning"]),
                    mo.accordion({"the dub with the base configuration": player.show_part(
                        _file, _subtitles, record.target_language
                    )}),
                ]
            )  # fmt: skip
        except VtlabError as _error:
            compared = mo.callout(str(_error), kind="danger")
    return (compared,)


@app.cell
def _(compared, keep_buttons, mo, saved):
    # what they make stands above the buttons; room for what floats at the bottom of the window
    mo.vstack(
        [mo.md("## Keep or compare"), *[part for part in (saved, compared) if part is not None], keep_buttons]
    ).style({"padding-bottom": "7rem"})
    return


if __name__ == "__main__":
    app.run()
