"""The public `openai` client against a real `realm oracle serve`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from realm_cli.generation import Generator
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm
from realm_oracle_boxes import HERO, OracleProcess
from realm_oracle_realms import turns


@pytest.fixture(scope="module")
def oracle(trained: Realm) -> Iterator[OracleProcess]:
    """A server with the steps 0, 2 and 4 loaded. Not to be killed."""
    process = OracleProcess(trained)
    for step in (0, 2, 4):
        process.client.load(step)
    yield process
    process.end()
    assert process.process.returncode == 0


@pytest.fixture(scope="module")
def theirs(oracle: OracleProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{oracle.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_the_public_client_chats(trained: Realm, theirs: openai.OpenAI, alone: Generator) -> None:
    expected = alone.generate([turns("say 3")], max_tokens=9)[0]
    for name in (f"{HERO}@step-4", f"{HERO}@champion"):
        done = theirs.chat.completions.create(
            model=name, messages=[{"role": "user", "content": [{"type": "text", "text": "say 3"}]}],
            max_tokens=9, n=1, user="you", top_p=1.0, seed=0, temperature=0.0,
        )  # fmt: skip
        assert done.model == f"{HERO}@step-4"
        assert (done.choices[0].message.content, done.choices[0].finish_reason) == (expected.text, expected.finish)
        assert done.usage is not None
        assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (expected.prompt_tokens, expected.tokens)
        facts: Any = done.model_extra
        assert facts["realm"]["weights_sha256"] == Ledger(trained, HERO).get(4).weights_sha256
        assert facts["realm"]["identity"] == "verified"


def test_the_public_client_streams(theirs: openai.OpenAI, alone: Generator) -> None:
    expected = alone.generate([turns("say 3")], max_tokens=25)[0]
    stream = theirs.chat.completions.create(
        model=f"{HERO}@step-4", messages=[{"role": "user", "content": "say 3"}], max_completion_tokens=25,
        stream=True, stream_options={"include_usage": True},
    )  # fmt: skip
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == expected.text
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == expected.finish
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == expected.tokens
    assert {chunk.model for chunk in chunks} == {f"{HERO}@step-4"}


def test_the_public_client_completes_plain_texts(theirs: openai.OpenAI) -> None:
    model = f"{HERO}@step-4"
    done = theirs.completions.create(model=model, prompt=["say 1", "x"], max_tokens=5, stop="\x00\x01")
    assert [choice.index for choice in done.choices] == [0, 1]
    assert done.usage is not None
    assert done.usage.completion_tokens == 10
    pieces = theirs.completions.create(model=model, prompt="x", max_tokens=5, stream=True)
    assert "".join(chunk.choices[0].text for chunk in pieces) == done.choices[1].text


def test_the_public_client_lists_what_is_loaded(theirs: openai.OpenAI) -> None:
    assert sorted(model.id for model in theirs.models.list()) == [f"{HERO}@step-{step}" for step in (0, 2, 4)]
    assert theirs.models.retrieve(f"{HERO}@champion").id == f"{HERO}@step-4"


def test_the_public_client_is_told_what_is_wrong(theirs: openai.OpenAI) -> None:
    hello: Any = [{"role": "user", "content": "a"}]
    for name in (f"{HERO}@step-5", "gpt-4", f"{HERO}@step-9999999999999999", "nobody@champion"):
        with pytest.raises(openai.NotFoundError) as caught:
            theirs.chat.completions.create(model=name, messages=hello)
        assert (caught.value.code, caught.value.type) == ("model_not_found", "invalid_request_error")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"tools": []}, "tools"), ({"top_p": 0.5}, "top_p"), ({"extra_body": {"stepp": 1}}, "stepp"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
    ]  # fmt: skip
    for given, field in refused:
        with pytest.raises(openai.BadRequestError) as refusal:
            theirs.chat.completions.create(model=f"{HERO}@step-4", messages=hello, **given)
        assert refusal.value.param == field
    wrong: list[dict[str, Any]] = [
        {"n": 2}, {"messages": []}, {"max_tokens": 10**6}, {"response_format": {"type": "json_object"}},
    ]  # fmt: skip
    for given in wrong:
        with pytest.raises(openai.BadRequestError):
            theirs.chat.completions.create(**{"model": f"{HERO}@step-4", "messages": hello, **given})
    with pytest.raises(openai.BadRequestError, match="there is no prompt to continue"):
        theirs.completions.create(model=f"{HERO}@step-4", prompt=[])
