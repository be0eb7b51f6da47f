"""Packed rows: only assistant tokens carry labels, and no sample sees another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import rows, write_rows
from realm_arena import packing
from realm_arena.model import Forward, load, packs_exactly
from realm_arena.quest_data import Hero
from realm_arena.tokens import TokenView
from realm_arena.trainer import Trainer
from realm_arena_models import gemma, llama, mamba
from realm_cli import datafiles, roster
from realm_cli.config import Recipe
from realm_cli.realm import Realm

CHATS = [
    {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "good day"}]},
    {
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "one?"},
            {"role": "assistant", "content": "first reply"},
            {"role": "user", "content": "two? " * 20},
            {"role": "assistant", "content": "second reply ⓪①"},
        ]
    },
    *rows(30),
]


def view_of(realm: Realm, path: Path) -> tuple[Hero, TokenView]:
    """The hero and the tokens of a quest file."""
    hero = Hero.active(Realm(realm.root))
    return hero, hero.tokens_of(path, datafiles.content_hash(path))


def with_hero(realm: Realm, folder: Path) -> Realm:
    """The realm with the model of `folder` as its hero."""
    hero, _ = roster.recruit(realm, str(folder))
    roster.use(realm, hero)
    return Realm(realm.root)


@pytest.mark.parametrize("maker", [None, llama, gemma])
def test_a_packed_batch_decodes_to_the_assistants_words_alone(realm: Realm, tmp_path: Path, maker: object) -> None:
    if maker is not None:
        realm = with_hero(realm, maker(tmp_path / "model"))  # type: ignore[operator]
    hero, view = view_of(realm, write_rows(tmp_path / "chats.jsonl", CHATS))
    batches = packing.micro_batches(
        view, np.arange(len(view)), row_tokens=128, micro_batch_tokens=400, packed=True, pad_id=hero.tokenizer.pad_id
    )
    assert len(batches) > 1
    assert any((batch.positions[:, 1:] == 0).any() for batch in batches), "nothing was packed"
    trained = "".join(hero.tokenizer.decode([int(token)]) for batch in batches for token in batch.targets)
    replies = [m["content"] for chat in CHATS for m in chat["messages"] if m["role"] == "assistant"]
    for reply in replies:
        assert reply in "".join(_samples(hero, view)), reply
    end = hero.tokenizer.decode([int(view.sample(0)[0][view.sample(0)[1]][-1])])
    assert sum(len(batch.targets) for batch in batches) == view.trained_tokens
    assert "hello" not in trained
    assert "be brief" not in trained
    assert "two?" not in trained
    assert "user" not in trained
    assert "say" not in trained
    assert end


def _samples(hero: Hero, view: TokenView) -> list[str]:
    """The trained text of each sample."""
    texts = []
    for index in range(len(view)):
        ids, trained = view.sample(index)
        texts.append(hero.tokenizer.decode([int(token) for token in ids[trained]]))
    return texts


def test_targets_are_the_trained_tokens_of_every_sample_in_their_places(realm: Realm, tmp_path: Path) -> None:
    hero, view = view_of(realm, write_rows(tmp_path / "chats.jsonl", CHATS))
    (batch,) = packing.micro_batches(
        view, np.arange(len(view)), row_tokens=100, micro_batch_tokens=10**6, packed=True, pad_id=hero.tokenizer.pad_id
    )
    flat_ids, flat_positions = batch.ids.reshape(-1), batch.positions.reshape(-1)
    assert (flat_ids[batch.predicting + 1] == batch.targets).all()
    assert (flat_positions[batch.predicting + 1] == flat_positions[batch.predicting] + 1).all(), (
        "a label across a border"
    )


@pytest.mark.parametrize("maker", [None, llama, gemma])
def test_a_sample_has_the_same_logits_packed_and_alone(realm: Realm, tmp_path: Path, maker: object) -> None:
    if maker is not None:
        realm = with_hero(realm, maker(tmp_path / "model"))  # type: ignore[operator]
    hero, view = view_of(realm, write_rows(tmp_path / "chats.jsonl", CHATS[:6]))
    forward = Forward(load(hero.base, torch.device("cpu"), gradient_checkpointing=False).eval())
    (packed,) = packing.micro_batches(
        view, np.arange(6), row_tokens=10**6, micro_batch_tokens=10**6, packed=True, pad_id=0
    )
    assert packed.ids.shape[0] == 1
    together = _logits(forward, packed)
    alone = [
        _logits(forward, batch)
        for index in range(6)
        for batch in packing.micro_batches(
            view, np.array([index]), row_tokens=10**6, micro_batch_tokens=10**6, packed=False, pad_id=0
        )
    ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-4)


def _logits(forward: Forward, batch: packing.MicroBatch) -> torch.Tensor:
    arrays = (batch.ids, batch.positions, batch.predicting)
    with torch.no_grad():
        return forward.logits(*(torch.from_numpy(array) for array in arrays))


def test_only_predicting_positions_reach_the_head_and_give_the_whole_models_logits(
    realm: Realm, tmp_path: Path
) -> None:
    hero, view = view_of(realm, write_rows(tmp_path / "chats.jsonl", CHATS))
    model = load(hero.base, torch.device("cpu"), gradient_checkpointing=False).eval()
    (batch,) = packing.micro_batches(view, np.arange(5), row_tokens=60, micro_batch_tokens=10**6, packed=True, pad_id=0)
    few = _logits(Forward(model), batch)
    with torch.no_grad():
        whole = model(input_ids=torch.from_numpy(batch.ids), position_ids=torch.from_numpy(batch.positions)).logits
    assert few.shape[0] == len(batch.targets) < batch.ids.size
    torch.testing.assert_close(few, whole.reshape(-1, whole.shape[-1])[torch.from_numpy(batch.predicting)])


def test_a_model_with_a_running_state_is_not_packed_and_still_trains(realm: Realm, tmp_path: Path) -> None:
    realm = with_hero(realm, mamba(tmp_path / "model"))
    hero, view = view_of(realm, write_rows(tmp_path / "chats.jsonl", rows(12)))
    trainer = Trainer(hero.base, Recipe(learning_rate=1e-2, warmup_steps=0), torch.device("cpu"))
    assert not trainer.packed
    batches = hero.batches(view, np.arange(12), trainer.packed)
    first = trainer.train(batches).loss
    for _ in range(5):
        last = trainer.train(batches).loss
    assert last < first


def test_transformers_models_that_pack_are_found_to(tmp_path: Path) -> None:
    for maker in (llama, gemma):
        forward = Forward(load(maker(tmp_path / maker.__name__), torch.device("cpu"), gradient_checkpointing=False))
        assert packs_exactly(forward, 300, torch.device("cpu"))


def test_accumulated_micro_batches_give_the_step_of_one_batch(realm: Realm, tmp_path: Path) -> None:
    hero, view = view_of(realm, write_rows(tmp_path / "chats.jsonl", CHATS))
    losses = []
    for micro in (10**6, 120):
        trainer = Trainer(hero.base, Recipe(learning_rate=1e-3, warmup_steps=0), torch.device("cpu"))
        options = {"row_tokens": 100, "micro_batch_tokens": micro, "packed": True, "pad_id": 0}
        batches = packing.micro_batches(view, np.arange(len(view)), **options)  # type: ignore[arg-type]
        losses.append([trainer.train(batches).loss for _ in range(3)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_bf16_and_gradient_checkpointing_train_alike(realm: Realm, tmp_path: Path) -> None:
    hero, view = view_of(realm, write_rows(tmp_path / "chats.jsonl", CHATS))
    batches = hero.batches(view, np.arange(len(view)), True)

    def losses(**options: object) -> list[float]:
        recipe = Recipe(learning_rate=1e-3, warmup_steps=0, **options)  # type: ignore[arg-type]
        trainer = Trainer(hero.base, recipe, torch.device("cpu"))
        return [trainer.train(batches).loss for _ in range(4)]

    plain = losses()
    assert losses(gradient_checkpointing=True) == pytest.approx(plain, rel=1e-4)
    assert losses(precision="bf16") == pytest.approx(plain, rel=0.03)


def test_rows_are_balanced_and_hold_every_sample_once() -> None:
    lengths = [30, 120, 5, 64, 64, 31, 90, 2, 100]
    found = packing.fill_rows(lengths, 128, packed=True)
    assert sorted(index for row in found for index in row) == list(range(len(lengths)))
    widths = [sum(lengths[index] for index in row) for row in found]
    assert max(widths) - min(widths) <= 32
    assert packing.fill_rows(lengths, 128, packed=False) == [[index] for index in range(len(lengths))]
    groups = packing.group_rows(widths, 300)
    assert sorted(index for group in groups for index in group) == list(range(len(widths)))
    assert all(max(widths[index] for index in group) * len(group) <= 300 for group in groups)


def test_the_preview_of_the_board_marks_what_the_battle_trains(realm: Realm, tmp_path: Path) -> None:
    from realm_cli import intake
    from realm_cli.manager import Manager

    path = write_rows(tmp_path / "chats.jsonl", CHATS)
    (record,) = intake.add_files(realm, Manager.of(realm), [path])
    preview = json.loads((realm.previews / f"{record.id}.json").read_text())
    trained = "".join(token["text"] for token in preview["samples"][0]["tokens"] if token["trained"])
    assert trained.startswith("good day")
    assert "hello" not in trained
