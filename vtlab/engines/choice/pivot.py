"""Two translators in a row, for pairs that no model speaks directly: source → pivot → target."""

from __future__ import annotations

from collections.abc import Sequence

from vtlab.engines.translation import Sentence, Translator


class Pivot:
    """Translate by two translators in a row.

    It listens where the first one does; the second one reads what the first one wrote.
    """

    def __init__(self, first: Translator, second: Translator) -> None:
        self.first = first
        self.second = second
        self.listens = first.listens

    def translate(self, sentences: Sequence[Sentence], candidates: int) -> list[tuple[str, ...]]:
        """Return the translations of the first translator's best answers.

        Its other answers are not followed: errors add up along two models, so only the likeliest way is taken. The
        second one's n-best is passed on.
        """
        middle = [answers[0] if answers else "" for answers in self.first.translate(sentences, 1)]
        wanted = [at for at, text in enumerate(middle) if text.strip()]
        answers = self.second.translate([Sentence(middle[at]) for at in wanted], candidates) if wanted else []
        found = dict(zip(wanted, answers, strict=True))
        return [found.get(at, ("",)) for at in range(len(middle))]
