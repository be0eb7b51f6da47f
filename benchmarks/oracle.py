"""The Oracle on the CPU with dio-mini: many chats at a time beside one after another, the first token, two steps in turn.

All ask one real `realm oracle serve` through HTTP with as many clients as there are chats; generate() of transformers is
given the same prompts as ready token ids in one batch, without any server. `transformers serve`, in the peers' environment,
is asked in the same way as ours where it starts; its rate is by the tokens that it says it made. Greedy, to the same end
tokens; replies of ours that differ from generate()'s end the benchmark.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.common import Report, at_least, at_most, fresh_folder, our_versions
from benchmarks.evals import Peer, ended, make_realm, start_battle
from realm_arena.rows import Message as RowMessage
from realm_cli import services
from realm_cli.generation import Message, open_generator
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.oracleclient import Answer, OracleClient
from realm_cli.realm import Realm

CHATS = 16
TOKENS = 64
FIRST_TRIES = 30
START_SECONDS = 60.0
GOAL = "bin=2"


def conversations() -> list[list[Message]]:
    """Prompts that differ in length and that the hero, which knows only sums, answers at length."""
    return [[Message("user", f"tell me what {number} is " + "and why " * (number % 5))] for number in range(CHATS)]


# -- ours --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(realm: Realm) -> Iterator[OracleClient]:
    """A real server for as long as a `with` runs."""
    line = [sys.executable, "-m", "realm_cli", "--realm", str(realm.root), "oracle", "serve", "--port", "0", "-q"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + START_SECONDS
    while (found := services.running(realm, "oracle")) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the Oracle does not start")
        time.sleep(0.05)
    try:
        yield OracleClient(found.url)
    finally:
        process.terminate()
        process.wait()


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds, result)."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def at_once(ask: Callable[[list[Message]], Any], asked: list[list[Message]]) -> list[Any]:
    """All by as many clients at a time."""
    with ThreadPoolExecutor(len(asked)) as threads:
        return list(threads.map(ask, asked))


def first_token(client: OracleClient, step: int, asked: list[Message]) -> float:
    """Seconds from the question to the first text."""
    begun = time.perf_counter()
    pieces = client.chat_stream(asked, step, max_tokens=8)
    first = next(pieces)
    seconds = time.perf_counter() - begun
    assert isinstance(first, (str, Answer))
    for _ in pieces:
        pass
    return seconds


def switching(report: Report, client: OracleClient, steps: tuple[int, int], rounds: int) -> None:
    """Questions to one step beside questions to two in turn."""
    asked = conversations()[:8]

    def ask(chosen: Callable[[int], int]) -> None:
        for number, conversation in enumerate(asked):
            client.chat(conversation, chosen(number), max_tokens=16)

    ratios = []
    for _ in range(rounds):
        same, _none = timed(lambda: ask(lambda _number: steps[0]))
        turns, _none = timed(lambda: ask(lambda number: steps[number % 2]))
        ratios.append(turns / same)
    report.ratio("switching", ratios, at_most(1.25))


# -- transformers' own server ------------------------------------------------------------------------------------


@contextlib.contextmanager
def their_server(report: Report, folder: Path) -> Iterator[str | None]:
    """`transformers serve` in a process of its own; None, with the reason in the report, where it does not start."""
    try:
        program = peers.python().with_name("transformers")
    except (OSError, subprocess.CalledProcessError) as error:
        leave_out(report, f"the peers' environment cannot be made: {error}")
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as wire:
        port = wire.getsockname()[1]
    line = [str(program), "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
    try:
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.2)
        answers = False
        with contextlib.suppress(OSError, KeyError, ValueError):
            answers = their_chat(url, folder, conversations()[0]) > 0
        if not answers:
            leave_out(report, "it does not start or answer here")
        yield url if answers else None
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def leave_out(report: Report, why: str) -> None:
    """Say why there is nothing to compare with."""
    report.line("transformers serve", f"left out: {why}")
    report.data["left_out"] = {"transformers serve": why}


def their_chat(url: str, folder: Path, conversation: list[Message]) -> int:
    """One chat with it, without streaming; how many tokens it made."""
    body = {
        "model": str(folder), "messages": [{"role": turn.role, "content": turn.content} for turn in conversation],
        "max_tokens": TOKENS, "temperature": 0.0, "stream": False,
    }  # fmt: skip
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return int(json.load(answer)["usage"]["completion_tokens"])


# -- together ----------------------------------------------------------------------------------------------------


def compare(report: Report, realm: Realm, rounds: int) -> None:
    """Rounds of all contenders."""
    record = Ledger(realm).get_latest()
    folder = Ledger(realm).here(record.step)[1]
    asked = conversations()
    generator: Any = open_generator(realm, Manager.of(realm), record.hero, record.step)
    expected = generator.generate(asked, max_tokens=TOKENS)
    tokens = sum(reply.tokens for reply in expected)
    report.settings(chats=CHATS, max_tokens=TOKENS, tokens=tokens, step=record.step)
    peer = Peer(folder, generator)
    prompts = [generator._tokenizer.prompt_ids([RowMessage("user", turns[0].content)]) for turns in asked]
    with serving(realm) as client, their_server(report, folder) as their_url:
        client.load(record.step)
        client.load(0)

        def chat(conversation: list[Message]) -> str:
            return client.chat(conversation, record.step, max_tokens=TOKENS).response

        contenders: dict[str, Callable[[], Any]] = {
            "at once": lambda: at_once(chat, asked),
            "one after another": lambda: [chat(conversation) for conversation in asked],
            "generate() in a batch": lambda: peer_answers(peer, prompts),
        }
        if their_url is not None:
            contenders["transformers serve"] = lambda: at_once(lambda one: their_chat(their_url, folder, one), asked)
        rates: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(-1, rounds):
            for name, work in contenders.items():
                seconds, given = timed(work)
                if name in ("at once", "one after another") and given != [reply.text for reply in expected]:
                    raise SystemExit(f"{name} gives other replies than generate()")
                made = sum(given) if name == "transformers serve" else tokens
                if number >= 0:
                    rates[name].append(made / seconds)
        tell(report, rates)
        firsts = [first_token(client, record.step, asked[n % CHATS]) for n in range(FIRST_TRIES + 3)][3:]
        report.measured("first token", [1000 * each for each in firsts], "ms", at_most(100))
        switching(report, client, (record.step, 0), rounds)


def peer_answers(peer: Peer, prompts: list[list[int]]) -> list[list[int]]:
    """The batch of transformers' generate()."""
    from benchmarks.evals import Exam

    return peer.answer(Exam([], prompts, TOKENS), len(prompts))


def tell(report: Report, rates: dict[str, list[float]]) -> None:
    """Tokens a second of each, and ours at once beside the others."""
    for name, values in rates.items():
        report.measured(name, values, "tokens/s")
    for name in rates:
        if name != "at once":
            target = at_least(4) if name == "one after another" else None
            report.ratio(name, [a / b for a, b in zip(rates["at once"], rates[name], strict=True)], target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    report = Report("oracle", f"{CHATS} chats at once through HTTP beside one after another, with dio-mini on the CPU")
    report.versions(**our_versions("torch", "transformers"))
    report.settings(rounds=given.rounds, threads=given.threads, trained_until=GOAL)
    realm = make_realm(fresh_folder("oracle") / "realm", given.threads)
    ended(start_battle(realm, "--until", GOAL), realm)
    compare(report, realm, given.rounds)
    report.write()


if __name__ == "__main__":
    main()
