"""The doctor: all checks of the realm (hook `realm_checks`), one after another, and what may be mended without a person."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from realm_cli import store
from realm_cli.checks import Check, Finding, FindingsRecord, findings_file
from realm_cli.errors import NotFoundError, RealmError, nearest
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import now

log = logging.getLogger("realm.doctor")
HOOK = "realm_checks"


@dataclass(frozen=True)
class Mended:
    """What became of a finding that could be mended."""

    check: str
    said: str
    ok: bool


def examine(realm: Realm, manager: Manager, only: str | None = None) -> FindingsRecord:
    """Look at everything, or at one matter. A whole examination is written to `status/doctor.json`."""
    findings = [finding for _, found in _looks(realm, manager, only) for finding in found]
    record = FindingsRecord(at=now(), findings=findings)
    if only is None:
        try:
            store.make_folders([realm.status])
            store.write_record(findings_file(realm), record)
        except RealmError as error:
            log.warning("the findings could not be written: %s", error.message)
    return record


def mend(realm: Realm, manager: Manager, only: str | None = None) -> list[Mended]:
    """Mend what is safe to mend: never is anything deleted that cannot be made again."""
    done = []
    for check, findings in _looks(realm, manager, only):
        for finding in findings:
            if check is None or check.mend is None or not finding.fix:
                continue
            try:
                done.append(Mended(check.name, check.mend(realm, manager, finding), True))
            except RealmError as error:
                done.append(Mended(check.name, error.message, False))
            except Exception as error:  # the edge of a check
                log.exception("the check '%s' could not mend", check.name)
                done.append(Mended(check.name, f"{type(error).__name__}: {error}", False))
    return done


def plugins(realm: Realm) -> Manager:
    """The plugins; all of them when the settings that disable some cannot be read: a doctor has to come to the sick."""
    try:
        return Manager.of(realm)
    except RealmError:
        return Manager.load()


def names(manager: Manager) -> list[str]:
    """All checks."""
    return sorted(manager.parts(HOOK))


def _looks(realm: Realm, manager: Manager, only: str | None) -> Iterator[tuple[Check | None, list[Finding]]]:
    """Every check with what it sees; one that cannot be loaded is a finding without a check."""
    known = names(manager)
    if only is not None and only not in known:
        raise NotFoundError(f"there is no check '{only[:100]}'", nearest(only, known))
    for name in known if only is None else [only]:
        try:
            check: Check = manager.load_part(HOOK, name, "check")
        except RealmError as error:
            yield None, [Finding(check=name, grade="unknown", message=error.message, remedy=error.hint)]
            continue
        yield check, _look(realm, manager, check)


def _look(realm: Realm, manager: Manager, check: Check) -> list[Finding]:
    """What a check sees. Whatever it raises is a finding: one that fails keeps no other from being made."""
    try:
        with store.only_looking():
            found = check.look(realm, manager)
    except RealmError as error:
        if str(realm.config_file) in error.message:  # which the check `config` tells with every mistake
            return [Finding(check=check.name, grade="unknown", message="not before configs/realm.yaml is right")]
        return [_unknown(check, error.message, error.hint)]
    except Exception as error:  # the edge of a check
        log.debug("the check '%s' failed", check.name, exc_info=True)
        return [_unknown(check, f"{type(error).__name__}: {error}", "report it; the other checks were made")]
    return [msgspec.structs.replace(one, check=check.name) for one in found] or [
        Finding(check=check.name, grade="ok", message=check.title)
    ]


def _unknown(check: Check, why: str, remedy: str) -> Finding:
    return Finding(
        check=check.name, grade="unknown", message=f"{check.title}: could not be looked at", evidence=why[:500],
        remedy=remedy,
    )  # fmt: skip
