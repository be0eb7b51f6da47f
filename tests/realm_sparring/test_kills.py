"""SIGKILL of a sparring before every single change of the disk, and of a real `realm spar run`."""

from __future__ import annotations

import functools
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers import PATIENCE, Run, environment, realm_line, wait_for
from realm_cli import skillstate
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_sparring import sources
from realm_sparring.validating import check_file

HARNESS = """
import json, os, shutil, signal, sys
from pathlib import Path
from realm_cli import intake, skillstate, store
from realm_cli import skillstate
from realm_cli.manager import Manager
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_sparring import history, sources, sparring, tasks
from realm_sparring_heroes import Said, fought, wrong

model, place = Path(sys.argv[1]), Path(sys.argv[2])
CHANGES = {"os.rename", "os.remove", "os.link", "os.mkdir"}
left = None

def watch(event, args):
    global left
    writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
    if left is not None and (event in CHANGES or writes):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

def work(realm):
    # As the task master does: what was sparred already is not sparred again.
    return tasks.idle(realm, "bin", 10) or fought(realm, Said(realm, wrong))

sys.addaudithook(watch)
n = 0
while True:
    root = place / str(n)
    shutil.copytree(model, root, symlinks=True)
    child = os.fork()
    if not child:
        left = n
        work(Realm(root))
        os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    realm = Realm(root)
    Board(realm).mend()
    intake.take_inbox(realm, Manager.of(realm))
    work(realm)
    sparring.mend(realm, sources.ever_queued(realm, "dio-mini"), 100)  # as every sparring does
    board = Board(realm)
    print(json.dumps({
        "killed": killed,
        "queued": [(file.id, board.record(file.id).source, store.sha256_file(file.path)) for file in board.files("high")],
        "all": sorted(record.id for record in board.records()),
        "runs": [(run.number, run.count, run.rows, run.quest) for run in skillstate.sparrings(realm).runs],
        "intake": sorted(os.listdir(realm.intake)),
    }))
    shutil.rmtree(root)
    if not killed:
        break
    n += 1
"""


def test_a_sparring_killed_at_every_change_is_one_quest_in_the_end(realm: Realm, tmp_path: Path) -> None:
    for folder in ("models", "data"):  # nothing of it is changed
        (realm.root / folder).rename(tmp_path / folder)
        (realm.root / folder).symlink_to(tmp_path / folder)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as place:
        done = subprocess.run(
            [sys.executable, "-c", HARNESS, str(realm.root), place], capture_output=True, text=True,
            env={**environment(), "PYTHONPATH": str(Path(__file__).parents[1]), "TMPDIR": place},
            timeout=2 * PATIENCE, check=False,
        )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    stories = [json.loads(line) for line in done.stdout.splitlines()]
    expected = {**stories[-1], "killed": True}
    assert len(stories) > 15
    assert (len(expected["queued"]), len(expected["runs"]), expected["intake"]) == (1, 1, [])
    for number, seen in enumerate(stories[:-1]):
        assert seen == expected, number


def it_loads_the_checkpoint(realm: Realm, process: subprocess.Popen[bytes]) -> bool:
    return any((realm.status / "leases").glob("*.json")) or process.poll() is not None


def it_queues(realm: Realm, process: subprocess.Popen[bytes]) -> bool:
    return any(realm.intake.iterdir()) or Board(realm).counts()["high"] > 0 or process.poll() is not None


def test_a_real_sparring_that_is_killed_leaves_a_whole_quest_or_none(run: Run, realm: Realm) -> None:
    calm = Realm(realm.root.with_name("calm"))
    shutil.copytree(realm.root, calm.root, symlinks=True)
    line = ("spar", "run", "--skill", "bin", "--count", "30", "--level", "5")
    assert run(*line, realm=calm).code == 0
    for reached in (it_loads_the_checkpoint, it_queues):
        process = subprocess.Popen(
            realm_line(*line, realm=realm), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(functools.partial(reached, realm, process), "the moment")
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=PATIENCE)
    if not skillstate.sparrings(realm).runs:  # else the last one was faster than the signal
        assert run(*line).code == 0
    (quest,) = skillstate.sparrings(realm).runs
    (file, _, source), (wanted, _, _) = *sources.waiting(realm), *sources.waiting(calm)
    assert (quest.quest, file.path.read_bytes()) == (file.id, wanted.path.read_bytes())
    assert check_file(realm, Manager.of(realm), file.path, source).findings == []
