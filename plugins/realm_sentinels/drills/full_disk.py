"""The disk gets full under a battle; it waits, and goes on when there is room."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from realm_cli import status
from realm_cli.errors import RefusedError
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_sentinels.drills.stage import NotRecoveredError, Stage

PLAN = (
    "found a small realm on a disk of 60 MB (a tmpfs in a mount namespace of its own)",
    "start its battle, and fill the disk to the last byte",
    "the battle waits and says why",
    "make room: it goes on and trains the quest to its end",
)
MEGABYTES = 60
ROWS = 800


class Disk:
    """A tmpfs that only the programs entered into its namespace see as mounted; from outside it is reached by /proc."""

    def __init__(self, stage: Stage) -> None:
        self.inside = stage.folder / "disk"
        self.inside.mkdir()
        # Whoever is not root makes a user namespace first, where the system lets people do so.
        self._user = [] if os.getuid() == 0 else ["-U", "-r"]
        mount = 'mount -t tmpfs -o size="$1"m none "$2" && echo mounted && exec sleep 3600'
        line = ["unshare", *self._user, "-m", "sh", "-c", mount, "sh", str(MEGABYTES), str(self.inside)]
        try:
            self._keeper = subprocess.Popen(
                line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=stage.environment()
            )
        except FileNotFoundError as error:
            raise RefusedError("unshare is not installed", "install util-linux") from error
        assert self._keeper.stdout is not None
        assert self._keeper.stderr is not None
        if self._keeper.stdout.readline() != "mounted\n":
            said = self._keeper.stderr.read().strip()
            self.close()
            raise RefusedError(
                f"a file system of its own cannot be made here: {said}",
                "be root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)",
            )
        self.outside = Path(f"/proc/{self._keeper.pid}/root") / self.inside.relative_to("/")

    def entered(self, line: list[str]) -> list[str]:
        """The line of a program that runs where the disk is mounted."""
        user = ["-U", "--preserve-credentials"] if self._user else []
        return ["nsenter", *user, "-m", "-t", str(self._keeper.pid), *line]

    def fill(self) -> int:
        """Leave no byte free; how many were."""
        written = 0
        with open(self.outside / "filler", "wb", buffering=0) as file, suppress(OSError):
            while True:
                written += file.write(b"x" * 4096) or 0
        return written

    def free(self) -> None:
        """Give back what `fill` took."""
        (self.outside / "filler").unlink()

    def close(self) -> None:
        """Let the disk go with all on it."""
        self._keeper.kill()
        self._keeper.wait()
        for pipe in (self._keeper.stdout, self._keeper.stderr):
            if pipe is not None:
                pipe.close()


def play(stage: Stage) -> None:
    """The whole drill. Raises `RealmError` when it did not recover."""
    with stage.step("a realm on a small disk") as seen:
        stage.add_quest(ROWS)
        disk = Disk(stage)
        stage.closing.append(disk.close)
        copied = subprocess.run(disk.entered(["cp", "-a", str(stage.realm.root), str(disk.inside)]), check=False)
        realm = Realm(disk.outside / stage.realm.root.name)
        if copied.returncode or not realm.config_file.is_file():
            raise NotRecoveredError("the realm could not be copied to the small disk")
        seen.evidence = f"{MEGABYTES} MB tmpfs at {disk.inside}"
    with stage.step("its battle trains, and the disk gets full") as seen:
        words = stage.line("battle", "start", "--until-empty", realm=Realm(disk.inside / stage.realm.root.name))
        battle = stage.start(disk.entered(words), name="battle")
        training = stage.fighting(battle.pid, realm=realm)
        taken = disk.fill()
        seen.evidence = f"step {training.step}; the last {taken:,} bytes were taken"
    with stage.step("the battle waits and says why") as seen:
        seen.evidence = stage.wait_for(lambda: _waits(stage, battle), "the battle to wait")
    with stage.step("there is room again, and it trains to the end") as seen:
        disk.free()
        stage.wait_for(lambda: battle.poll() is not None, "the end of the battle")
        found = status.read(realm)
        if battle.returncode or found is None:
            raise NotRecoveredError(f"the battle ended with {battle.returncode}: {found.reason if found else ''}")
        seen.evidence = f"{found.reason} at step {Ledger(realm).get_latest().step}, no step was lost"


def _waits(stage: Stage, battle: subprocess.Popen[bytes]) -> str:
    """What it says of its waiting: on the terminal, as the full disk takes its status as well."""
    if battle.poll() is not None:
        ended = signal.Signals(-battle.returncode).name if battle.returncode < 0 else str(battle.returncode)
        raise NotRecoveredError(f"the battle ended ({ended}) instead of waiting")
    lines = stage.output("battle").read_text(errors="replace").splitlines()
    return next((line for line in lines if "the battle waits" in line), "")
