"""The realm: one object made from the root folder; every path and the configuration come from here."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path

from realm_cli import yamlfile
from realm_cli.config import HeroConfig, RealmConfig
from realm_cli.errors import NotFoundError, UsageError, nearest

RESERVED = ("base", "current_model", "pending")
"""Names in `models/` and `status/evals/` that no hero can have."""
PRIORITIES = ("high", "normal", "low")
FLAGS = ("pause", "stop", "skip", "save")
HERO_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Realm:
    """A realm on disk. Making the object reads nothing; a missing realm is found out by `find`."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).absolute()
        self.configs = self.root / "configs"
        self.control = self.root / "control"
        self.inbox = self.root / "inbox"
        self.queue = self.root / "queue"
        self.status = self.root / "status"
        self.models = self.root / "models"
        self.backups = self.root / "backups"
        self.data = self.root / "data"
        self.logs = self.root / "logs"
        self.config_file = self.configs / "realm.yaml"
        self.heroes = self.configs / "heroes"
        self.skills = self.configs / "skills"
        self.processing = self.queue / "processing"
        self.completed = self.queue / "recently_completed"
        self.failed = self.queue / "failed"
        self.intake = self.queue / ".intake"
        self.quest_records = self.status / "quests"
        self.reports = self.status / "reports"
        self.previews = self.status / "previews"
        self.training_status = self.status / "training.json"
        self.battle_step = self.status / ".battle_step"
        self.journal = self.status / "journal.jsonl"
        self.events = self.status / "events.jsonl"
        self.metrics = self.status / "metrics"
        self.ledger = self.status / "ledger"
        self.evals = self.status / "evals"
        self.pending_evals = self.evals / "pending"
        self.skill_states = self.status / "skills"
        self.eval_sets = self.data / "validation"
        self.tokens = self.data / "tokens"
        self.board_counter = self.status / "board.json"
        self.battle_lock = self.status / ".battle.lock"
        self.board_lock = self.status / ".board.lock"

    @classmethod
    def find(cls, explicit: str | Path | None = None, start: Path | None = None) -> Realm:
        """The realm of `explicit`, else of REALM_HOME, else of the nearest parent with `configs/realm.yaml`."""
        named = explicit or os.environ.get("REALM_HOME")
        if named:
            realm = cls(Path(named).expanduser())
            if not realm.config_file.is_file():
                origin = "--realm" if explicit else "REALM_HOME"
                raise NotFoundError(f"no realm at {realm.root} (from {origin})", f"make one: realm init {realm.root}")
            return realm
        here = (start or Path.cwd()).absolute()
        for folder in (here, *here.parents):
            if (folder / "configs" / "realm.yaml").is_file():
                return cls(folder)
        raise NotFoundError(
            f"no realm in {here} or above it (no configs/realm.yaml)",
            "go into a realm, name one with --realm DIR or REALM_HOME, or make one: realm init DIR",
        )

    def folders(self) -> list[Path]:
        """Every folder that a realm has from its first day."""
        queues = [self.queue / priority for priority in PRIORITIES]
        drops = [self.inbox / "high", self.inbox / "low"]
        return [
            self.heroes, self.skills, self.control, *drops, *queues, self.processing, self.completed, self.failed,
            self.intake, self.quest_records, self.reports, self.previews, self.metrics, self.ledger, self.models / "base",
            self.pending_evals, self.skill_states, self.backups, self.eval_sets, self.tokens, self.logs,
        ]  # fmt: skip

    @cached_property
    def config(self) -> RealmConfig:
        """`configs/realm.yaml`, checked."""
        return yamlfile.load(self.config_file, RealmConfig)

    def hero_file(self, hero: str) -> Path:
        """Where a hero's configuration lies; an id that could leave the folder is refused."""
        if not HERO_ID.fullmatch(hero) or hero in RESERVED:
            raise UsageError(
                f"'{hero}' cannot be a hero's id", f"use lower-case letters, digits, - and _; not {', '.join(RESERVED)}"
            )
        return self.heroes / f"{hero}.yaml"

    def hero_ids(self) -> list[str]:
        """All heroes of this realm, sorted."""
        return sorted(path.stem for path in self.heroes.glob("*.yaml") if HERO_ID.fullmatch(path.stem))

    def hero(self, hero: str | None = None) -> HeroConfig:
        """A hero's configuration, checked; without an id, the active hero's."""
        hero = hero or self.config.hero
        path = self.hero_file(hero)
        if not path.is_file():
            raise NotFoundError(f"there is no hero '{hero}' ({path} does not exist)", nearest(hero, self.hero_ids()))
        return yamlfile.load(path, HeroConfig)

    def hero_folder(self, hero: str | None = None) -> Path:
        """The folder of a hero's checkpoints."""
        return self.models / (hero or self.config.hero)

    def base_folder(self, hero: str) -> Path:
        """Where an embedded hero's step 0 lies."""
        return self.models / "base" / hero

    def path(self, text: str) -> Path:
        """A path from a config: absolute, from the home folder (`~`), or inside the realm."""
        return self.root / Path(text).expanduser()
