"""A third party's skill in a package of its own, installed by pip, is played to a level-up; the core knows nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import PATIENCE, Ran, environment, realm_line
from realm_cli import journal, skillstate
from realm_cli.realm import Realm
from realm_guild_heroes import HERO, entries, events, set_yaml

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "parrot-skill"
version = "0.3"

[project.entry-points.realm]
parrot = "parrot_skill.hooks"

[tool.hatch.build.targets.wheel]
packages = ["parrot_skill"]
"""
HOOKS = '''
"""What this plugin offers."""

from realm_cli.hookspecs import hookimpl
from realm_cli.parts import Part


@hookimpl
def realm_skills():
    return [Part("parrot", "parrot_skill.skill:Parrot", "Say it again.")]
'''
SKILL = '''
"""Parrot: repeat a digit."""

from realm_cli.skills import Problem, Verdict


class Parrot:
    id = "parrot"
    max_level = 2

    def problem(self, level, rng):
        digit = str(rng.randrange(2 * level))
        return Problem(f"say {digit}", digit, digit)

    def judge(self, problem, reply):
        said = reply.strip()
        return Verdict(said == problem.answer, said, f"{said!r} was said")

    def space(self, level):
        return 2 * level
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which pip has installed the package."""
    folder = tmp_path_factory.mktemp("third-party")
    package = folder / "source" / "parrot_skill"
    package.mkdir(parents=True)
    (folder / "source" / "pyproject.toml").write_text(PYPROJECT)
    for name, text in (("__init__", '"""Parrot."""\n'), ("hooks", HOOKS), ("skill", SKILL)):
        (package / f"{name}.py").write_text(text.lstrip())
    command = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-index", "--quiet"]
    command += ["--disable-pip-version-check", "--target", str(folder / "site"), str(folder / "source")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture
def prepared(realm: Realm) -> Realm:
    """The realm with the skill's YAML: the template, copied and filled in."""
    text = (realm.skills / "_template.yaml").read_text("utf-8")
    kept = [line for line in text.splitlines() if not line.startswith(("api:", "judge:", "# plugin:"))]
    path = realm.skills / "parrot.yaml"
    path.write_text("\n".join([*kept, "plugin: parrot", ""]), "utf-8")
    for old, new in (
        ("id: my_skill", "id: parrot"), ("name: My Skill", "name: Parrot"), ("max_level: 10", "max_level: 2"),
        ("  10: mastery", "  2: mastery"), ("samples: {1: 2000}", "samples: {1: 320}"),
    ):  # fmt: skip
        set_yaml(path, old, new)
    set_yaml(realm.config_file, "skills: {}", "skills: [parrot]")
    return Realm(realm.root)


def ran(realm: Realm, site: Path, *args: object) -> Ran:
    """One real `realm` line with the package installed."""
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        realm_line(*args, realm=realm), capture_output=True, text=True, env={**environment(), "PYTHONPATH": path},
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def test_it_is_played_to_a_level_up(prepared: Realm, site: Path) -> None:
    (plugin,) = [row for row in ran(prepared, site, "plugins", "list", "--json").json if row["name"] == "parrot"]
    assert (plugin["version"], plugin["distribution"], plugin["error"]) == ("0.3", "parrot-skill", None)
    listed = {row["id"]: row for row in ran(prepared, site, "skill", "list", "--json").json}
    assert (listed["parrot"]["closed_levels"], listed["parrot"]["error"]) == ([1, 2], "")

    battle = ran(prepared, site, "battle", "start", "--forge", "--until", "parrot=2")
    assert battle.code == 0, battle.err
    assert "the goal is reached: parrot is at level 2" in (prepared.training_status).read_text()

    state = skillstate.read(prepared, HERO, "parrot")
    assert state is not None
    (mastery,) = state.mastered
    assert (state.level, mastery.level, len(set(mastery.steps))) == (2, 1, 3)
    assert mastery.accuracy >= 0.8
    assert [entry["facts"]["skill"] for entry in entries(prepared, "skill_level")] == ["parrot"]
    assert [facts["level"] for facts in events(prepared, "skill_level_up")] == [1]
    assert [facts["step"] for facts in events(prepared, "new_champion")] == [mastery.step]
    assert skillstate.met(prepared, HERO) == ["parrot"]
    assert journal.count_completed(prepared.journal) == state.forged

    status = ran(prepared, site, "status", "--json").json["skills"]["parrot"]
    assert (status["level"], status["closed"]) == (2, True)
    evals = ran(prepared, site, "skill", "eval", "parrot", "--level", "1", "--json").json
    assert [(row["size"], row["state"]) for row in evals] == [(2, "ok")]
    assert ran(prepared, site, "champion", "show", "--json").json["evals"]["parrot"]["1"] >= 0.8


def test_without_the_package_it_is_said_what_is_missing(prepared: Realm, site: Path, tmp_path: Path) -> None:
    listed = ran(prepared, tmp_path, "skill", "list")
    assert listed.code == 0
    assert "skill 'parrot' cannot be used" in listed.err
    shown = ran(prepared, tmp_path, "skill", "show", "parrot")
    assert shown.code == 4
    assert "there is no skill 'parrot'" in shown.err
