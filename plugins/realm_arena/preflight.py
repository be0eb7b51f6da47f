"""The preflight: what the next battle will need and do, found out before it starts. Changes nothing."""

from __future__ import annotations

import itertools
import json
import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from realm_arena import order
from realm_arena.order import Step
from realm_arena.quest_data import Hero
from realm_arena.tokens import TokenView
from realm_cli import checkpoints, status, store, vram, weights
from realm_cli.checkpoint_records import Cursor
from realm_cli.errors import NotFoundError
from realm_cli.questfiles import QuestFile
from realm_cli.quests import Board
from realm_cli.realm import PRIORITIES, Realm
from realm_cli.records import PreviewSample, PreviewToken, QuestRecord
from realm_cli.terminal import facts, human_bytes, human_seconds

SHOWN_SAMPLES = 4
TRIED_STEPS = 5


@dataclass(frozen=True)
class Report:
    """The findings; bytes and seconds."""

    hero: str
    quest: str
    name: str
    device: str
    parameters: int
    samples: int
    left_out: int
    steps: int
    tokens: int
    trained_tokens: int
    longest: int
    memory: vram.Estimate
    memory_free: int | None
    """Free on the GPU; None on CPU."""
    first_batch: list[PreviewSample]
    saves: int
    checkpoint_bytes: int
    disk_needed: int
    disk_free: int
    seconds_per_step: float | None
    """Measured just now; None while a battle runs, which a trial would slow down."""
    problems: list[str]

    @property
    def eta_s(self) -> float | None:
        """Seconds that the quest will take."""
        return None if self.seconds_per_step is None else self.steps * self.seconds_per_step

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        import msgspec

        data: dict[str, Any] = {**asdict(self), "first_batch": msgspec.to_builtins(self.first_batch)}
        return {**data, "memory_total": self.memory.total, "eta_s": self.eta_s}


def check(realm: Realm, quest: str | None) -> Report:
    """Look at the named quest, or at the one that a battle would take next."""
    board = Board(realm)
    file = _pick(board, quest)
    record = board.record(file.id)
    hero = Hero.active(realm)
    view = hero.tokens_of(file.path, record.sha256)
    if len(view) == 0:
        raise NotFoundError(f"quest {file.id} has no sample within max_length {hero.config.max_length}")
    steps = list(order.steps(record.sha256, view.lengths, _cursor(realm, hero, file), hero.config.recipe))
    memory, parameters = _memory(hero, view)
    device, memory_free = _device(realm)
    checkpoint_bytes = 12 * parameters
    config = realm.config.training
    saves = 1 + len(steps) // config.save_steps
    needed = checkpoint_bytes * min(saves, config.keep_last + 2) + config.reserve_mb * 1_000_000
    free = store.free_bytes(realm.root)
    return Report(
        hero=hero.id, quest=file.id, name=record.name, device=device, parameters=parameters, samples=len(view),
        left_out=view.statistics.too_long + view.statistics.untrained, steps=len(steps), tokens=view.tokens, trained_tokens=view.trained_tokens,
        longest=int(view.lengths.max()), memory=memory, memory_free=memory_free,
        first_batch=_first_batch(hero, view, steps), saves=saves, checkpoint_bytes=checkpoint_bytes,
        disk_needed=needed, disk_free=free, seconds_per_step=_trial(realm, hero, view, steps),
        problems=_problems(record, memory.total, memory_free, needed, free),
    )  # fmt: skip


def _pick(board: Board, quest: str | None) -> QuestFile:
    if quest is not None:
        file = board.find(board.record(quest).id)
        if file is None:
            raise NotFoundError(f"quest {quest} has no data file any more")
        return file
    queued = itertools.chain.from_iterable(board.files(state) for state in ("processing", *PRIORITIES))
    first = next(queued, None)
    if first is None:
        raise NotFoundError("the board is empty, so there is nothing to check", "add a quest: realm quest add FILE")
    return first


def _cursor(realm: Realm, hero: Hero, file: QuestFile) -> Cursor:
    """Where the quest would go on."""
    good, _ = checkpoints.complete(realm, hero.id)
    known = [c for c in good[0].state().cursors if (c.quest, c.number) == (file.id, file.number)] if good else []
    return known[0] if known else Cursor(quest=file.id, number=file.number, epoch=0, samples=0)


def _memory(hero: Hero, view: TokenView) -> tuple[vram.Estimate, int]:
    recipe = hero.config.recipe
    config = json.loads((hero.base / "config.json").read_text(encoding="utf-8"))
    text = config.get("text_config", config)
    parameters = sum(tensor.parameters for tensor in weights.tensors(hero.base))
    hidden = text.get("hidden_size") or text.get("n_embd") or 0
    shape = vram.ModelShape(
        parameters=parameters,
        layers=text.get("num_hidden_layers") or text.get("n_layer") or 0,
        hidden_size=hidden,
        intermediate_size=text.get("intermediate_size") or 4 * hidden,
        vocab_size=text.get("vocab_size", 0),
    )
    biggest = max(int(view.lengths.max()), min(recipe.micro_batch_tokens, _step_tokens(view, recipe.batch_samples)))
    estimate = vram.estimate(
        shape, tokens=biggest, row_tokens=max(recipe.row_tokens, int(view.lengths.max())),
        trained_share=view.trained_tokens / max(1, view.tokens), bf16=recipe.precision == "bf16",
        checkpointing=recipe.gradient_checkpointing,
    )  # fmt: skip
    return estimate, parameters


def _step_tokens(view: TokenView, samples: int) -> int:
    """Tokens of the heaviest step there could be."""
    return int(np.sort(view.lengths)[::-1][:samples].sum())


def _device(realm: Realm) -> tuple[str, int | None]:
    import torch

    from realm_arena import machine

    device = machine.pick_device(realm.config.training.device)
    return str(device), int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else None


def _first_batch(hero: Hero, view: TokenView, steps: list[Step]) -> list[PreviewSample]:
    """Samples of the first step as the hero will see them."""
    shown = []
    for index in steps[0].samples[:SHOWN_SAMPLES] if steps else []:
        ids, trained = view.sample(int(index))
        texts = hero.tokenizer.token_texts([int(token) for token in ids])
        marked = [PreviewToken(text, bool(use)) for text, use in zip(texts, trained, strict=True)]
        shown.append(PreviewSample(view.line(int(index)), marked))
    return shown


def _trial(realm: Realm, hero: Hero, view: TokenView, steps: list[Step]) -> float | None:
    """Seconds a step, from forward and backward passes of the first steps; the hero is not changed."""
    if status.battle_process(realm) is not None or not steps:
        return None
    import torch

    from realm_arena import machine
    from realm_arena.trainer import Trainer

    torch.set_num_threads(realm.config.training.threads or machine.default_threads())
    trainer = Trainer(hero.base, hero.config.recipe, machine.pick_device(realm.config.training.device))
    trainer.rehearse(hero.batches(view, steps[0].samples, trainer.packed))
    tried = steps[:TRIED_STEPS]
    begun = time.monotonic()
    for step in tried:
        trainer.rehearse(hero.batches(view, step.samples, trainer.packed))
    return (time.monotonic() - begun) / len(tried)


def _problems(record: QuestRecord, memory: int, memory_free: int | None, needed: int, free: int) -> list[str]:
    found = []
    if memory_free is not None and memory > memory_free:
        found.append(
            f"the estimate of {human_bytes(memory)} is more than the {human_bytes(memory_free)} free on the GPU; "
            "lower recipe.micro_batch_tokens or set recipe.gradient_checkpointing"
        )
    if needed > free:
        found.append(f"{human_bytes(needed)} of disk are needed and {human_bytes(free)} free; the battle would wait")
    if record.outcome:
        found.append(f"the quest has ended as {record.outcome}; queue it again with: realm quest retry {record.id}")
    return found


def render(report: Report) -> str:
    """The report for people."""
    from realm_cli.questview import render_samples

    memory = report.memory
    parts = f"weights {human_bytes(memory.weights)}, gradients {human_bytes(memory.gradients)}, optimizer "
    parts += f"{human_bytes(memory.optimizer)}, activations {human_bytes(memory.activations + memory.logits)}"
    share = report.trained_tokens / max(1, report.tokens)
    eta = "unknown while a battle runs" if report.eta_s is None else human_seconds(math.ceil(report.eta_s))
    lines = facts(
        [
            ("hero", f"{report.hero}, {report.parameters / 1e6:,.2f} M parameters, on {report.device}"),
            ("quest", f"{report.quest} {report.name}"),
            (
                "samples",
                f"{report.samples:,} in {report.steps:,} steps"
                + (f", {report.left_out:,} over-long left out" if report.left_out else ""),
            ),
            ("tokens", f"{report.tokens:,}, {share:.0%} trained; longest sample {report.longest}"),
            (
                "memory",
                f"about {human_bytes(memory.total)}"
                + (f" of {human_bytes(report.memory_free)} free" if report.memory_free else ""),
            ),
            ("", parts),
            (
                "disk",
                f"{report.saves} saves of {human_bytes(report.checkpoint_bytes)}; {human_bytes(report.disk_free)} free",
            ),
            ("time", eta),
        ]
    )
    problems = "".join(f"\nproblem  {problem}" for problem in report.problems)
    return f"{lines}{problems}\n\nfirst batch (trained tokens in ⟦ ⟧)\n{render_samples(report.first_batch)}"
