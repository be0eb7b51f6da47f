"""`realm skill schedule`: what is shown, what is written into realm.yaml, and that looking changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers import Ran
from realm_cli import configedit, curriculum, skillstate, yamlfile
from realm_cli.config import CurriculumConfig, RealmConfig, SkillPlan
from realm_cli.errors import FormatError, UsageError
from realm_cli.main import main
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.skill_records import SkillState
from realm_guild import presets, standing
from realm_guild.tasks import FORGE
from realm_guild_heroes import HERO, FakeBattle, set_yaml, tune
from realm_guild_skills import with_echo
from realm_sparring.tasks import SY

Say = Callable[..., Ran]


@pytest.fixture
def say(realm: Realm, capsys: pytest.CaptureFixture[str]) -> Say:
    """`say("show")`: one line of `realm skill schedule` in this process."""

    def call(*args: str) -> Ran:
        capsys.readouterr()
        code = main(["--realm", str(realm.root), "skill", "schedule", *args])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return call


def shown(say: Say) -> Any:
    return json.loads(say("show", "--json").out)


def written(realm: Realm) -> CurriculumConfig:
    return curriculum.settings(realm)


def files(realm: Realm) -> dict[Path, bytes]:
    found = (path for path in sorted(realm.root.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {path: path.read_bytes() for path in found}


def test_show_tells_what_is_next_why_and_how_every_skill_stands(realm: Realm, say: Say) -> None:
    found = shown(say)
    assert (found["strategy"], found["preset"], found["hero"]) == ("equal", "balanced", HERO)
    assert found["next"] == {
        "skill": "bin", "level": 1, "is_replay": False, "rows": 2000, "share": 1.0,
        "reason": "the only skill that can be forged",
    }  # fmt: skip
    assert {one["id"]: (one["state"], one["reason"]) for one in found["skills"]} == {
        "bin": ("next", "the only skill that can be forged"),
        "sy": ("locked", "locked until bin level 10 is mastered"),
    }
    assert [turn["skill"] for turn in found["upcoming"]] == ["bin"] * 12
    out = say("show").out
    for part in (
        "equal (preset balanced)", "bin level 1, 2,000 rows: the only skill that can be forged", "bin 1 (11 times)",
        "once high and normal are empty (0 quests wait there)",
    ):  # fmt: skip
        assert part in out


def test_what_is_shown_fits_80_columns(realm: Realm, say: Say) -> None:
    for skill in ("a_skill_with_name", "z_skill_with_name"):
        (realm.skills / f"{skill}.yaml").write_text(f"id: {skill}\nname: X\nmax_level: 30\napi: http://127.0.0.1:9\n")
    out = say("show").out
    assert "z_skill_with_name" in out
    assert max(map(len, out.splitlines())) <= 80


def test_looking_changes_nothing(realm: Realm, say: Say) -> None:
    before = files(realm)
    say("show")
    say("show", "--json")
    say("preset")
    say("preset", "bin_only", "--dry-run")
    assert FORGE.idle(realm) == ""
    assert files(realm) == before


def test_a_change_is_written_with_its_comments_after_a_snapshot(realm: Realm, say: Say) -> None:
    before = realm.config_file.read_text()
    done = say("set", "bin", "--weight", "2", "--target", "9", "--strategy", "weighted")
    assert done.code == 0
    assert done.out.splitlines()[:3] == [
        "strategy: equal -> weighted", "skills.bin.weight: 1 -> 2", "skills.bin.target: none -> 9",
    ]  # fmt: skip
    assert realm.config_file.read_text() == before.replace("strategy: equal", "strategy: weighted").replace(
        "skills: {}", "skills: {bin: {weight: 2.0, target: 9}}"
    )
    (backup,) = realm.backups.iterdir()
    assert (backup / "configs/realm.yaml").read_text() == before
    assert say("set", "bin", "--weight", "2").out.startswith("nothing is changed: it was so already")
    assert say("set", "binary", "--target", "none", "--priority", "3", "--disable").code == 0
    assert written(realm).plan("bin") == SkillPlan(enabled=False, priority=3, weight=2.0)


def test_a_dry_run_says_the_same_and_writes_nothing(realm: Realm, say: Say) -> None:
    before = files(realm)
    told = json.loads(say("set", "--focus", "sy", "--dry-run", "--json").out)
    assert files(realm) == before
    assert told["changed"] == [
        {"key": "strategy", "before": "equal", "after": "focus"}, {"key": "focus", "before": "", "after": "sy"},
    ]  # fmt: skip
    assert told["backup"] is None
    assert told["notes"] == [
        "the focus is on sy, but that skill cannot be forged: locked until bin level 10 is mastered; forged meanwhile: bin"
    ]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("set", 2, "nothing is to be changed"), ("set --weight 2", 2, "--weight needs a skill"), ("set bin", 2, "nothing is"),
        ("set nope --weight 2", 4, "there is no skill 'nope'"), ("set --focus nope", 4, "there is no skill 'nope'"),
        ("set bin --target 31", 2, "its levels are 1 to 30"), ("set bin --target x", 2, "or none"),
        ("set --strategy focus", 2, "needs a skill to focus on"), ("set bin --weight 0", 2, "0.01<=x<=100"),
        ("set bin --weight nan", 2, "0.01<=x<=100"),
        ("preset nope", 4, "there is no preset 'nope'"), ("set --strategy nope", 2, "catch_up"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_changes_nothing(realm: Realm, say: Say, line: str, code: int, said: str) -> None:
    before = files(realm)
    done = say(*line.split())
    assert (done.code, said in done.err) == (code, True), done.err
    assert files(realm) == before


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("balanced", {"bin": 1 / 2, "sy": 1 / 2}), ("bin_focus", {"bin": 0.8, "sy": 0.2}), ("bin_heavy", {"bin": 2 / 3, "sy": 1 / 3}),
        ("bin_only", {"bin": 1.0, "sy": 0.0}), ("sy_focus", {"bin": 0.2, "sy": 0.8}), ("sy_heavy", {"bin": 1 / 3, "sy": 2 / 3}),
        ("sy_only", {"bin": 0.0, "sy": 1.0}), ("catch_up", {"bin": 0.0, "sy": 1.0}),
    ],
)  # fmt: skip
def test_each_preset_gives_its_shares_and_is_known_again(
    realm: Realm, say: Say, name: str, shares: dict[str, float]
) -> None:
    set_yaml(realm.skills / "sy.yaml", "unlock: {bin: 10}", "unlock: {}")
    standing.change(realm, HERO, "bin", level=3)
    say("set", "--focus", "bin", "--focus-share", "0.3")
    say("set", "bin", "--weight", "7", "--target", "12")
    assert say("preset", name).code == 0
    found = shown(say)
    assert {one["id"]: one["share"] for one in found["skills"]} == pytest.approx(shares)
    assert found["preset"] == name
    assert written(realm).plan("bin").target == 12


def test_a_share_is_the_same_number_wherever_it_stands(realm: Realm, say: Say) -> None:
    set_yaml(realm.skills / "sy.yaml", "unlock: {bin: 10}", "unlock: {}")
    say("preset", "bin_heavy")
    told = say("show").out
    assert re.search(r"bin .* 67% ", told)
    assert "bin level 1, 2,000 rows: 67 % of the quests, by its weight of 2" in " ".join(told.split())


def test_a_preset_enables_its_skill_and_leaves_others_as_they_are(realm: Realm, say: Say) -> None:
    say("set", "sy", "--disable")
    say("preset", "bin_heavy")
    assert not written(realm).plan("sy").enabled
    say("preset", "sy_heavy")
    assert written(realm).plan("sy") == SkillPlan(weight=2.0)


def test_a_preset_of_an_absent_skill_is_taken_and_says_what_happens_meanwhile(realm: Realm, say: Say) -> None:
    (realm.skills / "sy.yaml").unlink()
    done = say("preset", "sy_focus")
    assert done.code == 0
    assert "the focus is on 'sy', but there is no such skill here; forged meanwhile: bin" in done.err


def test_the_list_of_skills_is_still_read_and_becomes_a_mapping_when_it_is_changed(realm: Realm, say: Say) -> None:
    set_yaml(realm.config_file, "skills: {}", "skills: [sy]")
    assert [one["state"] for one in shown(say)["skills"]] == ["disabled", "locked"]
    assert (
        say("set", "--strategy", "catch_up").err == "sy stays locked: it waits for bin level 10, but bin is disabled\n"
    )
    assert written(realm).skills == ["sy"]
    done = say("set", "sy", "--weight", "3")
    assert "curriculum.skills was a list (sy) and is a mapping now; a skill that is added later is enabled" in done.err
    assert written(realm).skills == {"bin": SkillPlan(enabled=False), "sy": SkillPlan(weight=3.0)}


def test_a_list_that_leaves_nothing_out_any_more_becomes_an_empty_mapping(realm: Realm, say: Say) -> None:
    set_yaml(realm.config_file, "skills: {}", "skills: [bin]  # for now")
    assert say("set", "sy", "--enable").out.startswith("skills.sy.enabled: no -> yes\n")
    assert re.search(r"  skills: \{\} +# for now\n", realm.config_file.read_text())
    assert written(realm).skills == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("skills: {bin: {wieght: 2}}", "unknown key 'curriculum.skills.bin.wieght'"),
        ("skills: {bin: {weight: -1}}", "curriculum.skills.bin.weight: expected `float` >= 0.01"),
        ("skills: 3", "curriculum.skills: expected `object | array`, got `int`"),
        ("strategy: best", "curriculum.strategy: invalid enum value 'best'"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line_and_skill(realm: Realm, text: str, said: str) -> None:
    key = text.partition(":")[0]
    line = next(line for line in realm.config_file.read_text().splitlines() if line.startswith(f"  {key}:"))
    set_yaml(realm.config_file, line, f"  {text}")
    with pytest.raises(FormatError, match="realm.yaml:4") as caught:
        yamlfile.load(realm.config_file, RealmConfig)
    assert said in caught.value.message


def test_a_key_in_the_mapping_is_not_set_as_one_of_the_configuration(realm: Realm) -> None:
    with pytest.raises(UsageError, match=r"'curriculum\.skills' is a mapping with keys of its own") as caught:
        configedit.set_value(realm, "curriculum.skills.bin.weight", "2")
    assert "realm skill schedule set" in caught.value.hint


# -- in a battle ---------------------------------------------------------------------------------------------------


def names(realm: Realm) -> list[str]:
    return [file.name for file in Board(realm).files("normal")]


def test_a_running_battle_follows_a_change_with_its_next_quest(realm: Realm, say: Say) -> None:
    tune(realm, forge={"samples": {1: 20}})
    battle = FakeBattle(realm, with_echo(realm))
    battle.callback.on_empty_board(battle)
    say("set", "--focus", "echo", "--focus-share", "1")
    for _ in range(2):
        battle.callback.on_empty_board(battle)
    assert names(realm) == [
        "train_bin_level1_no1.jsonl", "train_echo_level1_no1.jsonl", "train_echo_level1_no2.jsonl",
    ]  # fmt: skip
    realm.config_file.write_text("curriculum: {strategy: nonsense}\n")
    assert battle.callback.on_empty_board(battle)
    assert names(realm)[-1] == "train_echo_level1_no3.jsonl"


def test_a_skill_at_its_target_is_replayed_by_quests_of_its_mastered_levels(realm: Realm, say: Say) -> None:
    tune(realm, forge={"samples": {1: 60}, "replay": 0.5})
    manager = with_echo(realm)
    battle = FakeBattle(realm, manager)
    for step in (1, 2, 3):
        battle.stands_at(step)
    say("set", "bin", "--target", "1")
    for _ in range(6):
        battle.callback.on_empty_board(battle)
    made = names(realm)
    assert [name for name in made if "bin" in name] == ["replay_bin_level1_no1.jsonl", "replay_bin_level1_no2.jsonl"]
    (record, *_) = [
        Board(realm).record(file.id) for file in Board(realm).files("normal") if file.name.startswith("replay")
    ]
    assert (record.source, record.level) == (f"replay hero {HERO} bin level 1 counter 1", 1)
    battle.stands_at(4)
    assert set(names(realm)) == set(made)  # they are not stale: mastered levels are what they are for
    say("set", "echo", "--disable")
    assert not battle.callback.on_empty_board(battle)
    assert "bin: its target level 1 is mastered" in battle.explained


def test_turns_of_a_battle_that_starts_again_and_again_are_those_of_one_that_does_not(realm: Realm) -> None:
    tune(realm, forge={"samples": {1: 10}})
    set_yaml(realm.config_file, "strategy: equal", "strategy: weighted")
    set_yaml(realm.config_file, "skills: {}", "skills: {echo: {weight: 0.4}}")
    manager = with_echo(realm)
    foretold = [turn["skill"] for turn in _upcoming(realm, manager)]
    for _ in foretold:
        battle = FakeBattle(Realm(realm.root), manager)
        assert battle.callback.on_empty_board(battle)
    assert [name.split("_")[1] for name in names(realm)] == foretold
    assert set(foretold) == {"bin", "echo"}


def _upcoming(realm: Realm, manager: Any) -> list[dict[str, Any]]:
    from realm_guild import outlook

    found: list[dict[str, Any]] = outlook.as_json(realm, outlook.look(realm, manager))["upcoming"]
    return found


def test_stale_quests_are_listed(realm: Realm, say: Say) -> None:
    tune(realm, forge={"samples": {1: 20}})
    battle = FakeBattle(realm)
    battle.callback.on_empty_board(battle)
    for step in (1, 2, 3):
        battle.stands_at(step)
    (file,) = Board(realm).files("low")
    assert shown(say)["stale"] == [
        {"id": file.id, "name": file.name, "skill": "bin", "level": 1, "priority": "low", "reason": "bin level 1 is mastered"}
    ]  # fmt: skip
    assert f"{file.id}" in say("show").out


# -- background tasks ----------------------------------------------------------------------------------------------


def test_generate_binary_obeys_the_curriculum(realm: Realm, say: Say) -> None:
    tune(realm, forge={"samples": {1: 20}})
    assert FORGE.idle(realm) == ""
    say("set", "bin", "--disable")
    assert FORGE.idle(realm) == "bin: it is disabled"
    assert FORGE.run(realm, FakeBattle(realm).manager) == "nothing is forged; bin: it is disabled"
    say("set", "bin", "--enable")
    assert FORGE.run(realm, FakeBattle(realm).manager).startswith("forged train_bin_level1_no1.jsonl")
    state = skillstate.read(realm, HERO, "bin")
    assert state is not None
    assert (state.forged, state.clock, state.due) == (1, 1, 1.0)


def test_sparring_does_not_ask_for_a_skill_that_is_locked_disabled_or_at_its_target(realm: Realm, say: Say) -> None:
    assert SY.idle(realm) == "sy is locked until bin level 10 is mastered"
    say("set", "sy", "--disable")
    assert SY.idle(realm) == "sy is disabled in the curriculum"
    say("set", "sy", "--enable")
    set_yaml(realm.skills / "sy.yaml", "unlock: {bin: 10}", "unlock: {}")
    assert SY.idle(realm) == f"{HERO} has no checkpoint yet"


def test_a_standing_of_before_begins_with_an_even_account(realm: Realm) -> None:
    old = SkillState.from_dict(
        {"kind": "skill_state", "version": 1, "hero": HERO, "skill": "bin", "forged": 90, "level": 3}, "here"
    )
    standing.change(realm, HERO, "bin", **{key: getattr(old, key) for key in ("forged", "level")})
    manager = with_echo(realm)
    assert [turn["skill"] for turn in _upcoming(realm, manager)][:4] == ["bin", "echo", "bin", "echo"]


def test_every_preset_is_one_of_the_original_s() -> None:
    assert list(presets.PRESETS) == [
        "balanced", "bin_focus", "bin_heavy", "bin_only", "sy_focus", "sy_heavy", "sy_only", "catch_up",
    ]  # fmt: skip
