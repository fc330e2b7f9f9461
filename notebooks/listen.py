"""A blind listening test of two runs. Opened by ``vtlab listen RUN_A RUN_B``."""

import marimo

app = marimo.App(width="medium", app_title="vtlab listen")


@app.cell
def _():
    from pathlib import Path

    import marimo as mo

    from vtlab.apps.ballot import Ballot
    from vtlab.apps.launch import read_arguments
    from vtlab.errors import VtlabError
    from vtlab.evaluation.compare import listening, votes

    return Ballot, Path, VtlabError, listening, mo, read_arguments, votes


@app.cell
def _(Path, VtlabError, listening, mo, read_arguments, votes):
    # the page is told neither the names of the runs nor the votes
    _arguments = read_arguments()
    mo.stop("a" not in _arguments, mo.callout("Open this with: vtlab listen RUN_A RUN_B", kind="warn"))
    seed, votes_file = int(_arguments["seed"]), Path(_arguments["votes"])
    try:
        pairs = votes.find_pairs(_arguments["a"], _arguments["b"], Path(_arguments["results"]))
        votes.read_votes(votes_file)
    except VtlabError:
        mo.stop(True, mo.callout("This test cannot be held: ask whoever invited you.", kind="danger"))
    of = {pair.clip: pair.of for pair in pairs}
    mo.md(
        f"""
        # Which is better?

        You hear two dubs of {listening.count_noun(len(pairs), "segment")}. Play both to the end, then say which is
        better, or that there is no difference, and give marks from 1 to 5 (best) where you have an opinion. You may
        stop at any time: under the same name you go on where you were.
        """
    )
    return of, pairs, seed, votes_file


@app.cell
def _(mo):
    name = mo.ui.text(label="Your name", placeholder="any name, the same each time")
    name
    return (name,)


@app.cell
def _(Ballot, mo, name, of, pairs, seed, votes, votes_file):
    mo.stop(not name.value.strip(), mo.md("*Write your name to begin.*"))
    listener = name.value.strip()
    _votes = votes.current_votes(votes.read_votes(votes_file), of)
    _heard = {vote.pair for vote in _votes if vote.listener == listener}
    _left = [show for show in votes.shuffle_pairs(pairs, listener, seed) if show.pair.id not in _heard]
    ballot = mo.ui.anywidget(
        Ballot(_left, listener, len(_heard), votes_file.parent / "work", lambda vote: votes.add_vote(votes_file, vote))
    )
    ballot
    return


if __name__ == "__main__":
    app.run()
