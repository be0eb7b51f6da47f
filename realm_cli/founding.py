"""Founding a realm: its folders, the commented configuration, and the embedded hero's step 0."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from realm_cli import heroes, roster, store
from realm_cli.errors import StorageError
from realm_cli.realm import Realm


def found(root: Path) -> tuple[Realm, list[str]]:
    """Make a realm in `root`, or complete one; (the realm, the files that were new). Nothing that exists is changed."""
    realm = Realm(root)
    try:
        for folder in realm.folders():
            folder.mkdir(parents=True, exist_ok=True)
        with as_file(files("realm_cli") / "template") as template:
            new = [_copy(path, root / path.relative_to(template)) for path in sorted(template.rglob("*.yaml"))]
    except OSError as error:
        raise StorageError("make a realm in", root, error) from error
    hero = realm.config.hero
    if realm.hero(hero).embedded is not None:
        heroes.base_path(realm, hero)
    roster.link_current_model(realm, hero)
    return realm, [str(path.relative_to(root)) for path in new if path is not None]


def _copy(source: Path, target: Path) -> Path | None:
    if target.exists():
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    store.write_atomic(target, source.read_bytes(), durable=True)
    return target
