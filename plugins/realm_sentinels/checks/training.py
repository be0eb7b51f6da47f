"""Checkpoints: is the last one young enough, and would a battle go on from it?"""

from __future__ import annotations

from realm_cli import checkpoints, status, store
from realm_cli.checkpoint_records import TrainerState
from realm_cli.checks import Check, Finding
from realm_cli.errors import FormatError
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import seconds_since
from realm_cli.terminal import human_bytes, human_seconds

LATE = 3
"""A save that is so many times `save_minutes` old is late."""
LEAST_LATE_SECONDS = 600.0
HASHED_BYTES = 20_000_000_000
"""A checkpoint that is larger is proved by the sizes of its files alone: hashing it would take minutes."""


def look_at_age(realm: Realm, manager: Manager) -> list[Finding]:
    """Whether a battle that trains has saved lately."""
    training = status.read(realm)
    if training is None or status.battle_process(realm) is None or training.state != "training":
        return [Finding(check="checkpoint", grade="ok", message="no battle is training")]
    newest = next(iter(Ledger(realm, training.hero).list_all(1)), None)
    saved = newest.created_at if newest else ""
    since = max(filter(None, (saved, training.started_at)), default="")
    age = seconds_since(since) if since else 0.0
    evidence = f"step {training.step}; newest checkpoint {newest.canonical_name if newest else 'none'}, {human_seconds(age)} ago"
    limit = max(LEAST_LATE_SECONDS, 60 * LATE * realm.config.training.save_minutes)
    if training.step > (newest.step if newest else 0) and age > limit:
        return [
            Finding(
                check="checkpoint", grade="error", message="the battle trains and does not save", evidence=evidence,
                remedy="realm battle save; realm battle log says what keeps it from saving",
            )
        ]  # fmt: skip
    return [Finding(check="checkpoint", grade="ok", message="the battle saves", evidence=evidence)]


AGE = Check("checkpoint", "a battle that trains saves", look_at_age)


def look_at_resume(realm: Realm, manager: Manager) -> list[Finding]:
    """Prove that the next battle goes on from the newest checkpoint: all files hashed, its state readable."""
    hero = realm.config.hero
    folders = checkpoints.folders(realm, hero)
    if not folders:
        return [Finding(check="resume", grade="ok", message=f"{hero} has no checkpoint yet: it begins at step 0")]
    problems = []
    for folder in folders:
        try:
            proof = _prove(realm, checkpoints.open_checkpoint(folder))
        except (FormatError, FileNotFoundError) as error:
            problems.append(str(error))
            continue
        if not problems:
            return [
                Finding(
                    check="resume", grade="ok", message=f"the next battle goes on from {folder.name}", evidence=proof
                )
            ]
        return [_damaged(problems, f"the next battle sets it aside and goes on from {folder.name}")]
    return [_damaged(problems, "no other checkpoint is whole: the next battle would begin at step 0")]


def _prove(realm: Realm, checkpoint: checkpoints.Checkpoint) -> str:
    """What was proved. Raises `FormatError` or FileNotFoundError."""
    state = store.read_record(checkpoint.path / checkpoints.TRAINER_STATE, TrainerState)
    if state.step != checkpoint.step:
        raise FormatError(str(checkpoint.path), f"its state is of step {state.step}")
    count = len(checkpoint.manifest.files)
    if checkpoint.size > HASHED_BYTES:
        return f"{count} files have the sizes of the manifest ({human_bytes(checkpoint.size)}, so not hashed now)"
    checkpoints.verify(checkpoint)
    return f"{count} files, {human_bytes(checkpoint.size)}, have the hashes of the manifest; step {state.step}"


def _damaged(problems: list[str], then: str) -> Finding:
    return Finding(
        check="resume", grade="error", message="the newest checkpoint is damaged", evidence="; ".join(problems[:3]),
        remedy=f"{then}; a whole copy may be elsewhere: realm vault locate, realm vault fetch",
    )  # fmt: skip


RESUME = Check("resume", "the next battle goes on from the newest checkpoint", look_at_resume)
