from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from realm_arena import decoding
from realm_arena.generating import ModelGenerator
from realm_arena_generators import always, ask, loaded, make_folders, text_tokens
from realm_cli.errors import RealmError, UsageError
from realm_cli.generation import Message, Reply, Session, session_of

NAMES = ["llama", "gemma", "mamba", "dio-mini"]
pytestmark = pytest.mark.usefixtures("threads")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_folders(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def opened(folders: dict[str, Path]) -> dict[str, ModelGenerator]:
    return {name: loaded(folder) for name, folder in folders.items()}


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Listener:
    """Steps a session and keeps what it says."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.texts: dict[int, list[str]] = {}
        self.replies: dict[int, Reply] = {}

    def step(self) -> int:
        """How many conversations something came for."""
        pieces = self.session.step()
        for piece in pieces:
            assert piece.ticket not in self.replies
            assert piece.error is None
            self.texts.setdefault(piece.ticket, []).append(piece.text)
            if piece.reply is not None:
                self.replies[piece.ticket] = piece.reply
        return len(pieces)

    def finish(self) -> None:
        while self.step():
            pass


@pytest.mark.parametrize("name", NAMES)
def test_whoever_joins_and_leaves_meanwhile_everyone_gets_the_reply_of_generate(
    name: str, opened: dict[str, ModelGenerator]
) -> None:
    generator, chance = opened[name], random.Random(name)
    texts = ["", "say 1", "the quick brown fox " * 5, "日本語 😀", "x" * 70, "ab" * 11]
    asked = [(ask(texts[n % len(texts)] + str(n)), chance.choice([1, 3, 12, 40])) for n in range(24)]
    alone = [generator.generate([turns], max_tokens=most)[0] for turns, most in asked]
    assert len({reply.text for reply in alone}) > 10
    listener, tickets, dropped = Listener(generator.session()), {}, set()
    for number, (turns, most) in enumerate(asked):
        tickets[listener.session.add(turns, max_tokens=most)] = number
        if chance.random() < 0.2:
            given_up = chance.choice(list(tickets))
            listener.session.drop(given_up)
            dropped.add(given_up)
        for _ in range(chance.randrange(4)):
            listener.step()
    listener.finish()
    for ticket, number in tickets.items():
        if ticket in listener.replies:
            assert listener.replies[ticket] == alone[number]
            assert "".join(listener.texts[ticket]) == alone[number].text
        else:
            assert ticket in dropped
    assert len(listener.replies) > 15


def test_a_long_running_row_does_not_keep_the_columns_of_those_that_left(opened: dict[str, ModelGenerator]) -> None:
    session = opened["gemma"].session()
    session.add(ask("go"), max_tokens=150, stop=["never said"])
    session.step()
    for number in range(10):
        ticket = session.add(ask("x" * 100 + str(number)), max_tokens=9)
        session.step()
        session.drop(ticket)
    batch: Any = session._batch
    assert len(batch) == 1
    assert batch._mask.shape[1] == int(batch._positions.max()) + 1 < 60
    assert {layer.keys.shape[-2] for layer in batch._cache.layers} == {3, batch._mask.shape[1]}
    session.close()
    assert session.step() == []
    assert len(batch) == 0


def test_draws_are_those_of_generate(opened: dict[str, ModelGenerator]) -> None:
    generator = opened["dio-mini"]
    asked = [ask("y" * n) for n in (3, 30, 9)]
    expected = generator.generate(asked, max_tokens=9, temperature=1.0, seed=5)
    listener = Listener(generator.session())
    tickets = []
    for number, turns in enumerate(asked):
        tickets.append(listener.session.add(turns, max_tokens=9, temperature=1.0, seed=5, number=number))
        listener.step()
    listener.finish()
    assert [listener.replies[ticket] for ticket in tickets] == expected


def test_a_session_tells_when_one_more_would_only_wait(opened: dict[str, ModelGenerator]) -> None:
    for session, most in ((opened["gemma"].session(), decoding.BATCH_ROWS), (session_of(Plain(opened["gemma"])), 1)):
        added = 0
        while session.has_room:
            session.add(ask("go"), max_tokens=1, number=added)
            added += 1
        assert added == most
        session.step()
        assert session.has_room
        session.close()


@pytest.mark.parametrize("temperature", [1e-300, 5e-324, 1e-30])
def test_a_tiny_temperature_draws_the_likeliest(temperature: float, opened: dict[str, ModelGenerator]) -> None:
    generator = opened["dio-mini"]
    asked = [ask("say 1"), ask("say 2")]
    assert generator.generate(asked, max_tokens=9, temperature=temperature) == generator.generate(asked, max_tokens=9)


@pytest.mark.parametrize(
    ("said", "stop", "pieces"),
    [
        ("one two", [], ["o", "n", "e", " ", "t", "w", "o"]),
        ("日本é", [], ["", "", "日", "", "", "本", "", "é"]),
        ("one two three", ["two"], ["o", "n", "e", " ", "", "", ""]),
        ("one twig", ["two"], ["o", "n", "e", " ", "", "", "twi", "g"]),
        ("a日b日本", ["日本"], ["a", "", "", "", "日b", "", "", "", "", "", ""]),
        ("aab", ["ab", "b"], ["", "a", ""]),
    ],
)
def test_pieces_are_whole_characters_and_nothing_of_a_stop_text(
    said: str, stop: Sequence[str], pieces: list[str], folders: dict[str, Path]
) -> None:
    ids = text_tokens(loaded(folders["dio-mini"]), said)
    generator = always(ids, folders["dio-mini"])
    listener = Listener(generator.session())
    ticket = listener.session.add(ask("go"), max_tokens=len(ids), stop=stop)
    listener.finish()
    assert listener.texts[ticket] == pieces
    assert "".join(pieces) == listener.replies[ticket].text


def test_bytes_that_are_no_character_come_with_the_next_one_that_is(folders: dict[str, Path]) -> None:
    plain = loaded(folders["dio-mini"])
    character, letter = text_tokens(plain, "日"), text_tokens(plain, "a")
    said = [*character[:2], *letter, *character[1:], *character[:1]]
    generator = always(said, folders["dio-mini"])
    listener = Listener(generator.session())
    ticket = listener.session.add(ask("go"), max_tokens=len(said))
    listener.finish()
    assert "".join(listener.texts[ticket]) == listener.replies[ticket].text == plain._tokenizer.decode(said)


BAD: list[tuple[list[Message], dict[str, Any], str]] = [
    ([], {}, "conversation 4 has to end with a message to the hero"),
    ([Message("usr", "a")], {}, "'usr' is not a role"),
    (ask("a"), {"max_tokens": 0}, "out of range"),
    (ask("a"), {"temperature": -1.0}, "out of range"),
    (ask("a"), {"stop": [""]}, "out of range"),
]


@pytest.mark.parametrize(("turns", "given", "words"), BAD)
def test_what_is_refused_disturbs_no_other(
    turns: list[Message], given: dict[str, Any], words: str, opened: dict[str, ModelGenerator]
) -> None:
    session = opened["dio-mini"].session()
    listener = Listener(session)
    ticket = session.add(ask("go"), max_tokens=3)
    with pytest.raises(UsageError, match=words):
        session.add(turns, number=3, **{"max_tokens": 3, **given})
    listener.finish()
    assert list(listener.replies) == [ticket]


def test_a_session_of_spoiled_weights_fails_as_a_whole(folders: dict[str, Path]) -> None:
    generator = loaded(folders["dio-mini"])
    assert generator._model is not None
    with torch.no_grad():
        next(generator._model.parameters()).fill_(float("nan"))
    session = generator.session()
    session.add(ask("go"), max_tokens=2, temperature=1.0)
    with pytest.raises(RealmError, match="spoiled"):
        session.step()


class Plain:
    """A generator of another kind, which has no sessions of its own."""

    hero, step, weights_sha256 = "tiny", 3, "f00d"

    def __init__(self, generator: ModelGenerator) -> None:
        self.generate = generator.generate
        self.close = generator.close


def test_a_generator_without_sessions_gets_one_of_whole_replies(opened: dict[str, ModelGenerator]) -> None:
    generator = opened["dio-mini"]
    listener = Listener(session_of(Plain(generator)))
    one, two, three = (listener.session.add(ask(text), max_tokens=5) for text in ("a", "b", "c"))
    listener.session.drop(two)
    listener.finish()
    first, third = (generator.generate([ask(text)], max_tokens=5)[0] for text in ("a", "c"))
    assert listener.replies == {one: first, three: third}
    assert listener.texts == {one: [first.text], three: [third.text]}
    bad = listener.session.add([], max_tokens=5)
    [piece] = listener.session.step()
    assert (piece.ticket, piece.reply) == (bad, None)
    assert isinstance(piece.error, UsageError)
