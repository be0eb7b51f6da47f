"""A new skill is a YAML and a server, and no code here: it is begun from the template, trained on and examined."""

from __future__ import annotations

import pytest

from helpers import BattleProcess, Run
from realm_cli import skillbook
from realm_cli.errors import FormatError
from realm_cli.ledger import Ledger
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_http_skill.new_command import begin
from realm_http_skill_server import TinyServer


def test_the_template_is_copied_with_id_name_and_address_filled_in(realm: Realm, run: Run) -> None:
    done = run("skill", "new", "word-play", "--api", "http://box:8100")

    path = realm.skills / "word-play.yaml"
    template = (realm.skills / "_template.yaml").read_text().splitlines()
    written = path.read_text().splitlines()
    config = skillbook.load_config(realm, "word-play")
    changed = [after for before, after in zip(template[1:], written, strict=True) if before != after]
    assert (done.code, done.out.strip()) == (0, str(path))
    assert (config.id, config.name, config.api, config.judge) == ("word-play", "Word Play", "http://box:8100", "exact")
    assert [line.split(":")[0] for line in changed] == ["id", "name", "api"]
    assert all("  # " in line for line in changed)


@pytest.mark.parametrize("skill", ["null", "on", "123", "1e3", "2026-01-01"])
def test_an_id_that_yaml_would_take_for_something_else_is_quoted(realm: Realm, skill: str) -> None:
    begin(realm, skill, None)

    assert skillbook.load_config(realm, skill).id == skill


def test_it_prints_the_id_alone_when_quiet(run: Run) -> None:
    assert run("skill", "new", "dance", "-q").out == "dance\n"


def test_a_skill_that_a_plugin_offers_needs_nothing_filled_in(realm: Realm, run: Run) -> None:
    path = realm.skills / "sy.yaml"
    path.unlink()

    done = run("skill", "new", "sy")

    config = skillbook.load_config(realm, "sy")
    assert (done.code, done.out.strip()) == (0, str(path))
    assert done.err == "look: realm skill sample sy --level 1\n"
    assert (config.id, config.name, config.plugin, config.api, config.max_level) == ("sy", "Sy", "sy", None, 50)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (("bin",), 3, "there is a skill 'bin' already"),
        (("Dance",), 2, "'Dance' cannot be a skill's id"),
        (("../dance",), 2, "cannot be a skill's id"),
        (("_template",), 2, "cannot be a skill's id"),
        (("binary",), 2, "'binary' is another name of 'bin'"),
        (("dance", "--api", "box:8100"), 2, "'box:8100' is no address of a skill server"),
        (("dance", "--api", "http://x\nplugin: y"), 2, "is no address of a skill server"),
    ],
)
def test_what_cannot_be_begun_is_refused_and_leaves_nothing(
    realm: Realm, run: Run, line: tuple[str, ...], code: int, said: str
) -> None:
    before = {path: path.read_text() for path in realm.skills.iterdir()}

    refused = run("skill", "new", *line)

    assert refused.code == code
    assert said in refused.err
    assert {path: path.read_text() for path in realm.skills.iterdir()} == before


def test_a_template_that_lost_a_line_is_named(realm: Realm) -> None:
    template = realm.skills / "_template.yaml"
    template.write_text(template.read_text().replace("name:", "#name:"))

    with pytest.raises(FormatError, match="it has no line `name:`"):
        begin(realm, "dance", None)


def test_a_skill_is_added_by_yaml_and_a_server_alone_and_the_hero_trains_on_it_and_is_examined(
    realm: Realm, run: Run, tiny: TinyServer
) -> None:
    assert run("skill", "new", "double", "--api", tiny.url, "-q").code == 0
    path = realm.skills / "double.yaml"
    text = path.read_text().replace("max_level: 10", "max_level: 3").replace("  10: mastery\n", "")
    path.write_text(text.replace("judge: exact", "judge: number").replace("size: 50", "size: 10"))

    forged = run("quest", "forge", "--skill", "double", "--level", "1", "--count", "64", "-q")
    assert forged.code == 0, forged.err
    assert BattleProcess(realm, "--until-empty").wait() == 0
    record = Board(realm).record(forged.out.strip())
    ledger = Ledger(realm).get_latest()
    assert (record.outcome, record.skill, record.level, record.samples) == ("completed", "double", 1, 64)
    assert (ledger.skill_name, ledger.step > 0) == ("double", True)
    shown = run("skill", "history", "double", "--json").json
    assert [(one["level"], one["size"], one["state"]) for one in shown] == [(1, 10, "ok")]

    tiny.kill()  # the set is on disk, and the YAML names the judge
    examined = run("skill", "eval", "double", "--checkpoint", "0", "--json")
    assert (examined.code, examined.json[0]["size"], examined.json[0]["state"]) == (0, 10, "ok")
