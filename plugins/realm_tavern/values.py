"""The texts that the page keeps fresh: every number is worded here, once, for the server's pages and for the scripts."""

from __future__ import annotations

from typing import Any

from realm_cli import phrases
from realm_cli.records import EvalView, TrainingStatus
from realm_cli.snapshot_records import BattleView
from realm_cli.terminal import human_bytes, human_seconds
from realm_cli.watchtower import STEPS_PER_LEVEL, Snapshot

NOTHING = "–"  # noqa: RUF001 - shown where there is no value
PORTRAITS = {
    "training": "fighting", "saving": "fighting", "evaluating": "thinking", "paused": "resting", "waiting": "waiting",
    "dead": "dead", "failed": "dead",
}  # fmt: skip

Values = dict[str, str]


def of(snapshot: Snapshot, control: dict[str, str], gauges: dict[str, Any]) -> Values:
    """Every live text by its key."""
    return {
        **_hero(snapshot),
        **_battle(snapshot.battle, snapshot.training),
        **_sample(snapshot.training),
        **_board(snapshot.board.counts(), snapshot.board.queued),
        **{f"control.{flag}": text for flag, text in control.items()},
        **_gauges(gauges),
        "portrait.state": PORTRAITS.get(snapshot.battle_state, "idle"),
    }


def _number(value: float | None, form: str = ",.0f") -> str:
    return NOTHING if value is None else format(value, form)


def _hero(snapshot: Snapshot) -> Values:
    hero, champion = snapshot.hero, snapshot.champion
    inside = hero.xp % STEPS_PER_LEVEL
    return {
        "hero.name": hero.name,
        "hero.level": _number(hero.level),
        "hero.xp": _number(hero.xp),
        "hero.step": _number(hero.step),
        "hero.xp_part": f"{inside / STEPS_PER_LEVEL:.3f}",
        "hero.xp_left": _number(STEPS_PER_LEVEL - inside),
        "hero.gold": _number(hero.gold),
        "hero.atk": _number(hero.atk, ".4g"),
        "hero.def": _number(hero.defence, ".4g"),
        "hero.acc": NOTHING if hero.acc is None else phrases.percent(hero.acc),
        "hero.loss": _number(hero.loss, ".4f"),
        "hero.val_loss": _number(hero.val_loss, ".4f"),
        "hero.checkpoints": _number(hero.checkpoints),
        "hero.champion": f"step {champion.step:,}, chosen by {champion.by}" if champion else NOTHING,
    }


def _battle(battle: BattleView, training: TrainingStatus | None) -> Values:
    total = battle.samples_total
    done = battle.samples_done or 0
    return {
        "battle.state": battle.state,
        "battle.reason": phrases.why(battle.reason or ""),
        "battle.quest": battle.quest or "",
        "battle.quest_name": phrases.quest_name(battle.quest_name or "") or NOTHING,
        "battle.step": _number(battle.step),
        "battle.epoch": _number(battle.epoch, ".2f"),
        "battle.samples": f"{done:,} of {total:,}" if total else NOTHING,
        "battle.progress": f"{done / total:.3f}" if total else "0",
        "battle.loss": _number(battle.loss, ".4f"),
        "battle.damage": _number(1 / battle.loss if battle.loss else None, ".1f"),
        "battle.smoothed_loss": _number(training.smoothed_loss if training else None, ".4f"),
        "battle.learning_rate": _number(training.learning_rate if training else None, ".2e"),
        "battle.tokens_per_s": _number(battle.tokens_per_s),
        "battle.eta": NOTHING if battle.eta_s is None else human_seconds(battle.eta_s),
        "battle.board_eta": NOTHING if battle.board_eta_s is None else human_seconds(battle.board_eta_s),
        "battle.heartbeat": training.heartbeat if training else "",
        "battle.gpu_memory": human_bytes(training.gpu_memory) if training and training.gpu_memory else NOTHING,
    }


def _sample(training: TrainingStatus | None) -> Values:
    """One recent sample, whole, and the last eval in a line."""
    view = training.sample if training else None
    last: EvalView | None = training.last_eval if training else None
    return {
        "battle.prompt": phrases.short(view.prompt) if view else NOTHING,
        "battle.golden": phrases.short(view.golden) if view else NOTHING,
        "battle.answer": (phrases.short(view.answer) if view else "") or NOTHING,
        "battle.last_eval": phrases.eval_view(last) if last else NOTHING,
    }


def _board(board: dict[str, int], waiting: int) -> Values:
    return {**{f"board.{name}": _number(count) for name, count in board.items()}, "board.waiting": _number(waiting)}


def _gauges(gauges: dict[str, Any]) -> Values:
    disk = gauges["disk"]
    words = [_gpu(gpu) for gpu in gauges["gpus"]]
    return {
        "disk.free": human_bytes(disk["free"]),
        "disk.part": f"{1 - disk['free'] / max(1, disk['total']):.3f}",
        "gpu.words": "; ".join(words) or "no NVIDIA GPU here",
    }


def _gpu(gpu: dict[str, Any]) -> str:
    """One card; what it does not tell is left out."""
    memory = f"{gpu['name']}: {human_bytes(gpu['memory_used'])} of {human_bytes(gpu['memory_total'])}"
    busy = "" if gpu["utilisation"] is None else f", {gpu['utilisation']} % busy"
    return memory + busy + ("" if gpu["temperature"] is None else f", {gpu['temperature']} °C")
