"""The smallest real models: trained on the spot until they know four sentences by heart, saved as the hub has them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

PAIRS = {
    "Good morning, how are you today?": "Bom dia, como vai você hoje?",
    "The house is small and the garden is big.": "A casa é pequena e o jardim é grande.",
    "I would like a cup of coffee, please.": "Eu queria uma xícara de café, por favor.",
    "We are going to the beach tomorrow.": "Nós vamos à praia amanhã.",
}


@pytest.fixture(autouse=True)
def _weights_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTLAB_WEIGHTS", str(tmp_path_factory.getbasetemp() / "weights"))


@pytest.fixture(scope="session")
def marian_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An English–Portuguese Marian model with two SentencePiece vocabularies, as OPUS-MT models have."""
    pytest.importorskip("torch")
    import sentencepiece
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    folder = tmp_path_factory.mktemp("marian")
    vocabulary = {"</s>": 0, "<unk>": 1}
    for name, sentences in (("source", list(PAIRS)), ("target", list(PAIRS.values()))):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences * 20),
            model_prefix=str(folder / name),
            vocab_size=70,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        shutil.move(folder / f"{name}.model", folder / f"{name}.spm")
        (folder / f"{name}.vocab").unlink()
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{name}.spm"))
        for index in range(3, pieces.get_piece_size()):
            vocabulary.setdefault(pieces.id_to_piece(index), len(vocabulary))
    vocabulary["<pad>"] = pad = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    files = (str(folder / name) for name in ("source.spm", "target.spm", "vocab.json"))
    tokenizer = MarianTokenizer(*files, source_lang="en", target_lang="pt", model_max_length=48)
    config = MarianConfig(
        vocab_size=len(vocabulary), **_SIZE, pad_token_id=pad, eos_token_id=0, decoder_start_token_id=pad,
        forced_eos_token_id=0, bad_words_ids=[[pad]],
    )  # fmt: skip
    return _saved(MarianMTModel, config, tokenizer, folder, lambda ids: [pad, *ids[:-1]])


@pytest.fixture(scope="session")
def nllb_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An M2M-100 model with NLLB's tokenizer, which calls English to Portuguese ``eng_Latn`` to ``hye_Armn``."""
    pytest.importorskip("torch")
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pairs = Tokenizer(models.BPE(unk_token="<unk>"))
    pairs.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(vocab_size=140, special_tokens=special, show_progress=False)
    pairs.train_from_iterator([*PAIRS, *PAIRS.values()], trainer)
    learnt = json.loads(pairs.to_str())["model"]
    tokenizer = NllbTokenizer(
        vocab=learnt["vocab"], merges=[tuple(merge) for merge in learnt["merges"]],
        src_lang="eng_Latn", tgt_lang="hye_Armn", model_max_length=48,
    )  # fmt: skip
    config = M2M100Config(
        vocab_size=len(tokenizer), **_SIZE, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2
    )
    folder = tmp_path_factory.mktemp("nllb")
    return _saved(M2M100ForConditionalGeneration, config, tokenizer, folder, lambda ids: [2, *ids[:-1]])


_SIZE = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 128,
    "dropout": 0.0, "attention_dropout": 0.0, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0, "num_beams": 1,
}  # fmt: skip


def _saved(kind: Any, config: Any, tokenizer: Any, folder: Path, shifted: Callable[[Sequence[int]], list[int]]) -> Path:
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = kind(config)
    sources = tokenizer(list(PAIRS), padding=True, return_tensors="pt")
    rows = tokenizer(text_target=list(PAIRS.values())).input_ids
    longest = max(map(len, rows))
    labels = torch.tensor([row + [-100] * (longest - len(row)) for row in rows])
    inputs = torch.tensor([shifted(row) + [config.pad_token_id] * (longest - len(row)) for row in rows])
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(400):
        loss = model(**sources, decoder_input_ids=inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.01:
            break
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
