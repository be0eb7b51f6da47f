"""Evals of 250 short problems beside transformers' own generate(), and the share of a battle that evals and saves take.

All answer the same 250 BIN problems with the same trained dio-mini and the same limit, greedily, to the same end tokens.
Ours counts from the conversations to the replies' texts, theirs from ready token ids to token ids. They take turns
within every round; a round in which one of them gives another reply ends the benchmark.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.common import Report, at_least, at_most, fresh_folder, our_versions
from realm_cli import status, weights
from realm_cli.founding import found
from realm_cli.generation import Message, Reply, open_generator
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_cli.skillbook import open_skill

LEVEL = 3
PROBLEMS = 250
GOAL = "bin=2"
"""What is trained before: a fresh model never ends a reply, which says nothing about evals."""
BATCHES = (250, 64)
Replies = list[list[int]]


@dataclass(frozen=True)
class Exam:
    """What all contenders are given."""

    conversations: list[list[Message]]
    prompts: list[list[int]]
    max_tokens: int


def make_realm(folder: Path, threads: int) -> Realm:
    """A fresh realm whose battles use so many threads."""
    realm, _ = found(folder)
    text = realm.config_file.read_text(encoding="utf-8").replace("threads: null", f"threads: {threads}")
    realm.config_file.write_text(text, encoding="utf-8")
    return Realm(realm.root)


def start_battle(realm: Realm, *orders: str) -> subprocess.Popen[bytes]:
    """`realm battle start --forge` in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REALM_")}
    line = [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), "battle", "start", "--forge", "-q", *orders]
    return subprocess.Popen(line, env=environment)


def ended(process: subprocess.Popen[bytes], realm: Realm) -> None:
    """Wait for a battle that ends by itself or was asked to."""
    code = process.wait()
    if code:
        raise SystemExit(f"the battle ended with {code}; see {realm.logs}")


# -- evals beside generate() -------------------------------------------------------------------------------------


class Peer:
    """transformers' generate() with the same model."""

    def __init__(self, folder: Path, generator: Any) -> None:
        from transformers import AutoModelForCausalLM

        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
        self.pad_id = generator._tokenizer.pad_id
        self.ends = sorted(generator._end_ids)

    def answer(self, exam: Exam, size: int) -> Replies:
        """Replies in batches of `size`, padded on the left as the prompts come; one by one for a size of 1."""
        import torch
        from transformers import GenerationConfig

        config = GenerationConfig(
            max_new_tokens=exam.max_tokens, do_sample=False, eos_token_id=self.ends, pad_token_id=self.pad_id
        )
        replies: Replies = []
        for first in range(0, len(exam.prompts), size):
            batch = exam.prompts[first : first + size]
            width = max(map(len, batch))
            ids = torch.tensor([[self.pad_id] * (width - len(prompt)) + prompt for prompt in batch])
            mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in batch])
            out = self.model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
            replies += [self._cut(row) for row in out[:, width:].tolist()]
        return replies

    def _cut(self, tokens: list[int]) -> list[int]:
        """Without what pads a row that ended before the others."""
        end = next((place for place, token in enumerate(tokens) if token in self.ends), len(tokens))
        return tokens[: end + 1]


def make_exam(realm: Realm, generator: Any) -> Exam:
    """Problems of one level, the limit that evals give."""
    from realm_arena.rows import Message as RowMessage

    problems = sample(open_skill(realm, Manager.of(realm), "bin").skill, LEVEL, PROBLEMS, 0, "train")
    asked = [[Message("user", problem.prompt)] for problem in problems]
    prompts = [generator._tokenizer.prompt_ids([RowMessage("user", problem.prompt)]) for problem in problems]
    return Exam(asked, prompts, 8 + max(3 * len(problem.answer) // 2 for problem in problems))


def check(replies: dict[str, Replies], ours: list[Reply], generator: Any) -> None:
    """All gave the same; anything else ends the benchmark."""
    reference = replies.pop("one by one")
    for name, given in replies.items():
        if given != reference:
            different = sum(one != other for one, other in zip(given, reference, strict=True))
            raise SystemExit(f"{name} gives {different} other replies than one by one")
    for reply, tokens in zip(ours, reference, strict=True):
        text = generator._tokenizer.decode(tokens[:-1] if reply.finish == "stop" else tokens)
        if (reply.text, reply.tokens) != (text, len(tokens)):
            raise SystemExit(f"ours says {reply.text!r}, transformers {text!r}")


def compare(report: Report, realm: Realm, rounds: int) -> None:
    """Rounds of all contenders in changing order."""
    ledger = Ledger(realm)
    record = ledger.get_latest()
    generator: Any = open_generator(realm, Manager.of(realm), record.hero, record.step)
    folder = ledger.path_of(record)
    assert folder is not None
    assert weights.weights_sha256(folder) == generator.weights_sha256
    peer, exam = Peer(folder, generator), make_exam(realm, generator)
    contenders: dict[str, Callable[[], Any]] = {
        "ours": lambda: generator.generate(exam.conversations, max_tokens=exam.max_tokens),
        "one by one": lambda: peer.answer(exam, 1),
        **{f"batches of {size}": lambda size=size: peer.answer(exam, size) for size in BATCHES},
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(-1, rounds):
        given = {}
        for name in random.Random(number).sample(list(contenders), len(contenders)):
            begun = time.perf_counter()
            given[name] = contenders[name]()
            times[name].append(time.perf_counter() - begun)
        ours = given.pop("ours")
        check(given, ours, generator)
    stopped = sum(reply.finish == "stop" for reply in ours)
    report.settings(step=record.step, max_tokens=exam.max_tokens, tokens=sum(r.tokens for r in ours), ended=stopped)
    tell(report, {name: values[1:] for name, values in times.items()})


def tell(report: Report, times: dict[str, list[float]]) -> None:
    """Times, and ours beside one by one and beside the faster of the batches."""
    medians = {name: report.measured(name, [1000 * each for each in values], "ms") for name, values in times.items()}
    batched = min((name for name in times if name.startswith("batches")), key=lambda name: medians[name])
    report.line("faster opponent", batched)
    for name, opponent, target in (("one by one", "one by one", 5), ("batched", batched, 1)):
        report.ratio(name, [b / a for a, b in zip(times["ours"], times[opponent], strict=True)], at_least(target))


# -- the share of a battle ---------------------------------------------------------------------------------------


def share(report: Report, realm: Realm, seconds: float) -> None:
    """A battle from scratch that forges for itself, stopped after so many seconds."""
    process = start_battle(realm)
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    ended(process, realm)
    seen = status.read(realm)
    assert seen is not None
    assert seen.state == "stopped"
    lasted = (datetime.fromisoformat(seen.heartbeat) - datetime.fromisoformat(seen.started_at)).total_seconds()
    report.settings(battle_s=round(lasted, 1), battle_steps=seen.step)
    report.measured("evals and forging", [100 * seen.callback_s / lasted], "% of the battle")
    report.measured("saving", [100 * seen.saving_s / lasted], "% of the battle")
    report.measured("both", [100 * (seen.callback_s + seen.saving_s) / lasted], "% of the battle", at_most(15))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=60, help="of the battle whose shares are measured; 0 = none")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    report = Report(
        "evals", f"{PROBLEMS} problems of bin level {LEVEL} beside generate(), with dio-mini; share of a battle"
    )
    report.versions(**our_versions("torch", "transformers"))
    report.settings(rounds=given.rounds, threads=given.threads, trained_until=GOAL)
    folder = fresh_folder("evals")
    realm = make_realm(folder / "trained", given.threads)
    ended(start_battle(realm, "--until", GOAL), realm)
    compare(report, realm, given.rounds)
    if given.seconds:
        share(report, make_realm(folder / "battle", given.threads), given.seconds)
    report.write()


if __name__ == "__main__":
    main()
