"""The machine: GPU, disk, memory, clock."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from realm_cli import checkpoints, status, store
from realm_cli.checks import Check, Finding, Grade
from realm_cli.gpus import LocalGpus
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.terminal import human_bytes, human_seconds

MEGABYTE = 1_000_000
SAVES_AHEAD = 2
HOT = 90
"""Degrees Celsius at which cards slow down or soon will."""
LOW_MEMORY = 500 * MEGABYTE
LITTLE_MEMORY = 0.05
AHEAD_SECONDS = 120.0


# -- GPU -------------------------------------------------------------------------------------------------------------


def look_at_gpus(realm: Realm, manager: Manager) -> list[Finding]:
    """Whether the cards answer, and how hot they are."""
    reading = LocalGpus().read()
    found = [
        Finding(
            check="gpu",
            grade="error",
            message="a GPU does not answer",
            evidence=line,
            remedy="dmesg (lines with Xid); a restart of the machine usually brings it back",
        )
        for line in reading.lost
    ]
    if not reading.gpus:
        needed = realm.config.training.device == "cuda"
        return [
            *found,
            Finding(
                check="gpu", grade="error" if needed else "ok", message=reading.reason,
                evidence=f"NVML; training.device: {realm.config.training.device}",
                remedy="nvidia-smi; or realm config set training.device auto" if needed else "",
            ),
        ]  # fmt: skip
    limit = realm.config.training.max_celsius or HOT
    for gpu in reading.gpus:
        heat = "temperature unknown" if gpu.temperature is None else f"{gpu.temperature} °C"
        evidence = f"{heat}, {human_bytes(gpu.memory_free)} of {human_bytes(gpu.memory_total)} free"
        if gpu.temperature is not None and gpu.temperature >= limit:
            remedy = "clean the fans, let air in; training.max_celsius pauses the battle while it is too hot"
            message = f"GPU {gpu.index} {gpu.name} is hot"
            found.append(Finding(check="gpu", grade="warning", message=message, evidence=evidence, remedy=remedy))
        else:
            found.append(Finding(check="gpu", grade="ok", message=f"GPU {gpu.index} {gpu.name}", evidence=evidence))
    return found


GPU = Check("gpu", "the GPUs answer and are not too hot", look_at_gpus)


# -- disk ------------------------------------------------------------------------------------------------------------


def look_at_disk(realm: Realm, manager: Manager) -> list[Finding]:
    """Whether the next saves find room beside the reserve."""
    good, _ = checkpoints.complete(realm, realm.config.hero)
    size = good[0].size if good else 0
    reserve = realm.config.training.reserve_mb * MEGABYTE
    folder = realm.models if realm.models.is_dir() else realm.root
    free, facts = store.free_bytes(folder), os.statvfs(folder)
    evidence = f"{human_bytes(free)} free on {folder}; reserve_mb keeps {human_bytes(reserve)}, a save takes {human_bytes(size)}"
    if facts.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK):
        return [
            _disk("error", "the disk cannot be written to", str(folder), "mount it writable, or give your user access")
        ]
    if facts.f_files and not facts.f_favail:
        return [_disk("error", "the disk has no room for further files (inodes)", evidence, "delete many small files")]
    if free < reserve + size:
        return [_disk("error", "the next checkpoint finds no room: the battle waits", evidence, "realm vault prune")]
    if free < reserve + SAVES_AHEAD * size:
        return [_disk("warning", "the disk is nearly full", evidence, "realm vault prune, or realm vault tend")]
    return [_disk("ok", "there is room for the next checkpoints", evidence, "")]


def _disk(grade: Grade, message: str, evidence: str, remedy: str) -> Finding:
    return Finding(check="disk", grade=grade, message=message, evidence=evidence, remedy=remedy)


DISK = Check("disk", "there is room for the next checkpoints", look_at_disk)


# -- memory ----------------------------------------------------------------------------------------------------------


def look_at_memory(realm: Realm, manager: Manager) -> list[Finding]:
    """Free memory, swap, and what the battle takes."""
    import psutil

    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    mark = status.battle_process(realm)
    evidence = f"{human_bytes(memory.available)} of {human_bytes(memory.total)} available"
    evidence += f", swap {human_bytes(swap.free)} of {human_bytes(swap.total)} free" if swap.total else ", no swap"
    if mark is not None:
        with suppress(psutil.Error):  # it may just have ended
            evidence += f"; the battle takes {human_bytes(psutil.Process(mark.pid).memory_info().rss)}"
    if memory.available + swap.free < LOW_MEMORY or memory.available < LITTLE_MEMORY * memory.total:
        return [
            Finding(
                check="memory", grade="warning", message="the machine is nearly out of memory", evidence=evidence,
                remedy="end other programs, lower oracle.max_gb or recipe.micro_batch_tokens, or add swap",
            )
        ]  # fmt: skip
    return [Finding(check="memory", grade="ok", message="there is memory", evidence=evidence)]


MEMORY = Check("memory", "there is memory", look_at_memory)


# -- clock -----------------------------------------------------------------------------------------------------------


def look_at_clock(realm: Realm, manager: Manager) -> list[Finding]:
    """Whether anything that was written lies in the future: then the clock is wrong now, or was."""
    ahead = []
    for path in (realm.training_status, realm.journal, realm.events, realm.board_counter, realm.config_file):
        seconds = _ahead(path)
        if seconds > AHEAD_SECONDS:
            ahead.append(f"{path.relative_to(realm.root)} was changed in {human_seconds(seconds)}")
    newest = next(iter(Ledger(realm, realm.config.hero).list_all(1)), None)
    if newest is not None:
        seconds = (datetime.fromisoformat(newest.created_at) - datetime.now(timezone.utc)).total_seconds()
        if seconds > AHEAD_SECONDS:
            ahead.append(f"checkpoint {newest.step} was saved in {human_seconds(seconds)}")
    if not ahead:
        return [Finding(check="clock", grade="ok", message="nothing was written in the future")]
    return [
        Finding(
            check="clock", grade="error", message="the clock is wrong, or was: something was written in the future",
            evidence="; ".join(ahead), remedy="set the clock (timedatectl set-ntp true)",
        )
    ]  # fmt: skip


def _ahead(path: Path) -> float:
    try:
        return path.stat().st_mtime - time.time()
    except FileNotFoundError:
        return 0.0


CLOCK = Check("clock", "the clock agrees with what was written", look_at_clock)
