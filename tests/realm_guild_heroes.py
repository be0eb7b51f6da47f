"""Heroes without a model, and a battle without training, for tests of the guild: what lies on disk is real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from realm_cli import champions, journal, skillstate, store
from realm_cli.callbacks import Orders
from realm_cli.checkpoint_records import LedgerRecord
from realm_cli.generation import Generator, Message, Reply
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.profiles import Profile
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.records import EvalView
from realm_cli.skillbook import GuildSkill, open_skill
from realm_guild import evaluating, requests
from realm_guild.callback import GuildCallback
from realm_guild.records import EvalResult, EvalSet

HERO = "dio-mini"
Knows = Callable[[str, int, int], bool]
"""Whether the n-th problem of the set of a skill and level is answered right."""


def everything(skill: str, level: int, item: int) -> bool:
    """A perfect hero."""
    return True


def nothing(skill: str, level: int, item: int) -> bool:
    """A hero that has learned nothing."""
    return False


def first(count: int) -> Knows:
    """Right at the first `count` problems of every set."""
    return lambda skill, level, item: item < count


class FakeHero:
    """A `Generator` that looks the golden answers up in the eval sets on disk."""

    def __init__(self, realm: Realm, step: int, knows: Knows = everything, weights: str = "", hero: str = HERO) -> None:
        self.hero, self.step = hero, step
        self.weights_sha256 = weights or weights_of(step)
        self.replies_from = self.weights_sha256
        self.realm, self.knows = realm, knows
        self.asked: list[tuple[str, int]] = []
        self.fault: BaseException | None = None

    def generate(
        self, conversations: Sequence[Sequence[Message]], *, max_tokens: int, temperature: float = 0.0, seed: int = 0,
        stop: Sequence[str] = (), profile: Profile | None = None,
    ) -> list[Reply]:  # fmt: skip
        found = self._set_of([conversation[-1].content for conversation in conversations])
        self.asked.append((found.skill, found.level))
        if self.fault is not None:
            raise self.fault
        return [
            self._reply(problem.answer if self.knows(found.skill, found.level, item) else "no idea")
            for item, problem in enumerate(found.problems)
        ]

    def _set_of(self, prompts: list[str]) -> EvalSet:
        for path in sorted(self.realm.eval_sets.rglob("level_*.json")):
            found = store.read_record(path, EvalSet)
            if [problem.prompt for problem in found.problems] == prompts:
                return found
        raise AssertionError("the prompts are those of no eval set")

    def _reply(self, text: str) -> Reply:
        finish: Literal["stop"] = "stop"
        return Reply(text, finish, self.hero, self.step, self.replies_from, len(text))

    def close(self) -> None:
        """Nothing to free."""


class FakeBattle:
    """A `BattleFace` that stands where it is put."""

    def __init__(self, realm: Realm, manager: Manager | None = None, **until: int) -> None:
        self.realm, self.manager, self.hero = realm, manager or Manager.of(realm), HERO
        self.orders = Orders(forge=True, until=until)
        self.step = 0
        self.knows: Knows = everything
        self.fault: BaseException | None = None
        self.heroes: list[FakeHero] = []
        self.views: list[EvalView] = []
        self.ended = ""
        self.explained = ""
        self.callback = GuildCallback()

    def generator(self) -> Generator:
        record = Ledger(self.realm, self.hero).get(self.step)
        hero = FakeHero(self.realm, self.step, self.knows, record.weights_sha256)
        hero.fault = self.fault
        self.heroes.append(hero)
        return hero

    def breathe(self, doing: str) -> None:
        """No flags here."""

    def show_eval(self, view: EvalView) -> None:
        self.views.append(view)

    def explain(self, reason: str) -> None:
        self.explained = reason

    def end(self, reason: str) -> None:
        self.ended = reason

    def stands_at(self, step: int, knows: Knows | None = None, **facts: Any) -> None:
        """A checkpoint of that step is on disk, and the guild is called."""
        if step not in Ledger(self.realm, self.hero).steps():
            checkpoint(self.realm, step, **facts)
        self.step, self.knows = step, knows or self.knows
        self.callback.at_checkpoint(self)

    @property
    def asked(self) -> list[tuple[int, str, int]]:
        """(step, skill, level) of every eval that was made."""
        return [(hero.step, *what) for hero in self.heroes for what in hero.asked]


def weights_of(step: int) -> str:
    """The weights hash that a fake checkpoint of that step has."""
    return f"{step:064x}"


def checkpoint(realm: Realm, step: int, **facts: Any) -> LedgerRecord:
    """A checkpoint's record in the ledger, and an empty folder in its place."""
    values: dict[str, Any] = {
        "weights_sha256": weights_of(step), "skill_name": "bin", "skill_level": 1, "saved_for": "quest_end",
        "created_at": "2026-01-01T00:00:00.000+00:00", "canonical_name": f"checkpoint-{step}-20260101-0000",
        "train_loss": 0.5, **facts,
    }  # fmt: skip
    record = LedgerRecord(hero=HERO, step=step, **values)
    Ledger(realm, HERO).record(record)
    (realm.hero_folder(HERO) / record.canonical_name).mkdir(parents=True, exist_ok=True)
    return record


def set_yaml(path: Path, old: str, new: str) -> None:
    """Change a configuration as a person would; a `Realm` that has read it has to be made anew."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def tune(realm: Realm, skill: str = "bin", **sections: dict[str, Any]) -> None:
    """Set values in sections of a skill's YAML, whatever they were; a callback that has read it has to be made anew."""
    path = realm.skills / f"{skill}.yaml"
    config = yaml.safe_load(path.read_text("utf-8"))
    for name, values in sections.items():
        config[name] = {**config.get(name, {}), **values}
    path.write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), "utf-8")


def events(realm: Realm, name: str) -> list[dict[str, Any]]:
    """The facts of all events of that name."""
    return [line["facts"] for line in store.read_lines(realm.events) if line["name"] == name]


def entries(realm: Realm, name: str) -> list[dict[str, Any]]:
    """The journal's entries of that name."""
    return [line.to_dict() for line in journal.read(realm.journal) if line.entry == name]


def _timeless(data: Any) -> Any:
    """Without what depends on the clock."""
    if isinstance(data, dict):
        times = {"at", "time", "seconds", "promoted_at", "requested_at", "added_at", "ended_at"}
        return {key: _timeless(value) for key, value in data.items() if key not in times}
    return [_timeless(value) for value in data] if isinstance(data, (list, tuple)) else data


def story(realm: Realm, skill: str = "bin") -> dict[str, Any]:
    """All that the guild knows and did, but for times."""
    champion, state = champions.read(realm, HERO), skillstate.read(realm, HERO, skill)
    board, told = Board(realm), ("skill_level_up", "new_champion")
    seen: dict[str, Any] = _timeless({
        "state": state.to_dict() if state else None,
        "lines": [line.to_dict() for line in skillstate.lines(realm, HERO, skill)],
        "results": {
            str(path.relative_to(realm.evals)): msgspec.json.decode(path.read_bytes())
            for path in sorted((realm.evals / HERO).rglob("*.json"))
        },
        "pending": sorted(path.name for path in realm.pending_evals.rglob("*.json*") if path.suffix != ".tmp"),
        "champion": champion.to_dict() if champion else None,
        "journal": [line.to_dict() for line in journal.read(realm.journal)],
        "told": sorted([name, facts.get("skill", ""), facts.get("level", 0), facts["step"]] for name in told for facts in events(realm, name)),
        "board": {name: [(board.record(file.id).name, board.record(file.id).source) for file in board.files(name)] for name in ("high", "normal", "low")},
    })  # fmt: skip
    return seen


def bin_of(realm: Realm) -> GuildSkill:
    return open_skill(realm, Manager.of(realm), "bin")


def set_file(realm: Realm, level: int) -> Path:
    return realm.eval_sets / "bin" / f"level_{level:02}.json"


def make(realm: Realm, hero: FakeHero, entry: GuildSkill | None = None) -> list[EvalResult]:
    """Make what is pending for the hero."""
    manager = Manager.of(realm)
    return evaluating.make_pending(realm, manager, {"bin": entry or bin_of(realm)}, hero, lambda doing: None)


def examined(realm: Realm, step: int, level: int = 1, knows: Knows = everything) -> EvalResult:
    """One eval, asked for and made."""
    requests.ask(realm, HERO, step, "bin", level, "request")
    (result,) = make(realm, FakeHero(realm, step, knows))
    return result
