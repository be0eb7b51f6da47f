"""A task of the library as a skill."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice

import msgspec

from realm_cli.errors import SkillAwayError, UsageError
from realm_cli.sampling import with_repeats
from realm_cli.skills import Problem, Split, Verdict, belongs, without_thinking
from realm_gym import facts, seeds, wire
from realm_gym.check import check
from realm_gym.child import CHILD
from realm_gym.keys import key_of
from realm_gym.records import TaskFacts
from realm_gym.tasks import FAMILY, library_version
from realm_gym.wire import Answer, Request

MOST_MISSED = 60
"""Items in a row that the library may fail to give; one that takes too long counts for `HANGING`."""
HANGING = 20
FRUITLESS: dict[Split, int] = {"train": 500, "eval": 3000}
"""Items in a row without a new problem after which a level counts as exhausted; evals take one of ten."""
LONGEST_REPLY = 100_000
LONGEST_PARSED = 200


class Place(msgspec.Struct, frozen=True):
    """Where the library has a problem. What its scorer needs beside the answer is made again from here."""

    seed: int
    index: int
    level: int


class GymSkill:
    """Items of one task; its scorer is the judge. What did not pass the self-check gives no problems."""

    def __init__(self, task: str) -> None:
        self.id = f"{FAMILY}.{task}"
        self.name = task.replace("_", " ").title()
        self._task = task
        self._seen: TaskFacts | None = None

    @property
    def max_level(self) -> int:
        """As many as the task's curriculum has; 1 without one."""
        return self._told().levels

    @property
    def category(self) -> str:
        """The library's word for such tasks."""
        return self._told().category

    def _told(self) -> TaskFacts:
        """What is known without a check."""
        if self._seen is None:
            self._seen = facts.of_task(library_version(), self._task)
        if self._seen is not None:
            return self._seen
        told = CHILD.ask(Request(do="levels", task=self._task, seconds=wire.LEVELS_SECONDS))
        return TaskFacts(category=told.category, levels=max(1, told.levels))

    def trouble(self) -> str:
        """Why the task must not be used, as far as it was checked; empty when it passed or was not checked yet."""
        found = facts.of_task(library_version(), self._task)
        return f"{found.trouble} (reasoning-gym {library_version()})" if found is not None and found.trouble else ""

    def _passed(self, level: int) -> None:
        """Check the task unless that was done. Raises `SkillAwayError` when it must not be used."""
        if self._seen is None and facts.of_task(library_version(), self._task) is None:
            self._seen = check(CHILD, self._task)
            facts.keep(library_version(), self._task, self._seen)
        found = self._told()
        if found.trouble:
            raise SkillAwayError(
                f"skill '{self.id}' must not be used: {found.trouble} (reasoning-gym {library_version()})",
                "use another one: realm skill list --all",
            )
        if not 1 <= level <= found.levels:
            raise UsageError(f"{self.id} has no level {level}", f"its levels are 1 to {found.levels}")

    def problem(self, level: int, rng: random.Random) -> Problem:
        """An item of the library; those that it fails to give are passed over."""
        self._passed(level)
        return next(self._given(level, iter(lambda: Place(seeds.draw(self._task, rng), 0, level), None)))

    def stream(self, level: int, seed: int, split: Split) -> Iterator[Problem]:
        """Items without end: one data set of the library after the other, as building one may take long."""
        self._passed(level)
        yield from self._given(level, self._places(level, random.Random(seed)))

    def _places(self, level: int, rng: random.Random) -> Iterator[Place]:
        while True:
            seed = seeds.draw(self._task, rng)
            for index in range(seeds.CHUNK):
                yield Place(seed, index, level)

    def _given(self, level: int, places: Iterator[Place]) -> Iterator[Problem]:
        missed = 0
        for place in places:
            told = CHILD.ask(self._request("item", place))
            if not told.trouble:
                missed = 0
                yield Problem(told.prompt, told.answer, key_of(told.prompt), msgspec.to_builtins(place))
                continue
            missed += HANGING if told.died else 1
            if missed >= MOST_MISSED:
                raise SkillAwayError(
                    f"{self.id} level {level} gives no problems: {told.trouble}", "train another level"
                )

    def sample(self, level: int, count: int, seed: int, split: Split) -> list[Problem]:
        """As `realm_cli.sampling.sample`, which looks long for further problems where a level tells how many it has."""
        rng = random.Random(f"{self.id} level {level} {split} seed {seed}")
        found = list(islice(self._different(level, rng, split), count))
        if not found:
            raise SkillAwayError(
                f"{self.id} level {level} has too few problems for the {split} split", "skip the level"
            )
        return found if split == "eval" else list(islice(with_repeats(found, rng), count))

    def _different(self, level: int, rng: random.Random, split: Split) -> Iterator[Problem]:
        """Problems with different keys, until the library gives no new one for a long time."""
        keys: set[str] = set()
        fruitless = 0
        for problem in self.stream(level, rng.getrandbits(64), split):
            fruitless += 1
            if problem.key not in keys and belongs(self, level, problem, split):
                keys.add(problem.key)
                fruitless = 0
                yield problem
            elif fruitless == FRUITLESS[split]:
                return

    def judge(self, problem: Problem, reply: str) -> Verdict:
        """Right is what the task's scorer gives the full score. Raises `SkillAwayError` where there is no library."""
        text = said(reply)
        if not text:
            return Verdict(False, "", "the reply is empty")
        if len(text) > LONGEST_REPLY:
            return Verdict(False, "", f"the reply is longer than {LONGEST_REPLY} characters")
        told, parsed = self._scored(problem, text), " ".join(text.split())[:LONGEST_PARSED]
        if told.trouble:
            return Verdict(False, parsed, f"the scorer failed: {told.trouble}")
        if told.score is not None:
            return Verdict(told.score >= 1, parsed, f"score {told.score:g} of 1")
        equal = text == said(problem.answer)
        reason = "the golden answer" if equal else "not the golden answer"
        return Verdict(equal, parsed, f"{reason}; the scorer does not know the problem")

    def _scored(self, problem: Problem, text: str) -> Answer:
        """The scorer's answer, or one without a score where it cannot know the problem."""
        try:
            place = msgspec.convert(problem.meta, Place)
        except msgspec.ValidationError:
            return Answer()
        asked = self._request("score", place)
        return CHILD.ask(msgspec.structs.replace(asked, prompt=problem.prompt, answer=problem.answer, reply=text))

    def _request(self, do: str, place: Place) -> Request:
        return Request(
            do=do, seconds=wire.ITEM_SECONDS, task=self._task, level=place.level, seed=place.seed, index=place.index
        )

    def space(self, level: int) -> None:
        """Without end, as far as the library tells."""


def said(reply: str) -> str:
    """The reply without think blocks before the answer; empty where it never came to one."""
    whole = reply.encode(errors="replace").decode()  # the library's process reads no halves of characters
    return without_thinking(whole).strip()
