"""A hero's life under profiles: battle, evals, the Oracle, a change in the middle, a kill."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from helpers import BattleProcess, Run, rows, write_rows
from realm_cli import intake, profiles, skillstate
from realm_cli.conversation import Message
from realm_cli.errors import NotFoundError, RefusedError
from realm_cli.founding import found
from realm_cli.generation import open_generator
from realm_cli.hosts import hosts_file
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_guild import asking, evalsets, requests, results
from realm_guild.records import EvalResult
from realm_guild_heroes import bin_of, events, tune
from realm_oracle.openai_backend import check_profile
from realm_oracle.openai_wire import Wire
from realm_oracle_boxes import OracleProcess
from realm_oracle_realms import configure
from realm_profiles_heroes import HERO, asked, row_of, wear

ROWS = 96
SIZE = 12
"""Problems of an eval."""
LONG = 320
"""Rows of a quest in which a battle is killed."""
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


def queue(realm: Realm, seed: int) -> None:
    """A quest of problems of level 1."""
    lines = [
        row_of(*asked(one.prompt), Message("assistant", one.answer), skill="bin", level=1, problem_key=one.key)
        for one in sample(bin_of(realm).skill, 1, ROWS, seed, "train")
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


def test_evals_under_another_profile_are_not_compared(lived: tuple[Realm, str], run: Run) -> None:
    realm, _ = lived
    lines = skillstate.lines(realm, HERO, "bin")
    assert [(line.step, line.profile) for line in lines] == [(LAST // 2, "emoji_think"), (LAST, "regime3")]
    assert skillstate.standing(lines, 1).steps == [LAST]
    assert skillstate.standing(lines[:1], 1).steps == [LAST // 2]
    assert skillstate.comparable(lines) == lines[1:]
    shown = run("skill", "history", "bin", realm=realm).out
    assert "evals: 1, closed, data profile regime3\n" in shown
    assert "level 1, evals: 1, mastered at 80%" in shown


@pytest.fixture(scope="module")
def oracle(lived: tuple[Realm, str]) -> Iterator[OracleProcess]:
    """A server of that realm."""
    process = OracleProcess(lived[0])
    yield process
    process.end()


def test_the_oracle_asks_each_checkpoint_under_its_own_profile(
    lived: tuple[Realm, str], oracle: OracleProcess, run: Run
) -> None:
    realm, client = lived[0], oracle.client
    for step, profile in ((LAST // 2, "emoji_think"), (LAST, "regime3")):
        assert client.load(step).profile == profile
        item = result_of(realm, step).items[0]
        whole = client.chat(asked(item.prompt), step, max_tokens=300)
        assert whole.profile == profile
        assert whole.response == item.reply or item.finish == "length" and whole.response.startswith(item.reply)
        *pieces, last = client.chat_stream(asked(item.prompt), step, max_tokens=300)
        assert ("".join(map(str, pieces)), last) == (whole.response, whole)
        plain = client.chat(asked(item.prompt), step, max_tokens=8, profile="none")
        assert plain.profile == "none"
        assert plain.prompt_tokens < whole.prompt_tokens
    with pytest.raises(NotFoundError, match="there is no data profile 'regime4'") as caught:
        client.chat(asked("q"), LAST, profile="regime4")
    assert caught.value.hint == "did you mean 'regime3'?"
    own, named = (
        run("oracle", "chat", "--step", LAST, "--json", "q", *extra, realm=realm).json
        for extra in ((), ("--profile", "none"))
    )
    assert (own["profile"], named["profile"]) == ("regime3", "none")
    assert own["response"] != named["response"]


def test_another_machine_answers_under_the_checkpoint_s_profile_or_not_at_all(
    lived: tuple[Realm, str], oracle: OracleProcess, tmp_path: Path
) -> None:
    realm = wear(Realm(shutil.copytree(lived[0].root, tmp_path / "copy", symlinks=True)), "none")
    box = {
        "host": "127.0.0.1",
        "role": "inference",
        "services": {"inference": {"port": int(oracle.url.rpartition(":")[2])}},
    }
    here = {"host": "192.0.2.1", "role": "trainer"}
    hosts_file(realm).write_text(yaml.safe_dump({"hosts": {"here": here, "box": box}, "local_host": "here"}))
    manager, question = Manager.of(realm), asked(result_of(realm, LAST).items[0].prompt)
    (alone,) = open_generator(realm, manager, HERO, LAST).generate([question], max_tokens=30)
    (reply,) = open_generator(realm, manager, HERO, LAST, backend="oracle").generate([question], max_tokens=30)
    assert (reply, reply.profile) == (alone, "regime3")
    problem = "box asks dio-mini step 0 under the data profile regime3 instead of none"
    with pytest.raises(RefusedError, match=problem):
        open_generator(realm, manager, HERO, 0, backend="oracle")


def test_a_server_of_openai_s_language_has_to_be_an_oracle_for_more_than_a_system_prompt(
    lived: tuple[Realm, str], oracle: OracleProcess, tmp_path: Path
) -> None:
    realm = Realm(shutil.copytree(lived[0].root, tmp_path / "copy", symlinks=True))
    configure(realm, servers={HERO: {"url": f"{oracle.url}/v1", "model": "{hero}@step-{step}"}})
    oracle.client.load(LAST)
    realm, question = Realm(realm.root), asked(result_of(realm, LAST).items[0].prompt)
    (alone,) = open_generator(realm, Manager.of(realm), HERO, LAST).generate([question], max_tokens=30)
    (reply,) = open_generator(realm, Manager.of(realm), HERO, LAST, backend="openai").generate(
        [question], max_tokens=30
    )
    assert (reply.text, reply.profile) == (alone.text, "regime3")
    wire = Wire(realm.config.oracle.servers[HERO], "m")
    with pytest.raises(RefusedError, match="cannot ask under the data profile regime3: its chat template"):
        check_profile(wire, profiles.of_step(realm, HERO, LAST), None)
    check_profile(wire, profiles.Plain("be short"), None)


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
    killed = wear(fresh(tmp_path / "killed", save_steps=6), "emoji_think")
    intake.add_files(killed, Manager.of(killed), [write_rows(tmp_path / "long.jsonl", rows(LONG))])
    calm = Realm(shutil.copytree(killed.root, tmp_path / "calm", symlinks=True))
    fight(calm)
    battle = BattleProcess(killed, "--until-empty")
    battle.until("training", "saving", step=8)
    assert battle.kill() == -signal.SIGKILL
    fight(killed)
    ends = [Ledger(realm, HERO).get_latest() for realm in (calm, killed)]
    assert ends[0].step == LONG // 16
    assert ends[0].weights_sha256 == ends[1].weights_sha256
    assert ends[0].samples_seen == ends[1].samples_seen == LONG


def test_a_profile_that_is_changed_within_a_quest_leaves_no_row_out(tmp_path: Path) -> None:
    realm = wear(fresh(tmp_path / "realm", save_steps=6), "none")
    intake.add_files(realm, Manager.of(realm), [write_rows(tmp_path / "long.jsonl", rows(LONG))])
    battle = BattleProcess(realm, "--until-empty")
    battle.until("training", "saving", step=8)
    assert battle.kill() == -signal.SIGKILL
    said = fight(wear(realm, "emoji_think", "be short"))
    assert "the data profile was none up to step" in said
    latest = Ledger(realm, HERO).get_latest()
    assert (latest.step, latest.samples_seen) == (LONG // 16, LONG)
    assert (latest.profile, latest.system_prompt) == ("emoji_think", "be short")
