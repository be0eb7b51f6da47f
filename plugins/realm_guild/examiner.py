"""One eval: the hero answers a static set, the skill's judge decides, every item is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from realm_cli import profiles
from realm_cli.errors import AwayError, RealmError, SkillAwayError, StorageError
from realm_cli.generation import Generator, Message, Reply
from realm_cli.profiles import Profile
from realm_cli.records import now
from realm_cli.skillbook import GuildSkill
from realm_cli.skills import Problem, Verdict
from realm_guild import evalsets
from realm_guild.records import EvalItem, EvalResult, EvalSet

CHUNK = 128
"""Problems between two looks at the control flags."""


def examine(
    entry: GuildSkill, eval_set: EvalSet, generator: Generator, checkpoint: str, breathe: Callable[[], None]
) -> EvalResult:
    """Ask, judge, count. What the generator or the judge raises makes a result of state error or invalid.

    `breathe` is called between chunks; what it raises goes through, as nothing was decided yet.
    """
    begun = time.monotonic()
    problems, profile = evalsets.problems_of(eval_set), profiles.of_generator(generator)
    state, reason, items = "ok", "", list[EvalItem]()
    try:
        replies = _answers(problems, generator, entry.reply_tokens(problems) + profile.extra_tokens, breathe)
    except (StorageError, AwayError):
        raise  # a refusal of the disk or the network says nothing about the hero; the eval stays pending
    except RealmError as error:
        state, reason = "error", error.message
    else:
        items, reason = _judged(entry, problems, replies, profile)
        reason = _foreign(replies, generator.weights_sha256, profile.stamp) or reason
        state = "invalid" if reason else "ok"
    return EvalResult(
        hero=generator.hero, step=generator.step, checkpoint=checkpoint, weights_sha256=generator.weights_sha256,
        skill=entry.config.id, level=eval_set.level, state=state, reason=reason,
        set_sha256=evalsets.hash_of(eval_set), profile=profile.stamp, closed=eval_set.closed, size=len(problems),
        correct=sum(item.correct for item in items), items=items, seconds=round(time.monotonic() - begun, 3), at=now(),
    )  # fmt: skip


def _answers(
    problems: Sequence[Problem], generator: Generator, max_tokens: int, breathe: Callable[[], None]
) -> list[Reply]:
    replies: list[Reply] = []
    for start in range(0, len(problems), CHUNK):
        breathe()
        asked = [_conversation(problem) for problem in problems[start : start + CHUNK]]
        replies += generator.generate(asked, max_tokens=max_tokens)
    return replies


def _conversation(problem: Problem) -> list[Message]:
    """How the hero is asked, before its data profile."""
    return [Message("user", problem.prompt)]


def _foreign(replies: Sequence[Reply], weights_sha256: str, profile: str) -> str:
    """Why the replies are not those that were asked for; empty when they are."""
    others = sum(reply.weights_sha256 != weights_sha256 for reply in replies)
    if others:
        return f"{others} replies came from other weights"
    others = sum(reply.profile != profile for reply in replies)
    return f"{others} replies came under another data profile than {profile}" if others else ""


def _judged(
    entry: GuildSkill, problems: Sequence[Problem], replies: Sequence[Reply], profile: Profile
) -> tuple[list[EvalItem], str]:
    """(items, why the eval is invalid: a judge that fails has judged nothing)."""
    items, trouble = [], ""
    for problem, reply in zip(problems, replies, strict=True):
        answer = profile.answer(_conversation(problem), reply.text)
        try:
            verdict = _formless(profile) if answer is None else _verdict(entry.skill.judge(problem, answer))
        except SkillAwayError:
            raise  # nothing was judged yet; the eval stays pending
        except Exception as error:  # the edge of a plugin
            trouble = trouble or f"the judge failed on {problem.prompt!r}: {type(error).__name__}: {error}"
            verdict = Verdict(False, "", trouble)
        items.append(
            EvalItem(
                problem.prompt, problem.answer, reply.text, verdict.correct, verdict.parsed, verdict.reason, reply.finish,
                None if answer == reply.text else answer,
                str(problem.meta.get("kind", "")), str(problem.meta.get("form", "")),
            )
        )  # fmt: skip
    return items, trouble


def _formless(profile: Profile) -> Verdict:
    """The verdict on a reply that has no answer in it."""
    return Verdict(False, "", f"the reply has not the form of the data profile {profile.stamp}")


def _verdict(said: object) -> Verdict:
    """What a judge gave, checked: with anything else in it the result could not be read again."""
    return msgspec.json.decode(msgspec.json.encode(said), type=Verdict)
