from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from helpers import rows, write_rows
from realm_arena import decoding
from realm_arena import model as models
from realm_arena.decoding import Limits, decode
from realm_arena.encoding import HeroTokenizer
from realm_arena.generating import ModelGenerator
from realm_arena.quest_data import Hero
from realm_arena.rows import Message as RowMessage
from realm_arena.rows import Row
from realm_arena.trainer import Trainer
from realm_arena_models import INST_TEMPLATE, TURN_TEMPLATE, gemma, llama, mamba
from realm_cli import datafiles, embedded
from realm_cli.config import EmbeddedModel
from realm_cli.errors import UsageError
from realm_cli.generation import Message
from realm_cli.realm import Realm

CPU = torch.device("cpu")
PAD = 1


def dio_mini(folder: Path) -> Path:
    embedded.ensure(folder, EmbeddedModel(), frozen=False)
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {"llama": llama, "gemma": gemma, "mamba": mamba, "dio-mini": dio_mini}
Models = Callable[[str], Any]
Folders = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    made: dict[str, Path] = {}

    def call(name: str) -> Path:
        if name not in made:
            torch.manual_seed(7)
            made[name] = MAKERS[name](tmp_path_factory.mktemp("models") / name)
        return made[name]

    return call


@pytest.fixture(scope="module")
def load(folder: Folders) -> Models:
    made: dict[str, Any] = {}

    def call(name: str) -> Any:
        if name not in made:
            made[name] = lively(models.load(folder(name), CPU, gradient_checkpointing=False).eval())
        return made[name]

    return call


def lively(model: Any) -> Any:
    """Larger weights, so that what the layers add outweighs the embedding: a fresh model says its last token again."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and "embed" not in name and name.endswith("proj.weight"):
                weight.mul_(8)
    return model


def random_prompts(model: Any, lengths: list[int], seed: int = 0) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(5, model.config.vocab_size) for _ in range(length)] for length in lengths]


def some_ends(model: Any, share: float, seed: int = 0) -> frozenset[int]:
    """Many tokens end a reply: a random model would seldom come upon one."""
    size = model.config.vocab_size
    return frozenset(random.Random(seed).sample(range(size), int(share * size)))


def one_by_one(model: Any, prompts: list[list[int]], limits: Limits) -> list[list[int]]:
    """What transformers itself makes of each prompt alone."""
    from transformers import GenerationConfig

    config = GenerationConfig(
        max_new_tokens=limits.max_tokens, do_sample=False, eos_token_id=sorted(limits.end_ids), pad_token_id=PAD,
        use_cache=True,
    )  # fmt: skip
    replies = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config)
        replies.append([int(token) for token in out[0, len(prompt) :]])
    return replies


@pytest.mark.parametrize("name", MAKERS)
def test_a_batch_gives_the_tokens_that_transformers_gives_one_by_one(name: str, load: Models) -> None:
    model = load(name)
    rng = random.Random(name)
    lengths = [1, 90, 2, 3, 3, 41, *(rng.randint(1, 60) for _ in range(14))]
    prompts = random_prompts(model, lengths)
    limits = Limits(12, some_ends(model, 0.08), PAD)
    replies = decode(model, prompts, limits)
    assert replies == one_by_one(model, prompts, limits)
    assert len({len(reply) for reply in replies}) > 2, "the test has to see replies of several lengths"
    assert len({token for reply in replies for token in reply}) > 12, "the model has to say something"


def test_more_prompts_than_a_batch_are_answered_in_their_order(load: Models) -> None:
    model = load("dio-mini")
    rng = random.Random(1)
    prompts = random_prompts(model, [rng.randint(1, 30) for _ in range(decoding.BATCH_ROWS + 20)])
    limits = Limits(4, some_ends(model, 0.1), PAD)
    assert decode(model, prompts, limits) == one_by_one(model, prompts, limits)


def test_batches_stay_within_their_rows_and_tokens(load: Models) -> None:
    model = load("dio-mini")
    shapes: list[tuple[int, int]] = []
    hook = model.register_forward_pre_hook(
        lambda _model, _inputs, given: shapes.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    every = frozenset(range(model.config.vocab_size))
    try:
        decode(model, random_prompts(model, [3] * 300), Limits(8, every, PAD))
        assert [rows for rows, _ in shapes] == [128, 128, 44]
        shapes.clear()
        decode(model, random_prompts(model, [400, *[5] * 40]), Limits(6000, every, PAD))
        assert sum(rows for rows, _ in shapes) == 41
        assert all(rows * (width + 6000) <= decoding.BATCH_TOKENS for rows, width in shapes)
    finally:
        hook.remove()


def test_the_memory_of_the_cache_is_bounded_by_the_models_size(load: Models) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    shape = {"num_hidden_layers": 28, "num_key_value_heads": 8, "head_dim": 128}
    with torch.device("meta"):
        large = Qwen3ForCausalLM(Qwen3Config(vocab_size=64, hidden_size=64, intermediate_size=64, **shape))
    # Keys and values, four bytes a number.
    assert decoding._cached_bytes(large) == 2 * 4 * 28 * 8 * 128
    assert decoding._cached_bytes(load("dio-mini")) == 2 * 4 * 2 * 2 * 32


@pytest.mark.parametrize("name", ["llama", "mamba"])
def test_rows_that_ended_do_not_disturb_those_that_go_on(name: str, load: Models) -> None:
    model = load(name)
    prompts = random_prompts(model, [7] * 16, seed=3)
    limits = Limits(16, frozenset(), PAD)
    whole = decode(model, prompts, limits)
    # Row n is ended after n + 1 tokens, so that the batch shrinks again and again.
    cut = decode(model, prompts, limits, ended=lambda number, reply: len(reply) > number)
    assert cut == [reply[: number + 1] for number, reply in enumerate(whole)]


def test_a_context_ends_a_reply_when_it_is_full(load: Models) -> None:
    model = load("dio-mini")
    prompts = random_prompts(model, [10, 15, 19])
    replies = decode(model, prompts, Limits(8, frozenset(), PAD, context=20))
    assert [len(reply) for reply in replies] == [8, 5, 1]
    assert replies == [reply[:room] for reply, room in zip(decode(model, prompts, Limits(8, frozenset(), PAD)), (8, 5, 1), strict=True)]  # fmt: skip


def test_no_prompts_give_no_replies(load: Models) -> None:
    assert decode(load("dio-mini"), [], Limits(8, frozenset(), PAD)) == []


def test_tokens_that_are_picked_are_what_the_model_goes_on_with(load: Models) -> None:
    model = load("dio-mini")
    prompts = random_prompts(model, [4, 9, 6])
    wanted = random_prompts(model, [5, 5, 5], seed=9)
    given: list[list[int]] = [[], [], []]
    seen: list[list[torch.Tensor]] = [[], [], []]

    def pick(number: int, logits: torch.Tensor) -> int:
        seen[number].append(logits.clone())
        given[number].append(wanted[number][len(given[number])])
        return given[number][-1]

    assert decode(model, prompts, Limits(5, frozenset(), PAD), pick) == wanted
    for prompt, reply, logits in zip(prompts, wanted, seen, strict=True):
        with torch.no_grad():
            alone = model(torch.tensor([prompt + reply[:-1]])).logits[0, len(prompt) - 1 :]
        torch.testing.assert_close(torch.stack(logits), alone, rtol=1e-4, atol=1e-4)


# -- what stands before a reply ----------------------------------------------------------------------------------

TURNS = ["say 1", "1 it is", "the lazy dog?", "dog it is", "⓪① 日本語"]
"""User and assistant in turn."""
REPLIES = ["the dog", "say it\nis 5", "jumps over  the fox"]


def turns_of(count: int) -> list[RowMessage]:
    return [RowMessage("user" if n % 2 == 0 else "assistant", text) for n, text in enumerate(TURNS[:count])]


@pytest.mark.parametrize("name", ["dio-mini", "inst", "turn", "brackets", "headers", "thinking", "chatml"])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_prompt_is_what_training_saw_before_the_reply(
    name: str, count: int, folder: Folders, tokenizer_folder: Callable[..., Path]
) -> None:
    sources = {"dio-mini": folder("dio-mini"), "inst": folder("llama"), "turn": folder("gemma")}
    tokenizer = HeroTokenizer.load(sources[name] if name in sources else tokenizer_folder(name))
    prompt = tokenizer.prompt_ids(turns_of(count))
    for reply in REPLIES:
        row = tokenizer.encode([Row(messages=[*turns_of(count), RowMessage("assistant", reply)])])[0]
        assert row.ids[: len(prompt)].tolist() == prompt
        assert not row.trained[len(prompt) - 1]
        answer = row.ids[len(prompt) :][row.trained[len(prompt) :]].tolist()
        assert tokenizer.decode(answer).strip().startswith(reply)
        assert row.trained[len(prompt)], "the reply begins with the first token after the prompt"


def test_a_space_that_joins_the_first_word_is_no_part_of_the_prompt(folder: Folders) -> None:
    tokenizer = HeroTokenizer.load(folder("llama"))
    assert INST_TEMPLATE.count(" {{ m.content }}") == 2
    assert tokenizer.decode(tokenizer.prompt_ids(turns_of(1))) == "<s>[INST] say 1 [/INST]"


def test_an_empty_think_block_is_part_of_the_prompt_only_before_the_last_reply(
    tokenizer_folder: Callable[..., Path],
) -> None:
    tokenizer = HeroTokenizer.load(tokenizer_folder("thinking"))
    before = "<|im_start|>user\nsay 1<|im_end|>\n<|im_start|>assistant\n"
    think = "<think>\n\n</think>\n\n"
    assert tokenizer.decode(tokenizer.prompt_ids(turns_of(1))) == before + think
    more = f"{before}1 it is<|im_end|>\n<|im_start|>user\nthe lazy dog?<|im_end|>\n<|im_start|>assistant\n{think}"
    assert tokenizer.decode(tokenizer.prompt_ids(turns_of(3))) == more


def test_gemmas_prompt_opens_the_models_turn(folder: Folders) -> None:
    assert "<start_of_turn>model\n" in TURN_TEMPLATE
    text = "<bos><start_of_turn>user\nsay 1<end_of_turn>\n<start_of_turn>model\n"
    tokenizer = HeroTokenizer.load(folder("gemma"))
    assert tokenizer.decode(tokenizer.prompt_ids(turns_of(1))) == text


# -- a model in training -----------------------------------------------------------------------------------------


def steps(realm: Realm, file: Path, precision: str, *, asks: bool) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Weights and random state after two optimizer steps; with `asks`, replies are made in between."""
    hero = Hero.active(realm)
    view = hero.tokens_of(file, datafiles.content_hash(file))
    torch.manual_seed(5)
    recipe = msgspec.structs.replace(hero.config.recipe, precision=precision, warmup_steps=0)
    trainer = Trainer(hero.base, recipe, CPU)
    for number in range(2):
        trainer.train(hero.batches(view, np.arange(8 * number, 8 * number + 8), trainer.packed))
        if asks and number == 0:
            generator = ModelGenerator(trainer.model, hero.tokenizer, hero.id, 1, "f00d", precision)
            replies = generator.generate([[Message("user", f"say {n}" * n)] for n in range(1, 6)], max_tokens=6)
            assert len(replies) == 5
            generator.generate([[Message("user", "say")]], max_tokens=4, temperature=1.0, seed=3, stop=["q"])
            with pytest.raises(UsageError):
                generator.generate([], max_tokens=0)
            assert all(module.training for module in trainer.model.modules())
            assert not trainer.model.config.use_cache
            assert all(weight.grad is None and not weight.is_inference() for weight in trainer.parameters)
            generator.close()
    return {name: weight.clone() for name, weight in trainer.model.state_dict().items()}, torch.get_rng_state()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_replies_of_a_model_in_training_leave_no_trace(realm: Realm, tmp_path: Path, precision: str) -> None:
    file = write_rows(tmp_path / "quest.jsonl", rows(16))
    with_replies, random_with = steps(realm, file, precision, asks=True)
    without, random_without = steps(realm, file, precision, asks=False)
    assert torch.equal(random_with, random_without)
    assert all(torch.equal(with_replies[name], weight) for name, weight in without.items())
