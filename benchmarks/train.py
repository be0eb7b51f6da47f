"""Trained tokens a second: a real battle beside TRL's SFTTrainer (packing) and transformers' Trainer (its padded default).

All three train the same model on the same rows with the same tokens trained, about the same tokens a step, the same
optimizer, learning rate and clipping. Each is a process that loads once; they take turns within every round and sleep
while another one is measured. No one saves while it is measured; all else that each does in real use, it does here.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from benchmarks import peers, rows
from benchmarks.common import Report, Target, at_least, fresh_folder, our_versions
from benchmarks.contender import Contender
from realm_cli import intake
from realm_cli.config import EmbeddedModel, HeroConfig, Recipe
from realm_cli.founding import found
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import QuestRecord

HERO = "bench"
BATCH = 16
WARMUP = 20
SHAPES: dict[str, dict[str, int]] = {
    "tiny256": {"hidden_size": 256, "layers": 4, "intermediate_size": 768, "heads": 8, "kv_heads": 4, "head_size": 32},
    "small128": {"hidden_size": 128, "layers": 2, "intermediate_size": 384, "heads": 4, "kv_heads": 2, "head_size": 32},
}
"""small128 is dio-mini."""
STEPS = {"tiny256": 40, "small128": 250}
"""Steps a turn: about ten seconds on two cores."""
TARGETS: dict[tuple[str, str], dict[str, Target]] = {
    ("tiny256", "fp32"): {"trl": at_least(1.6), "trainer": at_least(1.2)}
}


@dataclass(frozen=True)
class Match:
    """What is being compared."""

    shape: str
    precision: str
    threads: int


def make_realm(folder: Path, match: Match, count: int) -> tuple[Realm, QuestRecord]:
    """A realm whose hero has the shape, with one quest of `count` rows that repeats for ever."""
    realm, _ = found(folder / "realm")
    words = realm.hero("dio-mini").embedded
    assert words is not None
    recipe = msgspec.structs.replace(
        realm.hero("dio-mini").recipe, batch_samples=BATCH, precision=match.precision, epochs=1_000_000
    )
    hero = HeroConfig(
        model_name=HERO, base_model="embedded", max_length=512, recipe=recipe,
        embedded=EmbeddedModel(**SHAPES[match.shape], words=words.words),
    )  # fmt: skip
    realm.hero_file(HERO).write_text(yaml.safe_dump(msgspec.to_builtins(hero), allow_unicode=True), encoding="utf-8")
    config = {
        "hero": HERO, "training": {"threads": match.threads, "save_steps": 10**9, "save_minutes": 1e9, "device": "cpu"}
    }  # fmt: skip
    realm.config_file.write_text(yaml.safe_dump(config), encoding="utf-8")
    realm = Realm(realm.root)
    data = rows.write(folder / "rows.jsonl", rows.training_rows(count, seed=0))
    [record] = intake.add_files(realm, Manager.of(realm), [data])
    return realm, record


def peer_settings(realm: Realm, folder: Path, match: Match, quest: QuestRecord) -> dict[str, Any]:
    """What a peer needs to train the same way."""
    recipe: Recipe = realm.hero(HERO).recipe
    return {
        "model": str(realm.base_folder(HERO)),
        "rows": str(Board(realm).files("normal")[0].path),
        "output": str(folder / "output"),
        "bf16": match.precision == "bf16",
        "threads": match.threads,
        "batch": BATCH,
        # TRL fills rows of so many tokens; one of them is a step then, as large as ours on the average.
        "row_tokens": round(BATCH * quest.tokens / quest.samples),
        "optimizer": {
            "learning_rate": recipe.learning_rate, "warmup_steps": recipe.warmup_steps,
            "weight_decay": recipe.weight_decay, "adam_beta1": recipe.beta1, "adam_beta2": recipe.beta2,
            "max_grad_norm": recipe.clip_norm,
        },
    }  # fmt: skip


def start(folder: Path, match: Match, count: int, report: Report) -> tuple[dict[str, Contender], dict[str, Any]]:
    """All contenders, loaded and warm; and the facts of ours."""
    python = peers.python()
    realm, quest = make_realm(folder, match, count)
    settings = peer_settings(realm, folder, match, quest)
    settings_file = folder / "peer.json"
    settings_file.write_bytes(msgspec.json.encode(settings))
    contenders = {"ours": Contender("battle", realm.root, threads=match.threads, log=folder / "ours.log")}
    for name in ("trl", "trainer"):
        log = folder / f"{name}.log"
        contenders[name] = Contender("peer", name, settings_file, python=python, threads=match.threads, log=log)
    facts = {name: contender.receive() for name, contender in contenders.items()}
    counts = (quest.samples, quest.tokens, quest.trained_tokens)
    for name, fact in facts.items():
        if tuple(fact["counts"]) != counts:
            raise SystemExit(f"{name} trains other tokens than ours: {fact['counts']} instead of {counts}")
    report.versions(**our_versions("torch", "transformers"))
    report.versions(**{f"peers' {name}": number for name, number in facts["trl"]["versions"].items()})
    share = quest.trained_tokens / quest.tokens
    report.settings(
        model=match.shape, parameters=facts["ours"]["parameters"], precision=match.precision, threads=match.threads,
        samples=quest.samples, tokens_per_sample=round(quest.tokens / quest.samples, 1), trained_share=round(share, 3),
        samples_per_step=BATCH, packing=facts["ours"]["packed"],
    )  # fmt: skip
    for contender in contenders.values():
        contender.ask(steps=WARMUP)
    contenders["matmul"] = Contender("matmul", match.precision, match.threads, threads=match.threads, log=folder / "mm")
    return contenders, {**facts["ours"], "tokens_per_trained": 1 / share}


def compare(match: Match, rounds: int, steps: int, count: int) -> None:
    file = "train" if match == Match("tiny256", "fp32", 2) else f"train-{match.shape}-{match.precision}"
    report = Report("train", "trained tokens/s of a battle beside TRL (packing, bfd) and Trainer (padded)", file)
    contenders, facts = start(fresh_folder(file), match, count, report)
    report.settings(rounds=rounds, steps_per_turn=steps, warmup_steps=WARMUP)
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    per_step: dict[str, float] = {}
    names = list(contenders)
    for number in range(rounds):
        # The order changes from round to round, so that no one always follows the same other.
        for name in random.Random(number).sample(names, len(names)):
            answer = contenders[name].ask(steps=steps)
            speeds[name].append(answer["trained"] / answer["seconds"])
            per_step[name] = round(answer["trained"] / answer["steps"], 1)
    per_step.pop("matmul")
    report.settings(trained_tokens_per_step=per_step)
    for contender in contenders.values():
        contender.close()
    tell(report, match, speeds, facts)
    report.write()


def tell(report: Report, match: Match, speeds: dict[str, list[float]], facts: dict[str, Any]) -> None:
    """Rates, ratios, and the share of the time that bare matrix products of the same arithmetic would take."""
    matmul = speeds.pop("matmul")
    for name, found_speeds in speeds.items():
        report.measured(name, found_speeds, "trained tokens/s")
    targets = TARGETS.get((match.shape, match.precision), {})
    for name in ("trl", "trainer"):
        ratios = [ours / peer for ours, peer in zip(speeds["ours"], speeds[name], strict=True)]
        report.ratio(name, ratios, targets.get(name))
    report.measured("matmul", [rate / 1e9 for rate in matmul], "GFLOP/s of torch.mm")
    # Forward and backward take six floating point operations a parameter and token.
    operations = 6 * facts["parameters"] * facts["tokens_per_trained"]
    for name, found_speeds in speeds.items():
        shares = [100 * speed * operations / rate for speed, rate in zip(found_speeds, matmul, strict=True)]
        report.measured(f"roofline {name}", shares, "% of matmul")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", choices=sorted(SHAPES), default="tiny256")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, help="steps a turn")
    parser.add_argument("--rows", type=int, default=4096, help="rows of the quest")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    match = Match(given.model, given.precision, given.threads)
    compare(match, given.rounds, given.steps or STEPS[given.model], given.rows)


if __name__ == "__main__":
    main()
