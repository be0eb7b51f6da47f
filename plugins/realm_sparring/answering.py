"""The hero's answers to problems, and the judge's word on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from realm_cli import profiles
from realm_cli.errors import RealmError, SkillAwayError
from realm_cli.generation import Generator, Message, Reply
from realm_cli.profiles import Profile
from realm_cli.skillbook import GuildSkill
from realm_cli.skills import Problem, Skill
from realm_sparring.rows import Wrong

CHUNK = 128
"""Conversations that are answered together."""


@dataclass
class Answers:
    """What became of the problems."""

    right: list[Problem] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    """Those of which rows can be made."""
    empty: list[Problem] = field(default_factory=list)
    """Replies without text, or without an answer in the form of the data profile."""
    endless: list[Problem] = field(default_factory=list)
    """The reply came to no end within the room for it: where it stops is not the hero's word."""
    unjudged: list[Problem] = field(default_factory=list)
    """The judge failed, or it does not accept the golden answer."""

    @property
    def wrong_count(self) -> int:
        """All answers that are not right."""
        return len(self.wrong) + len(self.empty) + len(self.endless)


def ask(entry: GuildSkill, generator: Generator, problems: Sequence[Problem]) -> Answers:
    """The answers, judged. Raises `RealmError` when other weights than the generator's gave one."""
    profile = profiles.of_generator(generator)
    answers, most = Answers(), entry.reply_tokens(problems) + profile.extra_tokens
    for start in range(0, len(problems), CHUNK):
        asked = problems[start : start + CHUNK]
        conversations = [[Message("user", problem.prompt)] for problem in asked]
        replies = generator.generate(conversations, max_tokens=most)
        for problem, conversation, reply in zip(asked, conversations, replies, strict=True):
            _check_origin(generator, profile, reply)
            _sort(answers, entry.skill, problem, profile.answer(conversation, reply.text), reply)
    return answers


def _check_origin(generator: Generator, profile: Profile, reply: Reply) -> None:
    given = (reply.hero, reply.step, reply.weights_sha256)
    if given != (generator.hero, generator.step, generator.weights_sha256):
        raise RealmError(
            f"a reply came from {reply.hero} at step {reply.step} with weights {reply.weights_sha256[:12]}, not from"
            f" {generator.hero} at step {generator.step} with weights {generator.weights_sha256[:12]}",
            "nothing was queued; look at what the inference host has loaded",
        )
    if reply.profile != profile.stamp:
        raise RealmError(
            f"a reply came under the data profile {reply.profile} instead of {profile.stamp}",
            "nothing was queued; look at the hero's settings on the inference host",
        )


def _sort(answers: Answers, skill: Skill, problem: Problem, answer: str | None, reply: Reply) -> None:
    """`answer` is what the data profile takes out of the reply; a reply without one is wrong, and no row is made of it."""
    proposed = (answer or "").strip()
    correct = is_correct(skill, problem, proposed)
    if correct is None or not is_correct(skill, problem, problem.answer):
        answers.unjudged.append(problem)
    elif correct:
        answers.right.append(problem)
    elif reply.finish == "length" and reply.text.strip():
        answers.endless.append(problem)
    elif not proposed:
        answers.empty.append(problem)
    else:
        answers.wrong.append(Wrong(problem, proposed))


def is_correct(skill: Skill, problem: Problem, reply: str) -> bool | None:
    """The judge's word; None when the judge itself fails. Raises `SkillAwayError`: an outage is no verdict."""
    try:
        return bool(skill.judge(problem, reply).correct)
    except SkillAwayError:
        raise
    except Exception:  # the edge of a plugin
        return None
