"""Every task of the library becomes a skill, and the library is not imported for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import reasoning_gym

from helpers import PATIENCE, Run, environment
from realm_cli.discovery import version_of
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_gym import facts
from realm_gym.child import CHILD
from realm_gym.tasks import names, names_in
from realm_gym.wire import Request

ROOT = Path(__file__).parents[2]


def test_every_task_that_the_library_registers_is_a_skill() -> None:
    registered = CHILD.ask(Request(do="tasks")).tasks

    offered = [name for name in Manager.load().parts("realm_skills") if name.startswith("gym.")]
    assert len(registered) > 100
    assert offered == [f"gym.{task}" for task in registered]
    assert list(names_in(Path(reasoning_gym.__file__).parent)) == registered  # as for versions that were not checked


def test_the_version_that_was_checked_is_the_one_that_is_pinned() -> None:
    assert facts.shipped().library == version_of("reasoning-gym")
    assert facts.shipped().check == facts.CHECK
    assert tuple(facts.shipped().tasks) == names()


def test_the_skills_are_listed_without_importing_the_library(realm: Realm) -> None:
    code = "import sys; from realm_cli.main import entry\ntry: entry()\nfinally: print('reasoning_gym' in sys.modules)"
    for line in (["skill", "list"], ["skill", "list", "--all"], ["status"]):
        done = subprocess.run(
            [sys.executable, "-c", code, "--realm", str(realm.root), *line],
            capture_output=True, text=True, env=environment(), timeout=PATIENCE,
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == "False", done


def test_all_lists_what_is_enabled_what_is_not_and_what_cannot_be_used_and_why(realm: Realm, run: Run) -> None:
    assert run("skill", "new", "gym.count_bits", "-q").out == "gym.count_bits\n"

    rows = {row["id"]: row for row in run("skill", "list", "--all", "--json").json}
    said = run("skill", "list", "--all")

    assert [name for name in rows if not name.startswith("gym.")] == ["bin", "sy"]
    assert {name: rows[name]["state"] for name in ("bin", "sy", "gym.count_bits", "gym.base_conversion", "gym.boxnet")} == {
        "bin": "enabled", "sy": "locked", "gym.count_bits": "enabled", "gym.base_conversion": "not enabled",
        "gym.boxnet": "unusable",
    }  # fmt: skip
    assert (rows["gym.base_conversion"]["max_level"], rows["gym.base_conversion"]["category"]) == (5, "algorithmic")
    assert rows["gym.boxnet"]["error"].startswith("level 1: it gives no golden answer (reasoning-gym ")
    assert "gym.boxnet: level 1: it gives no golden answer" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert "realm skill new ID" in said.err
    assert "pip install" not in said.err  # the library is there


def test_without_the_library_nothing_is_offered_and_it_is_said_how_to_get_it(realm: Realm, tmp_path: Path) -> None:
    (realm.skills / "gym.ab.yaml").write_text("id: gym.ab\nname: Ab\nmax_level: 4\nplugin: gym.ab\n")
    folder = Path(next(place for place in sys.path if place.endswith("site-packages")))
    without = tmp_path / "without"
    without.mkdir()
    for path in folder.iterdir():
        if not path.name.startswith("reasoning_gym"):
            (without / path.name).symlink_to(path)
    paths = f"{without}:{ROOT}:{ROOT / 'plugins'}"

    def ran(*line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", "-m", "realm_cli", "--realm", str(realm.root), *line],
            capture_output=True, text=True, env={**environment(), "PYTHONPATH": paths}, timeout=PATIENCE,
        )  # fmt: skip

    listed, shown = ran("skill", "list", "--all"), ran("skill", "show", "gym.ab")

    assert (listed.returncode, "base_conversion" in listed.stdout) == (0, False), listed.stderr
    assert "plugin 'gym' has more where its library is installed: pip install \"realm-hero[gym]\"" in listed.stderr
    assert (shown.returncode, "there is no skill 'gym.ab' in any installed plugin" in shown.stderr) == (4, True)
    assert "realm skill list --all" in shown.stderr
