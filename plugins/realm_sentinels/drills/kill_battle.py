"""A battle is killed in the middle; what it ends with equals, bit for bit, what an unharmed one ends with."""

from __future__ import annotations

import shutil
import signal

from realm_cli import journal, store, watchtower
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_sentinels.drills.stage import HERO, SAVE_STEPS, NotRecoveredError, Stage, send

PLAN = (
    "found a small realm with a quest, and a copy of it",
    "train the copy unharmed",
    "train the other, and kill it (SIGKILL) between two checkpoints",
    "start it again, and compare weights and every step's loss",
)
ROWS = 640
KILLED_AT = SAVE_STEPS + SAVE_STEPS // 2


def play(stage: Stage) -> None:
    """The whole drill. Raises `RealmError` when it did not recover."""
    with stage.step("a realm with a quest, and a copy of it") as seen:
        stage.add_quest(ROWS)
        calm = Realm(stage.folder / "calm")
        shutil.copytree(stage.realm.root, calm.root, symlinks=True)
        seen.evidence = f"{ROWS} rows, a checkpoint every {SAVE_STEPS} steps"
    words = ("battle", "start", "--until-empty", "-q")
    unharmed = stage.start(stage.line(*words, realm=calm), name="calm")
    with stage.step("the battle is killed in the middle") as seen:
        battle = stage.start(stage.line(*words), name="battle")
        training = stage.fighting(battle.pid, KILLED_AT)
        send(training.process, signal.SIGKILL)
        battle.wait()
        seen.evidence = f"SIGKILL to pid {battle.pid} at step {training.step} of quest {training.quest}"
    with stage.step("the realm says so") as seen:
        shot = watchtower.gaze(stage.realm, Manager.of(stage.realm))
        if shot.battle_state != "dead":
            raise NotRecoveredError(f"realm status says {shot.battle_state} of a battle that was killed")
        steps = Ledger(stage.realm).steps()
        seen.evidence = f"{shot.battle.reason}; newest checkpoint {steps[0] if steps else 'none'}"
    with stage.step("it is started again and trains to the end") as seen:
        stage.finish(stage.line(*words), name="battle")
        seen.evidence = f"{_ends(stage.realm)} at step {Ledger(stage.realm).get_latest().step}"
    with stage.step("the unharmed battle trains to the end") as seen:
        stage.wait_for(lambda: unharmed.poll() is not None, "the end of the unharmed battle")
        seen.evidence = f"{_ends(calm)} at step {Ledger(calm).get_latest().step}"
    with stage.step("both are the same") as seen:
        seen.evidence = compare(stage.realm, calm)


def _ends(realm: Realm) -> str:
    return ", ".join(f"quest {line.quest} {line.outcome}" for line in journal.read(realm.journal)) or "no quest ended"


def compare(one: Realm, other: Realm) -> str:
    """The evidence that both came to the same. Raises `NotRecoveredError`."""
    weights = [Ledger(realm).get_latest().weights_sha256 for realm in (one, other)]
    losses = [_losses(realm) for realm in (one, other)]
    if losses[0] != losses[1]:
        differing = [step for step in losses[1] if losses[0].get(step) != losses[1][step]]
        raise NotRecoveredError(f"the losses differ at steps {', '.join(map(str, differing[:3]))}")
    if weights[0] != weights[1]:
        raise NotRecoveredError(f"the weights differ: {weights[0][:12]} and {weights[1][:12]}")
    if _ends(one) != _ends(other):
        raise NotRecoveredError(f"the journals differ: {_ends(one)}; {_ends(other)}")
    return f"weights {weights[0][:12]}, {len(losses[0])} losses equal to the last digit"


def _losses(realm: Realm) -> dict[int, float]:
    """By step, from the metrics."""
    lines = store.read_lines(realm.metrics / f"{HERO}.jsonl")
    return {int(line["step"]): float(line["loss"]) for line in lines if "step" in line}
