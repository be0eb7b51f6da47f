"""Records: the schema of every kind of file that programs write and several parts read.

A record is a frozen typed class with a `kind` and a `version`. Reading is generous: fields that this version does not
know are kept in `unknown` and written back, an older version is migrated, a newer one refused. What a single plugin
writes for itself stands in that plugin's `records.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, ClassVar, TypeVar

import msgspec

from realm_cli.errors import FormatError, NewerFormatError

R = TypeVar("R", bound="Record")
Migration = Callable[[dict[str, Any]], dict[str, Any]]


def now() -> str:
    """The present moment, UTC, ISO 8601 with zone, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def seconds_since(moment: str) -> float:
    """Seconds from an ISO 8601 `moment` until now."""
    return (datetime.now(timezone.utc) - datetime.fromisoformat(moment)).total_seconds()


def is_moment(text: str) -> bool:
    """Whether `text` is a time as `now` writes it: ISO 8601 with a zone."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all records. Subclasses set `kind`, and raise `version` with an entry in `migrations`."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    migrations: ClassVar[Mapping[int, Migration]] = {}
    unknown: dict[str, Any] = {}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data: kind and version first, then the fields, then what a newer program had written."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        unknown = data.pop("unknown")
        return {"kind": self.kind, "version": self.version, **data, **unknown}

    @classmethod
    def from_dict(cls: type[R], data: Any, where: str) -> R:
        """The record in `data`; `where` names its place in messages. Raises `FormatError`."""
        if not isinstance(data, dict):
            raise FormatError(where, f"expected a {cls.kind} object, found {type(data).__name__}")
        if data.get("kind") != cls.kind:
            raise FormatError(where, f"expected kind '{cls.kind}', found {data.get('kind')!r}")
        data = _migrate(cls, data, where)
        fields = {"kind", "version", *cls.__struct_fields__} - {"unknown"}
        unknown = {key: value for key, value in data.items() if key not in fields}
        try:
            return msgspec.convert({**data, "unknown": unknown}, cls)
        except msgspec.ValidationError as error:
            raise FormatError(where, str(error)) from None


def _migrate(cls: type[Record], data: dict[str, Any], where: str) -> dict[str, Any]:
    found = data.get("version")
    if type(found) is not int:
        raise FormatError(where, f"version is {found!r}, not a number")
    if found > cls.version:
        raise NewerFormatError(
            where,
            f"written by a newer Realm ({cls.kind} version {found}; this one reads up to {cls.version})",
            "update Realm on this machine",
        )
    for version in range(found, cls.version):
        if version not in cls.migrations:
            raise FormatError(where, f"no migration from {cls.kind} version {version}")
        data = cls.migrations[version](data)
    return data


class ProcessMark(msgspec.Struct, frozen=True):
    """A process that cannot be confused with a later one of the same pid."""

    pid: int
    started: str
    """Boot id and start time in clock ticks since that boot."""
    host: str = ""


class ProcessRecord(Record, frozen=True, kw_only=True):
    """Base of records that name the process that they speak of: read and written by `belonging` alone."""

    process: ProcessMark | None
    place: str = ""
    """The folder of the realm that it works for (`belonging.place_of`); in a copy of it the process is somebody else's."""


class QuestRecord(Record, frozen=True, kw_only=True):
    """What is known of one quest. The folder that holds its data file is its state; this file never moves."""

    kind: ClassVar[str] = "quest"

    id: str
    name: str
    """The file's name as its giver called it."""
    sha256: str
    """Of the decompressed content."""
    number: int
    """Acceptance number: first in, first out within one priority."""
    size: int
    """Bytes of the data file as it lies in the queue."""
    priority: str = "normal"
    """The priority given at acceptance; while it is queued, the folder tells the present one."""
    samples: int = 0
    tokens: int = 0
    """Tokens with the tokenizer of the hero at acceptance; 0 = not counted."""
    trained_tokens: int = 0
    skipped_samples: int = 0
    """Samples left out because they are longer than the hero's max_length."""
    skill: str = ""
    level: int = 0
    source: str = ""
    """Where the file came from: a path, the inbox, or the forge with its seed."""
    provenance: dict[str, Any] = {}
    """How it was made, for one that a program made: generator, version, parameters, counts, split."""
    added_at: str
    attempts: int = 0
    """How many times a battle has begun it."""
    failures: int = 0
    """Failures of the machine in a row at `failed_cursor`."""
    failed_cursor: int = -1
    """Samples done when the machine failed last."""
    outcome: str = ""
    """Empty until it ends: completed, failed, skipped, cancelled, expired; or held (by failures of the machine)."""
    reason: str = ""
    ended_at: str = ""
    ended_step: int = -1


class BoardRecord(Record, frozen=True, kw_only=True):
    """The board's counter."""

    kind: ClassVar[str] = "board"

    last_number: int
    """The highest acceptance number given so far."""


class LineFinding(msgspec.Struct, frozen=True):
    """One remark of an inspector."""

    severity: str
    """error or warning."""
    check: str
    """Short name of the check: schema, empty, labels, length, duplicate, leakage…"""
    message: str
    line: int = 0
    """1-based line in the decompressed file; 0 = the file as a whole."""


class InspectionRecord(Record, frozen=True, kw_only=True):
    """The report on one quest file."""

    kind: ClassVar[str] = "inspection"

    depth: str
    """quick, standard or deep."""
    hero: str = ""
    """Whose tokenizer and template were used; empty for quick."""
    findings: list[LineFinding] = []
    errors: int = 0
    warnings: int = 0
    """All of them; `findings` holds the first of each check."""
    samples: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    longest: int = 0
    """Tokens of the longest sample."""
    skipped_samples: int = 0
    skill: str = ""
    level: int = 0
    inspected_at: str = ""

    @property
    def ok(self) -> bool:
        """Whether the file may be queued."""
        return self.errors == 0


class PreviewToken(msgspec.Struct, frozen=True):
    """One token of a preview."""

    text: str
    trained: bool


class PreviewSample(msgspec.Struct, frozen=True):
    """One sample of a preview."""

    line: int
    tokens: list[PreviewToken]


class PreviewRecord(Record, frozen=True, kw_only=True):
    """The first samples of a quest as the hero will see them."""

    kind: ClassVar[str] = "preview"

    quest: str
    hero: str
    profile: str = "none"
    """Stamp of the data profile under which they are seen."""
    samples: list[PreviewSample]


class FlagRecord(Record, frozen=True, kw_only=True):
    """A control flag: a request to the battle."""

    kind: ClassVar[str] = "flag"

    who: str = ""
    when: str = ""
    reason: str = ""
    release: bool = False
    """With pause: free the GPU's memory as well."""


class Acknowledgement(msgspec.Struct, frozen=True):
    """The battle's answer to a flag."""

    flag: str
    when: str
    """The `when` of the flag that was seen (its file's time for an empty one)."""
    step: int
    at: str
    note: str = ""


class SampleView(msgspec.Struct, frozen=True):
    """One training sample to look at."""

    prompt: str
    golden: str
    answer: str = ""
    """The hero's own reply, where one was made."""
    line: int = 0


class EvalView(msgspec.Struct, frozen=True, kw_only=True):
    """The last eval, with a right and a wrong answer to look at."""

    skill: str
    level: int
    step: int
    correct: int
    size: int
    closed: bool
    right: SampleView | None = None
    wrong: SampleView | None = None


class TrainingStatus(ProcessRecord, frozen=True, kw_only=True):
    """What the battle is doing (`status/training.json`). Its writer is the battle alone."""

    kind: ClassVar[str] = "training"

    state: str
    """starting, training, saving, evaluating, paused, idle, waiting (for the machine), stopped, failed."""
    reason: str = ""
    hero: str = ""
    quest: str = ""
    quest_name: str = ""
    step: int = 0
    epoch: float = 0.0
    samples_done: int = 0
    samples_total: int = 0
    loss: float | None = None
    smoothed_loss: float | None = None
    val_loss: float | None = None
    learning_rate: float = 0.0
    tokens_per_s: float | None = None
    """Trained tokens a second, smoothed."""
    eta_s: float | None = None
    board_eta_s: float | None = None
    gpu_memory: int | None = None
    """Bytes reserved on the GPU; none on CPU."""
    last_checkpoint: str = ""
    started_at: str = ""
    callback_s: float = 0.0
    """Seconds of this battle that evals and forging took."""
    saving_s: float = 0.0
    """Seconds of this battle that checkpoints took."""
    sample: SampleView | None = None
    last_eval: EvalView | None = None
    acknowledged: dict[str, Acknowledgement] = {}
    process: ProcessMark
    heartbeat: str


class ServiceRecord(ProcessRecord, frozen=True, kw_only=True):
    """A running service (`status/services/<name>.json`). Its writer is the service itself."""

    kind: ClassVar[str] = "service"

    name: str
    url: str = ""
    """Where it answers; empty for one that only works."""
    process: ProcessMark
    started_at: str


class LeaseRecord(ProcessRecord, frozen=True, kw_only=True):
    """Somebody needs an asset (`status/leases/`): it stays as long as that process lives."""

    kind: ClassVar[str] = "lease"

    asset: str
    why: str
    process: ProcessMark
    since: str


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """Why an asset has to stay."""

    why: str
    by: str
    at: str


class PinsRecord(Record, frozen=True, kw_only=True):
    """Assets that a person wants to stay (`status/pins.json`), by full id."""

    kind: ClassVar[str] = "pins"

    pins: dict[str, Pin] = msgspec.field(default_factory=dict)


class EventRecord(Record, frozen=True, kw_only=True):
    """Something that happened and is already on disk."""

    kind: ClassVar[str] = "event"

    name: str
    time: str
    facts: dict[str, Any] = {}


class JournalRecord(Record, frozen=True, kw_only=True):
    """One line of the life story: a quest's end, a level. Never rewritten."""

    kind: ClassVar[str] = "journal"

    entry: str
    """quest_end, …"""
    time: str
    hero: str = ""
    step: int = -1
    quest: str = ""
    outcome: str = ""
    reason: str = ""
    facts: dict[str, Any] = {}


SHARED_RECORDS: tuple[type[Record], ...] = (
    QuestRecord,
    BoardRecord,
    InspectionRecord,
    PreviewRecord,
    FlagRecord,
    TrainingStatus,
    EventRecord,
    ServiceRecord,
    LeaseRecord,
    PinsRecord,
    JournalRecord,
)
