"""Is what says that it runs really there, and does it get on?"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import msgspec

from realm_cli import belonging, service_config, services, status, store
from realm_cli.checks import Check, Finding
from realm_cli.errors import FormatError, RefusedError
from realm_cli.manager import Manager
from realm_cli.process import is_running
from realm_cli.realm import Realm
from realm_cli.records import LeaseRecord, ProcessMark, ServiceRecord, TrainingStatus, seconds_since
from realm_cli.service_records import WantedRecord
from realm_cli.terminal import human_seconds
from realm_sentinels import crash, records, traces

SILENT_SECONDS = 300.0
"""A battle whose status is older counts as hung here; the guardian knows its steps better."""
SPEAKING = ("training", "paused", "idle", "waiting")
"""States in which a battle writes its status every second or so."""
ENDED = ("stopped", "failed")
_TEMP = re.compile(r"\..+\.([0-9]+)-[0-9]+\.tmp")
_TEMP_SECONDS = 3600.0


def is_gone(mark: ProcessMark) -> bool:
    """Whether no process of this realm can be meant; of another machine's nothing is known here."""
    return belonging.is_nobody(mark) or (mark.host == os.uname().nodename and not is_running(mark))


# -- the battle ------------------------------------------------------------------------------------------------------


def look_at_battle(realm: Realm, manager: Manager) -> list[Finding]:
    """Whether the battle lives, gets on, and how the last one ended."""
    training = status.read(realm)
    if training is None:
        return [_well("no battle has run yet")]
    where = f"status/training.json: {training.state} at step {training.step}, pid {training.process.pid}"
    if belonging.is_nobody(training.process):
        return [_well("no battle has run here: the last one was the original's, of which this realm is a copy", where)]
    if training.process.host != os.uname().nodename:
        return [_well(f"the last battle ran on {training.process.host}", where)]
    if is_running(training.process):
        return [_running(training, where)]
    if training.state == "stopped":
        return [_well(f"no battle runs; the last one was stopped at step {training.step}", where)]
    return [_died(realm, training, where)]


def _well(message: str, evidence: str = "") -> Finding:
    return Finding(check="battle", grade="ok", message=message, evidence=evidence)


def _running(training: TrainingStatus, where: str) -> Finding:
    age = seconds_since(training.heartbeat)
    if training.state in SPEAKING and age > SILENT_SECONDS:
        return Finding(
            check="battle", grade="error", message=f"the battle has said nothing for {human_seconds(age)}",
            evidence=f"{where}, heartbeat {training.heartbeat}",
            remedy="realm weaver up guardian mends it by itself; or kill the process, then realm battle start",
        )  # fmt: skip
    if training.state == "waiting":
        return Finding(
            check="battle", grade="warning", message="the battle waits for the machine", evidence=training.reason,
            remedy="mend what it waits for; it goes on by itself",
        )  # fmt: skip
    return _well(f"the battle is {training.state} at step {training.step}", f"{where}, heartbeat {age:.0f} s old")


def _died(realm: Realm, training: TrainingStatus, where: str) -> Finding:
    known = records.death_of(realm, training.process)
    death = known.death if known else crash.classify(traces.of_battle(realm, training))
    if death.kind == "interrupted":
        return _well("no battle runs; the last one was interrupted", where)
    is_closed = training.state in ENDED
    return Finding(
        check="battle", grade="warning" if is_closed else "error",
        message=f"the last battle died: {death.summary}",
        evidence=f"{where}; {death.evidence or 'it left no word'}",
        remedy=f"{death.remedy}; then realm battle start goes on exactly",
        fix="" if is_closed else "write down in status/training.json that it ended",
    )  # fmt: skip


def close_battle(realm: Realm, manager: Manager, finding: Finding) -> str:
    """Write in the name of a battle that died that it did."""
    with store.locked(realm.battle_lock, wait=False, owner="a battle that is just starting"):
        training = status.read(realm)
        if training is None or not is_gone(training.process) or training.state in ENDED:
            raise RefusedError("the battle is no longer the one that was looked at", "look again: realm doctor")
        closed = msgspec.structs.replace(training, state="failed", reason=finding.message[:500])
        status.write(realm, closed)
    return f"status/training.json says now that the battle at step {training.step} failed"


BATTLE = Check("battle", "the battle lives, or ended as it should", look_at_battle, close_battle)


# -- services --------------------------------------------------------------------------------------------------------


def look_at_services(realm: Realm, manager: Manager) -> list[Finding]:
    """Services that say that they run and are gone; those that should run and do not."""
    found = [
        Finding(
            check="services",
            grade="warning",
            message=f"{name} says that it runs, but its process is gone",
            evidence=f"status/services/{name}.json, pid {record.process.pid}",
            remedy=f"realm weaver up {name}",
            fix=f"delete status/services/{name}.json",
        )
        for name, record in _announced(realm).items()
        if is_gone(record.process)
    ]
    wanted = store.read_or_set_aside(services.weaver_folder(realm) / "wanted.json", WantedRecord)
    if wanted is not None and wanted.services and services.weaver(realm) is None:
        found.append(
            Finding(
                check="services", grade="error", message="services should run, and no weaver keeps them",
                evidence=f"status/weaver/wanted.json names {', '.join(sorted(wanted.services))}",
                remedy="realm weaver mend",
            )
        )  # fmt: skip
    for name, state in services.seen(realm).items():
        if state.state in ("backing off", "ended"):
            last = state.history[-1].last_words if state.history else ""
            found.append(
                Finding(
                    check="services", grade="error", message=f"{name} does not stay up: {state.reason}",
                    evidence=last or f"status/weaver/services/{name}.json", remedy=f"realm weaver logs {name}",
                )
            )  # fmt: skip
    return found


def _announced(realm: Realm) -> dict[str, ServiceRecord]:
    found = {}
    for path in sorted((realm.status / "services").glob("*.json")):
        record = belonging.read(realm, path, ServiceRecord)
        if record is not None:
            found[path.stem] = record
    return found


def forget_services(realm: Realm, manager: Manager, finding: Finding) -> str:
    """Delete the announcement of a service that is gone; a new one writes its own."""
    gone = [
        name
        for name, record in _announced(realm).items()
        if f"status/services/{name}.json," in finding.evidence and is_gone(record.process)
    ]
    for name in gone:
        store.delete(services.path_of(realm, name))
    return f"forgotten: {', '.join(gone) or 'nothing'}"


SERVICES = Check("services", "services that should run do", look_at_services, forget_services)


# -- leases and other leftovers --------------------------------------------------------------------------------------


def look_at_leftovers(realm: Realm, manager: Manager) -> list[Finding]:
    """What processes that are gone have left: leases, half-written files."""
    found = []
    leases = _stale_leases(realm)
    if leases:
        found.append(
            Finding(
                check="leftovers", grade="warning", message=f"{len(leases)} leases are held by processes that are gone",
                evidence=", ".join(path.name for path in leases[:3]), remedy="realm doctor --fix",
                fix="delete these leases",
            )
        )  # fmt: skip
    temps = _stale_temps(realm)
    if temps:
        found.append(
            Finding(
                check="leftovers", grade="warning", message=f"{len(temps)} files were left half-written by a kill",
                evidence=", ".join(str(path.relative_to(realm.root)) for path in temps[:3]),
                remedy="realm doctor --fix", fix="delete these half-written files",
            )
        )  # fmt: skip
    return found


def _stale_leases(realm: Realm) -> list[Path]:
    found = []
    for path in sorted((realm.status / "leases").glob("*.json")):
        lease = belonging.read(realm, path, LeaseRecord)
        if lease is not None and is_gone(lease.process):
            found.append(path)
    return found


def _stale_temps(realm: Realm) -> list[Path]:
    """Half-written state files, an hour old: whoever writes one needs moments."""
    found = []
    for folder in (realm.status, realm.control):
        for path in folder.rglob(".*.tmp"):
            if _TEMP.fullmatch(path.name):
                try:
                    age = time.time() - path.stat().st_mtime
                except FileNotFoundError:
                    continue
                if age > _TEMP_SECONDS:
                    found.append(path)
    return sorted(found)


def clear_leftovers(realm: Realm, manager: Manager, finding: Finding) -> str:
    """Delete what nobody can use any more."""
    stale = _stale_leases(realm) if "leases" in finding.message else _stale_temps(realm)
    for path in stale:
        store.delete(path)
    return f"{len(stale)} deleted"


LEFTOVERS = Check("leftovers", "nothing is left of processes that are gone", look_at_leftovers, clear_leftovers)


# -- ports -----------------------------------------------------------------------------------------------------------

PORTS = {"vault": 8767, "taskmaster": 8766}


def look_at_ports(realm: Realm, manager: Manager) -> list[Finding]:
    """Ports of services that somebody else listens at."""
    found = []
    for name, port in sorted(_ports(realm).items()):
        if port and services.running(realm, name) is None:
            holder = _holder(port)
            if holder:
                found.append(
                    Finding(
                        check="ports", grade="warning", message=f"port {port} of {name} is taken",
                        evidence=f"{holder} listens at it",
                        remedy=f"end that program, or set services.{name}.port in configs/services.yaml",
                    )
                )  # fmt: skip
    return found


def _ports(realm: Realm) -> dict[str, int]:
    ports = {**PORTS, "tavern": realm.config.tavern.port, "oracle": realm.config.oracle.port}
    try:
        written = service_config.configured(realm).services
    except FormatError:
        return ports  # the check `config` tells of it
    ports |= {name: one.port for name, one in written.items() if name in ports and one.port is not None}
    return {name: port for name, port in ports.items() if name not in written or written[name].enabled is not False}


def _holder(port: int) -> str:
    """Who listens at a port of this machine; empty when nobody does."""
    import psutil

    try:
        wires = psutil.net_connections("tcp")
    except psutil.Error:
        return ""
    for wire in wires:
        if wire.status == psutil.CONN_LISTEN and wire.laddr and wire.laddr.port == port:
            try:
                return f"{psutil.Process(wire.pid).name()} (pid {wire.pid})" if wire.pid else "another user's program"
            except psutil.Error:
                return "a program that is just ending"
    return ""


PORTS_CHECK = Check("ports", "the ports of the services are free or theirs", look_at_ports)
