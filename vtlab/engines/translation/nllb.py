"""NLLB-200 (No Language Left Behind, Meta): one model for every pair of 200 languages, English to Armenian among them.

Its weights may not be used commercially (CC-BY-NC-4.0), so it stands last in the default list.
"""

from __future__ import annotations

from vtlab.engines import Status
from vtlab.engines.backends.seq2seq import (
    INSTALL,
    Languages,
    Seq2Seq,
    Seq2SeqEngine,
    Seq2SeqOptions,
    find_local,
    find_model,
    is_on_hub,
    missing_package,
)
from vtlab.errors import LanguageError
from vtlab.languages import language_name
from vtlab.weights import Weights

MODEL = "facebook/nllb-200-distilled-600M"
SETTING = "translation.options.nllb"

# ISO 639-1 → FLORES-200 code, as in the table of github.com/facebookresearch/flores/blob/main/flores200
FLORES_200 = {
    "af": "afr_Latn", "am": "amh_Ethi", "ar": "arb_Arab", "az": "azj_Latn", "be": "bel_Cyrl", "bg": "bul_Cyrl",
    "bn": "ben_Beng", "bs": "bos_Latn", "ca": "cat_Latn", "cs": "ces_Latn", "cy": "cym_Latn", "da": "dan_Latn",
    "de": "deu_Latn", "el": "ell_Grek", "en": "eng_Latn", "es": "spa_Latn", "et": "est_Latn", "eu": "eus_Latn",
    "fa": "pes_Arab", "fi": "fin_Latn", "fr": "fra_Latn", "ga": "gle_Latn", "gl": "glg_Latn", "gu": "guj_Gujr",
    "he": "heb_Hebr", "hi": "hin_Deva", "hr": "hrv_Latn", "hu": "hun_Latn", "hy": "hye_Armn", "id": "ind_Latn",
    "is": "isl_Latn", "it": "ita_Latn", "ja": "jpn_Jpan", "ka": "kat_Geor", "kk": "kaz_Cyrl", "km": "khm_Khmr",
    "kn": "kan_Knda", "ko": "kor_Hang", "lo": "lao_Laoo", "lt": "lit_Latn", "lv": "lvs_Latn", "mk": "mkd_Cyrl",
    "ml": "mal_Mlym", "mn": "khk_Cyrl", "mr": "mar_Deva", "ms": "zsm_Latn", "mt": "mlt_Latn", "my": "mya_Mymr",
    "nb": "nob_Latn", "ne": "npi_Deva", "nl": "nld_Latn", "pa": "pan_Guru", "pl": "pol_Latn", "ps": "pbt_Arab",
    "pt": "por_Latn", "ro": "ron_Latn", "ru": "rus_Cyrl", "si": "sin_Sinh", "sk": "slk_Latn", "sl": "slv_Latn",
    "so": "som_Latn", "sq": "als_Latn", "sr": "srp_Cyrl", "sv": "swe_Latn", "sw": "swh_Latn", "ta": "tam_Taml",
    "te": "tel_Telu", "th": "tha_Thai", "tl": "tgl_Latn", "tr": "tur_Latn", "uk": "ukr_Cyrl", "ur": "urd_Arab",
    "uz": "uzn_Latn", "vi": "vie_Latn", "yo": "yor_Latn", "zh": "zho_Hans", "zu": "zul_Latn",
}  # fmt: skip


class NllbOptions(Seq2SeqOptions):
    """Options of ``translation.nllb``."""


class Nllb(Seq2SeqEngine):
    """Translate one pair of languages by an NLLB-200 model, with n-best."""

    Options = NllbOptions
    licence = "CC-BY-NC-4.0 (model: not for commercial use), Apache-2.0 (transformers), MIT (ctranslate2)"

    @classmethod
    def status(cls, options: NllbOptions) -> Status:
        problem = missing_package()
        if problem is not None:
            return Status(False, problem=problem, fix=INSTALL)
        model = options.model or MODEL
        if _folder_is_model(options) or (options.folder is None and find_local(model)):
            return Status(True, tuple(FLORES_200))
        return Status(False, tuple(FLORES_200), problem=f"{model} is not here", fix=f"hf download {model}")

    @classmethod
    def speaks(cls, options: NllbOptions, source: str, target: str) -> bool:
        if missing_package() is not None or source == target or not {source, target} <= FLORES_200.keys():
            return False
        if options.folder is not None:
            return _folder_is_model(options)
        model = options.model or MODEL
        return find_local(model) is not None or (not options.offline and is_on_hub(model))

    @classmethod
    def weights(cls, options: NllbOptions, source: str, target: str) -> tuple[Weights, ...]:
        return (find_model(options, [options.model or MODEL], SETTING),)

    def __init__(self, options: NllbOptions, source: str, target: str, threads: int) -> None:
        (found,) = self.weights(options, source, target)
        languages = Languages(source=flores_code(source), target=flores_code(target))
        self._model = Seq2Seq(found, options, languages, threads)


def flores_code(language: str) -> str:
    """Return the FLORES-200 code of a language: ``hye_Armn`` for ``hy``.

    Raises:
        LanguageError: NLLB-200 was not trained on the language.
    """
    if language not in FLORES_200:
        raise LanguageError(f"NLLB does not speak {language_name(language)} ({language}).")
    return FLORES_200[language]


def _folder_is_model(options: NllbOptions) -> bool:
    return options.folder is not None and (options.folder / "config.json").is_file()
