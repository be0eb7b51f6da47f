"""The sentinels from Python: `Realm().sentinels.inspector.full_patrol()`."""

from __future__ import annotations

from dataclasses import dataclass

from realm_cli.checks import Finding
from realm_cli.realm import Realm
from realm_sentinels.doctor import examine, plugins


@dataclass(frozen=True)
class Patrol:
    """What a patrol saw."""

    at: str
    findings: list[Finding]

    @property
    def is_all_clear(self) -> bool:
        """Whether nothing is wrong: every check could look, and none found an error or a reason to warn."""
        return all(finding.grade == "ok" for finding in self.findings)


class Inspector:
    """Looks at the whole realm."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm

    def full_patrol(self) -> Patrol:
        """All checks, with evidence and remedy; as `realm doctor` it writes `status/doctor.json`."""
        record = examine(self._realm, plugins(self._realm))
        return Patrol(record.at, record.findings)


class Sentinels:
    """The guards of a realm."""

    def __init__(self, realm: Realm | None = None) -> None:
        self.inspector = Inspector(realm or Realm.find())
