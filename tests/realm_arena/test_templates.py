from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realm_arena.rows import Message
from realm_arena.templates import ChatTemplate, ConversationError
from realm_arena_chats import SPECIAL, TEMPLATES, conversation
from realm_cli.errors import FormatError

NAMES = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def template(source: str) -> ChatTemplate:
    return ChatTemplate(TEMPLATES.get(source, source), NAMES, SPECIAL)


def messages(*turns: tuple[str, str]) -> list[Message]:
    return [Message(role, content) for role, content in turns]  # type: ignore[arg-type]


def trained(source: str, *turns: tuple[str, str]) -> list[str]:
    text, spans = template(source).spans(messages(*turns))
    return [text[start:end] for start, end in spans]


@pytest.fixture(scope="session")
def theirs(tokenizer_folder: Callable[..., Path]) -> dict[str, Any]:
    from transformers import PreTrainedTokenizerFast

    return {name: PreTrainedTokenizerFast.from_pretrained(tokenizer_folder(name)) for name in TEMPLATES}


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_renderings_are_those_of_transformers(name: str, theirs: dict[str, Any]) -> None:
    rng = random.Random(name)
    ours = template(name)
    for number in range(30):
        chat = conversation(rng, rng.randint(1, 4), system=name != "turns" and number % 3 == 0)
        plain = messages(*[(message["role"], message["content"]) for message in chat])
        assert ours.render(plain) == theirs[name].apply_chat_template(chat, tokenize=False)
        prompted = theirs[name].apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        assert ours.render(plain, add_generation_prompt=True) == prompted


FRAGMENTS = [
    "{{ messages | tojson }}",
    "{{ {'b': 'é<&>', 'a': [1, none]} | tojson(indent=2, sort_keys=true) }}",
    "{% for m in messages %}{% if loop.index0 == 1 %}{% break %}{% endif %}{{ m.content }}{% endfor %}",
    "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}",
    "{% for m in messages %}{% generation %}{{ loop.index }}{{ m.content }}{% endgeneration %}{% endfor %}",
    "  {% if tools is none %}\n  no tools {{ unk_token is defined }} {{ pad_token }}\n  {% endif %}\n",
    "{% set ns = namespace(a=1) %}{% for m in messages %}{% set ns.a = ns.a + 1 %}{% endfor %}{{ ns.a }}",
    "{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(messages[0]['content']) }}{{ messages[-1].content.split('a') }}",
]


@pytest.mark.parametrize("source", FRAGMENTS)
def test_the_language_of_templates_is_that_of_transformers(source: str, theirs: dict[str, Any]) -> None:
    chat = [{"role": "user", "content": "ä<b>"}, {"role": "assistant", "content": "a & b"}]
    plain = messages(*[(message["role"], message["content"]) for message in chat])
    expected = theirs["chatml"].apply_chat_template(chat, chat_template=source, tokenize=False)
    assert template(source).render(plain) == expected


def test_only_answers_and_their_end_tokens_are_trained() -> None:
    chat = [("system", "s"), ("user", "q"), ("assistant", "a b"), ("tool", "t"), ("user", "r"), ("assistant", " c\n")]
    assert trained("chatml", *chat) == ["a b<|im_end|>", " c\n<|im_end|>"]


def test_white_space_before_the_end_token_is_trained_and_trimmed_content_found() -> None:
    chat = [("user", " q "), ("assistant", "\n a b "), ("user", "q"), ("assistant", "c")]
    assert trained("brackets", *chat) == ["a b </s>", "c </s>"]
    assert trained("headers", *chat) == ["a b<|eot_id|>", "c<|eot_id|>"]
    assert trained("turns", *chat) == ["a b<end_of_turn>", "c<end_of_turn>"]


def test_an_injected_empty_think_block_is_prompt() -> None:
    text, [(start, end)] = template("thinking").spans(messages(("user", "q"), ("assistant", "a")))
    assert text == "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\na<|im_end|>\n"
    assert text[start:end] == "a<|im_end|>"


@pytest.mark.parametrize("thought", ["why\nso", ""])
@pytest.mark.parametrize("written", ["<think>\n{}\n</think>\n\na", "<think>{}</think>a", "\n<think>\n\n{}</think>\na"])
def test_a_think_block_of_the_message_is_trained(thought: str, written: str) -> None:
    own = f"<think>\n{thought}\n</think>\n\na<|im_end|>"
    assert trained("thinking", ("user", "q"), ("assistant", written.format(thought))) == [own]


def test_a_think_block_that_the_template_takes_out_is_not_trained() -> None:
    chat = [
        ("user", "q"),
        ("assistant", "<think>\nw\n</think>\n\na"),
        ("user", "r"),
        ("assistant", "<think>\nv\n</think>\n\nb"),
    ]
    assert trained("thinking", *chat) == ["a<|im_end|>", "<think>\nv\n</think>\n\nb<|im_end|>"]
    dropped = [("user", "q"), ("assistant", "<think>\nw\n</think>"), ("user", "r"), ("assistant", "b")]
    assert trained("thinking", *dropped) == ["b<|im_end|>"]


@pytest.mark.parametrize("content", ["aaaa", "<|im_end|>", "<|im_end|>\n<|im_start|>assistant\nx", "assistant\n."])
@pytest.mark.parametrize("name", ["chatml", "thinking"])
def test_content_that_looks_like_its_surroundings_is_found(name: str, content: str) -> None:
    text, spans = template(name).spans(messages(*[("user", content), ("assistant", content)] * 2))
    assert [text[start:end] for start, end in spans] == [f"{content}<|im_end|>"] * 2
    assert all(text[:start].endswith(("assistant\n", "</think>\n\n")) for start, _ in spans)


def test_white_space_that_the_template_strips_leaves_the_end_token() -> None:
    chat = [("user", "q"), ("assistant", "\n"), ("user", "q"), ("assistant", "\n")]
    assert trained("chatml", *chat) == ["\n<|im_end|>"] * 2
    assert trained("thinking", *chat) == ["\n<|im_end|>", "<|im_end|>"]


def test_an_empty_answer_between_others_trains_its_end_token() -> None:
    chat = [("user", "q"), ("assistant", ""), ("user", "r"), ("assistant", "b")]
    assert trained("chatml", *chat) == ["<|im_end|>", "b<|im_end|>"]


def test_what_a_template_leaves_out_is_not_trained() -> None:
    without_short = "{% for m in messages %}{% if m.content != 'a' %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endif %}{% endfor %}"
    assert trained(without_short, ("user", "q"), ("assistant", "a"), ("user", "q"), ("assistant", "long")) == [
        "long<|im_end|>"
    ]
    assert (
        trained(
            "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", ("user", "q"), ("assistant", "a")
        )
        == []
    )


def test_a_template_without_end_tokens_trains_the_content_alone() -> None:
    source = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    assert trained(source, ("user", "q"), ("assistant", "a"), ("user", "q"), ("assistant", "b")) == ["a", "b"]


def test_a_transformed_content_is_trained_as_the_template_shows_it() -> None:
    source = "{% for m in messages %}<|im_start|>{{ m.content | upper }}<|im_end|>{% endfor %}"
    assert trained(source, ("user", "q"), ("assistant", "some text"), ("user", "q"), ("assistant", "more")) == [
        "SOME TEXT<|im_end|>",
        "MORE<|im_end|>",
    ]


def test_a_content_shown_twice_is_refused() -> None:
    source = "{% for m in messages %}{{ m.content }}{% endfor %}{{ messages[-1].content }}"
    with pytest.raises(ConversationError, match=r"shows messages\[1\] more than once"):
        trained(source, ("user", "q"), ("assistant", "a"))


def test_a_refusal_of_the_template_is_told_in_its_words() -> None:
    with pytest.raises(ConversationError, match="refuses the conversation: roles must alternate user/assistant"):
        trained("brackets", ("user", "q"), ("user", "q"), ("assistant", "a"))
    with pytest.raises(ConversationError, match="fails on the conversation: ZeroDivisionError"):
        trained("{{ 1 / 0 }}", ("user", "q"), ("assistant", "a"))


def test_a_template_cannot_reach_out_of_its_sandbox() -> None:
    with pytest.raises(ConversationError, match="unsafe"):
        trained("{{ messages.__class__.__base__.__subclasses__() }}", ("user", "q"), ("assistant", "a"))
    with pytest.raises(ConversationError, match="unsafe"):
        trained("{{ messages.append(1) }}", ("user", "q"), ("assistant", "a"))


def test_a_template_with_a_mistake_names_its_line() -> None:
    with pytest.raises(FormatError, match="chat template: line 2: "):
        template("ok\n{% if %}")


def test_random_chats_train_their_answers_and_nothing_else() -> None:
    rng = random.Random(7)
    ends = {
        "chatml": "<|im_end|>",
        "brackets": " </s>",
        "headers": "<|eot_id|>",
        "turns": "<end_of_turn>",
        "thinking": "<|im_end|>",
    }
    for name, end in ends.items():
        for _ in range(60):
            chat = conversation(rng, rng.randint(1, 5))
            turns = [(message["role"], message["content"]) for message in chat]
            assert trained(name, *turns) == [content + end for role, content in turns if role == "assistant"]
