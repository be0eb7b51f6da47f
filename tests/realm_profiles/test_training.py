"""Quests under a profile: what the template renders, which tokens are trained, and that all else knows the raw rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import Run, rows, write_rows
from realm_arena import dressing, tokens
from realm_arena.encoding import HeroTokenizer
from realm_arena.held_out import HeldOut
from realm_arena.quest_data import Hero
from realm_arena.tokens import TokenView
from realm_cli import datafiles, gatekeeper, intake, profiles
from realm_cli.config import Depth
from realm_cli.errors import FormatError
from realm_cli.manager import Manager
from realm_cli.profiles import Plain, Profile
from realm_cli.quests import Board
from realm_cli.realm import Realm
from realm_cli.sampling import sample
from realm_guild_heroes import bin_of
from realm_profiles.emoji_think import EmojiThink
from realm_profiles.regime3 import SYSTEM_PROMPT, Regime3
from realm_profiles_heroes import HERO, asked, chat, qwen_tokenizer, row_of, wear

TURN = "<|im_start|>{}\n{}<|im_end|>\n"
PROFILES: dict[str, Profile] = {"none": Plain(""), "emoji_think": EmojiThink(""), "regime3": Regime3("")}


def rendered(view: TokenView, tokenizer: HeroTokenizer, index: int) -> tuple[str, str]:
    """(the sample's text, its trained part)."""
    ids, trained = view.sample(index)
    return tokenizer.decode(ids.tolist()), tokenizer.decode(ids[trained].tolist())


@pytest.fixture
def qwen(tmp_path: Path) -> HeroTokenizer:
    return HeroTokenizer.load(qwen_tokenizer(tmp_path / "qwen"))


def opened(realm: Realm, tokenizer: HeroTokenizer, path: Path, profile: Profile) -> TokenView:
    return tokens.open_or_build(realm, tokenizer, path, datafiles.content_hash(path), 2048, profile)


@pytest.mark.parametrize("name", ["emoji_think", "regime3"])
def test_qwen3_is_rendered_without_think_blocks_of_its_own(
    realm: Realm, qwen: HeroTokenizer, tmp_path: Path, name: str
) -> None:
    talks = [
        chat(("user", f"q {n}"), ("assistant", f"a {n}"), ("user", f"r {n}"), ("assistant", f"b {n}"))[
            : 2 + 2 * (n % 2)
        ]
        for n in range(20)
    ]
    path = write_rows(tmp_path / "q.jsonl", [row_of(*talk) for talk in talks])
    view = opened(realm, qwen, path, PROFILES[name])
    for index, talk in enumerate(talks):
        lesson = PROFILES[name].lesson(talk, index)
        said = [one.content for one in lesson if one.role == "assistant"]
        text, trained = rendered(view, qwen, index)
        assert text == "".join(TURN.format(one.role, one.content) for one in lesson)
        assert trained == "".join(f"{one}<|im_end|>" for one in said)
        assert "think>" not in text
        # The question is asked in the very tokens that stood before the reply.
        prompt = qwen.decode(qwen.prompt_ids(dressing.as_turns(lesson[:-1]), own_thoughts=False))
        assert text == f"{prompt}{lesson[-1].content}<|im_end|>\n"
        assert prompt.endswith("<|im_end|>\n<|im_start|>assistant\n")


def test_under_none_the_template_s_think_block_stays_and_is_prompt(
    realm: Realm, qwen: HeroTokenizer, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "q.jsonl", [row_of(*chat(("user", "q"), ("assistant", "a")))])
    text, trained = rendered(opened(realm, qwen, path, Plain("be short")), qwen, 0)
    think = "<think>\n\n</think>\n\n"
    assert text == TURN.format("system", "be short") + TURN.format("user", "q") + TURN.format("assistant", f"{think}a")
    assert trained == "a<|im_end|>"


def test_regime3_keeps_a_row_s_own_thoughts_before_the_answer(
    realm: Realm, qwen: HeroTokenizer, tmp_path: Path
) -> None:
    own = "<think>\nwhy\n</think>\n\n"
    path = write_rows(tmp_path / "q.jsonl", [row_of(*chat(("user", "q"), ("assistant", f"{own}a")))])
    text, trained = rendered(opened(realm, qwen, path, Regime3("")), qwen, 0)
    assert trained == f"{own}<<ANS_START>>a<<ANS_END>><|im_end|>"
    assert text.startswith(TURN.format("system", SYSTEM_PROMPT))


def test_rows_are_counted_without_blank_lines_across_chunks(realm: Realm, qwen: HeroTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    talk = chat(("user", "q"), ("assistant", "a"))
    path.write_text("".join(f"\n{json.dumps(row_of(*talk))}\n" for _ in range(1100)))
    view = opened(realm, qwen, path, EmojiThink(""))
    for index in (0, 1, 999, 1000, 1099):
        lesson = EmojiThink("").lesson(talk, index)
        assert rendered(view, qwen, index)[0] == "".join(TURN.format(one.role, one.content) for one in lesson)
        assert view.line(index) == 2 * index + 2


def test_texts_and_completions_have_no_turns_and_stay(realm: Realm, qwen: HeroTokenizer, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "q.jsonl", [{"text": "abc"}, {"prompt": "p", "completion": "c"}])
    plain, dressed = (opened(realm, qwen, path, PROFILES[name]) for name in ("none", "regime3"))
    assert [rendered(dressed, qwen, n) for n in (0, 1)] == [rendered(plain, qwen, n) for n in (0, 1)]


def test_each_profile_and_system_prompt_has_tokens_of_its_own(realm: Realm, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "q.jsonl", rows(5))
    sha256, folders = datafiles.content_hash(path), []
    for profile, prompt in (("none", None), ("emoji_think", None), ("regime3", None), ("none", "x"), ("none", "y")):
        hero = Hero.active(wear(realm, profile, prompt))
        view = hero.tokens_of(path, sha256)
        assert view.meta.profile == hero.profile.stamp
        folders.append(tokens.folder_of(realm, sha256, hero.tokenizer, 512, hero.profile.stamp).name)
    assert sorted(folder.name for folder in realm.tokens.iterdir()) == sorted(folders)
    assert [folder.rpartition("-512-")[2] for folder in folders[:3]] == ["none", "emoji_think", "regime3"]
    assert len(set(folders)) == 5


def inspected(realm: Realm, path: Path, depth: Depth) -> list[tuple[str, str, int]]:
    """(severity, check, line) of every finding."""
    report = gatekeeper.inspect(realm, Manager.of(realm), path, datafiles.content_hash(path), depth)
    return [(finding.severity, finding.check, finding.line) for finding in report.findings]


def test_duplicates_and_hashes_are_those_of_the_raw_rows(realm: Realm, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "q.jsonl", rows(5))
    (record,) = intake.add_files(wear(realm, "emoji_think"), Manager.of(realm), [path])
    file = Board(realm).find(record.id)
    assert file is not None
    assert (record.sha256, file.path.read_bytes()) == (datafiles.content_hash(path), path.read_bytes())
    other = write_rows(tmp_path / "other.jsonl", rows(1) + rows(1, start=90))
    assert inspected(wear(realm, "regime3"), other, "deep") == [("warning", "duplicate", 1)]


def test_a_problem_of_an_eval_set_is_found_under_any_profile(realm: Realm, tmp_path: Path) -> None:
    drawn = sample(bin_of(realm).skill, 6, 2, 0, "eval") + sample(bin_of(realm).skill, 6, 2, 0, "train")
    lines = [
        row_of(*chat(("user", one.prompt), ("assistant", one.answer)), skill="bin", level=6, problem_key=one.key)
        for one in drawn
    ]
    path = write_rows(tmp_path / "q.jsonl", lines)
    for profile in PROFILES:
        found = inspected(wear(realm, profile), path, "deep")
        assert [one for one in found if one[1] == "contamination"] == [("error", "contamination", n) for n in (1, 2)]


def test_the_held_out_rows_are_measured_as_the_hero_is_trained(realm: Realm, tmp_path: Path) -> None:
    write_rows(realm.path(realm.config.training.held_out), rows(4))
    hero = Hero.active(wear(realm, "regime3"))
    held_out = HeldOut.load(hero, packed=True)
    assert held_out is not None
    ids = [int(token) for batch in held_out.batches for token in batch.ids.flatten()]
    assert hero.tokenizer.decode(ids).count("<<ANS_START>>0 it is<<ANS_END>>") == 1


def test_a_row_that_does_not_go_with_the_profile_is_refused_with_its_line(
    realm: Realm, run: Run, tmp_path: Path
) -> None:
    wear(realm, "regime3")
    lines = [*rows(1), row_of(*chat(("user", "q"), ("assistant", "<<ANS_END>>")))]
    ran = run("quest", "add", write_rows(tmp_path / "q.jsonl", lines))
    assert ran.code == 1
    assert "line 2: regime3: a reply holds <<ANS_START>> or <<ANS_END>> where they mark no answer" in ran.err


def test_quest_show_prints_rows_as_the_profile_makes_them(realm: Realm, run: Run, tmp_path: Path) -> None:
    wear(realm, "regime3")
    (record,) = intake.add_files(Realm(realm.root), Manager.of(realm), [write_rows(tmp_path / "q.jsonl", rows(1))])
    shown = run("quest", "show", record.id)
    assert "preview (under the data profile regime3, trained tokens in ⟦ ⟧)" in shown.out
    assert "<|user|>say 0<|end|><|assistant|>⟦<<ANS_START>>0 it is<<ANS_END>><|end|>⟧" in shown.out
    assert run("quest", "show", record.id, "--json").json["preview"]["profile"] == "regime3"


def test_an_unknown_profile_is_named_with_its_file_and_the_nearest_one(realm: Realm, run: Run, tmp_path: Path) -> None:
    wear(realm, "emoji_thnk")
    where = f"{realm.hero_file(HERO)}: profile: there is no data profile 'emoji_thnk'"
    with pytest.raises(FormatError) as caught:
        profiles.of_hero(Realm(realm.root), HERO)
    assert (caught.value.message, caught.value.hint) == (where, "did you mean 'emoji_think'?")
    ran = run("quest", "add", write_rows(tmp_path / "q.jsonl", rows(1)))
    assert ran.code == 1
    assert f"{where}; did you mean 'emoji_think'?" in ran.err
    checked = run("config", "check")
    assert checked.code == 1
    assert "profile: there is no data profile 'emoji_thnk'; did you mean 'emoji_think'?" in checked.out + checked.err


def test_regime3_with_a_system_prompt_of_the_hero_is_refused(realm: Realm) -> None:
    with pytest.raises(FormatError, match=r"dio-mini\.yaml: profile: regime3 brings a system prompt of its own"):
        profiles.of_hero(wear(realm, "regime3", "be short"), HERO)


def test_the_profile_none_needs_no_plugin_and_the_others_say_which_is_missing(realm: Realm, run: Run) -> None:
    assert run("plugins", "disable", "profiles").code == 0
    assert profiles.of_hero(Realm(realm.root), HERO).stamp == "none"
    with pytest.raises(FormatError, match="there is no data profile 'regime3'"):
        profiles.of_hero(wear(realm, "regime3"), HERO)


def test_what_the_plugin_offers(realm: Realm) -> None:
    manager = Manager.of(realm)
    assert profiles.names(manager) == ["emoji_think", "none", "regime3"] == sorted(manager.parts("realm_profiles"))
    made = {name: manager.load_part("realm_profiles", name, "data profile")("") for name in profiles.names(manager)}
    assert {name: profile.stamp for name, profile in made.items()} == {name: name for name in made}
    assert profiles.open_profile(realm, "none").stamp == "none"
    assert made["none"].question(asked("q")) == asked("q")


def test_a_profile_is_set_by_command_and_refused_where_no_plugin_offers_it(realm: Realm, run: Run) -> None:
    key = "heroes.dio-mini.profile"
    refused = run("config", "set", key, "regime33")
    assert (refused.code, refused.out) == (2, "")
    assert f"{key} cannot be 'regime33': there is no data profile 'regime33'" in refused.err
    assert "did you mean 'regime3'?" in refused.err
    assert run("config", "set", key, "regime3").code == 0
    assert profiles.of_hero(Realm(realm.root), HERO).stamp == "regime3"
    both = run("config", "set", "heroes.dio-mini.system_prompt", "be short")
    assert both.code == 2
    assert "regime3 brings a system prompt of its own" in both.err
