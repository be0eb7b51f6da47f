from __future__ import annotations

from pathlib import Path

import pytest

from realm_cli import yamlfile
from realm_cli.errors import FormatError, NotFoundError, RealmError, SkillAwayError, UsageError
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.skillbook import EvalConfig, ForgeConfig, SkillConfig, goals_of, load_config, open_skill, skill_ids
from realm_guild.views import level_rows, ranges, skill_rows

ROOT = Path(__file__).parents[2]
BIN_YAML = (ROOT / "configs" / "skills" / "bin.yaml").read_text("utf-8")
FORGE = BIN_YAML[BIN_YAML.index("forge:\n") : BIN_YAML.index("settings:\n")]


@pytest.fixture
def bare(tmp_path: Path) -> Realm:
    """A realm with no more than the skill `bin`."""
    realm = Realm(tmp_path)
    realm.skills.mkdir(parents=True)
    realm.config_file.write_text("hero: dio-mini\n")
    (realm.skills / "bin.yaml").write_text(BIN_YAML, "utf-8")
    return realm


def broken(realm: Realm, old: str, new: str) -> FormatError:
    """The error that opening `bin` raises after a change of its YAML."""
    assert old in BIN_YAML
    (realm.skills / "bin.yaml").write_text(BIN_YAML.replace(old, new), "utf-8")
    with pytest.raises(FormatError) as caught:
        open_skill(realm, Manager.load(), "bin")
    return caught.value


def test_bin_is_configured_as_its_game_face_says(bare: Realm) -> None:
    config = load_config(bare, "bin")
    assert config == SkillConfig(
        id="bin", name="Binary Alchemy", icon="🔢", color="#F59E0B", category="arithmetic", max_level=30, plugin="bin",
        eval=EvalConfig(size=50, threshold=0.8), forge=config.forge, settings=config.settings,
    )  # fmt: skip


def test_the_template_is_a_valid_skill_once_it_is_copied(bare: Realm) -> None:
    config = yamlfile.load(ROOT / "configs" / "skills" / "_template.yaml", SkillConfig)
    (bare.skills / f"{config.id}.yaml").write_text((ROOT / "configs" / "skills" / "_template.yaml").read_text("utf-8"))
    assert load_config(bare, config.id) == config


def test_the_template_itself_is_no_skill(bare: Realm) -> None:
    (bare.skills / "_template.yaml").write_text("nothing: valid")
    assert skill_ids(bare) == ["bin"]


def test_an_opened_skill_knows_its_levels(bare: Realm) -> None:
    entry = open_skill(bare, Manager.load(), "bin")
    assert entry.closed_levels() == [1, 2, 3, 4]
    assert level_rows(entry)[0] == {"level": 1, "name": "", "space": 61, "closed": True}
    assert level_rows(entry)[4] == {"level": 5, "name": "", "space": 14_096, "closed": False}
    assert len(level_rows(entry)) == 30
    entry.check_level(30)
    for level in (0, -1, 31):
        with pytest.raises(UsageError, match=f"bin has no level {level}"):
            entry.check_level(level)


@pytest.mark.parametrize("name", ["bni", "../bin", "", "/etc/passwd", "_template"])
def test_an_unknown_skill_is_not_found(bare: Realm, name: str) -> None:
    with pytest.raises(NotFoundError, match="there is no skill"):
        load_config(bare, name)


def test_the_nearest_skill_is_named(bare: Realm) -> None:
    with pytest.raises(NotFoundError) as caught:
        load_config(bare, "bni")
    assert caught.value.hint == "did you mean 'bin'?"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("category:", "categry:", "unknown key 'categry'"),
        ("  size: 50", "  sizes: 50", "unknown key 'eval.sizes'"),
        ("  size: 50", "  size: 0", "eval.size"),
        ("threshold: 0.8", "threshold: 80", "eval.threshold"),
        ("max_level: 30", "max_level: thirty", "max_level"),
        ("max_level: 30", "max_level: 31", "max_level is 31, but the plugin has 30 levels"),
        ("id: bin\n", "id: binary\n", "id is 'binary', not 'bin'"),
        ("name: Binary Alchemy\n", "", "key 'name' is missing"),
        ('"#F59E0B"', "amber", "color"),
        ("plugin: bin\n", "", "neither `plugin` nor `api` is given"),
        ("plugin: bin\n", "plugin: bin\napi: http://127.0.0.1:1\n", "both `plugin` and `api` is given"),
        ("plugin: bin\n", "plugin: bin\njudge: exact\n", "`judge` goes with `api`"),
        ("plugin: bin\n", "plugin: bin\nlevels: {31: too high}\n", "levels names level 31, but max_level is 30"),
        ("plugin: bin\n", "plugin: bin\nplugin: bin\n", "key 'plugin' was already given"),
    ],
)
def test_a_mistake_in_the_yaml_is_named_with_its_file(bare: Realm, old: str, new: str, problem: str) -> None:
    error = broken(bare, old, new)
    assert problem in error.message
    assert str(bare.skills / "bin.yaml") in error.where


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (FORGE, "forge: {samples: {}}\n", "forge.samples is empty"),
        (FORGE, "forge: {samples: {0: 2000}}\n", "forge.samples"),
        (FORGE, "forge: {samples: {1: 0}}\n", "forge.samples"),
        (FORGE, "forge: {replay: 0.95}\n", "forge.replay"),
        (FORGE, "forge: {replay: 0.3, ahead: {1: 0.1, 3: 0.7}}\n", "leave nothing for the level itself"),
        ("plugin: bin\n", "plugin: bin\nunlock: {bin: 2}\n", "unlock names the skill itself"),
        ("plugin: bin\n", "plugin: bin\nunlock: {sy: 0}\n", "unlock"),
        ("  eval_mix:", "  eval_mux:", "eval_mux"),
    ],
)
def test_a_mistake_in_forge_unlock_or_settings_is_named(bare: Realm, old: str, new: str, problem: str) -> None:
    error = broken(bare, old, new)
    assert problem in error.message
    assert str(bare.skills / "bin.yaml") in error.where


@pytest.mark.parametrize(("level", "rows"), [(1, 100), (4, 100), (5, 300), (9, 300), (10, 50), (30, 50)])
def test_the_rows_of_a_quest_count_from_their_level_on(level: int, rows: int) -> None:
    assert ForgeConfig(samples={5: 300, 2: 100, 10: 50}).samples_at(level) == rows


def test_goals_are_read_with_aliases(bare: Realm) -> None:
    assert goals_of(bare, []) == {}
    assert goals_of(bare, ["binary=4"]) == {"bin": 4}
    assert goals_of(bare, ["bin=1", "bin=30"]) == {"bin": 30}


@pytest.mark.parametrize(
    "text", ["bin", "bin=", "bin=four", "bin=-1", "bin=1.5", "bin==2", "bin= 2", "bin=0", "bin=31"]
)
def test_what_is_no_goal_is_a_usage_error(bare: Realm, text: str) -> None:
    with pytest.raises(UsageError, match=r"is no goal|has no level"):
        goals_of(bare, [text])


@pytest.mark.parametrize("text", ["bni=2", "=2", "../bin=2"])
def test_a_goal_in_an_unknown_skill_is_not_found(bare: Realm, text: str) -> None:
    with pytest.raises(NotFoundError, match="there is no skill"):
        goals_of(bare, [text])


def test_a_skill_that_no_plugin_offers_is_not_found(bare: Realm) -> None:
    (bare.skills / "bin.yaml").write_text(BIN_YAML.replace("plugin: bin", "plugin: bim"), "utf-8")
    with pytest.raises(NotFoundError, match="there is no skill 'bim'"):
        open_skill(bare, Manager.load(), "bin")


def test_a_skill_on_a_server_says_why_it_cannot_be_used(bare: Realm) -> None:
    (bare.skills / "far.yaml").write_text("id: far\nname: Far\nmax_level: 2\napi: http://127.0.0.1:1\n")
    with pytest.raises(RealmError, match="lives on a server .*, and no installed plugin talks to such"):
        open_skill(bare, Manager.load(["http_skill"]), "far")
    with pytest.raises(SkillAwayError, match="does not answer"):
        open_skill(bare, Manager.load(), "far")


def test_one_broken_skill_does_not_hide_the_others(bare: Realm) -> None:
    (bare.skills / "zap.yaml").write_text("id: zap\n")
    good, bad = skill_rows(bare, Manager.load())
    assert (good["id"], good["error"], good["closed_levels"]) == ("bin", "", [1, 2, 3, 4])
    assert (bad["id"], "is missing" in bad["error"]) == ("zap", True)


@pytest.mark.parametrize(
    ("levels", "text"), [([], "-"), ([4], "4"), ([1, 2, 3], "1-3"), ([1, 2, 5, 7, 8], "1-2, 5, 7-8")]
)
def test_ranges_read_briefly(levels: list[int], text: str) -> None:
    assert ranges(levels) == text
