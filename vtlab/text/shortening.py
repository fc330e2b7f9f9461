"""Shorter ways to say a translation, by rule, for segments that would not fit their time and engines without n-best.

Only what a careful speaker does anyway: English contracts its auxiliaries, Portuguese leaves out a first person that
the verb ending shows. Meaning stays; nothing is left out that anyone would miss.
"""

from __future__ import annotations

import re

# a contraction needs a word after it: "Yes, it is." stays. What follows "have" decides, so that is left alone.
_ENGLISH = [
    (re.compile(pattern + r"(?= \w)", re.IGNORECASE), short)
    for pattern, short in (
        (r"\b(do|does|did|is|are|was|were|could|would|should|has|had) not\b", r"\1n't"),
        (r"\b(ca)n ?not\b", r"\1n't"),
        (r"\b(w)ill not\b", r"\1on't"),
        (r"\b(I) am\b", r"\1'm"),
        (r"\b(you|we|they) are\b", r"\1're"),
        (r"\b(he|she|it|that|there|what|who|where|here) is\b", r"\1's"),
        (r"\b(I|you|he|she|it|we|they) will\b", r"\1'll"),
        (r"\b(I|you|he|she|we|they) would\b(?! rather)", r"\1'd"),
        (r"\b(let) us\b", r"\1's"),
    )
]
# At the start of a sentence only, and before a verb of the first person as far as its ending tells. Words with such an
# ending that are no verbs, or that lean on the pronoun ("eu mesmo"), keep it.
_NO_VERBS = r"(?!(?:mesmo|próprio|sozinho|todo|quando|como|quanto|muito|outro|ali|aqui|aí)\b)"
_PORTUGUESE = re.compile(
    rf"(?:^|(?<=[.!?…] ))(?:Eu (?=(?:não )?{_NO_VERBS}\w+(?:o|ou|ei|i|ava|ia)\b)|Nós (?=(?:não )?\w+mos\b))"
)


def shorten(text: str, language: str) -> str | None:
    """Return the text in fewer words, or ``None`` where the rules of ``language`` find nothing."""
    if text.upper() == text:
        return None  # contractions would stand in lower case
    if language == "en":
        short = text
        for pattern, replacement in _ENGLISH:
            short = pattern.sub(replacement, short)
    elif language == "pt":
        short = _PORTUGUESE.sub("", text)
        # the word that now begins a sentence takes its capital
        short = (
            re.sub(r"(?:^|(?<=[.!?…] ))[a-zà-ÿ]", lambda match: match.group().upper(), short) if short != text else text
        )
    else:
        return None
    return short if short != text else None
