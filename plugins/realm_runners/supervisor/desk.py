"""What callers ask of a job: on this machine as functions, on another one through the program."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from realm_runners.supervisor.files import ENDED, Data, now, pieces, place_of, read, take, write
from realm_runners.supervisor.processes import below, boot, carriers_of, is_alive, send

SURPLUS = 50
"""Folders are deleted when there are so many more than are kept."""
READ = 1000000
"""Bytes of output that are told at once."""
START_SECONDS = 30
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")


def folder_of(root: str, job: str) -> str:
    """The job's folder."""
    if not ID.match(job):
        raise SystemExit(f"'{job}' cannot be a job's id")
    return os.path.join(os.path.abspath(os.path.expanduser(root)), job)


def submit(root: str, job: str, order: Data) -> Data:
    """Start the job, detached; one of that id that is there already is left as it is."""
    folder = folder_of(root, job)
    os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    write(os.path.join(folder, "order.json"), order, new=True)
    found = poll(root, job)
    assert found is not None
    return found


def poll(root: str, job: str) -> Data | None:
    """How the job stands; None for one that nobody submitted. One that was ordered and not started is started."""
    folder = folder_of(root, job)
    order = read(os.path.join(folder, "order.json"))
    if order is None:
        return None
    for _ in range(3):
        state = read(os.path.join(folder, "state.json"))
        if state is not None and state["state"] in ENDED:
            break
        lock = take(folder, wait=False)
        if lock is None:  # its supervisor lives
            break
        try:
            state = read(os.path.join(folder, "state.json"))
            if state is not None:
                if state["state"] not in ENDED:
                    state = bury(folder, state, order)
                break
        finally:
            os.close(lock)
        start(folder)
    return status(job, order, state)


def status(job: str, order: Data, state: Data | None) -> Data:
    """What is told of a job."""
    seen = state or {"state": "waiting", "reason": "it is being started"}
    told = {key: seen.get(key) for key in ("state", "code", "signal", "reason", "started_at", "ended_at")}
    return {"id": job, "submitted_at": order.get("submitted_at", ""), **told}


def bury(folder: str, state: Data, order: Data) -> Data:
    """Write the end of a job whose supervisor is gone, and end what is left of it: only what is proved to be its own."""
    if state.get("place") not in (None, place_of(folder)):  # its processes belong to the original
        reason = "it runs in the folder that this one was copied from"
    elif state["boot"] == boot():
        heads = [state["command"], *carriers_of(state["token"])]
        for _ in range(50):
            family = [*heads, *below({who["pid"] for who in heads if is_alive(who)})]
            if not sum(send(who, signal.SIGKILL) for who in family):
                break
            time.sleep(0.02)
            heads = [state["command"], *carriers_of(state["token"])]
        reason = "its supervisor was killed, and what it had started was ended"
    else:
        reason = "its machine was restarted meanwhile"
    is_cancelled = os.path.exists(os.path.join(folder, "cancel"))
    state = {**state, "state": "cancelled" if is_cancelled else "lost", "reason": reason, "ended_at": now()}
    write(os.path.join(folder, "state.json"), state)
    return state


def cancel(root: str, job: str) -> Data | None:
    """End the job with all that it started; the answer comes when it has ended."""
    folder = folder_of(root, job)
    order = read(os.path.join(folder, "order.json"))
    found = None if order is None else read(os.path.join(folder, "state.json"))
    if order is None or (found and found["state"] in ENDED):
        return poll(root, job)
    write(os.path.join(folder, "cancel"), {"at": now()})
    limit = time.monotonic() + order["grace"] + START_SECONDS
    while True:
        answer = poll(root, job)
        state = read(os.path.join(folder, "state.json"))
        if answer is None or answer["state"] in ENDED or time.monotonic() > limit:
            return answer
        if state:
            send(state["supervisor"], signal.SIGTERM)
        time.sleep(0.05)


def logs(root: str, job: str, offset: int) -> tuple[int, bytes] | None:
    """(where the next piece begins, bytes from `offset` on); None for an unknown job."""
    folder = folder_of(root, job)
    if not os.path.exists(os.path.join(folder, "order.json")):
        return None
    said, there = b"", offset
    for start_at in pieces(folder):
        try:
            with open(os.path.join(folder, f"output-{start_at}"), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if start_at + size <= there:
                    continue
                if start_at > there:
                    said += b"\n[%d bytes were left out here]\n" % (start_at - there)
                    there = start_at
                file.seek(there - start_at)
                data = file.read(READ)
        except FileNotFoundError:
            continue  # cut in this moment
        return there + len(data), said + data
    return there, b""


def tidy(root: str, keep: int) -> None:
    """Delete the folders of ended jobs, but for the `keep` latest."""
    root = os.path.expanduser(root)
    ended: list[tuple[str, str]] = []
    folders = [one.name for one in os.scandir(root) if one.is_dir()] if os.path.isdir(root) else []
    for name in folders if len(folders) > keep + SURPLUS else []:
        state = read(os.path.join(root, name, "state.json")) if ID.match(name) else None
        if state is not None and state["state"] in ENDED:
            ended.append((state.get("ended_at") or "", name))
    for _, name in sorted(ended, reverse=True)[keep:]:
        shutil.rmtree(os.path.join(root, name), ignore_errors=True)


def start(folder: str) -> None:
    """Start the supervisor, detached, and wait until it has started the command."""
    package = os.path.dirname(os.path.abspath(__file__))
    archive = os.path.dirname(os.path.dirname(package))
    program = archive if os.path.isfile(archive) else os.path.join(package, "job_supervisor.py")
    line = [sys.executable, "-I", "-S", program, "detach", *os.path.split(folder)]
    with contextlib.suppress(subprocess.TimeoutExpired):  # a full disk: it goes on trying
        subprocess.run(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, cwd="/", timeout=START_SECONDS
        )
