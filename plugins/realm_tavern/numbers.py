"""The watchtower's snapshot as numbers for Prometheus, at the Tavern's `/metrics`."""

from __future__ import annotations

from typing import Any

from realm_cli.exposition import Metric, gauge
from realm_cli.surroundings import Surroundings
from realm_cli.watchtower import Snapshot

STATES = (
    "starting", "training", "saving", "evaluating", "paused", "idle", "waiting", "stopped", "failed", "dead",
)  # fmt: skip


def of(snapshot: Snapshot, gauges: dict[str, Any], streams: int) -> list[Metric]:
    """Every metric of the realm. `gauges` are the page's own readings of GPUs and disk."""
    return [
        gauge("realm_tavern_open_streams", "Pages that are kept fresh.", streams),
        *_hero(snapshot),
        *_battle(snapshot),
        _by("realm_board_quests", "Quests by where they are.", "state", snapshot.board.counts()),
        *_skills(snapshot),
        gauge("realm_pending_evals", "Evals that were asked for and not made.", snapshot.pending_evals),
        gauge("realm_disk_free_bytes", "Free on the disk of the realm.", gauges["disk"]["free"]),
        gauge("realm_disk_size_bytes", "Size of the disk of the realm.", gauges["disk"]["total"]),
        *_gpus(gauges["gpus"]),
        *_around(snapshot.around),
    ]


def _hero(snapshot: Snapshot) -> list[Metric]:
    hero, champion = snapshot.hero, snapshot.champion
    name = str(hero.name)
    return [
        gauge("realm_hero_step", "Optimizer steps of the active hero.", hero.step, hero=name),
        gauge("realm_hero_checkpoints", "Checkpoints in its ledger.", hero.checkpoints, hero=name),
        gauge("realm_hero_loss", "Training loss, smoothed.", hero.loss, hero=name),
        gauge("realm_hero_val_loss", "Loss on the held-out rows.", hero.val_loss, hero=name),
        gauge("realm_hero_accuracy", "Mean accuracy of the levels in training.", hero.acc, hero=name),
        gauge("realm_champion_step", "Step of the champion.", champion.step if champion else None, hero=name),
    ]


def _battle(snapshot: Snapshot) -> list[Metric]:
    battle = snapshot.battle
    states = [({"state": state}, float(state == battle.state)) for state in STATES]
    return [
        gauge("realm_battle_running", "1 while a battle runs.", battle.pid is not None),
        Metric("realm_battle_state", "1 for the state of the battle.", samples=states),
        gauge("realm_battle_loss", "Loss of the last step.", battle.loss),
        gauge("realm_battle_tokens_per_second", "Trained tokens a second.", battle.tokens_per_s),
        gauge("realm_battle_heartbeat_age_seconds", "Since the battle wrote its status.", battle.heartbeat_age_s),
        gauge("realm_battle_board_eta_seconds", "Until the board is empty, as estimated.", battle.board_eta_s),
    ]


def _skills(snapshot: Snapshot) -> list[Metric]:
    skills = snapshot.skills
    accuracy = {name: skill.accuracy for name, skill in skills.items() if skill.accuracy is not None}
    return [
        _by("realm_skill_level", "The level in training.", "skill", {name: one.level for name, one in skills.items()}),
        _by("realm_skill_accuracy", "Mean accuracy over the last evals of the level in training.", "skill", accuracy),
        _by(
            "realm_skill_mastered_levels", "Levels that were mastered.", "skill",
            {name: len(one.mastered) for name, one in skills.items()},
        ),
    ]  # fmt: skip


def _gpus(found: list[dict[str, Any]]) -> list[Metric]:
    told = (
        ("memory_used", "realm_gpu_memory_used_bytes", "Memory of the card in use."),
        ("memory_total", "realm_gpu_memory_size_bytes", "Memory of the card."),
        ("utilisation", "realm_gpu_utilisation_percent", "How busy the card is."),
        ("temperature", "realm_gpu_temperature_celsius", "Its temperature."),
        ("power_w", "realm_gpu_power_watts", "What it draws."),
    )
    return [
        Metric(name, text, samples=[(_card(gpu), float(gpu[key])) for gpu in found if gpu.get(key) is not None])
        for key, name, text in told
    ]


def _card(gpu: dict[str, Any]) -> dict[str, str]:
    return {"gpu": str(gpu["index"]), "name": str(gpu["name"])}


def _around(around: Surroundings) -> list[Metric]:
    services, tasks = around.services, around.tasks
    doctor = around.doctor.grades if around.doctor else {}
    transfers: dict[str, float] = {}
    for one in around.transfers:
        transfers[one.state] = transfers.get(one.state, 0) + 1
    return [
        _by("realm_service_up", "1 while the service is ready.", "service", {one.name: one.up for one in services}),
        _by(
            "realm_service_restarts", "Starts of the service after an end that nobody commanded.", "service",
            {one.name: one.restarts for one in services}, kind="counter",
        ),
        _by("realm_task_running", "1 while the task runs.", "task", {one.id: one.running for one in tasks}),
        _by("realm_doctor_findings", "What the last examination found.", "grade", doctor),
        _by("realm_transfers", "Assets on their way or waiting for a zone.", "state", transfers),
        gauge("realm_oracle_loaded", "Checkpoints that are loaded for answers.", len(around.oracle)),
    ]  # fmt: skip


def _by(name: str, text: str, label: str, values: dict[str, Any], kind: str = "gauge") -> Metric:
    samples = [({label: key}, float(value)) for key, value in values.items()]
    return Metric(
        f"{name}_total" if kind == "counter" else name, text, "counter" if kind == "counter" else "gauge", samples
    )
