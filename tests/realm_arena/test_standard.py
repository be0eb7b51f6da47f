from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from helpers import write_rows
from realm_arena_chats import Inspect, chat, said
from realm_cli import store
from realm_cli.realm import Realm
from realm_cli.records import InspectionRecord, PreviewRecord

Recruit = Callable[..., None]


@pytest.fixture
def recruit(realm: Realm, tokenizer_folder: Callable[..., Path]) -> Recruit:
    """`recruit("brackets", max_length=30)`: the realm's active hero has that chat template from now on."""

    def call(template: str | None, max_length: int = 100, **config: str) -> None:
        folder = tokenizer_folder(template)
        (folder / "config.json").write_text('{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}')
        save_file({"weight": np.zeros(1, dtype=np.float32)}, folder / "model.safetensors")
        lines = {"model_name": "Alien", "base_model": str(folder), "max_length": str(max_length), **config}
        realm.hero_file("alien").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
        realm.config_file.write_text(realm.config_file.read_text().replace("hero: dio-mini", "hero: alien"))
        realm.__dict__.pop("config", None)

    return call


def counts(report: InspectionRecord) -> tuple[int, int, int, int]:
    return report.samples, report.tokens, report.trained_tokens, report.longest


def test_tokens_are_counted_with_the_heros_tokenizer_and_template(inspect: Inspect, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "q.jsonl", [chat("12", "345"), {"prompt": "a", "completion": "b"}, {"text": "xyz"}])
    report = inspect(path, "standard")
    # <|user|>12<|end|><|assistant|>345<|end|>, ab<|end|>, xyz<|end|>; the first token of a text is not trained.
    assert (report.ok, report.hero, counts(report)) == (True, "dio-mini", (3, 9 + 3 + 4, 4 + 2 + 3, 9))


def test_a_quest_leaves_its_tokens_and_a_preview_and_a_validated_file_leaves_nothing(
    inspect: Inspect, realm: Realm, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "q.jsonl", [chat(f"add(⓪, {n})", "①") for n in range(5)])
    plain = inspect(path, "standard")
    assert list(realm.tokens.iterdir()) == list(realm.previews.iterdir()) == []
    kept = inspect(path, "standard", quest="abc")
    assert counts(kept) == counts(plain)
    assert len(list(realm.tokens.iterdir())) == 1
    preview = store.read_record(realm.previews / "abc.json", PreviewRecord)
    assert (preview.quest, preview.hero, [sample.line for sample in preview.samples]) == ("abc", "dio-mini", [1, 2, 3])
    tokens = preview.samples[1].tokens
    assert "".join(token.text for token in tokens) == "<|user|>add(⓪, 1)<|end|><|assistant|>①<|end|>"
    assert [token.text for token in tokens if token.trained] == ["①", "<|end|>"]


def test_a_second_inspection_uses_the_tokens_and_reports_the_same(
    inspect: Inspect, realm: Realm, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "q.jsonl", [chat("q", "a" * n) for n in range(490, 530)])
    first = inspect(path, "standard", quest="abc")
    made = next(realm.tokens.iterdir()).stat().st_ino
    again = inspect(path, "standard", quest="abc")
    assert next(realm.tokens.iterdir()).stat().st_ino == made
    assert (counts(first), said(first), first.warnings) == (counts(again), said(again), again.warnings)
    assert first.warnings == first.skipped_samples > 20


def test_samples_beyond_max_length_are_left_out_with_their_lines_and_texts_are_cut(
    inspect: Inspect, recruit: Recruit, tmp_path: Path
) -> None:
    recruit("chatml", max_length=40)
    long = chat("the fox " * 50, "a")
    prompt = {"prompt": "the fox " * 50, "completion": "a"}
    path = write_rows(tmp_path / "q.jsonl", [chat("q", "a"), long, {"text": "the fox " * 50}, prompt])
    report = inspect(path, "standard", quest="abc")
    assert (report.ok, report.skipped_samples, report.warnings) == (True, 2, 2)
    assert [(finding.check, finding.line) for finding in report.findings] == [("length", 2), ("length", 4)]
    assert "more than the hero's max_length of 40" in report.findings[0].message
    assert report.longest > 100


def test_nothing_left_within_max_length_is_an_error(inspect: Inspect, recruit: Recruit, tmp_path: Path) -> None:
    recruit("chatml", max_length=5)
    report = inspect(write_rows(tmp_path / "q.jsonl", [chat("question", "answer")]), "standard", quest="abc")
    assert said(report)[-1] == ("length", 0, "no sample is left within the hero's max_length of 5 tokens")
    assert report.errors == 1


def test_a_chat_quest_without_a_trained_token_or_with_nothing_else_is_an_error(
    inspect: Inspect, recruit: Recruit, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "q.jsonl", [chat("question", "answer"), chat("q", "a")])
    recruit("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}")
    report = inspect(path, "standard", quest="abc")
    assert (report.errors, report.warnings) == (1, 2)
    assert said(report)[-1][2].startswith("0 % of the chats' tokens are trained")
    recruit("{{ bos_token }}{% for m in messages if m.role == 'assistant' %}{{ m.content + eos_token }}{% endfor %}")
    report = inspect(path, "standard", quest="abc")
    assert [finding[2][:5] for finding in said(report)] == ["100 %"]


def test_a_sample_without_a_trained_token_is_left_out(inspect: Inspect, recruit: Recruit, tmp_path: Path) -> None:
    recruit("{% for m in messages if m.content != 'no' %}<|im_start|>{{ m.role + m.content }}<|im_end|>{% endfor %}")
    report = inspect(write_rows(tmp_path / "q.jsonl", [chat("q", "yes"), chat("q", "no")]), "standard", quest="abc")
    assert (report.ok, report.skipped_samples) == (True, 1)
    assert [(finding.check, finding.line) for finding in report.findings] == [("labels", 2)]


def test_rows_that_the_template_refuses_are_named(
    inspect: Inspect, recruit: Recruit, realm: Realm, tmp_path: Path
) -> None:
    recruit("brackets")
    bad = {"messages": [{"role": "user", "content": "q"}] * 2 + [{"role": "assistant", "content": "a"}]}
    path = write_rows(tmp_path / "q.jsonl", [chat("q", "a"), bad, *[chat("q", "a")] * 3, *[bad] * 30])
    report = inspect(path, "standard", quest="abc")
    assert report.errors == 31
    assert said(report)[:2] == [
        ("template", line, "chat template: refuses the conversation: roles must alternate user/assistant")
        for line in (2, 6)
    ]
    assert list(realm.tokens.iterdir()) == []


@pytest.mark.parametrize(
    ("template", "config", "expected"),
    [
        (None, {}, "has no chat template, which chat rows need; give the hero a template"),
        ("chatml", {"chat_template": "gone.jinja"}, "gone.jinja does not exist; give the hero a template"),
        ("{% for %}", {}, "chat_template.jinja: line 1: "),
    ],
)
def test_a_missing_or_broken_template_is_an_error_with_the_way_out(
    inspect: Inspect, recruit: Recruit, tmp_path: Path, template: str | None, config: dict[str, Any], expected: str
) -> None:
    recruit(template, **config)
    report = inspect(write_rows(tmp_path / "q.jsonl", [chat("q", "a")]), "standard", quest="abc")
    [(check, line, message)] = said(report)
    assert (check, line) == ("tokenizer", 0)
    assert expected in message


def test_a_hero_without_a_tokenizer_is_an_error(
    inspect: Inspect, recruit: Recruit, realm: Realm, tmp_path: Path
) -> None:
    recruit("chatml")
    Path(realm.hero("alien").base_model, "tokenizer.json").unlink()
    report = inspect(write_rows(tmp_path / "q.jsonl", [{"text": "t"}]), "standard")
    assert [finding.check for finding in report.findings] == ["tokenizer"]
    assert "tokenizer.json" in report.findings[0].message


def test_a_template_in_the_heros_configuration_wins(
    inspect: Inspect, recruit: Recruit, realm: Realm, tmp_path: Path
) -> None:
    (realm.root / "mine.jinja").write_text("{% for m in messages %}<s>{{ m.content }}</s>{% endfor %}")
    recruit("brackets", chat_template="mine.jinja")
    inspect(write_rows(tmp_path / "q.jsonl", [chat("q", "a")]), "standard", quest="abc")
    preview = json.loads((realm.previews / "abc.json").read_text())
    assert "".join(token["text"] for token in preview["samples"][0]["tokens"]) == "<s>q</s><s>a</s>"
