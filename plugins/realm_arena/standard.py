"""STANDARD inspection: the quest as the hero will see it, by its tokenizer, template and max_length."""

from __future__ import annotations

from realm_arena import fingerprints, preview, tokens
from realm_arena.encoding import HeroTokenizer
from realm_arena.records import LineCount, TokenStatistics
from realm_arena.samples import Tally, read_samples
from realm_cli import profiles
from realm_cli.errors import RealmError, StorageError
from realm_cli.heroes import base_path
from realm_cli.inspection import Report, Subject
from realm_cli.profiles import Profile


def inspect(subject: Subject, report: Report) -> None:
    """Tokenize the file. With a quest id its tokens, preview and row fingerprints are kept."""
    report.hero = subject.hero
    try:
        config = subject.realm.hero(subject.hero)
        template = subject.realm.path(config.chat_template) if config.chat_template else None
        tokenizer = HeroTokenizer.load(base_path(subject.realm, subject.hero), template)
        profile = profiles.of_hero(subject.realm, subject.hero)
        statistics = _statistics(subject, tokenizer, config.max_length, profile)
    except tokens.RowsError as error:
        for line, problem in error.tally.first_problems:
            report.error("template", problem, line)
        report.errors += error.tally.problems - len(error.tally.first_problems)
        return
    except StorageError:
        raise
    except RealmError as error:
        report.error("tokenizer", f"{error.message}{f'; {error.hint}' if error.hint else ''}")
        return
    _judge(statistics, config.max_length, report)
    if subject.quest and not report.errors:
        fingerprints.write(subject)


def _statistics(
    subject: Subject, tokenizer: HeroTokenizer, max_length: int, profile: Profile
) -> TokenStatistics:  # fmt: skip
    """Count; for a quest by way of its token cache, which the battle opens later."""
    if subject.quest:
        view = tokens.open_or_build(subject.realm, tokenizer, subject.path, subject.sha256, max_length, profile)
        preview.write(subject, tokenizer, view)
        return view.statistics
    tally = Tally()
    for _ in read_samples(subject.path, tokenizer, max_length, tally, profile):
        pass
    if tally.problems:
        raise tokens.RowsError(subject.path, tally)
    return tally.statistics()


def _judge(statistics: TokenStatistics, max_length: int, report: Report) -> None:
    report.tokens, report.trained_tokens = statistics.tokens, statistics.trained_tokens
    report.longest = statistics.longest
    report.skipped_samples = statistics.too_long + statistics.untrained
    long = f"tokens, more than the hero's max_length of {max_length}; the sample is left out"
    _lines(report, "length", statistics.first_too_long, statistics.too_long, long)
    none = "tokens, none of them trained; the sample is left out"
    _lines(report, "labels", statistics.first_untrained, statistics.untrained, none)
    if statistics.chat_rows and not statistics.chat_trained_tokens:
        report.error("labels", "0 % of the chats' tokens are trained: the chat template shows no assistant message")
    elif statistics.chat_rows and statistics.chat_trained_tokens == statistics.chat_tokens - statistics.chat_rows:
        # The first token of a chat is never trained.
        report.error("labels", "100 % of the chats' tokens are trained: the chat template shows nothing but answers")
    elif not statistics.samples:
        report.error("length", f"no sample is left within the hero's max_length of {max_length} tokens")


def _lines(report: Report, check: str, first: list[LineCount], total: int, message: str) -> None:
    for found in first:
        report.warning(check, f"{found.tokens} {message}", found.line)
    report.warnings += total - len(first)
