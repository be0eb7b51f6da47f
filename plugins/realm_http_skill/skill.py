"""A skill that lives on a server, as the guild and all others use it: a `realm_cli.skills.Skill` like any other."""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Iterator
from itertools import count as numbers
from itertools import islice
from typing import Any

import msgspec

from realm_cli.realm import Realm
from realm_cli.sampling import distinct, with_repeats
from realm_cli.skillbook import SkillConfig
from realm_cli.skills import Problem, Split, Verdict, belongs
from realm_http_skill import judges, shapes
from realm_http_skill.acquaintance import Acquaintance
from realm_http_skill.records import ServerRecord
from realm_http_skill.wire import WORK_SECONDS, Missing, SkillServer

log = logging.getLogger("realm.skills")
BATCH = 100
"""Problems that a server is asked for at a time, whatever is wanted: so a small quest begins like a larger one."""
PROBE = 5
"""Problems by which it is tried whether a server heeds seeds."""
SEED_BITS = 53
"""What every JSON reader takes as a whole number."""


class Answered(msgspec.Struct, frozen=True):
    """What `POST /judge` answers."""

    correct: bool
    parsed: str = ""
    reason: str = ""


def open_skill(config: SkillConfig, realm: Realm) -> HttpSkill:
    """The skill of a YAML with `api:`. Raises `SkillAwayError` where its server was never met and cannot be now."""
    assert config.api is not None
    server = SkillServer(config.id, config.api)
    return HttpSkill(config, server, Acquaintance(realm, config, server))


class HttpSkill:
    """Asks its server for problems; whatever the server says, problems of the eval split are never trained."""

    def __init__(self, config: SkillConfig, server: SkillServer, known: Acquaintance) -> None:
        self.id, self.max_level = config.id, config.max_level
        self._judge, self._server, self._known = config.judge, server, known
        self._known.read()
        self._heeds_seeds: bool | None = None

    def problem(self, level: int, rng: random.Random) -> Problem:
        """One problem; whoever wants many asks `sample` or `stream`."""
        return self._generated(level, 1, rng.getrandbits(SEED_BITS))[0]

    def judge(self, problem: Problem, reply: str) -> Verdict:
        """By the kind of value that the YAML names, else by the server."""
        if self._judge is not None:
            return judges.judge(self._judge, problem.answer, reply)
        body: dict[str, Any] = {"prompt": problem.prompt, "answer": problem.answer, "reply": reply}
        if self._met().most:
            body["meta"] = problem.meta
        said = self._asked("/judge", body, "name how replies are judged: `judge: exact`, number, json or lines")
        try:
            found = msgspec.convert(said, Answered)
        except msgspec.ValidationError as error:
            raise self._server.garbled("/judge", said, str(error)) from None
        return Verdict(found.correct, found.parsed, found.reason)

    def space(self, level: int) -> int | None:
        """How many distinct problems the level has, as the server said when it was met; None when it did not."""
        return next((one.space for one in self._known.read().levels if one.level == level), None)

    def sample(self, level: int, count: int, seed: int, split: Split) -> list[Problem]:
        """As `realm_cli.sampling.sample`. Realm's own servers answer what the skill itself would give there."""
        if 0 < count <= self._met().most and abs(seed) < 2**SEED_BITS:
            if split == "train":
                found = self._generated(level, count, seed)
            else:
                found = self._of_evals(f"/eval?level={level}&count={count}&seed={seed}", level)
            if self._as_wanted(found, level, count, split):
                return found
        rng = random.Random(f"{self.id} level {level} {split} seed {seed}")
        found = list(distinct(self, level, count, rng, split))
        if not found:
            raise self._server.away(f"has no problem of level {level} for the {split} split")
        return found if split == "eval" else list(islice(with_repeats(found, rng), count))

    def stream(self, level: int, seed: int, split: Split) -> Iterator[Problem]:
        """Problems without end, batch after batch; what batch comes next depends on level, seed and split alone."""
        if split == "eval":
            yield from self._examples(level)
        self._try_seeds(level)
        for number in numbers():
            digest = hashlib.sha256(f"{self.id} level {level} {split} seed {seed} batch {number}".encode()).digest()
            yield from self._generated(level, BATCH, int.from_bytes(digest[:8], "big") >> (64 - SEED_BITS))

    def _as_wanted(self, found: list[Problem], level: int, count: int, split: Split) -> bool:
        """Whether a server gave what the skill itself would: of that side of the split, no more, no less, no twins in evals."""
        if split == "train" and len(found) < count:
            return False
        if split == "eval" and len({problem.key for problem in found}) < len(found):
            return False
        return 0 < len(found) <= count and all(belongs(self, level, problem, split) for problem in found)

    # -- asking --------------------------------------------------------------------------------------------------

    def _met(self) -> ServerRecord:
        """What the server says of itself, asked once in a process."""
        return self._known.meet()

    def _generated(self, level: int, count: int, seed: int) -> list[Problem]:
        self._met()
        said = self._asked("/generate", {"level": level, "count": count, "seed": seed})
        found = self._problems("/generate", said, level)
        if not found:
            raise self._server.garbled("/generate", said, "it holds no problem")
        return found[:count]

    def _examples(self, level: int) -> list[Problem]:
        """The server's own problems for evals, where it has some."""
        self._met()
        return self._of_evals(f"/eval?level={level}", level) or self._of_evals(f"/eval/{level}", level)

    def _of_evals(self, path: str, level: int) -> list[Problem]:
        """The problems at a path; none where there is nothing."""
        try:
            return self._problems(path, self._server.ask(path, seconds=WORK_SECONDS), level)
        except Missing:
            return []

    def _problems(self, path: str, said: Any, level: int) -> list[Problem]:
        try:
            return shapes.problems(said, level)
        except shapes.ShapeError as error:
            raise self._server.garbled(path, said, str(error)) from None

    def _asked(self, path: str, body: dict[str, Any], hint: str = "") -> Any:
        try:
            return self._server.ask(path, body, WORK_SECONDS)
        except Missing as missing:
            raise self._server.away(missing.words, hint) from None

    def _try_seeds(self, level: int) -> None:
        """Say once when the same seed gives other problems: what is forged then cannot be forged again."""
        if self._heeds_seeds is None:
            once, again = (self._generated(level, PROBE, 1) for _ in range(2))
            keys = {problem.prompt: problem.key for problem in once}
            if any(keys.get(problem.prompt, problem.key) != problem.key for problem in again):
                raise self._server.away(
                    "gives one problem other keys at other times, so it could be on both sides of the split",
                    "give each problem the same key always, or none: then its prompt names it",
                )
            self._heeds_seeds = once == again
            if not self._heeds_seeds:
                log.warning(
                    "the server of skill '%s' at %s ignores seeds: the same one gave other problems, so its quests "
                    "cannot be made again", self.id, self._server.url,
                )  # fmt: skip
