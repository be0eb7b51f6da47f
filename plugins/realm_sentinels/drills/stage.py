"""Where a drill plays: a small realm in a temporary folder, the steps that are told, the processes that are ended at the end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import yaml

from realm_cli import founding, intake, status, store, yamlfile
from realm_cli.errors import RealmError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.records import ProcessMark, TrainingStatus
from realm_sentinels import traces, victims
from realm_sentinels.drills import janitor

T = TypeVar("T")
HERO = "dio-mini"
SECONDS = 240.0
"""After so long something counts as not recovered; many times what it takes on an idle machine."""
LOOK_SECONDS = 0.05
SAVE_STEPS = 20
BATCH = 8


class NotRecoveredError(RealmError):
    """What was to recover did not."""


@dataclass
class Step:
    """One thing that was done and seen."""

    what: str
    evidence: str = ""
    ok: bool = True
    seconds: float = 0.0


class Stage:
    """A throw-away realm with the settings of a real one: its own hero, its own ports, the CPU."""

    def __init__(self, real: Realm, *, keep: bool, tell: Callable[[Step], None], **settings: dict[str, Any]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="realm-drill-"))
        self._janitor = janitor.begin(self.folder)
        self.steps: list[Step] = []
        self._keep = keep
        self._tell = tell
        self._started: list[subprocess.Popen[bytes]] = []
        self.closing: list[Callable[[], None]] = []
        """What is to be done at the end, the last first."""
        try:
            self.realm = _found(real, self.folder / "realm", settings)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            janitor.dismiss(self._janitor)
            raise

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for process in self._started:
            self.end(process)
        janitor.end_all(self.folder)
        for close in reversed(self.closing):
            close()
        if not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        janitor.dismiss(self._janitor)

    # -- telling ---------------------------------------------------------------------------------------------------

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """Do one thing; its evidence is put into what is given."""
        step = Step(what)
        begun = time.monotonic()
        try:
            yield step
        except RealmError as error:
            step.ok, step.evidence = False, error.message
            raise
        finally:
            step.seconds = round(time.monotonic() - begun, 1)
            self.steps.append(step)
            self._tell(step)

    @staticmethod
    def wait_for(condition: Callable[[], T | None], what: str, seconds: float = SECONDS) -> T:
        """What `condition` gives, once it is something true. Raises `NotRecoveredError`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            time.sleep(LOOK_SECONDS)
        raise NotRecoveredError(f"waited {seconds:.0f} s in vain: {what}")

    # -- acting ----------------------------------------------------------------------------------------------------

    def add_quest(self, rows: int) -> None:
        """Queue a quest of so many different rows."""
        file = self.folder / f"drill-{rows}.jsonl"
        chat = '{{"messages": [{{"role": "user", "content": "say {0}"}}, {{"role": "assistant", "content": "{0} it is"}}]}}\n'
        store.write_atomic(file, "".join(chat.format(number) for number in range(rows)).encode())
        intake.add_files(self.realm, Manager.of(self.realm), [file])

    def line(self, *words: str, realm: Realm | None = None) -> list[str]:
        """The argument list of `realm WORDS` in the throw-away realm."""
        return [sys.executable, "-m", "realm_cli", "--realm", str((realm or self.realm).root), *words]

    def start(self, line: Sequence[str], *, name: str) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own; it is ended with the drill."""
        with open(self.output(name), "ab") as output:
            process = subprocess.Popen(
                list(line), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environment(),
                start_new_session=True,
            )  # fmt: skip
        self._started.append(process)
        return process

    def environment(self) -> dict[str, str]:
        """That of this process, without anything that leads to another realm, and with the drill's mark."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("REALM_")}
        return {**kept, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", janitor.MARK: str(self.folder)}

    def output(self, name: str) -> Path:
        """Where a program says what it says."""
        return self.folder / f"{name}.txt"

    def finish(self, line: Sequence[str], *, name: str) -> None:
        """Run a program to its end. Raises `NotRecoveredError` when it fails."""
        process = self.start(line, name=name)
        self.wait_for(lambda: process.poll() is not None, f"the end of {name}")
        if process.returncode:
            said = traces.tail(self.output(name), 2000).strip().splitlines()
            raise NotRecoveredError(f"{name} ended with {process.returncode}: {said[-1] if said else 'without a word'}")

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a program of ours with all of its session."""
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    # -- the battle ------------------------------------------------------------------------------------------------

    def fighting(self, pid: int | None = None, step: int = 1, realm: Realm | None = None) -> TrainingStatus:
        """Wait until a battle trains at `step` or later: that of `pid`, else any."""

        def seen() -> TrainingStatus | None:
            found = status.read(realm or self.realm)
            mark = status.battle_process(realm or self.realm)
            if found is None or mark is None or pid not in (None, mark.pid):
                return None
            return found if found.state == "training" and found.step >= step else None

        return self.wait_for(seen, f"a battle that trains at step {step}")


def _found(real: Realm, root: Path, settings: dict[str, dict[str, Any]]) -> Realm:
    """Only `realm.yaml` comes from the real realm: no zone, host, service or herald of it is ever reached."""
    (root / "configs").mkdir(parents=True)
    data, _ = yamlfile.read(real.config_file)
    data = dict(data or {})
    own: dict[str, dict[str, Any]] = {
        "training": {
            "device": "cpu", "threads": 1, "save_steps": SAVE_STEPS, "save_minutes": 60, "reserve_mb": 1,
            "yield_gpu": False, "max_celsius": None, "held_out": "data/validation/held_out.jsonl",
        },
        "board": {"settle_seconds": 0}, "web": {"host": "127.0.0.1", "names": []}, "tavern": {"port": 0},
        "oracle": {"port": 0, "servers": {}, "load_on_request": False}, **settings,
    }  # fmt: skip
    data["hero"] = HERO
    for section, values in own.items():
        data[section] = {**(data.get(section) or {}), **values}
    store.write_atomic(root / "configs" / "realm.yaml", yaml.safe_dump(data).encode())
    realm, _ = founding.found(root)
    text = realm.hero_file(HERO).read_text(encoding="utf-8")
    lines = [f"  batch_samples: {BATCH}" if line.startswith("  batch_samples:") else line for line in text.splitlines()]
    store.write_atomic(realm.hero_file(HERO), ("\n".join(lines) + "\n").encode())
    return Realm(root)


def send(mark: ProcessMark, number: int) -> None:
    """Signal exactly that process. Raises `NotRecoveredError` when it is gone."""
    victim = victims.hold(mark)
    if victim is None:
        raise NotRecoveredError(f"the process {mark.pid} has ended before anything was done to it")
    with victim:
        victim.send(number)
