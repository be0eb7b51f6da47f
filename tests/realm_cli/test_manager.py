"""Plugins of third parties, real distributions in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import Run
from realm_cli.realm import Realm
from realm_cli_plugins import Site

COMMAND = """
    @hookimpl
    def realm_commands():
        return [Part("{name}", "{target}", "A verb of a third party.")]
"""
VERB = """
    import click
    @click.command()
    def verb():
        click.echo("third party speaking")
"""


@pytest.fixture
def site(tmp_path: Path, realm: Realm) -> Site:
    return Site(tmp_path / "site", realm)


def test_a_third_party_s_plugin_is_an_equal(site: Site) -> None:
    hooks = COMMAND.format(name="quest sing", target="third:verb") + (
        '\n    @hookimpl\n    def realm_skills():\n        return [Part("song", "third_skill:Song", "Songs.")]\n'
    )
    skill = """
        class Song:
            id, max_level = "song", 3
            def space(self, level): return None
    """
    site.install("third", hooks, third=VERB, third_skill=skill)
    site.configure_skill("song", 3)
    assert site.run("quest", "sing").out == "third party speaking\n"
    assert "A verb of a third party." in site.run("quest", "--help").out
    status = site.run("status", "--json")
    assert status.json["skills"]["song"]["closed"] is False
    assert "song, level 1 of 3 in training" in site.run("status").out
    (row,) = [row for row in site.run("plugins", "list", "--json").json if row["name"] == "third"]
    assert {key: row[key] for key in ("name", "version", "enabled", "error")} == {
        "name": "third", "version": "1.2", "enabled": True, "error": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "hooks",
    [
        "raise ValueError('own fault')",
        "import does_not_exist",
        "import sys; sys.exit(9)",
        "@hookimpl\ndef realm_no_such_hook(): pass",
        "@hookimpl\ndef realm_commands(): raise ValueError('own fault')",
        "@hookimpl\ndef realm_commands(): return None",
        "@hookimpl\ndef realm_commands(): return ['not a part']",
    ],
)
def test_a_broken_plugin_is_named_and_stops_nothing(site: Site, hooks: str) -> None:
    site.install("broken", hooks)
    ran = site.run("plugins", "list", "--json")
    (row,) = [row for row in ran.json if row["name"] == "broken"]
    assert row["error"]
    assert ran.err.count("plugin 'broken'") == 1
    assert "Traceback" not in ran.err
    assert [row["name"] for row in ran.json if row["error"]] == ["broken"]
    assert site.run("skill", "list").code == 0


def test_a_name_offered_twice_is_used_by_neither(site: Site) -> None:
    site.install("one", COMMAND.format(name="dance", target="verbs:verb"), verbs=VERB)
    site.install("two", COMMAND.format(name="dance", target="verbs:verb"))
    ran = site.run("dance")
    assert ran.code == 2
    assert "offered by the plugins" in ran.err
    assert "'one'" in ran.err
    assert "'two'" in ran.err
    assert "third party speaking" not in ran.out


def test_two_plugins_of_one_name_are_both_left_out(site: Site) -> None:
    site.install("same", COMMAND.format(name="dance", target="verbs:verb"), module="first", verbs=VERB)
    site.install("same", COMMAND.format(name="prance", target="verbs:verb"), module="second")
    rows = [row for row in site.run("plugins", "list", "--json").json if row["name"] == "same"]
    assert len(rows) == 2
    assert all("first, second" in row["error"] or "second, first" in row["error"] for row in rows)
    assert site.run("dance").code == site.run("prance").code == 2


def test_a_command_of_the_core_cannot_be_taken(site: Site) -> None:
    site.install("thief", COMMAND.format(name="quest list", target="verbs:verb"), verbs=VERB)
    assert "third party" not in site.run("quest", "list").out
    ran = site.run("quest", "--help")
    assert "A verb of a third party." not in ran.out
    assert ran.err.count("the command 'quest list' is the core's") == 1


@pytest.mark.parametrize("target", ["nowhere:verb", "verbs:nothing", "verbs:number", "failing:verb"])
def test_a_command_that_cannot_be_loaded_fails_alone(site: Site, target: str) -> None:
    site.install("lazy", COMMAND.format(name="dance", target=target), verbs="number = 3", failing="1 / 0")
    ran = site.run("dance")
    assert ran.code == 1
    assert f"the command 'dance' cannot be loaded ({target})" in ran.err
    assert "hint: mend or disable its plugin: realm plugins list" in ran.err
    assert "Traceback" not in ran.err
    assert site.run("status").code == site.run("--help").code == 0


def test_a_broken_skill_does_not_hide_the_status(site: Site) -> None:
    site.install("sad", '@hookimpl\ndef realm_skills(): return [Part("sad", "nowhere:Sad")]')
    site.configure_skill("sad", 3)
    ran = site.run("status", "--json")
    assert (ran.code, list(ran.json["skills"])) == (0, ["bin", "sy"])
    assert "skill 'sad'" in ran.err


def test_disabling_keeps_the_comments_and_takes_the_plugin_out(site: Site, realm: Realm) -> None:
    site.install("third", COMMAND.format(name="dance", target="verbs:verb"), verbs=VERB)
    before = realm.config_file.read_text()
    assert site.run("plugins", "disable", "third").code == 0
    assert site.run("dance").code == 2
    (row,) = [row for row in site.run("plugins", "list", "--json").json if row["name"] == "third"]
    assert (row["enabled"], row["error"]) == (False, None)
    comments = [line for line in before.splitlines() if "#" in line]
    assert [line for line in realm.config_file.read_text().splitlines() if "#" in line] == comments
    assert site.run("plugins", "disable", "third").out == "third is disabled already\n"
    assert site.run("plugins", "enable", "third").code == 0
    assert site.run("plugins", "enable", "third").out == "third is enabled already\n"
    assert site.run("dance").out == "third party speaking\n"


def test_an_unknown_plugin_is_not_found(run: Run) -> None:
    ran = run("plugins", "disable", "arenna")
    assert ran.code == 4
    assert "did you mean 'arena'?" in ran.err


def test_plugins_are_listed_without_a_realm(run: Run, tmp_path: Path) -> None:
    ran = run("plugins", "list", "--json", realm=None, cwd=tmp_path)
    assert {"arena", "bin", "guild"} <= {row["name"] for row in ran.json}
