"""A hero's life under profiles: battle, evals, the Oracle, a change in the middle, a kill."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from helpers import BattleProcess, Run, write_rows
from realm_cli import intake, profiles, skillstate
from realm_cli.conversation import Message
from realm_cli.errors import NotFoundError
from realm_cli.founding import found
from realm_cli.generation import open_generator
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_guild import asking, evalsets, requests, results
from realm_guild.records import EvalResult
from realm_guild_heroes import bin_of, events, tune
from realm_oracle_boxes import OracleProcess
from realm_profiles_heroes import HERO, asked, row_of, wear

ROWS = 96
SIZE = 12
"""Problems of an eval."""
LAST = 2 * ROWS // 16
"""Step at the end of the second quest."""


def fresh(folder: Path, save_steps: int = 1000) -> Realm:
    """A realm whose evals are small."""
    realm, _ = found(folder)
    text = realm.config_file.read_text()
    for old, new in (
        ("threads: null", "threads: 1"), ("settle_seconds: 2", "settle_seconds: 0"), ("reserve_mb: 500", "reserve_mb: 1"),
        ("save_steps: 1000", f"save_steps: {save_steps}"), ("port: 8765", "port: 0"),
    ):  # fmt: skip
        text = text.replace(old, new)
    realm.config_file.write_text(text)
    tune(realm, eval={"size": SIZE})
    return Realm(realm.root)


def queue(realm: Realm, seed: int, rows: int = ROWS) -> None:
    """A quest of problems of level 1."""
    lines = [
        row_of(*asked(one.prompt), Message("assistant", one.answer), skill="bin", level=1, problem_key=one.key)
        for one in sample(bin_of(realm).skill, 1, rows, seed, "train")
    ]
    path = write_rows(realm.root / f"train_bin_level1_{seed}.jsonl", lines)
    intake.add_files(realm, Manager.of(realm), [path])


def fight(realm: Realm) -> str:
    """A battle over the board; what it said."""
    battle = BattleProcess(realm, "--until-empty")
    assert battle.wait() == 0, battle.output()
    return battle.log.read_text()


def result_of(realm: Realm, step: int) -> EvalResult:
    found = results.read(realm, HERO, step, "bin", 1)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Realm, str]:
    """(a hero that was trained under emoji_think, then under regime3; what its second battle said)."""
    realm = wear(fresh(tmp_path_factory.mktemp("lived") / "realm"), "emoji_think")
    queue(realm, 1)
    fight(realm)
    queue(realm, 2)
    said = fight(wear(realm, "regime3"))
    return Realm(realm.root), said


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_checkpoint_keeps_the_profile_that_it_was_trained_under(lived: tuple[Realm, str]) -> None:
    realm, _ = lived
    ledger = Ledger(realm, HERO)
    assert {step: ledger.get(step).profile for step in ledger.steps()} == {LAST // 2: "emoji_think", LAST: "regime3"}
    stamps = [profiles.of_step(realm, HERO, step).stamp for step in (0, LAST // 2, LAST)]
    assert stamps == ["regime3", "emoji_think", "regime3"]


@pytest.mark.parametrize(("step", "profile"), [(LAST // 2, "emoji_think"), (LAST, "regime3")])
def test_evals_of_the_live_hero_are_the_replies_of_its_checkpoint(
    lived: tuple[Realm, str], step: int, profile: str
) -> None:
    realm, _ = lived
    entry, result = bin_of(realm), result_of(realm, step)
    assert (result.state, result.profile, len(result.items)) == ("ok", profile, SIZE)
    generator = open_generator(realm, Manager.of(realm), HERO, step)
    own, problems = profiles.of_generator(generator), evalsets.problems_of(evalsets.ensure(realm, entry, 1))
    assert own.stamp == profile
    most = entry.reply_tokens(problems) + own.extra_tokens
    replies = generator.generate([asked(problem.prompt) for problem in problems], max_tokens=most)
    for problem, item, reply in zip(problems, result.items, replies, strict=True):
        assert (reply.text, reply.profile) == (item.reply, profile)
        answer = own.answer(asked(problem.prompt), reply.text)
        assert item.answer == (None if answer == reply.text else answer)
        assert item.correct is (answer is not None and entry.skill.judge(problem, answer).correct)
    generator.close()


def test_a_battle_says_that_the_profile_was_changed(lived: tuple[Realm, str]) -> None:
    realm, said = lived
    told = (
        f"the data profile was emoji_think up to step {LAST // 2} and is regime3 from here on: quests are tokenized anew,"
        " begun ones go on in the new form, and evals are not compared with those under emoji_think"
    )
    assert told in said
    assert [facts.get("note") for facts in events(realm, "battle_resumed")] == [told]


def test_evals_under_another_profile_are_not_compared(lived: tuple[Realm, str]) -> None:
    realm, _ = lived
    lines = skillstate.lines(realm, HERO, "bin")
    assert [(line.step, line.profile) for line in lines] == [(LAST // 2, "emoji_think"), (LAST, "regime3")]
    assert skillstate.standing(lines, 1).steps == [LAST]
    assert skillstate.standing(lines[:1], 1).steps == [LAST // 2]


def test_the_oracle_asks_each_checkpoint_under_its_own_profile(lived: tuple[Realm, str], run: Run) -> None:
    realm, _ = lived
    oracle = OracleProcess(realm)
    try:
        for step, profile in ((LAST // 2, "emoji_think"), (LAST, "regime3")):
            assert oracle.client.load(step).profile == profile
            item = result_of(realm, step).items[0]
            most = 300
            whole = oracle.client.chat(asked(item.prompt), step, max_tokens=most)
            assert whole.profile == profile
            assert whole.response == item.reply or item.finish == "length" and whole.response.startswith(item.reply)
            *pieces, last = oracle.client.chat_stream(asked(item.prompt), step, max_tokens=most)
            assert ("".join(map(str, pieces)), last) == (whole.response, whole)
            plain = oracle.client.chat(asked(item.prompt), step, max_tokens=most, profile="none")
            assert plain.profile == "none"
            assert plain.prompt_tokens < whole.prompt_tokens
            said = run("oracle", "chat", "--step", step, "--json", item.prompt, realm=realm)
            assert said.json["profile"] == profile, said.err
        with pytest.raises(NotFoundError, match="there is no data profile 'regime4'") as caught:
            oracle.client.chat(asked("q"), LAST, profile="regime4")
        assert caught.value.hint == "did you mean 'regime3'?"
        named = run("oracle", "chat", "--step", LAST, "--profile", "none", "--json", "q", realm=realm)
        assert named.json["profile"] == "none"
    finally:
        oracle.end()


def test_a_saved_checkpoint_is_asked_under_its_own_profile_by_a_battle_that_has_another(
    lived: tuple[Realm, str], tmp_path: Path
) -> None:
    realm = wear(Realm(shutil.copytree(lived[0].root, tmp_path / "copy", symlinks=True)), "none")
    before = result_of(realm, LAST)
    results.path_of(realm, HERO, LAST, "bin", 1).unlink()
    requests.ask(realm, HERO, LAST, "bin", 1, "training")
    fight(realm)
    after = result_of(realm, LAST)
    assert (after.profile, after.items) == ("regime3", before.items)
    assert after.at != before.at


def test_a_stored_eval_of_the_base_is_made_again_under_another_profile(
    lived: tuple[Realm, str], tmp_path: Path
) -> None:
    realm = Realm(shutil.copytree(lived[0].root, tmp_path / "copy", symlinks=True))
    made = []
    for profile in ("regime3", "none", "none"):
        realm, manager = wear(realm, profile), Manager.of(realm)
        (result,) = asking.examine_levels(realm, manager, bin_of(realm), HERO, 0, [1])
        made.append((result.profile, result.at))
    assert [profile for profile, _ in made] == ["regime3", "none", "none"]
    assert made[1] == made[2]
    formless = "the reply has not the form of the data profile regime3"
    assert all(item.correct or item.reason for item in result.items)
    assert all(item.reason == formless for item in result_of(lived[0], LAST).items if "<<ANS_END>>" not in item.reply)


def test_a_battle_that_is_killed_under_a_profile_ends_bit_identical(tmp_path: Path) -> None:
    killed = wear(fresh(tmp_path / "killed", save_steps=3), "emoji_think")
    queue(killed, 3, rows=400)
    calm = Realm(shutil.copytree(killed.root, tmp_path / "calm", symlinks=True))
    fight(calm)
    for step in (4, 11):
        battle = BattleProcess(killed, "--until-empty")
        battle.until("training", "saving", "evaluating", step=step)
        battle.kill()
    fight(killed)
    ends = [Ledger(realm, HERO).get_latest() for realm in (calm, killed)]
    assert ends[0].step == 25
    assert ends[0].weights_sha256 == ends[1].weights_sha256
    assert ends[0].samples_seen == ends[1].samples_seen == 400


def test_a_profile_that_is_changed_within_a_quest_leaves_no_row_out(tmp_path: Path) -> None:
    realm = wear(fresh(tmp_path / "realm", save_steps=3), "none")
    queue(realm, 4, rows=400)
    battle = BattleProcess(realm, "--until-empty")
    battle.until("training", "saving", "evaluating", step=4)
    battle.kill()
    said = fight(wear(realm, "emoji_think", "be short"))
    assert "the data profile was none up to step" in said
    latest = Ledger(realm, HERO).get_latest()
    assert (latest.step, latest.samples_seen) == (25, 400)
    assert (latest.profile, latest.system_prompt) == ("emoji_think", "be short")
