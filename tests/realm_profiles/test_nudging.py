"""Replies bent while they are decoded, by real models whose heads want something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from realm_arena.encoding import HeroTokenizer
from realm_arena.generating import ModelGenerator
from realm_arena.nudging import STRENGTH, Nudging
from realm_arena_generators import dio_mini, loaded, text_tokens
from realm_arena_models import llama, mamba
from realm_bin.symbols import BITS, SIGNS, WORDS
from realm_cli.conversation import Message
from realm_cli.generation import Reply
from realm_cli.profiles import Nudge, Plain
from realm_profiles.emoji_think import DISCOURAGED, EmojiThink, Frame
from realm_profiles.markers import STOP_EMOJI, THINK_EMOJI
from realm_profiles.regime3 import END, START, Regime3
from realm_profiles_heroes import asked, qwen_tokenizer

PROFILE = EmojiThink("")
WANTS = STRENGTH / 2
"""How much more than all others a head wants its token: a trained model's are closer together."""
PARTS = (*BITS, *WORDS, *SIGNS, *"0123456789⓪①②③④⑤⑥⑦⑧⑨+-", *THINK_EMOJI, *STOP_EMOJI)
"""What answers are made of: names of the symbol language, digits, signs; and the emoji that are asked for."""
ANSWERS = ["⓪①⓪①①", "1010 = 5", "true, x < y", "Verification: 12", "wok(ΓΔ) = yak", "a <b> c", "think about it"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(3)
    return {name: make(folder / name) for name, make in {"llama": llama, "mamba": mamba, "dio-mini": dio_mini}.items()}


@pytest.fixture(scope="module")
def tokenizers(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, HeroTokenizer]:
    qwen = qwen_tokenizer(tmp_path_factory.mktemp("qwen"))
    return {
        "qwen": HeroTokenizer.load(qwen), "bpe": HeroTokenizer.load(folders["llama"]),
        "dio-mini": HeroTokenizer.load(folders["dio-mini"]),
    }  # fmt: skip


def wants(generator: ModelGenerator, choose: Callable[[list[int]], int]) -> ModelGenerator:
    """Make the head want the token that `choose` gives for the whole sequence so far; all else of the model is real."""
    model: Any = generator._model
    seen: list[list[int]] = []

    def watch(_module: object, _args: object, given: dict[str, Any]) -> None:
        ids = given["input_ids"].tolist()
        if given.get("past_key_values") is None:
            seen[:] = ids
        else:
            seen[:] = [[*before, *new] for before, new in zip([*seen, *[[]] * len(ids)], ids, strict=False)]

    def say(_module: object, _inputs: object, out: Any) -> None:
        out.logits.zero_()
        for row, ids in enumerate(seen):
            out.logits[row, -1, choose(ids)] = WANTS

    model.register_forward_pre_hook(watch, with_kwargs=True)
    model.register_forward_hook(say)
    return generator


def speller(generator: ModelGenerator, text: str) -> Callable[[list[int]], int]:
    """Says `text` token for token, over and over."""
    tokens = text_tokens(generator, text)

    def choose(ids: list[int]) -> int:
        size = next(size for size in range(len(tokens) - 1, -1, -1) if size == 0 or ids[-size:] == tokens[:size])
        return tokens[size]

    return choose


def by_session(generator: ModelGenerator, conversation: list[Message], **given: Any) -> Reply:
    session = generator.session()
    session.add(conversation, **given)
    while True:
        for piece in session.step():
            if piece.reply is not None:
                return piece.reply


def by_batch(generator: ModelGenerator, conversation: list[Message], **given: Any) -> Reply:
    return generator.generate([conversation], **given)[0]


WAYS = {"batch": by_batch, "session": by_session}


@pytest.mark.parametrize(
    ("name", "way", "temperature", "tag"),
    [
        ("llama", "batch", 0.0, "<think>"), ("llama", "batch", 1.0, "</think>"), ("llama", "session", 0.0, "</think>"),
        ("llama", "session", 1.0, "<think>"), ("mamba", "batch", 0.0, "</think>"), ("mamba", "session", 1.0, "<think>"),
    ],
)  # fmt: skip
def test_a_model_that_wants_think_tags_says_none(
    folders: dict[str, Path], name: str, way: str, temperature: float, tag: str
) -> None:
    generator = loaded(folders[name])
    wants(generator, speller(generator, tag))
    given: dict[str, Any] = {"max_tokens": 12, "temperature": temperature, "seed": 1}
    free = WAYS[way](generator, asked("q"), **given, profile=Plain())
    bent = WAYS[way](generator, asked("q"), **given, profile=PROFILE)
    assert tag in free.text
    assert tag not in bent.text
    assert tag[:-1] in bent.text  # only what would complete the tag is discouraged
    assert (free.profile, bent.profile) == ("none", "emoji_think")


@pytest.mark.parametrize(
    ("name", "way", "temperature"),
    [
        ("llama", "batch", 0.0), ("llama", "batch", 1.0), ("llama", "session", 0.0), ("llama", "session", 1.0),
        ("mamba", "batch", 1.0), ("mamba", "session", 0.0), ("dio-mini", "batch", 0.0),
    ],
)  # fmt: skip
def test_a_reply_ends_after_the_stop_line_that_was_asked_for(
    folders: dict[str, Path], name: str, way: str, temperature: float
) -> None:
    generator = loaded(folders[name])
    stop = PROFILE.nudge(asked("q 1")).end_after
    wants(generator, speller(generator, f"12\n{stop}\n!"))
    given: dict[str, Any] = {"max_tokens": 24, "temperature": temperature, "seed": 1}
    bent = WAYS[way](generator, asked("q 1"), **given, profile=PROFILE)
    assert (bent.text, bent.finish) == (f"12\n{stop}", "stop")
    free = WAYS[way](generator, asked("q 1"), **given, profile=Plain())
    assert free.text.startswith(f"12\n{stop}\n!12")
    assert free.finish == "length"


class UpToALetter(Plain):
    """A profile of somebody else: the reply is to end after the letter that the question ends with."""

    def nudge(self, messages: Sequence[Message]) -> Nudge:
        return Nudge((), messages[-1].content[-1])


def test_conversations_of_one_batch_are_bent_each_by_its_own_question(folders: dict[str, Path]) -> None:
    generator = loaded(folders["llama"])
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [text_tokens(generator, letter)[0] for letter in letters]
    following = dict(zip(tokens, [*tokens[1:], tokens[0]], strict=True))
    # Rows leave the batch on the way: the newest token alone has to tell what is wanted next.
    wants(generator, lambda ids: following.get(ids[-1], tokens[0]))
    replies = generator.generate([asked(f"up to {letter}") for letter in letters], max_tokens=40, profile=UpToALetter())
    assert [reply.text for reply in replies] == [letters[:size] for size in range(1, 27)]


@pytest.mark.parametrize("name", ["qwen", "bpe", "dio-mini"])
def test_no_token_that_can_be_a_part_of_an_answer_is_ever_discouraged(
    tokenizers: dict[str, HeroTokenizer], name: str
) -> None:
    tokenizer = tokenizers[name]
    nudging = Nudging(tokenizer, frozenset([0]))
    spelled = {int(token) for part in PARTS for token in tokenizer.text_ids(part)}
    spelled -= {int(token) for token in tokenizer.text_ids("")}
    tails = {answer[:end] for answer in ANSWERS for end in range(len(answer) + 1)}
    tails |= {tag[:end] for tag in ("<think>", "</think>") for end in range(len(tag) + 1)}
    for tail in tails:
        found = set(nudging.discouraged(DISCOURAGED, tail))
        assert not found & spelled
        assert all(not any(sign.isdigit() for sign in tokenizer.vocabulary[token]) for token in found)
    for answer in ANSWERS:
        ids = [int(token) for token in tokenizer.text_ids(answer)]
        for end in range(len(ids)):
            assert ids[end] not in nudging.discouraged(DISCOURAGED, tokenizer.decode(ids[:end]))


@pytest.mark.parametrize("name", ["qwen", "bpe", "dio-mini"])
def test_the_room_beside_the_answer_is_enough_for_what_is_asked(
    tokenizers: dict[str, HeroTokenizer], name: str
) -> None:
    def tokens(text: str) -> int:
        return len(tokenizers[name].text_ids(text))

    most = max(tokens(think * 8) for think in THINK_EMOJI) + max(tokens(stop * 4) for stop in STOP_EMOJI)
    assert most + 2 * tokens("\n") <= EmojiThink("").extra_tokens
    assert tokens(START) + tokens(END) <= Regime3("").extra_tokens


def test_a_tokenizer_with_think_tags_of_its_own_discourages_them_and_what_spells_them(
    tokenizers: dict[str, HeroTokenizer],
) -> None:
    tokenizer = tokenizers["qwen"]
    nudging = Nudging(tokenizer, frozenset([0]))
    tags = [tokenizer.vocabulary.index(tag) for tag in ("<think>", "</think>")]
    assert nudging.discouraged(DISCOURAGED, "") == sorted(tags)
    assert nudging.discouraged(DISCOURAGED, "say <think") == sorted([*tags, tokenizer.vocabulary.index(">")])
    assert nudging.discouraged((), "<think") == []


def test_logits_change_by_the_strength_where_it_is_meant_and_nowhere_else(
    tokenizers: dict[str, HeroTokenizer],
) -> None:
    tokenizer = tokenizers["qwen"]
    end = tokenizer.vocabulary.index("<|im_end|>")
    frame = Frame("", "🛑🛑")
    bend = Nudging(tokenizer, frozenset([end])).bend(Nudge(DISCOURAGED, frame.stop))
    assert bend is not None
    expected = torch.zeros(tokenizer.vocab_size)
    expected[[tokenizer.vocabulary.index(tag) for tag in ("<think>", "</think>")]] = -STRENGTH
    for text, reward in (("a\n🛑", 0.0), ("a\n🛑🛑", STRENGTH), ("a\n🛑🛑\n", STRENGTH), ("a\n🛑🛑 b", 0.0)):
        logits = torch.zeros(tokenizer.vocab_size)
        bend([int(token) for token in tokenizer.text_ids(text)], logits)
        expected[end] = reward
        assert torch.equal(logits, expected), text
    assert Nudging(tokenizer, frozenset([end])).bend(Nudge()) is None
