"""What holds for every level, tag, auxiliary kind and wording in symbols."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from realm_bin.settings import MAX_LEVEL, Settings
from realm_bin.skill import BinSkill
from realm_bin.wording import KINDS
from realm_bin_forms import FORMS, LEVELS, Form, changed_characters, decoded, key_of, problems, task_of

SKILL = BinSkill()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_golden_scores_all_and_echo_and_silence_score_nothing(form: Form) -> None:
    for level in LEVELS:
        for problem in problems(form, level, 10):
            assert SKILL.judge(problem, problem.answer).correct
            for thinking in ("<think>\nwell\n</think>\n", "<think></think>\n<think>a</think>", "well\n</think>\n\n"):
                assert SKILL.judge(problem, f"{thinking}{problem.answer}\n").correct
            for thinking in ("<think>", "<think>a</think><think>", "well ", "well</think>"):
                assert not SKILL.judge(problem, f"{thinking}{problem.answer}\n").correct
            lines = problem.prompt.split("\n")
            asked = lines[-1].partition(": ")[2]
            call, _, shown = asked.partition(" = ")
            echoes = [problem.prompt, *lines, asked, call, f"{call} =", problem.key, "", " \n"]
            # The right result of what is to compute is an answer; a result that the prompt shows is an echo.
            assert not any(SKILL.judge(problem, reply).correct for reply in [*echoes, *([shown] if shown else [])])


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_one_changed_digit_letter_or_sign_anywhere_is_wrong(form: Form) -> None:
    for level in LEVELS:
        for problem in problems(form, level, 1 if form.tag else 6):
            changed = list(changed_characters(problem))
            assert changed
            assert problem.answer not in changed
            assert not any(SKILL.judge(problem, reply).correct for reply in changed)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_bare_result_is_right_only_where_nothing_but_the_result_is_asked_for(form: Form) -> None:
    for level in LEVELS:
        for problem in problems(form, level, 10):
            result = problem.answer.partition("\n")[0].rpartition(" = ")[2]
            assert SKILL.judge(problem, result).correct is not bool(form.tag or form.kind)
            last = SKILL.judge(problem, problem.answer).parsed
            assert last
            assert SKILL.judge(problem, last).correct is not bool(form.tag or form.kind)
            assert not SKILL.judge(problem, f"{result} {result}").correct
            assert not SKILL.judge(problem, f"{result}{result}").correct


@pytest.mark.parametrize("form", [form for form in FORMS if form.in_symbols], ids=str)
def test_a_problem_in_symbols_is_the_same_problem_in_digits(form: Form) -> None:
    for level in LEVELS:
        for written, plain in zip(
            problems(form, level, 15), problems(form._replace(in_symbols=False), level, 15), strict=True
        ):
            assert (written.key, written.meta["kind"]) == (plain.key, plain.meta["kind"])
            assert task_of(written) == plain.prompt
            assert decoded(written.prompt, written.answer) == plain.answer
            assert not SKILL.judge(written, plain.answer).correct
            used = {name for name in key_of(written.prompt).values() if name.isascii()}
            assert used == set(re.findall(r"(\w+)\(", plain.key)), "the key names the operations that are used"


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_form_has_the_key_of_the_underlying_call(form: Form) -> None:
    for level in LEVELS:
        for problem, plain in zip(problems(form, level, 10), problems(FORMS[0], level, 10), strict=True):
            assert problem.key == plain.key
            call = decoded(problem.prompt, problem.answer).partition("\n")[0].partition(" = ")[0]
            assert call == problem.key
            told = f"{form.kind} in symbols".strip() if form.in_symbols else form.kind
            assert problem.meta == {**plain.meta, **({"form": told} if told else {})}


def test_lessons_have_the_shares_of_the_settings_and_the_first_seven_levels_are_as_they_were() -> None:
    for level in (1, 7, 8, 20, MAX_LEVEL):
        rng = random.Random(level)
        asked = {"lesson": [SKILL.lesson(level, rng) for _ in range(2_000)],
                 "eval": [SKILL.problem(level, rng) for _ in range(2_000)]}  # fmt: skip
        for drawn, kinds in (("lesson", Settings().kinds[8 if level >= 8 else 1]), ("eval", Settings().eval_kinds)):
            forms = [problem.meta.get("form", "") for problem in asked[drawn]]
            in_symbols = sum(bool(key_of(problem.prompt)) for problem in asked[drawn])
            assert abs(in_symbols / 20 - (75 if level >= 8 else 0)) < 3
            for kind, share in itertools.islice(zip(KINDS, kinds, strict=True), 1, None):
                found = sum(form.startswith(kind) for form in forms)
                assert abs(found / 20 - share) < 2
                assert share or not found
