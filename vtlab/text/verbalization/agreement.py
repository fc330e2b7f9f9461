"""Numbers in words that agree with the noun after them: "duas pessoas", "un gato", "ein Uhr".

``num2words`` gives the form used in counting. Which gender a noun has is told by its ending, where endings tell it
(Portuguese, Spanish, Italian), and by the exceptions that are common in speech; a noun that tells nothing leaves the
number as it is. "Capítulo 1" counts nothing, so there the number stays, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WORD = re.compile(r"[ \u00a0]?([^\W\d_]+)")
LAST_WORD = re.compile(r"([^\W\d_]+)\.?[ \u00a0]$")


@dataclass(frozen=True)
class Agreement:
    """The agreement of numbers in one language.

    Attributes:
        one: Regular expression of a feminine noun in the singular.
        many: The same in the plural.
        masculine: Nouns with such an ending that are not feminine, and words that are no nouns.
        numbered: Words whose number stands after them.
        feminine_forms: Regular expression and replacement, for a number before a feminine noun.
        masculine_forms: The same before a masculine noun.
    """

    one: str  # regular expression of a feminine noun in the singular
    many: str  # the same in the plural
    masculine: frozenset[str]  # nouns with such an ending that are not feminine, and words that are no nouns
    numbered: frozenset[str]  # words whose number stands after them
    feminine_forms: tuple[tuple[str, str], ...]  # regular expression and replacement
    masculine_forms: tuple[tuple[str, str], ...] = ()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AGREEMENTS = {
    "pt": Agreement(
        one=r"\w*(?:a|ção|são|dade|gem|tude)|mulher|vez|noite|tarde|parte|mãe|flor|mão|lei|gente|frase|voz|luz",
        many=r"\w*(?:as|ções|sões|dades|gens|tudes)"
        r"|mulheres|vezes|noites|tardes|partes|mães|flores|mãos|leis|frases|vozes|luzes",
        masculine=_words(
            "dia mapa planeta problema sistema programa tema cinema poema esquema idioma sintoma diploma drama grama "
            "quilograma clima telefonema dilema teorema cometa poeta papa "
            "dias mapas planetas problemas sistemas programas temas cinemas poemas esquemas idiomas sintomas diplomas "
            "dramas gramas quilogramas climas telefonemas dilemas teoremas cometas poetas papas homens jovens "
            "coração corações a as da das na nas pela pelas à às mas apenas era para seja ainda agora"
        ),
        numbered=_words(
            "capítulo página parte número nº episódio temporada fase etapa passo lição aula canal sala quarto grupo "
            "turma nível tipo versão item artigo linha ponto seção módulo unidade dia ano volume tomo questão figura "
            "tabela exemplo opção rodovia rota linha plataforma portão"
        ),
        feminine_forms=((r"\bum\b", "uma"), (r"\bdois\b", "duas"), (r"entos\b", "entas")),
    ),
    "es": Agreement(
        one=r"\w*(?:a|ción|sión|dad|tud)|mujer|vez|noche|tarde|parte|madre|flor|mano|ley|gente|frase|voz|luz",
        many=r"\w*(?:as|ciones|siones|dades|tudes)"
        r"|mujeres|veces|noches|tardes|partes|madres|flores|manos|leyes|frases|voces|luces",
        masculine=_words(
            "día mapa planeta problema sistema programa tema cinema poema esquema idioma síntoma diploma drama clima "
            "dilema teorema cometa poeta papa días mapas planetas problemas sistemas programas temas poemas esquemas "
            "idiomas síntomas diplomas dramas climas dilemas teoremas cometas poetas papas "
            "a la las para era ahora hasta"
        ),
        numbered=_words(
            "capítulo página parte número episodio temporada fase etapa paso lección clase canal sala grupo nivel tipo "
            "versión artículo línea punto sección módulo unidad día año volumen tomo figura tabla ejemplo opción"
        ),
        feminine_forms=(
            (r"veintiuno\b", "veintiuna"),
            (r"veintiún\b", "veintiuna"),
            (r"\bun[o]?\b", "una"),
            (r"ientos\b", "ientas"),
        ),
        masculine_forms=((r"veintiuno$", "veintiún"), (r"\buno$", "un")),
    ),
    "it": Agreement(
        one=r"\w*(?:a|zione|sione|tà|tù)|notte|parte|madre|mano|legge|gente|frase|voce|luce|volta",
        many=r"(?!)",  # "due" and all beyond are of both genders
        masculine=_words("problema sistema programma tema cinema poema schema idioma clima dramma pianeta poeta papa"),
        numbered=_words(
            "capitolo pagina parte numero episodio stagione fase passo lezione canale sala gruppo livello tipo "
            "versione articolo linea punto sezione modulo unità giorno anno volume figura tabella esempio opzione"
        ),
        feminine_forms=((r"\buno$", "una"),),
        masculine_forms=((r"\buno$", "un"),),
    ),
    "de": Agreement(
        one=r"(?!)",
        many=r"(?!)",
        masculine=frozenset(),
        numbered=_words(
            "kapitel seite teil nummer folge staffel phase schritt lektion kanal saal gruppe stufe artikel"
        ),
        feminine_forms=(),
        masculine_forms=((r"\beins$", "ein"),),
    ),
}
# short words after a number that are no nouns, whatever their ending
NO_NOUNS = _words("que para pero más con por che per mais sobre entre cada como quando cuando está são foi")
MILLIONS = re.compile(r"lh(?:ão|ões)|ll[oó]n|lion[ei]|liard")


def agree(spelt: str, language: str, before: str, after: str) -> str:
    """Return a number in words in the form that the noun after it asks for.

    Args:
        spelt: The number in words, as one counts.
        language: Code of the language.
        before: The text in front of the number, whose last word may be one that is numbered ("capítulo").
        after: The text behind it, which may begin with a noun.
    """
    agreement = AGREEMENTS.get(language)
    noun, numbered = WORD.match(after), LAST_WORD.search(before)
    if agreement is None or noun is None or MILLIONS.search(spelt):
        return spelt  # "dois milhões de pessoas" agrees with the millions
    if numbered is not None and numbered[1].casefold() in agreement.numbered:
        return spelt
    word = noun[1]
    if len(word) < 3 or word.casefold() in NO_NOUNS:
        return spelt
    if language == "de" and not word[0].isupper():
        return spelt  # German writes its nouns with a capital
    one = re.search(r"\b(?:um|uno|eins)$", spelt) is not None and " " not in spelt
    feminine = re.fullmatch(agreement.one if one else agreement.many, word.casefold()) is not None
    forms = agreement.masculine_forms
    if feminine and word.casefold() not in agreement.masculine:
        forms = agreement.feminine_forms
    for pattern, form in forms:
        spelt = re.sub(pattern, form, spelt)
    return spelt
