from __future__ import annotations

from realm_cli.skills import Problem
from realm_sparring import rows
from realm_sparring.rows import CONFIRM, CORRECTION, IDENTIFY, Stamp, Wrong

ASKED = Problem("Compute: add(①, ①)", "add(①, ①) = ①⓪", "add(①, ①)")
FRESH = Problem("Compute: add(⓪, ①)", "add(⓪, ①) = ①", "add(⓪, ①)")
MADE = rows.make("bin", 1, Stamp("dio", 7, "ab"), [Wrong(ASKED, "add(①, ①) = ①")], [FRESH])


def test_a_wrong_answer_makes_three_rows_with_these_very_texts() -> None:
    assert [[(message.role, message.content) for message in row.messages] for row in MADE] == [
        [
            ("user", "Compute: add(①, ①)\n\nProposed answer:\nadd(①, ①) = ①\n\nIs this correct?"),
            ("assistant", "It is incorrect."),
        ],
        [
            ("user", "Compute: add(①, ①)\n\nProposed answer:\nadd(①, ①) = ①\n\nThis is incorrect. Find the correct solution."),
            ("assistant", "add(①, ①) = ①⓪"),
        ],
        [
            ("user", "Compute: add(⓪, ①)\n\nProposed answer:\nadd(⓪, ①) = ①\n\nIs this correct?"),
            ("assistant", "It is correct."),
        ],
    ]  # fmt: skip
    assert [row.type for row in MADE] == [
        "sparring_identify_incorrect", "sparring_correction", "sparring_confirm_correct"
    ]  # fmt: skip


def test_each_row_carries_the_key_of_its_own_problem_and_whose_answer_it_is() -> None:
    assert [row.problem_key for row in MADE] == ["add(①, ①)", "add(①, ①)", "add(⓪, ①)"]
    assert {(row.skill, row.level, row.stamp) for row in MADE} == {("bin", 1, Stamp("dio", 7, "ab"))}


def test_as_many_rows_say_yes_as_say_no() -> None:
    said = [row.messages[1].content for row in MADE if row.type in (IDENTIFY, CONFIRM)]
    assert sorted(said) == [rows.YES, rows.NO]
    assert rows.answer(CORRECTION, ASKED) == ASKED.answer
