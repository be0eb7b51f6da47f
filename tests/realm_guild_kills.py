"""A kill of the guild before every single change of the disk, and what must be the same after the next start."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from helpers import PATIENCE, environment
from realm_cli.realm import Realm

_HARNESS = """
import json, os, shutil, signal, sys
from pathlib import Path
from realm_cli import intake
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_guild_heroes import FakeBattle, story

model, place, work = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
CHANGES = {"os.rename", "os.remove", "os.link", "os.mkdir"}
manager = Manager.of(Realm(model))
left = None

def watch(event, args):
    global left
    writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
    if left is not None and (event in CHANGES or writes):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

def begun(root):
    global realm, battle
    realm = Realm(root)
    battle = FakeBattle(realm, manager)

def at_work():
    exec(work)

def next_start():
    # What a battle does first: the inbox, the board, the checkpoint that it stands at.
    begun(root)
    Board(realm).mend(battle.hero)
    intake.take_inbox(realm, manager)
    at_work()

sys.addaudithook(watch)
n = 0
while True:
    root = place / str(n)
    shutil.copytree(model, root, symlinks=True)
    child = os.fork()
    if not child:
        begun(root)
        left = n
        at_work()
        os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    next_start()
    print(json.dumps({"killed": killed, **story(realm)}))
    shutil.rmtree(root)
    if not killed:
        break
    n += 1
"""


def at_every_change(realm: Realm, tmp_path: Path, work: str) -> list[dict[str, Any]]:
    """The guild's story after a kill at each change that `work` makes and a next start; last the run without a kill."""
    base = tmp_path / "base"
    (realm.models / "base").rename(base)
    (realm.models / "base").symlink_to(base)
    memory = Path("/dev/shm")  # where there is nothing to wait for
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as place:
        done = subprocess.run(
            [sys.executable, "-c", _HARNESS, str(realm.root), place, work], capture_output=True, text=True,
            env={**environment(), "PYTHONPATH": str(Path(__file__).parent), "TMPDIR": place},
            timeout=2 * PATIENCE, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_all_equal(stories: list[dict[str, Any]], at_least: int) -> None:
    """Every story with a kill in it is the one without."""
    expected = stories[-1]
    assert (expected.pop("killed"), len(stories) > at_least) == (False, True), len(stories)
    for number, seen in enumerate(stories[:-1]):
        assert seen.pop("killed"), number
        for name, value in expected.items():
            assert seen[name] == value, (number, name)
