"""What a profile takes out of replies before the judge sees them, in evals and in sparring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from realm_cli import skillstate
from realm_cli.conversation import Message
from realm_cli.errors import RealmError
from realm_cli.generation import Reply
from realm_cli.profiles import Plain, Profile
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_cli.skills import Problem
from realm_guild import evalsets, requests
from realm_guild.records import EvalResult
from realm_guild_heroes import HERO, FakeHero, bin_of, checkpoint, make
from realm_profiles.emoji_think import EmojiThink
from realm_profiles.regime3 import Regime3
from realm_sparring import answering
from realm_sparring_heroes import Said

Says = Callable[[str, list[Message]], str]
"""The reply to (the golden answer, the question as it is asked)."""


class Dressed(FakeHero):
    """A hero that knows all answers and says them as it is told to."""

    def __init__(self, realm: Realm, profile: Profile, says: Says, under: str = "") -> None:
        super().__init__(realm, 1)
        self.profile, self.says, self.under = profile, says, under or profile.stamp
        self.most = 0

    def generate(self, conversations: Sequence[Sequence[Message]], *, max_tokens: int, **given: Any) -> list[Reply]:
        self.most = max_tokens
        golden = super().generate(conversations, max_tokens=max_tokens, **given)
        return [
            msgspec.structs.replace(reply, text=self.says(reply.text, self.profile.question(turns)), profile=self.under)
            for reply, turns in zip(golden, conversations, strict=True)
        ]


def marked(golden: str, _question: list[Message]) -> str:
    return f"(add 1 2)\n<<ANS_START>>{golden}<<ANS_END>>"


def bare(golden: str, _question: list[Message]) -> str:
    return golden


def obedient(golden: str, question: list[Message]) -> str:
    """As the instructions in the question say, read by their words."""
    words = question[-1].content.replace(",", "").split()
    lines = [golden]
    if "Think" in words:
        at = len(words) - words[::-1].index("Think") - 1
        lines.insert(0, words[at + 2] * int(words[at + 3]))
    at = len(words) - words[::-1].index("End") - 1
    return "\n".join([*lines, words[at + 2] * int(words[at + 3])])


def examined(realm: Realm, hero: Dressed) -> EvalResult:
    checkpoint(realm, 1)
    requests.ask(realm, HERO, 1, "bin", 1, "request")
    (result,) = make(realm, hero)
    return result


@pytest.mark.parametrize(("profile", "says"), [(Regime3(""), marked), (EmojiThink(""), obedient)])
def test_a_right_answer_in_the_form_of_the_profile_is_right_and_the_whole_reply_is_kept(
    realm: Realm, profile: Profile, says: Says
) -> None:
    hero = Dressed(realm, profile, says)
    result = examined(realm, hero)
    assert (result.state, result.correct, result.profile) == ("ok", result.size, profile.stamp)
    for item in result.items:
        assert item.reply == says(item.expected, profile.question([Message("user", item.prompt)]))
        assert item.answer == item.expected
    problems = evalsets.problems_of(evalsets.ensure(realm, bin_of(realm), 1))
    assert hero.most == bin_of(realm).reply_tokens(problems) + profile.extra_tokens
    (line,) = skillstate.lines(realm, HERO, "bin")
    assert line.profile == profile.stamp


def test_regime3_takes_no_answer_without_markers_however_right(realm: Realm) -> None:
    result = examined(realm, Dressed(realm, Regime3(""), bare))
    assert (result.state, result.correct) == ("ok", 0)
    reasons = {(item.answer, item.reason, item.reply == item.expected) for item in result.items}
    assert reasons == {(None, "the reply has not the form of the data profile regime3", True)}


def test_emoji_lines_that_were_not_asked_for_make_an_answer_wrong(realm: Realm) -> None:
    result = examined(realm, Dressed(realm, EmojiThink(""), lambda golden, _: f"💡💡\n{golden}\n🎬"))
    assert (result.state, result.correct) == ("ok", 0)
    assert all(item.answer is None for item in result.items)  # the judge saw the whole of it


def test_under_none_the_judge_sees_the_reply_as_it_is(realm: Realm) -> None:
    result = examined(realm, Dressed(realm, Plain("be short"), bare))
    assert (result.correct, result.profile) == (result.size, Plain("be short").stamp)
    assert {item.answer for item in result.items} == {None}


def test_replies_under_another_profile_make_an_eval_invalid(realm: Realm) -> None:
    result = examined(realm, Dressed(realm, Regime3(""), marked, under="none"))
    assert result.state == "invalid"
    assert result.reason == f"{result.size} replies came under another data profile than regime3"


class Under(Said):
    """A hero that says what it is told to, under a profile."""

    def __init__(self, realm: Realm, profile: Profile, says: Callable[[int, str], str], under: str = "") -> None:
        super().__init__(realm, says)
        self.profile, self.under = profile, under or profile.stamp

    def generate(self, conversations: Sequence[Sequence[Message]], **given: Any) -> list[Reply]:
        said = super().generate(conversations, **given)
        return [msgspec.structs.replace(reply, profile=self.under) for reply in said]


def asked_in_sparring(realm: Realm, hero: Callable[[Realm], Under]) -> tuple[answering.Answers, list[Problem]]:
    checkpoint(realm, 1)
    entry = bin_of(realm)
    problems = sample(entry.skill, 6, 4, 0, "train")
    return answering.ask(entry, hero(realm), problems), problems


def test_sparring_rows_are_made_of_the_answer_within_the_markers(realm: Realm) -> None:
    problems: list[Problem] = sample(bin_of(realm).skill, 6, 4, 0, "train")
    said = [
        f"<<ANS_START>>{problems[0].answer}<<ANS_END>>", "so:\n<<ANS_START>> no idea <<ANS_END>>", problems[2].answer,
        "<<ANS_START>><<ANS_END>>",
    ]  # fmt: skip
    answers, asked = asked_in_sparring(realm, lambda realm: Under(realm, Regime3(""), lambda n, _: said[n]))
    assert answers.right == [asked[0]]
    assert [(wrong.problem, wrong.proposed) for wrong in answers.wrong] == [(asked[1], "no idea")]
    assert answers.empty == [asked[2], asked[3]]
    assert answers.wrong_count == 3


def test_sparring_stops_at_replies_under_another_profile(realm: Realm) -> None:
    with pytest.raises(RealmError, match="a reply came under the data profile none instead of regime3"):
        asked_in_sparring(realm, lambda realm: Under(realm, Regime3(""), lambda n, _: "a", under="none"))
