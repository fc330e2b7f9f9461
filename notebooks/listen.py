"""A blind listening test of two runs. Opened by ``vtlab listen RUN_A RUN_B``."""

import marimo

app = marimo.App(width="medium", app_title="vtlab listen")


@app.cell
def _():
    from pathlib import Path

    import marimo as mo

    from vtlab.apps.ballot import ListeningTest
    from vtlab.apps.launch import read_arguments
    from vtlab.errors import VtlabError

    return ListeningTest, Path, VtlabError, mo, read_arguments


@app.cell
def _(ListeningTest, Path, VtlabError, mo, read_arguments):
    # the page is told neither the names of the runs nor the votes
    _given = read_arguments()
    mo.stop("a" not in _given, mo.callout("Open this with: vtlab listen RUN_A RUN_B", kind="warn"))
    try:
        test = ListeningTest(
            _given["a"], _given["b"], Path(_given["results"]), Path(_given["votes"]), int(_given["seed"])
        )
    except VtlabError:
        mo.stop(True, mo.callout("This test cannot be held: ask whoever invited you.", kind="danger"))
    mo.md(
        f"""
        # Which is better?

        You hear two dubs of {test.size}. Play both to the end, then say which is better, or that there is no
        difference, and give marks from 1 to 5 (best) where you have an opinion. You may stop at any time: under the
        same name you go on where you were.
        """
    )
    return (test,)


@app.cell
def _(mo):
    name = mo.ui.text(label="Your name", placeholder="any name, the same each time")
    name
    return (name,)


@app.cell
def _(mo, name, test):
    mo.stop(not name.value.strip(), mo.md("*Write your name to begin.*"))
    ballot = mo.ui.anywidget(test.ballot(name.value.strip()))
    ballot
    return


if __name__ == "__main__":
    app.run()
