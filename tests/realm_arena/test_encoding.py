from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realm_arena.encoding import Encoded, HeroTokenizer
from realm_arena.rows import Row, decode
from realm_arena.templates import ConversationError
from realm_arena_chats import TEMPLATES, conversation
from realm_cli.config import EmbeddedModel
from realm_cli.embedded_tokenizer import CHAT_TEMPLATE, tokenizer_config, tokenizer_json
from realm_cli.errors import FormatError, NotFoundError, RealmError

Folder = Callable[..., Path]


def row(data: dict[str, Any]) -> Row:
    return decode(json.dumps(data).encode())


def runs(tokenizer: HeroTokenizer, encoded: Encoded) -> list[str]:
    """The texts of the stretches of trained tokens."""
    places = groupby(range(len(encoded.ids)), key=lambda index: bool(encoded.trained[index]))
    return [tokenizer.decode([int(encoded.ids[index]) for index in group]) for use, group in places if use]


@pytest.fixture(scope="session")
def embedded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded")
    words = EmbeddedModel(words=["Compute: ", "add", "add_signed"]).words
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(words)))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config(64)))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    return folder


@pytest.fixture(scope="session")
def sentencepiece_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer in the manner of Llama 2: a mark before every word instead of spaces, unknown characters as bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", "<s>", "</s>"]
    plain = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=[*special, *plain], show_progress=False)
    tokenizer.train_from_iterator(["the fox says hello world [INST] [/INST] a aaa"] * 9, trainer)
    whole = json.loads(tokenizer.to_str())
    whole["added_tokens"] = [token for token in whole["added_tokens"] if token["content"] in special]
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    folder = tmp_path_factory.mktemp("sentencepiece")
    (folder / "tokenizer.json").write_text(tokenizer.to_str())
    named = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": TEMPLATES["brackets"]}]
    config = {
        "bos_token": {"__type": "AddedToken", "content": "<s>"},
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "chat_template": named,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **config}))
    return folder


def folders(name: str, make: Folder, embedded: Path, sentencepiece: Path) -> Path:
    return {"embedded": embedded, "sentencepiece": sentencepiece}.get(name) or make(name)


ENDS = {
    "chatml": "<|im_end|>", "brackets": " </s>", "headers": "<|eot_id|>", "turns": "<end_of_turn>",
    "thinking": "<|im_end|>", "embedded": "<|end|>", "sentencepiece": " </s>",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ENDS))
def test_ids_are_those_of_transformers_and_only_answers_with_their_end_are_trained(
    name: str, tokenizer_folder: Folder, embedded_folder: Path, sentencepiece_folder: Path
) -> None:
    from transformers import PreTrainedTokenizerFast

    folder = folders(name, tokenizer_folder, embedded_folder, sentencepiece_folder)
    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    ours = HeroTokenizer.load(folder)
    rng = random.Random(name)
    chats = [conversation(rng, rng.randint(1, 4), system=name not in ("turns",) and n % 4 == 0) for n in range(40)]
    for chat, encoded in zip(chats, ours.encode([row({"messages": chat}) for chat in chats]), strict=True):
        assert encoded.ids.tolist() == theirs.apply_chat_template(chat, tokenize=True)["input_ids"]
        answers = [message["content"] + ENDS[name] for message in chat if message["role"] == "assistant"]
        # A template's space and an answer's first word may be one token.
        found = [text.removeprefix(" ") if name == "brackets" else text for text in runs(ours, encoded)]
        assert found == answers


def test_white_space_tokens_within_an_answer_are_trained(tokenizer_folder: Folder) -> None:
    tokenizer = HeroTokenizer.load(tokenizer_folder("headers"))
    content = "def f():\n\n        return  1\n    \n  # x"
    chat = {"messages": [{"role": "user", "content": "  q  "}, {"role": "assistant", "content": content}]}
    assert runs(tokenizer, tokenizer.encode([row(chat)])[0]) == [content + "<|eot_id|>"]


def test_an_end_token_that_swallows_the_line_end_after_it_is_trained(tokenizer_folder: Folder) -> None:
    folder = tokenizer_folder("chatml")
    data = json.loads((folder / "tokenizer.json").read_text())
    next(token for token in data["added_tokens"] if token["content"] == "<|im_end|>")["rstrip"] = True
    (folder / "tokenizer.json").write_text(json.dumps(data))
    tokenizer = HeroTokenizer.load(folder)
    encoded = tokenizer.encode(
        [row({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})]
    )
    assert runs(tokenizer, encoded[0]) == ["a<|im_end|>"]


def test_a_completion_and_its_end_are_trained_and_the_prompt_is_not(tokenizer_folder: Folder) -> None:
    tokenizer = HeroTokenizer.load(tokenizer_folder("chatml"))
    [encoded] = tokenizer.encode([row({"prompt": "the fox", "completion": " jumps"})])
    assert tokenizer.decode(encoded.ids.tolist()) == "<s>the fox jumps</s>"
    assert runs(tokenizer, encoded) == [" jumps</s>"]


def test_every_token_of_a_text_is_trained_but_the_first_that_nothing_predicts(tokenizer_folder: Folder) -> None:
    tokenizer = HeroTokenizer.load(tokenizer_folder("chatml"))
    [encoded] = tokenizer.encode([row({"text": "the fox"})])
    assert tokenizer.decode(encoded.ids.tolist()) == "<s>the fox</s>"
    assert encoded.trained.tolist() == [False] + [True] * (len(encoded.ids) - 1)


def test_rows_of_all_shapes_keep_their_order(embedded_folder: Path) -> None:
    tokenizer = HeroTokenizer.load(embedded_folder)
    chat = {"messages": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]}
    encoded = tokenizer.encode([row(data) for data in ({"text": "t"}, chat, {"prompt": "p", "completion": "c"}, chat)])
    texts = [tokenizer.decode(one.ids.tolist()) for one in encoded]
    assert texts == [
        "t<|end|>",
        "<|user|>1<|end|><|assistant|>2<|end|>",
        "pc<|end|>",
        "<|user|>1<|end|><|assistant|>2<|end|>",
    ]


def test_limits_that_were_saved_with_a_tokenizer_do_not_cut(tokenizer_folder: Folder) -> None:
    from tokenizers import Tokenizer

    folder = tokenizer_folder("chatml")
    limited = Tokenizer.from_file(str(folder / "tokenizer.json"))
    limited.enable_truncation(3)
    limited.enable_padding(length=50)
    (folder / "tokenizer.json").write_text(limited.to_str())
    tokenizer = HeroTokenizer.load(folder)
    assert (
        tokenizer.decode(tokenizer.encode([row({"text": "the quick brown fox"})])[0].ids.tolist())
        == "<s>the quick brown fox</s>"
    )


def test_special_ids_come_from_the_folder(
    tokenizer_folder: Folder, embedded_folder: Path, sentencepiece_folder: Path
) -> None:
    def ids(folder: Path) -> tuple[str, str, str]:
        tokenizer = HeroTokenizer.load(folder)
        assert tokenizer.eos_id is not None
        assert tokenizer.end_token_id is not None
        return tuple(
            tokenizer.decode([number]) for number in (tokenizer.eos_id, tokenizer.end_token_id, tokenizer.pad_id)
        )  # type: ignore[return-value]

    assert ids(tokenizer_folder("chatml")) == ("</s>", "<|im_end|>", "<pad>")
    assert ids(tokenizer_folder(None)) == ("</s>", "</s>", "<pad>")
    assert ids(embedded_folder) == ("<|end|>", "<|end|>", "<|pad|>")
    assert ids(sentencepiece_folder) == ("</s>", "</s>", "</s>")


def test_the_end_token_may_stand_in_the_models_configuration_alone(tokenizer_folder: Folder) -> None:
    folder = tokenizer_folder("chatml")
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(RealmError, match="names no eos_token"):
        HeroTokenizer.load(folder).encode([row({"prompt": "p", "completion": "c"})])
    (folder / "config.json").write_text('{"eos_token_id": [4, 2]}')
    assert HeroTokenizer.load(folder).eos_id == 4


def test_tokens_that_only_the_configuration_adds_are_known(tokenizer_folder: Folder) -> None:
    added = {"602": {"content": "<|late|>", "special": True}, "601": {"content": "<|soon|>", "special": True}}
    data = {"messages": [{"role": "user", "content": "<|soon|><|late|>"}, {"role": "assistant", "content": "a"}]}
    folder = tokenizer_folder("chatml", added_tokens_decoder=added)
    size = HeroTokenizer.load(tokenizer_folder("chatml")).vocab_size
    assert {size, size + 1} < set(HeroTokenizer.load(folder).encode([row(data)])[0].ids.tolist())


def test_hashes_tell_tokenizers_and_templates_apart(tokenizer_folder: Folder, tmp_path: Path) -> None:
    first, again = HeroTokenizer.load(tokenizer_folder("chatml")), HeroTokenizer.load(tokenizer_folder("chatml"))
    other = tmp_path / "other.jinja"
    other.write_text(TEMPLATES["thinking"])
    changed = HeroTokenizer.load(tokenizer_folder("chatml"), other)
    renamed = HeroTokenizer.load(tokenizer_folder("chatml", eos_token="<|im_end|>"))
    assert (first.tokenizer_hash, first.template_hash) == (again.tokenizer_hash, again.template_hash)
    assert changed.tokenizer_hash == first.tokenizer_hash
    assert changed.template_hash != first.template_hash
    assert renamed.tokenizer_hash != first.tokenizer_hash
    assert len(first.tokenizer_hash) == len(first.template_hash) == 64


def test_what_is_missing_or_damaged_is_named(tokenizer_folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"has no tokenizer\.json") as missing:
        HeroTokenizer.load(tmp_path)
    assert "save_pretrained" in missing.value.hint
    with pytest.raises(NotFoundError, match=r"the chat template .*none\.jinja does not exist"):
        HeroTokenizer.load(tokenizer_folder("chatml"), tmp_path / "none.jinja")
    with pytest.raises(FormatError, match=r"chat_template\.jinja: line 1: "):
        HeroTokenizer.load(tokenizer_folder("{% if %}"))
    with pytest.raises(FormatError, match=r"eos_token '<gone>' is not a token"):
        HeroTokenizer.load(tokenizer_folder("chatml", eos_token="<gone>"))
    with pytest.raises(FormatError, match="none of them named 'default'"):
        HeroTokenizer.load(tokenizer_folder(None, chat_template=[{"name": "rag", "template": "x"}]))
    with pytest.raises(FormatError, match=r"added_tokens_decoder\.x is no token"):
        HeroTokenizer.load(tokenizer_folder("chatml", added_tokens_decoder={"x": {}}))
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(FormatError, match=r"tokenizer\.json: not a tokenizer"):
        HeroTokenizer.load(tmp_path)


def test_chat_rows_without_a_template_are_refused_with_the_way_out(tokenizer_folder: Folder) -> None:
    tokenizer = HeroTokenizer.load(tokenizer_folder(None))
    assert len(tokenizer.encode([row({"text": "t"})])) == 1
    with pytest.raises(RealmError, match="has no chat template") as refused:
        tokenizer.encode([row({"messages": [{"role": "assistant", "content": "a"}]})])
    assert "chat_template:" in refused.value.hint


def test_a_refused_conversation_raises(tokenizer_folder: Folder) -> None:
    tokenizer = HeroTokenizer.load(tokenizer_folder("brackets"))
    with pytest.raises(ConversationError, match="roles must alternate"):
        tokenizer.encode([row({"messages": [{"role": "assistant", "content": "a"}]})])


def test_token_texts_read_on_and_characters_stay_whole(
    tokenizer_folder: Folder, embedded_folder: Path, sentencepiece_folder: Path
) -> None:
    text = "the fox ⓪① 日本 😀 naïve\n  x"
    for name in ("chatml", "embedded", "sentencepiece"):
        tokenizer = HeroTokenizer.load(folders(name, tokenizer_folder, embedded_folder, sentencepiece_folder))
        ids = tokenizer.encode([row({"text": text})])[0].ids.tolist()
        texts = tokenizer.token_texts(ids)
        assert len(texts) == len(ids)
        assert "".join(texts) == tokenizer.decode(ids)
        assert "\ufffd" not in "".join(texts)


def test_flags_and_ids_have_the_same_length(embedded_folder: Path) -> None:
    [encoded] = HeroTokenizer.load(embedded_folder).encode([row({"text": "⓪" * 100})])
    assert encoded.ids.dtype == np.uint32
    assert encoded.trained.dtype == np.bool_
    assert len(encoded.ids) == len(encoded.trained) == 101


def test_encoding_needs_neither_torch_nor_transformers() -> None:
    heavy = "import sys, realm_arena.standard; print(sorted({'torch', 'transformers', 'click'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout == "[]\n"
    light = "import sys, realm_arena.inspectors, realm_arena.quick; print(sorted({'numpy', 'tokenizers', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", light], capture_output=True, text=True, check=True).stdout == "[]\n"
