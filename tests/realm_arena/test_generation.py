from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers import BattleProcess, rows, write_rows
from realm_arena.generating import ModelGenerator
from realm_arena.rows import Message as RowMessage
from realm_arena_generators import always, ask, loaded, make_folders, text_tokens
from realm_cli import intake, weights
from realm_cli.errors import FormatError, NotFoundError, RealmError, UsageError
from realm_cli.founding import found
from realm_cli.generation import Generator, Message, Reply, open_generator
from realm_cli.ledger import Ledger
from realm_cli.manager import Manager
from realm_cli.realm import Realm

pytestmark = pytest.mark.usefixtures("threads")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_folders(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def opened(folders: dict[str, Path]) -> dict[str, ModelGenerator]:
    return {name: loaded(folder) for name, folder in folders.items()}


# -- replies -----------------------------------------------------------------------------------------------------

QUESTIONS = [
    "say 1", "the quick brown fox " * 6, "", "  x ", "日本語 naïve 😀", "e\u0301 \u200d\ufeff\u00a0\u2028 \x00\x07",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "ﬁ Å ⓪①", "[INST] [/INST] </s> <end_of_turn>",
]  # fmt: skip


@pytest.mark.parametrize("name", ["llama", "gemma", "mamba", "dio-mini"])
def test_a_reply_is_what_was_generated_after_the_prompt_and_nothing_of_it(
    name: str, opened: dict[str, ModelGenerator]
) -> None:
    from transformers import GenerationConfig

    generator = opened[name]
    tokenizer, model, ends = generator._tokenizer, generator._model, sorted(generator._end_ids)
    assert model is not None
    config = GenerationConfig(max_new_tokens=10, do_sample=False, eos_token_id=ends, pad_token_id=1)
    replies = generator.generate([ask(text) for text in QUESTIONS], max_tokens=10)
    for text, reply in zip(QUESTIONS, replies, strict=True):
        ids = torch.tensor([tokenizer.prompt_ids([RowMessage("user", text)])])
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config)
        said = out[0, ids.shape[1] :].tolist()
        ended = said[-1] in ends
        expected = tokenizer.decode(said[:-1] if ended else said)
        assert reply == Reply(
            expected, "stop" if ended else "length", "tiny", 3, "f00d", len(said), prompt_tokens=ids.shape[1]
        )


def test_replies_keep_the_order_of_their_conversations(opened: dict[str, ModelGenerator]) -> None:
    generator = opened["dio-mini"]
    asked = [ask("x" * (n * 7 % 31)) for n in range(31)]
    whole = generator.generate(asked, max_tokens=6)
    assert whole == [generator.generate([one], max_tokens=6)[0] for one in asked]
    assert generator.generate(asked[::-1], max_tokens=6) == whole[::-1]
    assert len({reply.text for reply in whole}) > 10


def test_no_conversations_give_no_replies(opened: dict[str, ModelGenerator]) -> None:
    assert opened["dio-mini"].generate([], max_tokens=5) == []


def test_the_end_token_stops_and_is_counted_but_not_shown(folders: dict[str, Path]) -> None:
    plain = loaded(folders["dio-mini"])
    end = plain._tokenizer.end_token_id
    assert end is not None
    said = [*text_tokens(plain, "yes"), end, *text_tokens(plain, "and more")]
    [reply] = always(said, folders["dio-mini"]).generate([ask("say yes")], max_tokens=10)
    assert (reply.text, reply.finish, reply.tokens) == ("yes", "stop", 4)
    [reply] = always(said, folders["dio-mini"]).generate([ask("say yes")], max_tokens=3)
    assert (reply.text, reply.finish, reply.tokens) == ("yes", "length", 3)


@pytest.mark.parametrize(
    ("said", "stop", "text", "tokens"),
    [
        ("one two three", ["two"], "one ", 7),
        ("one two three", ["three", "two"], "one ", 7),
        ("one two three", ["o three", "wo"], "one t", 7),
        ("abc日本語def", ["本"], "abc日", 9),
        ("abc😀def", ["😀d"], "abc", 8),
        ("日本語" * 9 + "é!" + "abc", ["é!"], "日本語" * 9, 84),
        ("stop", ["stop"], "", 4),
        ("no such text", ["x" * 50], "no such text", 12),
    ],
)
def test_a_stop_text_ends_the_reply_before_it(
    said: str, stop: list[str], text: str, tokens: int, folders: dict[str, Path]
) -> None:
    ids = text_tokens(loaded(folders["dio-mini"]), said)
    [reply] = always(ids, folders["dio-mini"]).generate([ask("go")], max_tokens=len(ids), stop=stop)
    assert (reply.text, reply.tokens) == (text, tokens)
    assert reply.finish == ("stop" if text != said else "length")


def test_a_character_that_is_cut_by_the_stop_texts_window_stops_nothing(folders: dict[str, Path]) -> None:
    ids = text_tokens(loaded(folders["dio-mini"]), "日" * 8)
    # Complete after every third token; between them the decoder shows a replacement character.
    [reply] = always(ids, folders["dio-mini"]).generate([ask("go")], max_tokens=len(ids), stop=["日日日日日日日日"])
    assert (reply.text, reply.finish, reply.tokens) == ("", "stop", 24)


def test_temperature_draws_the_same_for_a_seed_however_it_is_batched(opened: dict[str, ModelGenerator]) -> None:
    generator = opened["dio-mini"]
    asked = [ask("y" * (n % 5 * 9 + 1)) for n in range(140)]
    drawn = [reply.text for reply in generator.generate(asked, max_tokens=4, temperature=1.0, seed=5)]
    again = [reply.text for reply in generator.generate(asked, max_tokens=4, temperature=1.0, seed=5)]
    assert drawn == again
    # The last of 140 came from another batch, and beside other rows.
    first = [reply.text for reply in generator.generate(asked[:3], max_tokens=4, temperature=1.0, seed=5)]
    assert drawn[:3] == first
    other = [reply.text for reply in generator.generate(asked, max_tokens=4, temperature=1.0, seed=6)]
    assert sum(one != two for one, two in zip(drawn, other, strict=True)) > 100
    assert len(set(drawn)) > 100, "equal questions were given equal draws"


def test_a_tiny_temperature_is_greedy_and_any_seed_will_do(opened: dict[str, ModelGenerator]) -> None:
    generator = opened["dio-mini"]
    greedy = generator.generate([ask("go"), ask("on")], max_tokens=5)
    for seed in (0, -1, 2**80):
        assert generator.generate([ask("go"), ask("on")], max_tokens=5, temperature=1e-38, seed=seed) == greedy


def test_spoiled_weights_are_told_when_nothing_can_be_drawn(folders: dict[str, Path]) -> None:
    generator = loaded(folders["dio-mini"])
    assert generator._model is not None
    with torch.no_grad():
        next(generator._model.parameters()).fill_(float("nan"))
    with pytest.raises(RealmError, match="spoiled"):
        generator.generate([ask("go")], max_tokens=2, temperature=1.0)


# -- requests that are refused -----------------------------------------------------------------------------------

BAD_REQUESTS: list[tuple[list[Message], str]] = [
    ([], "end with a message to the hero"),
    ([Message("user", "a"), Message("assistant", "b")], "end with a message to the hero"),
    ([Message("usr", "a")], "'usr' is not a role"),
    ([Message("tool", "a")], "unknown role: tool"),
    ([Message("user", "half \ud83d")], "no text"),
    ([Message("user", None)], "no text"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("conversation", "words"), BAD_REQUESTS)
def test_a_bad_conversation_is_refused_with_its_number(
    conversation: list[Message], words: str, opened: dict[str, ModelGenerator]
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        opened["dio-mini"].generate([ask("good"), conversation], max_tokens=3)
    assert "conversation 2" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "given",
    [
        {"max_tokens": 0}, {"max_tokens": 1, "temperature": -1.0}, {"max_tokens": 1, "temperature": float("nan")},
        {"max_tokens": 1, "temperature": float("inf")}, {"max_tokens": 1, "stop": [""]}, {"max_tokens": 1, "stop": "x"},
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(given: dict[str, Any], opened: dict[str, ModelGenerator]) -> None:
    with pytest.raises(UsageError, match="out of range"):
        opened["dio-mini"].generate([ask("go")], **given)


def test_a_prompt_that_fills_the_models_positions_is_refused(opened: dict[str, ModelGenerator]) -> None:
    generator = opened["llama"]
    with pytest.raises(UsageError, match="leave no room for a reply, as the model has 256 positions"):
        generator.generate([ask("\U0001f319" * 100)], max_tokens=3)
    fitting = ask("\U0001f319" * 50)
    room = 256 - len(generator._tokenizer.prompt_ids([RowMessage("user", fitting[0].content)]))
    [reply] = generator.generate([fitting], max_tokens=10_000, stop=["never said"])
    assert reply.tokens <= room
    assert reply.finish == "stop" or reply.tokens == room


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (
            "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}",
            "nothing of a reply",
        ),
        ("{{ raise_exception('I speak to no one') }}", "I speak to no one"),
        ("{{ messages[7].content.x }}", "refuses the conversation"),
    ],
)
def test_a_template_that_cannot_ask_is_a_clear_error(
    template: str, words: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    file = tmp_path / "odd.jinja"
    file.write_text(template)
    with pytest.raises(UsageError, match=words):
        loaded(folders["dio-mini"], file).generate([ask("hello")], max_tokens=2)


def test_a_closed_generator_answers_no_more(folders: dict[str, Path]) -> None:
    generator = loaded(folders["dio-mini"])
    generator.close()
    with pytest.raises(UsageError, match="closed"):
        generator.generate([ask("hello")], max_tokens=2)
    generator.close()


# -- checkpoints of this machine ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Realm:
    """A realm whose hero has checkpoints at the steps 2, 4 and 5. Not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    realm, _ = found(folder / "realm")
    text = realm.config_file.read_text()
    for old, new in (
        ("threads: null", "threads: 1"),
        ("reserve_mb: 500", "reserve_mb: 1"),
        ("save_steps: 1000", "save_steps: 2"),
    ):
        assert old in text
        text = text.replace(old, new)
    realm.config_file.write_text(text)
    realm = Realm(realm.root)
    intake.add_files(realm, Manager.of(realm), [write_rows(folder / "quest.jsonl", rows(80))])
    battle = BattleProcess(realm, "--until-empty")
    assert battle.wait() == 0, battle.output()
    assert Ledger(realm, "dio-mini").steps() == [5, 4, 2]
    return realm


@pytest.fixture
def mine(trained: Realm, tmp_path: Path) -> Realm:
    """A copy of the trained realm, to be damaged."""
    return Realm(shutil.copytree(trained.root, tmp_path / "copy", symlinks=True))


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def open_step(realm: Realm, step: int, backend: str = "transformers") -> Generator:
    return open_generator(realm, Manager.of(realm), "dio-mini", step, backend=backend)


def folder_of(realm: Realm, step: int) -> Path:
    ledger = Ledger(realm, "dio-mini")
    folder = ledger.path_of(ledger.get(step))
    assert folder is not None
    return folder


def test_every_step_is_opened_as_itself(trained: Realm) -> None:
    from transformers import AutoModelForCausalLM

    seen = {}
    for step in (0, 2, 5):
        generator = open_step(trained, step)
        folder = folder_of(trained, step) if step else trained.base_folder("dio-mini")
        assert (generator.hero, generator.step) == ("dio-mini", step)
        assert generator.weights_sha256 == weights.weights_sha256(folder)
        if step:
            assert generator.weights_sha256 == Ledger(trained, "dio-mini").get(step).weights_sha256
        replies = generator.generate([ask("say 1"), ask("say 2")], max_tokens=2)
        assert {(reply.step, reply.weights_sha256) for reply in replies} == {(step, generator.weights_sha256)}
        theirs = AutoModelForCausalLM.from_pretrained(folder).state_dict()
        ours = generator._model.state_dict()  # type: ignore[attr-defined]
        assert all(torch.equal(ours[name], weight) for name, weight in theirs.items())
        seen[step] = generator.weights_sha256
        generator.close()
    assert len(set(seen.values())) == 3


def test_a_missing_step_names_the_near_ones(trained: Realm) -> None:
    with pytest.raises(NotFoundError, match="no checkpoint at step 3; near it: 2, 4, 5"):
        open_step(trained, 3)
    with pytest.raises(NotFoundError, match="no checkpoint at step -1"):
        open_step(trained, -1)
    with pytest.raises(NotFoundError):
        open_generator(trained, Manager.of(trained), "nobody", 2)
    with pytest.raises(NotFoundError, match="no inference back end 'locla'"):
        open_step(trained, 2, backend="locla")


def test_one_changed_byte_of_the_weights_is_refused(mine: Realm) -> None:
    file = folder_of(mine, 4) / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-7] ^= 1
    file.write_bytes(content)
    with pytest.raises(FormatError, match="weights are not those of the ledger's record"):
        open_step(mine, 4)
    assert open_step(mine, 5).step == 5


@pytest.mark.parametrize("name", ["config.json", "chat_template.jinja", "tokenizer.json"])
def test_a_changed_file_that_gives_the_weights_their_meaning_is_refused(mine: Realm, name: str) -> None:
    file = folder_of(mine, 4) / name
    text = file.read_text()
    file.write_text(text[:-1] + " ")
    with pytest.raises(FormatError, match=f"{name}: changed since"):
        open_step(mine, 4)


def test_a_deleted_checkpoint_is_told_with_its_reason(mine: Realm) -> None:
    shutil.rmtree(folder_of(mine, 2))
    with pytest.raises(NotFoundError, match="is not on this machine"):
        open_step(mine, 2)
    Ledger(mine, "dio-mini").bury(2, "retention")
    with pytest.raises(NotFoundError, match=r"was deleted at .* \(retention\)"):
        open_step(mine, 2)


def test_a_checkpoint_speaks_the_template_that_it_was_trained_with(mine: Realm) -> None:
    before = open_step(mine, 5).generate([ask("say 7")], max_tokens=8)
    (mine.root / "other.jinja").write_text("{% for m in messages %}<|user|>{{ m.content | upper }}<|end|>{% endfor %}")
    file = mine.hero_file("dio-mini")
    file.write_text(file.read_text() + "\nchat_template: other.jinja\n")
    assert open_step(Realm(mine.root), 5).generate([ask("say 7")], max_tokens=8) == before
