"""The preview of a quest: its first samples as token texts, each with its trained flag."""

from __future__ import annotations

from realm_arena.encoding import HeroTokenizer
from realm_arena.tokens import TokenView
from realm_cli import store
from realm_cli.inspection import Subject
from realm_cli.records import PreviewRecord, PreviewSample, PreviewToken

SAMPLES = 3


def write(subject: Subject, tokenizer: HeroTokenizer, view: TokenView) -> None:
    """Write `status/previews/<quest>.json`."""
    samples = [sample(tokenizer, view, index) for index in range(min(SAMPLES, len(view)))]
    record = PreviewRecord(quest=subject.quest, hero=subject.hero, profile=view.meta.profile, samples=samples)
    store.write_record(subject.realm.previews / f"{subject.quest}.json", record)


def sample(tokenizer: HeroTokenizer, view: TokenView, index: int) -> PreviewSample:
    """One sample of the cache as token texts."""
    ids, trained = view.sample(index)
    texts = tokenizer.token_texts(ids.tolist())
    tokens = [PreviewToken(text, flag) for text, flag in zip(texts, trained.tolist(), strict=True)]
    return PreviewSample(line=view.line(index), tokens=tokens)
