"""Eval contamination: a row made from a problem that an installed skill keeps for its evals."""

from __future__ import annotations

from realm_arena.rows import Row
from realm_cli.errors import RealmError
from realm_cli.inspection import Report
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import open_skill, skill_ids
from realm_cli.skills import Skill, is_closed, split_of


class Contamination:
    """Knows the realm's skills and which of their levels are open."""

    def __init__(self, realm: Realm, report: Report) -> None:
        self._realm = realm
        self._manager = Manager.of(realm)
        self._names = set(skill_ids(realm))
        self._report = report
        self._skills: dict[str, Skill | None] = {}
        self._open: dict[tuple[str, int], bool] = {}

    def check(self, row: Row, line: int) -> None:
        """Report a row whose problem belongs to the eval set of an open level."""
        if row.problem_key is None or row.skill not in self._names:
            return
        skill = self._skill(row.skill)
        if skill is None or not self._is_open(skill, row.skill, row.level, line):
            return
        if split_of(skill.id, row.problem_key) == "eval":
            message = f"problem '{row.problem_key[:80]}' of {skill.id} level {row.level} belongs to the eval set"
            self._report.error("contamination", message, line)

    def _skill(self, name: str) -> Skill | None:
        if name not in self._skills:
            try:
                self._skills[name] = open_skill(self._realm, self._manager, name).skill
            except RealmError as error:
                self._skills[name] = None
                self._report.warning("contamination", f"not checked: {error.message}")
        return self._skills[name]

    def _is_open(self, skill: Skill, name: str, level: int, line: int) -> bool:
        key = (name, level)
        if key not in self._open:
            exists = 1 <= level <= skill.max_level
            self._open[key] = exists and not is_closed(skill, level)
            if not exists:
                what = f"{name} has no level {level} (1 to {skill.max_level}), so its rows are not checked"
                self._report.warning("contamination", what, line)
        return self._open[key]
