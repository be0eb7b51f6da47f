"""Exporting a checkpoint: a plain Hugging Face folder, or one tar.zst, with a model card written from the ledger."""

from __future__ import annotations

import os
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path

from realm_cli import skillstate, store
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.checkpoints import LEDGER_MIRROR, Checkpoint, open_checkpoint
from realm_cli.errors import FormatError, NotFoundError, RefusedError, StorageError
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm

TAR = ".tar.zst"
CARD = "README.md"
LEFT_OUT = ("optimizer.safetensors", "random_state.safetensors", "trainer_state.json", LEDGER_MIRROR)
"""What only going on with training needs."""


def export(realm: Realm, hero: str, folder: Path, dest: Path) -> Path:
    """Write the checkpoint in `folder` to `dest`: a new folder, or a file that ends in `.tar.zst`. Complete or absent.

    Every file is hashed as it is read; raises `FormatError` when one is not as in the manifest.
    """
    checkpoint = open_checkpoint(folder)
    dest = dest.absolute()
    if dest.exists() or dest.is_symlink():
        raise RefusedError(f"{dest} exists", "name a new folder or file")
    temp, packed = store.temp_name(dest), store.temp_name(dest)
    try:
        dest.parent.mkdir(parents=True, exist_ok=True)
        temp.mkdir()
        _fill(realm, hero, checkpoint, temp)
        if dest.name.endswith(TAR):
            _pack(temp, packed, dest.name.removesuffix(TAR))
            os.replace(packed, dest)
        else:
            os.rename(temp, dest)
        store.sync_folder(dest.parent)
    except OSError as error:
        raise StorageError("export to", dest, error) from error
    finally:
        shutil.rmtree(temp, ignore_errors=True)
        with suppress(OSError):  # the disk has refused already
            packed.unlink(missing_ok=True)
    return dest


def _fill(realm: Realm, hero: str, checkpoint: Checkpoint, target: Path) -> None:
    for name, facts in checkpoint.manifest.files.items():
        if name in LEFT_OUT:
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(checkpoint.path / name, target / name)
        if store.sha256_file(target / name) != facts.sha256:
            raise FormatError(str(checkpoint.path), f"{name} has changed (its SHA-256 is not the manifest's)")
        store.sync_file(target / name)
    (target / CARD).write_text(card(realm, hero, checkpoint), encoding="utf-8")


def _pack(folder: Path, path: Path, root: str) -> None:
    """The same files give the same archive: no times, no owners."""
    import zstandard

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() else 0o644
        return member

    with (
        open(path, "wb") as file,
        zstandard.ZstdCompressor().stream_writer(file) as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        for one in sorted(folder.rglob("*")):
            archive.add(one, f"{root}/{one.relative_to(folder).as_posix()}", recursive=False, filter=plain)
    store.sync_file(path)


def card(realm: Realm, hero: str, checkpoint: Checkpoint) -> str:
    """The model card: what it is made from, and how it did."""
    record = _record(realm, hero, checkpoint)
    base = _base(realm, hero)
    front = ["---", "library_name: transformers", *([f"base_model: {base}"] if base else []), "---", ""]
    lines = [
        *front,
        f"# {checkpoint.name}",
        "",
        f"Checkpoint of the hero `{hero}` at step {record.step:,}, saved {record.created_at}.",
    ]
    facts = [
        ("base", base), ("tokens trained", f"{record.tokens_seen:,}"), ("samples trained", f"{record.samples_seen:,}"),
        ("train_loss", record.train_loss), ("val_loss", record.val_loss), ("weights_sha256", record.weights_sha256),
    ]  # fmt: skip
    lines += ["", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts if value not in (None, ""))]
    lines += ["", "## Evals", "", *_evals(realm, hero, record.step)]
    lines += ["", "## Trained on", "", *_quests(realm, hero, record)]
    return "\n".join(lines) + "\n"


def _record(realm: Realm, hero: str, checkpoint: Checkpoint) -> LedgerRecord:
    with suppress(NotFoundError):
        return Ledger(realm, hero).get(checkpoint.step)
    return store.read_record(checkpoint.path / LEDGER_MIRROR, LedgerRecord)


def _base(realm: Realm, hero: str) -> str:
    with suppress(NotFoundError):
        config = realm.hero(hero)
        return "" if config.embedded else config.base_model
    return ""


def _evals(realm: Realm, hero: str, step: int) -> list[str]:
    rows = []
    for skill in skillstate.met(realm, hero):
        lines = {
            line.level: line
            for line in skillstate.lines(realm, hero, skill)
            if line.step == step and line.state == "ok"
        }
        for level, line in sorted(lines.items()):
            low, high = skillstate.wilson(line.correct, line.size)
            how = ", closed level (its problems are trained)" if line.closed else ""
            rows.append(f"| {skill} {level} | {line.correct} of {line.size} | {low:.1%} to {high:.1%}{how} |")
    return (
        ["| skill, level | right | 95 % interval |", "|---|---|---|", *rows]
        if rows
        else ["None was made of this checkpoint."]
    )


def _quests(realm: Realm, hero: str, record: LedgerRecord) -> list[str]:
    try:
        quests = Ledger(realm, hero).lineage(record.step)
    except NotFoundError:
        quests = [{"name": one.name, "sha256": one.sha256, "samples": one.samples} for one in record.quests]
    if not quests:
        return ["Nothing is recorded."]
    rows = [f"| {_cell(one['name'])} | {one['samples']:,} | `{one['sha256']}` |" for one in quests]
    return ["| file | samples | SHA-256 |", "|---|---|---|", *rows]


def _cell(text: str) -> str:
    """A name inside a table, whatever stands in it."""
    return "".join(char if char.isprintable() else " " for char in text).replace("|", "\\|").replace("<", "&lt;")
