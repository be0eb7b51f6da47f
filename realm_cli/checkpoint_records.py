"""Records of checkpoints: the manifest that makes one count, the state to go on from, the ledger's entry."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from realm_cli.records import Record


class ManifestFile(msgspec.Struct, frozen=True):
    """One file of a checkpoint."""

    size: int
    sha256: str


class ManifestRecord(Record, frozen=True, kw_only=True):
    """The commit marker of a checkpoint: written last, never changed."""

    kind: ClassVar[str] = "manifest"

    name: str
    created_at: str
    files: dict[str, ManifestFile]


class Cursor(msgspec.Struct, frozen=True):
    """How far an unfinished quest has come."""

    quest: str
    number: int
    """The acceptance number: a quest that was retried has a new one and begins anew."""
    epoch: int
    samples: int
    """Samples done within this epoch, in the order that quest hash and epoch give."""


class TrainerState(Record, frozen=True, kw_only=True):
    """What a checkpoint needs besides weights, optimizer and random states to go on exactly."""

    kind: ClassVar[str] = "trainer"

    step: int
    tokens_seen: int
    samples_seen: int
    cursors: list[Cursor] = msgspec.field(default_factory=list)
    finished: list[Cursor] = msgspec.field(default_factory=list)
    """Quests whose last sample lies between the parent and this checkpoint."""
    smoothed_loss: float | None = None
    threads: int = 0
    """CPU threads at the save; with another number the arithmetic may differ in the last bits."""


class QuestShare(msgspec.Struct, frozen=True):
    """A quest's part in a checkpoint."""

    id: str
    name: str
    sha256: str
    samples: int
    """Samples trained since the parent checkpoint."""
    completed: bool


class LedgerRecord(Record, frozen=True, kw_only=True):
    """The statistics of one checkpoint at the moment it was saved. Written once, by the battle."""

    kind: ClassVar[str] = "ledger"

    hero: str
    step: int
    canonical_name: str
    weights_sha256: str
    """Over tensor names, dtypes, shapes and bytes in name order."""
    parent: str = ""
    """Canonical name of the checkpoint before; empty for the first."""
    created_at: str
    train_loss: float | None = None
    val_loss: float | None = None
    learning_rate: float = 0.0
    epoch: float = 0.0
    tokens_seen: int = 0
    """Trained tokens since step 0."""
    samples_seen: int = 0
    skill_name: str = ""
    skill_level: int = 0
    training_file: str = ""
    """Name of the quest being trained at the save."""
    quests: list[QuestShare] = msgspec.field(default_factory=list)
    """Trained since the parent."""
    template_sha256: str = ""
    profile: str = "none"
    """The data profile that it was trained under, and is asked under."""
    system_prompt: str = ""
    """That of the hero, which the profile puts before chats without one."""
    size: int = 0
    """Bytes of all files."""
    saved_for: str = ""
    """Why it was saved: interval, quest_end, pause, stop, skip, request."""


class Tombstone(Record, frozen=True, kw_only=True):
    """A checkpoint that was deleted or superseded, and why."""

    kind: ClassVar[str] = "tombstone"

    hero: str
    step: int
    canonical_name: str
    reason: str
    deleted_at: str


CHECKPOINT_RECORDS: tuple[type[Record], ...] = (
    ManifestRecord,
    TrainerState,
    LedgerRecord,
    Tombstone,
)
