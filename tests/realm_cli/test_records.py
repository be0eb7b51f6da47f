"""Formats: what was written once is read for ever. A frozen sample of each kind lies in `tests/formats/`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from realm_cli import store
from realm_cli.away import LookedRecord
from realm_cli.checkpoint_records import CHECKPOINT_RECORDS
from realm_cli.checks import FindingsRecord
from realm_cli.embedded import EmbeddedRecord
from realm_cli.errors import FormatError
from realm_cli.manager import Manager
from realm_cli.records import SHARED_RECORDS, ProcessMark, ProcessRecord, Record
from realm_cli.service_records import SERVICE_RECORDS
from realm_cli.skill_records import SKILL_RECORDS

FORMATS = Path(__file__).parents[1] / "formats"
OF_PLUGINS: list[type[Record]] = [part.load() for part in Manager.load().parts("realm_records").values()]
OF_MODULES: list[type[Record]] = [EmbeddedRecord, FindingsRecord, LookedRecord, *SERVICE_RECORDS]
"""Of the core's modules that own one kind of file."""
REGISTERED: list[type[Record]] = [*SHARED_RECORDS, *CHECKPOINT_RECORDS, *SKILL_RECORDS, *OF_MODULES, *OF_PLUGINS]
CLASSES = {record.kind: record for record in REGISTERED}
SAMPLES = sorted(FORMATS.glob("*.json"))


def sample(kind: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((FORMATS / f"{kind}-v{CLASSES[kind].version}.json").read_text())
    return data


def all_subclasses(of: type[Record]) -> set[type[Record]]:
    return {found for sub in of.__subclasses__() for found in (sub, *all_subclasses(sub))}


def test_every_record_class_is_registered_and_has_a_sample_of_each_version() -> None:
    own = {record for record in all_subclasses(Record) if record.__module__.startswith("realm_")}
    assert own - {ProcessRecord} == set(CLASSES.values()), (
        "register it in SHARED_RECORDS, CHECKPOINT_RECORDS, SKILL_RECORDS or its plugin's realm_records"
    )
    wanted = {f"{kind}-v{n}.json" for kind, record in CLASSES.items() for n in range(1, record.version + 1)}
    assert {path.name for path in SAMPLES} == wanted


def test_every_record_that_speaks_of_one_process_is_read_and_written_by_belonging_alone() -> None:
    of_process = {record for record in CLASSES.values() if "process" in record.__struct_fields__}
    assert {record for record in of_process if not issubclass(record, ProcessRecord)} == set()
    names = "|".join(record.__name__ for record in of_process)
    directly = re.compile(rf"store\.\w+\([^\n]*\b(?:{names})\b")
    root = FORMATS.parents[1]
    sources = [path for folder in ("realm_cli", "plugins") for path in (root / folder).rglob("*.py")]
    found = {path.name: directly.findall(path.read_text()) for path in sources}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_a_plugin_s_records_are_named_by_their_kind() -> None:
    assert all(part.load().kind == name for name, part in Manager.load().parts("realm_records").items())


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_frozen_sample_loads(path: Path) -> None:
    kind = path.stem.rpartition("-v")[0]
    record = store.read_record(path, CLASSES[kind])
    assert record.unknown == {}
    again = type(record).from_dict(record.to_dict(), "again")
    assert again == record


@pytest.mark.parametrize("kind", CLASSES)
def test_a_sample_of_the_present_version_holds_every_field_with_a_value_that_is_not_the_default(kind: str) -> None:
    data, record = sample(kind), CLASSES[kind]
    assert set(data) == {"kind", "version", *record.__struct_fields__} - {"unknown"}
    assert json.loads(store.to_json(record.from_dict(data, "sample").to_dict())) == data
    defaults = {field.name: field.default for field in msgspec.structs.fields(record)}
    assert [name for name, value in data.items() if name in defaults and value == defaults[name]] == []


@pytest.mark.parametrize("kind", CLASSES)
def test_what_a_newer_program_wrote_is_kept(kind: str, tmp_path: Path) -> None:
    data = {**sample(kind), "later": {"deep": [1, None]}, "unknown": "a field of this name too"}
    store.write_atomic(tmp_path / "r.json", json.dumps(data).encode())
    record = store.read_record(tmp_path / "r.json", CLASSES[kind])
    store.write_record(tmp_path / "r.json", record)
    assert json.loads((tmp_path / "r.json").read_text()) == data


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": None}, "expected kind"),
        ({"kind": "other"}, "expected kind"),
        ({"version": None}, "version is None, not a number"),
        ({"version": True}, "version is True, not a number"),
        ({"version": 0}, "no migration from"),
        ({"version": 99}, "written by a newer Realm"),
    ],
)
def test_a_foreign_kind_or_version_is_refused(kind: str, change: dict[str, Any], problem: str) -> None:
    data = {key: value for key, value in {**sample(kind), **change}.items() if value is not None}
    with pytest.raises(FormatError, match=f"place.json: {problem}"):
        CLASSES[kind].from_dict(data, "place.json")


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(FormatError, match="expected a quest object"):
        CLASSES["quest"].from_dict(data, "here")


def test_a_field_of_the_wrong_type_is_named() -> None:
    with pytest.raises(FormatError, match=r"here: .*\$\.number"):
        CLASSES["quest"].from_dict({**sample("quest"), "number": "one"}, "here")


def test_an_older_version_is_migrated_step_by_step() -> None:
    class Pet(Record, frozen=True, kw_only=True):
        kind: ClassVar[str] = "pet"
        version: ClassVar[int] = 3
        migrations: ClassVar[Any] = {
            1: lambda data: {**{k: v for k, v in data.items() if k != "title"}, "name": data["title"]},
            2: lambda data: {**data, "legs": 4},
        }
        name: str
        legs: int

    old = Pet.from_dict({"kind": "pet", "version": 1, "title": "Rex", "extra": 1}, "here")
    assert old.to_dict() == {"kind": "pet", "version": 3, "name": "Rex", "legs": 4, "extra": 1}
    with pytest.raises(FormatError, match="newer"):
        Pet.from_dict({"kind": "pet", "version": 4}, "here")


def test_a_process_mark_reads_without_a_host() -> None:
    assert msgspec.convert({"pid": 1, "started": "b:2"}, ProcessMark) == ProcessMark(1, "b:2", "")
