from __future__ import annotations

import json
import random
from multiprocessing import get_context
from pathlib import Path

import msgspec
import pytest
from tokenizers import Tokenizer

from realm_cli import embedded, weights
from realm_cli.config import EmbeddedModel
from realm_cli.embedded_tokenizer import SPECIAL
from realm_cli.errors import RefusedError, UsageError

WORDS = ["Compute: ", "add", "add_signed", " = ", ", ", "é", "a.b*[c]", "line\nbreak"]
MODEL = EmbeddedModel(words=WORDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "mini"
    embedded.ensure(path, MODEL, frozen=False)
    return path


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def odd_texts() -> list[str]:
    rng = random.Random(7)
    ranges = [(0, 0x80), (0x80, 0x250), (0x2400, 0x2500), (0x4E00, 0x4F00), (0xE000, 0xFFFF), (0x10000, 0x110000)]
    pieces = [chr(rng.randrange(*rng.choice(ranges))) for _ in range(20000)] + WORDS * 50
    rng.shuffle(pieces)
    return ["", "\x00", "①" * 300, *("".join(pieces[start : start + 40]) for start in range(0, len(pieces), 40))]


def test_every_text_survives_the_tokenizer(tokenizer: Tokenizer) -> None:
    for text in odd_texts():
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_digits_circled_digits_and_words_are_one_token_each(tokenizer: Tokenizer) -> None:
    for text in ["⓪", *"①②③④⑤⑥⑦⑧⑨", *"0123456789", *WORDS, *SPECIAL]:
        assert len(tokenizer.encode(text).ids) == 1, text
    assert len(tokenizer.encode("Compute: add(①①, ⓪1) = 42").ids) == 12


def test_the_longest_word_wins(tokenizer: Tokenizer) -> None:
    assert len(tokenizer.encode("add_signed").ids) == 1
    assert len(tokenizer.encode("add_sig").ids) == 1 + len("_sig")


def test_a_hero_without_words_still_has_a_tokenizer(tmp_path: Path) -> None:
    embedded.ensure(tmp_path / "plain", EmbeddedModel(), frozen=False)
    plain = Tokenizer.from_file(str(tmp_path / "plain" / "tokenizer.json"))
    assert plain.decode(plain.encode("⓪ and é").ids) == "⓪ and é"


def test_the_same_seed_gives_the_same_bytes_and_the_known_hash(folder: Path, tmp_path: Path) -> None:
    embedded.ensure(tmp_path / "again", MODEL, frozen=False)
    for name in embedded.FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    # Frozen: the weights of seed 0 are the same on every machine and with every release of numpy.
    assert weights.weights_sha256(folder) == "f1e9afeca4c54f6f34585d6afa943985bb4c1dc0b798a34369146fb79fc182b9"


def test_another_seed_gives_other_weights(folder: Path, tmp_path: Path) -> None:
    embedded.ensure(tmp_path / "other", msgspec.structs.replace(MODEL, seed=1), frozen=False)
    assert weights.weights_sha256(tmp_path / "other") != weights.weights_sha256(folder)


def test_weights_have_the_spread_of_the_settings(folder: Path) -> None:
    from safetensors.numpy import load_file

    tensors = load_file(folder / "model.safetensors")
    matrix = tensors["model.layers.0.mlp.gate_proj.weight"]
    assert matrix.dtype.name == "float32"
    assert abs(float(matrix.mean())) < 5e-4
    assert float(matrix.std()) == pytest.approx(0.02, rel=0.02)
    assert all((tensor == 1).all() for tensor in tensors.values() if tensor.ndim == 1)
    assert tensors["model.embed_tokens.weight"].shape == (320, 128)


def test_transformers_opens_model_and_tokenizer_without_a_complaint(folder: Path, tokenizer: Tokenizer) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())
    assert type(model).__name__ == "Qwen3ForCausalLM"
    assert str(model.dtype) == "torch.float32"
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.config.rope_parameters["rope_theta"] == MODEL.rope_theta
    loaded = AutoTokenizer.from_pretrained(folder)
    assert (loaded.eos_token, loaded.pad_token, loaded.bos_token) == ("<|end|>", "<|pad|>", None)
    assert (model.generation_config.eos_token_id, model.generation_config.pad_token_id) == (
        loaded.eos_token_id,
        loaded.pad_token_id,
    )
    for text in odd_texts()[:100]:
        assert loaded(text)["input_ids"] == tokenizer.encode(text).ids
        assert loaded.decode(loaded(text)["input_ids"]) == text


def test_the_chat_template_frames_each_turn_with_two_tokens(folder: Path) -> None:
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(folder)
    chat = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": " 1+1\n"},
        {"role": "assistant", "content": "2"},
    ]
    framed = "<|system|>Be short.<|end|><|user|> 1+1\n<|end|>"
    assert loaded.apply_chat_template(chat, tokenize=False) == framed + "<|assistant|>2<|end|>"
    assert loaded.apply_chat_template(chat[:2], tokenize=False, add_generation_prompt=True) == framed + "<|assistant|>"
    with pytest.raises(Exception, match="unknown role: tool"):
        loaded.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


def test_a_model_that_misses_a_file_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "mini"
    embedded.ensure(path, MODEL, frozen=True)
    before = weights.weights_sha256(path)
    (path / "model.safetensors").unlink()
    assert embedded.made_from(path) is None
    embedded.ensure(path, MODEL, frozen=True)
    assert weights.weights_sha256(path) == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".mini.lock", "mini"]


def test_what_a_killed_maker_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".mini.new").mkdir()
    (tmp_path / ".mini.new" / "config.json").write_text("half")
    embedded.ensure(tmp_path / "mini", MODEL, frozen=False)
    assert embedded.made_from(tmp_path / "mini") == MODEL
    assert not (tmp_path / ".mini.new").exists()


def test_other_settings_make_another_model_unless_checkpoints_descend_from_it(tmp_path: Path) -> None:
    path = tmp_path / "mini"
    embedded.ensure(path, MODEL, frozen=False)
    deeper = msgspec.structs.replace(MODEL, layers=3)
    with pytest.raises(RefusedError, match="layers: 2 then, 3 now"):
        embedded.ensure(path, deeper, frozen=True)
    assert embedded.made_from(path) == MODEL
    embedded.ensure(path, deeper, frozen=False)
    assert embedded.made_from(path) == deeper
    assert json.loads((path / "config.json").read_text())["num_hidden_layers"] == 3


def test_a_damaged_mark_is_reported_and_the_model_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mini"
    embedded.ensure(path, MODEL, frozen=False)
    (path / embedded.MARK).write_text("{")
    embedded.ensure(path, MODEL, frozen=True)
    assert "made again" in caplog.text
    assert embedded.made_from(path) == MODEL


def _make(path: str) -> None:
    embedded.ensure(Path(path), MODEL, frozen=False)


def test_processes_that_make_the_same_model_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    processes = [get_context("spawn").Process(target=_make, args=(str(tmp_path / "mini"),)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert embedded.made_from(tmp_path / "mini") == MODEL


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kv_heads": 3}, "cannot be shared evenly"),
        ({"head_size": 31}, "is odd"),
        ({"words": ["a", ""]}, "an empty word"),
    ],
)
def test_impossible_settings_are_refused_by_key(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        embedded.ensure(tmp_path / "mini", msgspec.structs.replace(MODEL, **changes), frozen=False)
    assert not (tmp_path / "mini").exists()
