"""A blind listening test of two runs. Opened by ``vtlab listen RUN_A RUN_B``."""

import marimo

app = marimo.App(width="medium", app_title="vtlab listen")


@app.cell
def _():
    from pathlib import Path

    import marimo as mo

    from vtlab.apps.ballot import Ballot
    from vtlab.errors import VtlabError
    from vtlab.evaluation.compare import listening, votes
    from vtlab.evaluation.tracking.listening import log_outcome

    return Ballot, Path, VtlabError, listening, log_outcome, mo, votes


@app.cell
def _(Path, VtlabError, listening, mo, votes):
    arguments = mo.cli_args()
    run_a, run_b = str(arguments.get("a") or ""), str(arguments.get("b") or "")
    seed = int(arguments.get("seed") or 0)
    votes_file = Path(str(arguments.get("votes") or "out/listen/votes.jsonl"))
    mo.stop(not run_a or not run_b, mo.callout("Open this with: vtlab listen RUN_A RUN_B", kind="warn"))
    try:
        pairs = votes.find_pairs(run_a, run_b, Path(str(arguments.get("results") or "out/eval")))
        _votes = votes.read_votes(votes_file)
    except VtlabError as _error:
        mo.stop(True, mo.callout(str(_error), kind="danger"))
    of = {pair.clip: pair.of for pair in pairs}
    _earlier = len(_votes) - len(votes.current_votes(_votes, of))
    _said = mo.md(
        f"""
        # Which is better?

        You hear two dubs of {listening.count_noun(len(pairs), "line")}. Say which is better, or that there is no
        difference, and give marks from 1 to 5 (best) where you have an opinion. You may stop at any time: under the
        same name you go on where you were.
        """
    )
    mo.vstack([_said, mo.md(f"*{listening.describe_earlier(_earlier)}*")]) if _earlier else _said
    return of, pairs, run_a, run_b, seed, votes_file


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


@app.cell
def _(mo):
    close_button = mo.ui.run_button(label="Close the test and log it to MLflow")
    mo.accordion({"For whoever runs the test": mo.vstack([mo.md("This shows which run won."), close_button])})
    return (close_button,)


@app.cell
def _(VtlabError, close_button, listening, log_outcome, mo, of, run_a, run_b, votes, votes_file):
    mo.stop(not close_button.value)
    try:
        _outcome = listening.summarize_votes(votes.current_votes(votes.read_votes(votes_file), of))
        _logged = log_outcome(run_a, run_b, _outcome, votes_file)
        _said = mo.vstack([mo.md(line) for line in (*listening.describe_outcome(run_a, run_b, _outcome), _logged)])
    except VtlabError as _error:
        _said = mo.callout(str(_error), kind="danger")
    _said
    return


if __name__ == "__main__":
    app.run()
