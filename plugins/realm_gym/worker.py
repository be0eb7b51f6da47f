"""The process that holds the library: a request on each line of standard input, an answer on each of standard output.

Processor time and memory of a request are bounded by the kernel: a request that takes too long ends this process.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from typing import BinaryIO

import msgspec

from realm_gym.wire import Answer, RefusedGoldenError, Request

MEMORY = 4 * 2**30
BY_THE_CLOCK = 20
"""Seconds for each second of processor time that a request may take; a busy machine is slow, a hanging task has no end."""


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever the library prints is no answer
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from realm_gym import guard, library  # noqa: F401  # its import is in no limit

    guard.install()
    _say(answers, Answer())
    decoder = msgspec.json.Decoder(Request)
    for line in sys.stdin.buffer:
        _say(answers, _answer(decoder.decode(line)))


def _say(answers: BinaryIO, answer: Answer) -> None:
    data = memoryview(msgspec.json.encode(answer) + b"\n")
    while data:
        data = data[answers.write(data) :]


def _answer(asked: Request) -> Answer:
    begun = time.process_time()
    _limit(asked.seconds)
    try:
        found = _done(asked)
    except RefusedGoldenError as error:
        found = Answer(trouble=str(error), refused=True)
    except Exception as error:  # the edge of the library
        found = Answer(trouble=f"{type(error).__name__}: {error}"[:500])
    finally:
        _limit(0)
    return msgspec.structs.replace(found, seconds=time.process_time() - begun)


def _limit(seconds: float) -> None:
    """Let the kernel end this process after so much work; 0 takes it back."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, BY_THE_CLOCK * seconds)


def _done(asked: Request) -> Answer:
    from realm_gym import library

    place = (asked.task, asked.level, asked.seed, asked.index)
    if asked.do == "tasks":
        return Answer(tasks=library.known())
    if asked.do == "levels":
        levels, ends = library.levels(asked.task)
        return Answer(levels=levels, category=library.category(asked.task), ends=ends)
    if asked.do == "score":
        return Answer(score=library.score(*place, asked.prompt, asked.answer, asked.reply))
    if asked.do == "forget":
        library.forget()
        return Answer()
    prompt, answer = library.item(*place)
    return Answer(prompt=prompt, answer=answer)


if __name__ == "__main__":
    main()
