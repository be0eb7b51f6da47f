"""Going back to a snapshot: its files are put in the place of the present ones, checked first, after a snapshot of these.

What is refused for a single key is refused here: a model that changes under its checkpoints, a hero that changes under
a battle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from realm_cli import backups, embedded, heroes, roster, status, store, yamlfile
from realm_cli.backups import Snapshot
from realm_cli.config import LOCKED_KEYS, HeroConfig, RealmConfig
from realm_cli.errors import FormatError, RealmError, RefusedError
from realm_cli.realm import Realm


@dataclass(frozen=True)
class Restored:
    """What `restore` did."""

    files: list[str]
    """Those that were different and are now as in the snapshot."""
    backup: Path | None
    """The snapshot of the files before; None when none was different."""


def differing(realm: Realm, snapshot: Snapshot) -> list[str]:
    """The files of a snapshot that are different now, or gone."""
    return [name for name in snapshot.files() if _content(realm.root / name) != _content(snapshot.path / name)]


def locked_changes(realm: Realm, snapshot: Snapshot) -> list[str]:
    """The locked keys of heroes with checkpoints that going back to the snapshot would change."""
    found = []
    for hero, config in _heroes_of(realm, snapshot, differing(realm, snapshot)):
        if heroes.has_checkpoints(realm, hero):
            found += [f"heroes.{hero}.{key}" for key in _model_changes(realm, hero, config)]
    return found


def restore(realm: Realm, name: str, *, approve: bool = False) -> Restored:
    """Put back the files of the snapshot `name`. Files that it does not hold stay as they are."""
    snapshot = backups.find(realm, name)
    if status.battle_process(realm) is not None:
        raise RefusedError(
            "a battle is running; its configuration cannot go back under it", "realm battle stop, then again"
        )
    with store.locked(realm.battle_lock, wait=False, owner="a battle"), store.locked(realm.status / ".config.lock"):
        files = differing(realm, snapshot)
        if not files:
            return Restored([], None)
        _check(realm, snapshot, files)
        _refuse_locked(realm, snapshot, approve=approve)
        remade = [(hero, config) for hero, config in _heroes_of(realm, snapshot, files) if config.embedded is not None]
        remade = [(hero, config) for hero, config in remade if "embedded" in _model_changes(realm, hero, config)]
        present = [realm.root / file for file in files if (realm.root / file).is_file()]
        backup = backups.snapshot(realm, present, f"before going back to {snapshot.at}")
        for file in files:
            (realm.root / file).parent.mkdir(parents=True, exist_ok=True)
            store.write_atomic(realm.root / file, store.read_bytes(snapshot.path / file), durable=True)
        vars(realm).pop("config", None)  # a cached property: the next look reads the file again
        for hero, config in remade:
            assert config.embedded is not None
            embedded.remake(realm.base_folder(hero), config.embedded)
        roster.link_current_model(realm, realm.config.hero)
    return Restored(files, backup)


def _content(path: Path) -> bytes | None:
    try:
        return store.read_bytes(path)
    except FileNotFoundError:
        return None


def _heroes_of(realm: Realm, snapshot: Snapshot, files: list[str]) -> Iterator[tuple[str, HeroConfig]]:
    """(id, configuration in the snapshot) of every hero among `files`."""
    folder = realm.heroes.relative_to(realm.root).as_posix()
    for file in files:
        path = Path(file)
        if path.parent.as_posix() == folder and path.suffix == ".yaml":
            yield path.stem, yamlfile.load(snapshot.path / file, HeroConfig)


def _check(realm: Realm, snapshot: Snapshot, files: list[str]) -> None:
    """Every file against its schema, before the first one is written."""
    for hero, config in _heroes_of(realm, snapshot, files):
        for keys, problem, hint in heroes.config_flaws(config):
            raise FormatError(f"{snapshot.path}: heroes.{hero}.{'.'.join(keys)}", problem, hint)
    main = realm.config_file.relative_to(realm.root).as_posix()
    if main in files:
        hero = yamlfile.load(snapshot.path / main, RealmConfig).hero
        if not realm.hero_file(hero).is_file() and f"configs/heroes/{hero}.yaml" not in files:
            raise RefusedError(
                f"the snapshot's active hero is '{hero}', which this realm no longer has",
                "go back to a snapshot that holds its file first",
            )
    for file in files:
        if not (realm.root / file).resolve().is_relative_to(realm.configs.resolve()):
            raise RefusedError(f"{file} of the snapshot lies outside of configs/", "copy it by hand")


def _model_changes(realm: Realm, hero: str, then: HeroConfig) -> list[str]:
    """The locked keys that are different in the hero's file now."""
    now = _present(realm, hero)
    keys = (*LOCKED_KEYS, "embedded")
    return [key for key in keys if now is None or getattr(now, key) != getattr(then, key)]


def _present(realm: Realm, hero: str) -> HeroConfig | None:
    """The hero's configuration; None when it is gone or wrong, which may be why one goes back."""
    try:
        return realm.hero(hero)
    except RealmError:
        return None


def _refuse_locked(realm: Realm, snapshot: Snapshot, *, approve: bool) -> None:
    changes = locked_changes(realm, snapshot)
    if changes and not approve:
        raise RefusedError(
            f"the snapshot changes locked keys of heroes with checkpoints: {', '.join(changes)}",
            "approve it where you mean it (a backup is made)",
        )
