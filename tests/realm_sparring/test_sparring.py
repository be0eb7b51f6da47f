from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from helpers import Run
from realm_cli import skillstate, store
from realm_cli.errors import RealmError, RefusedError
from realm_cli.ledger import Ledger
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.skill_records import SparringRecord
from realm_cli.skills import split_of
from realm_guild_heroes import set_yaml
from realm_sparring import history, sources, wording
from realm_sparring.rows import CONFIRM, CORRECTION, IDENTIFY
from realm_sparring_heroes import HERO, Said, fought, rows_in, rows_of, wrong

TYPES = (IDENTIFY, CORRECTION, CONFIRM)
STEP = 100
"""Where the trained hero stands."""


def test_a_real_checkpoint_spars_and_its_wrong_answers_are_trained_to_their_end(run: Run, realm: Realm) -> None:
    told = run("spar", "run", "--skill", "bin", "--count", "100", "--json")
    assert (told.code, told.err) == (0, "")
    facts, newest = told.json, Ledger(realm, HERO).get_latest()
    assert (facts["hero"], facts["step"], facts["weights_sha256"]) == (HERO, STEP, newest.weights_sha256)
    assert (facts["skill"], facts["level"], facts["asked"]) == ("bin", 1, 61)  # all that the level has
    assert facts["rows"] == 3 * (facts["wrong"] - facts["empty"] - facts["endless"]) > 0
    (file,) = Board(realm).files("high")
    record = Board(realm).record(file.id)
    assert (facts["quest"], record.samples) == (file.id, facts["rows"])
    assert (
        record.source == f"spar hero {HERO} step {STEP} weights {newest.weights_sha256[:12]} bin level 1 no 1 count 100"
    )
    assert record.name == f"sparring_bin_level1_step{STEP}_no1.jsonl"
    checked = run("spar", "validate", "--json")
    assert (checked.code, [report["findings"] for report in checked.json]) == (0, [[]])
    assert store.read_record(skillstate.sparring_path(realm), SparringRecord).runs[0].quest == file.id

    battle = run("battle", "start", "--until-empty")
    assert battle.code == 0, battle.err
    assert Board(realm).record(file.id).outcome == "completed"
    assert Ledger(realm, HERO).get_latest().step > STEP


def test_rows_come_from_the_training_split_and_confirm_problems_that_were_not_asked(realm: Realm) -> None:
    hero = Said(realm, wrong)
    run = fought(realm, hero, count=40).run
    made = rows_of(realm, run.quest)
    assert {split_of("bin", row.problem_key) for row in made} == {"train"}
    assert [row.type for row in made] == [IDENTIFY, CORRECTION, CONFIRM] * 40
    asked = {row.problem.prompt for row in made if row.type != CONFIRM}
    assert asked == set(hero.asked)
    assert not asked & {row.problem.prompt for row in made if row.type == CONFIRM}
    assert len({(row.type, row.problem_key, row.proposed) for row in made}) == 120


def golden(realm: Realm, level: int, count: int = 10) -> dict[str, str]:
    """The golden answers to the problems that seed 1 draws, by prompt."""
    run = fought(realm, Said(realm, wrong), count=count, level=level, seed=1, queue=False).run
    return {row.problem.prompt: row.problem.answer for row in rows_in(realm.root / run.file)}


def test_the_kind_of_a_problem_does_not_tell_whether_the_answer_is_right(realm: Realm) -> None:
    answers = golden(realm, 6, 100)

    def weak(number: int, prompt: str) -> str:
        return wrong(number, prompt) if "subtract" in prompt or "multiply(" in prompt else answers[prompt]

    hero = Said(realm, weak)
    run = fought(realm, hero, count=100, level=6, seed=1, queue=False).run
    made = rows_in(realm.root / run.file)
    assert run.wrong > 10
    kinds = {row_type: Counter(row.problem.meta["kind"] for row in made if row.type == row_type) for row_type in TYPES}
    assert set(kinds[IDENTIFY]) == {"subtract", "multiply"}
    assert kinds[IDENTIFY] == kinds[CORRECTION] == kinds[CONFIRM]
    assert not {row.problem.prompt for row in made if row.type == CONFIRM} & set(hero.asked)


def test_all_right_answers_make_no_quest_and_that_is_said(realm: Realm) -> None:
    answers = golden(realm, 6)
    result = fought(realm, Said(realm, lambda number, prompt: answers[prompt]), level=6, seed=1)
    run = result.run
    assert (run.asked, run.wrong, run.rows, run.quest) == (10, 0, 0, "")
    assert wording.summary(result).endswith("all 10 answers are right, there is nothing to correct")
    assert Board(realm).counts()["high"] == 0
    assert history.was_sparred(realm, HERO, STEP, "bin", 10)


def test_empty_and_endless_replies_are_counted_and_make_no_rows(realm: Realm) -> None:
    run = fought(realm, Said(realm, lambda number, prompt: " \n" if number < 4 else wrong(number, prompt))).run
    assert (run.wrong, run.empty, run.rows) == (10, 4, 18)
    run = fought(realm, Said(realm, wrong, finish="length")).run
    assert (run.wrong, run.endless, run.rows, run.quest) == (10, 10, 0, "")


def test_an_answer_that_the_judge_accepts_makes_no_row_however_it_is_written(realm: Realm) -> None:
    answers = golden(realm, 3)
    spaced = Said(realm, lambda number, prompt: f"\n {answers[prompt].replace(' ', '  ')} \n")
    run = fought(realm, spaced, level=3, seed=1, queue=False).run
    assert (run.asked, run.wrong, run.file) == (10, 0, "")


def test_each_sparring_of_a_checkpoint_draws_other_problems(realm: Realm) -> None:
    first, second = Said(realm, wrong), Said(realm, wrong)
    runs = [fought(realm, hero, level=10).run for hero in (first, second)]
    assert [run.number for run in runs] == [1, 2]
    assert not set(first.asked) & set(second.asked)
    assert Board(realm).counts()["high"] == 2


def test_a_wrong_answer_that_a_quest_has_already_makes_no_row_until_that_is_stale(realm: Realm) -> None:
    def same(number: int, prompt: str) -> str:
        return "the same to all"

    assert fought(realm, Said(realm, same), count=61, level=1).run.rows == 183
    again = fought(realm, Said(realm, same), count=61, level=1).run
    assert (again.wrong, again.known, again.rows) == (61, 61, 0)
    Board(realm).cancel(Board(realm).files("high")[0].id, "never trained")
    assert fought(realm, Said(realm, same), count=61, level=1).run.rows == 183


def test_a_seed_gives_the_same_problems_and_the_same_quest_only_once(realm: Realm) -> None:
    first, second = Said(realm, wrong), Said(realm, wrong)
    quest = fought(realm, first, seed=7).run.quest
    with pytest.raises(RefusedError, match=rf"this very sparring is quest {quest} already"):
        fought(realm, second, seed=7)
    assert second.asked == []
    left = fought(realm, second, seed=7, queue=False).run
    assert second.asked == first.asked
    assert (left.file, left.rows) == ("", 0)  # the queued quest has those rows


def test_rows_that_are_not_to_be_queued_lie_in_a_file(run: Run, realm: Realm) -> None:
    told = run("spar", "run", "--skill", "binary", "--count", "5", "--level", "6", "--no-queue", "-q")
    assert told.code == 0
    assert told.out == f"data/sparring/sparring_bin_level6_step{STEP}_no1.jsonl\n"
    assert Board(realm).counts()["high"] == 0
    assert run("spar", "validate", realm.root / told.out.strip()).code == 0


def test_a_checkpoint_is_named_by_step_or_name_and_never_guessed(run: Run, realm: Realm) -> None:
    name = Ledger(realm, HERO).get(STEP).canonical_name
    told = run("spar", "run", "--skill", "bin", "--count", "3", "--checkpoint", name, "--no-queue", "--json")
    assert (told.code, told.json["step"]) == (0, STEP)
    for checkpoint, code, message in (
        ("newest", 2, "'newest' is not a checkpoint's name"),
        ("99", 4, f"{HERO} has no checkpoint at step 99"),
        (f"checkpoint-{STEP}-20200101-0000", 4, f"there is no checkpoint-{STEP}-20200101-0000"),
    ):
        refused = run("spar", "run", "--skill", "bin", "--checkpoint", checkpoint)
        assert (refused.code, message in refused.err, refused.out) == (code, True, "")
    assert run("spar", "run", "--skill", "syl").code == 4
    assert run("spar", "run", "--skill", "bin", "--level", "99").code == 2
    assert Board(realm).counts()["high"] == 0


def test_a_checkpoint_far_behind_the_hero_does_not_spar(run: Run, realm: Realm) -> None:
    set_yaml(realm.config_file, "stale_steps: 2000", "stale_steps: 50")
    refused = run("spar", "run", "--skill", "bin", "--checkpoint", "0")
    assert (refused.code, "its sparring would expire at once" in refused.err) == (3, True)
    assert run("spar", "run", "--skill", "bin", "--checkpoint", "0", "--count", "2", "--no-queue").code == 0


def test_replies_of_other_weights_are_refused(realm: Realm) -> None:
    hero = Said(realm, wrong)
    hero.replies_from = "f" * 64
    with pytest.raises(RealmError, match="a reply came from dio-mini at step 100 with weights ffffffffffff"):
        fought(realm, hero)
    assert Board(realm).counts()["high"] == 0


def test_a_second_sparring_at_once_is_refused(run: Run, realm: Realm) -> None:
    with store.locked(realm.status / ".sparring.lock"):
        refused = run("spar", "run", "--skill", "bin")
    assert (refused.code, "is held by another sparring of this realm" in refused.err) == (5, True)


def test_the_record_keeps_the_last_runs_and_what_a_newer_realm_wrote(realm: Realm) -> None:
    run = fought(realm, Said(realm, wrong), queue=False).run
    store.write_record(
        skillstate.sparring_path(realm), msgspec.structs.replace(skillstate.sparrings(realm), unknown={"later": 1})
    )
    for number in range(2, history.KEPT + 3):
        history.add(realm, msgspec.structs.replace(run, number=number))
    found = skillstate.sparrings(realm)
    assert (len(found.runs), found.unknown) == (history.KEPT, {"later": 1})
    assert history.last_number(realm, HERO, STEP, "bin", 6) == history.KEPT + 2
    assert len(found.runs[0].samples) == 3


def test_the_source_of_a_quest_reads_back(realm: Realm) -> None:
    for seed in (None, -3):
        record = Board(realm).record(fought(realm, Said(realm, wrong), seed=seed).run.quest)
        source = sources.parse(record.source)
        assert source is not None
        assert (str(source), source.file_name) == (record.source, record.name)
    assert sources.parse("forge bin level 3 count 200 seed 7") is None


def test_a_quest_that_was_queued_but_not_written_down_is_written_down_and_nothing_is_asked_again(realm: Realm) -> None:
    whole = fought(realm, Said(realm, wrong), count=20).run
    skillstate.sparring_path(realm).unlink()
    hero = Said(realm, wrong)
    result = fought(realm, hero, count=30)
    assert (result.was_queued, hero.asked) == (True, [])
    facts = ("hero", "step", "weights_sha256", "skill", "level", "number", "count", "asked", "wrong", "rows", "quest")
    assert [getattr(result.run, name) for name in facts] == [getattr(whole, name) for name in facts]
    assert wording.summary(result).endswith(f"an interrupted sparring had queued quest {whole.quest} already")
    assert [run.quest for run in skillstate.sparrings(realm).runs] == [whole.quest]
    assert fought(realm, hero).run.number == 2
