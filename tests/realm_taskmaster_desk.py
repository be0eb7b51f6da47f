"""Tasks of a third party's plugin, and the task master as a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import yaml

from helpers import PATIENCE, Ran, environment, realm_line, wait_for
from realm_cli import services
from realm_cli.realm import Realm
from realm_cli.task_config import tasks_file
from realm_cli_plugins import Site

HOOKS = """
from realm_cli.tasks import Task
import tasks_at_work

@hookimpl
def realm_tasks():
    return [Part(name, f"tasks_at_work:{name}") for name in tasks_at_work.NAMES]
"""
WORK = """
import os, signal, subprocess, sys, time
from realm_cli.tasks import Task

def note(realm, name):
    with open(realm.root / f"{name}.txt", "a") as file:
        file.write(f"{os.getpid()}\\n")

def work(realm, manager):
    note(realm, "work")
    return "worked"

def waiting(realm, manager):
    note(realm, "waits")
    while not (realm.root / "go").exists():
        time.sleep(0.02)
    return "waited"

def failing(realm, manager):
    raise ValueError("this does not work")

def hanging(realm, manager):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", child])
    other = subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
    (realm.root / "children.txt").write_text(f"{os.getpid()} {process.pid} {other.pid}")
    time.sleep(600)

def flooding(realm, manager):
    for _ in range(4000):
        sys.stdout.write("x" * 999 + "\\n")
    return "flooded"

def task(name, run, gpu="none", estimate_s=100, priority=1):
    return Task(id=name, title=name, priority=priority, gpu=gpu, estimate_s=estimate_s, cooldown_s=3600, run=run)

NAMES = ["work", "waits", "fails", "hangs", "floods", "thinks"]
work = task("work", work, priority=50)
waits = task("waits", waiting, priority=40)
fails = task("fails", failing)
hangs = task("hangs", hanging, estimate_s=0.7)
floods = task("floods", flooding)
thinks = task("thinks", lambda realm, manager: f"on {os.environ.get('CUDA_VISIBLE_DEVICES')}", gpu="inference", priority=60)
"""


class Master:
    """A real `realm task daemon`, and what its API says."""

    def __init__(self, realm: Realm, env: dict[str, str], *args: str) -> None:
        self.realm = realm
        self.log = realm.root / "task-master.txt"
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                realm_line("task", "daemon", "--port", "0", "--interval", "600", *args, realm=realm),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, start_new_session=True,
            )  # fmt: skip

    @property
    def url(self) -> str:
        found: str = wait_for(self._announced, f"the task master to open: {self.log.read_text()}")
        return found

    def _announced(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()
        found = services.running(self.realm, "taskmaster")
        return found.url if found is not None and found.process.pid == self.process.pid else None

    def call(self, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        """GET, or POST with a body."""
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.url + path, data, headers), timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error)

    def kill(self, number: int = signal.SIGKILL) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)


def desk_of(realm: Realm, folder: Path) -> Desk:
    """A realm with the tasks above."""
    site = Site(folder, realm)
    site.install("work", HOOKS, tasks_at_work=WORK)
    return Desk(realm, site)


class Desk:
    """A realm where only these tasks are enabled, and the processes that work on it."""

    def __init__(self, realm: Realm, site: Site) -> None:
        self.realm = realm
        self.site = site
        self.env = environment()
        self.masters: list[Master] = []
        self.enable()

    def enable(self, *names: str, **settings: Any) -> None:
        """These tasks alone, and further keys of tasks.yaml."""
        offered = {task["id"] for task in self.run("task", "list", "--json").json}
        tasks = {name: {"enabled": name in names} for name in sorted(offered)}
        tasks_file(self.realm).write_text(yaml.safe_dump({"tasks": tasks, **settings}))

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.site.folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        return {**self.env, "PYTHONPATH": path}

    def run(self, *args: object) -> Ran:
        done = subprocess.run(
            realm_line(*args, realm=self.realm), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE, env=self.environment(), check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    def master(self, *args: str) -> Master:
        self.masters.append(Master(self.realm, self.environment(), *args))
        return self.masters[-1]

    def reasons(self) -> dict[str, str]:
        return {task["id"]: task["reason"] for task in self.run("task", "list", "--json").json}

    def pids(self, name: str) -> list[int]:
        """The processes that did a task."""
        path = self.realm.root / f"{name}.txt"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def let_go(self) -> None:
        """`waits` may end."""
        (self.realm.root / "go").touch()
