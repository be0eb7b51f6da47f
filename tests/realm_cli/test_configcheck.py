from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from realm_cli import configcheck
from realm_cli.realm import Realm

Run = Callable[..., Any]


def messages(realm: Realm) -> list[str]:
    return [problem.message for report in configcheck.check_all(realm) for problem in report.problems]


def test_the_shipped_configuration_is_good(realm: Realm) -> None:
    assert messages(realm) == []
    files = [report.file for report in configcheck.check_all(realm)]
    heroes = ["configs/heroes/dio-mini.yaml", "configs/heroes/dio.yaml"]
    assert files == ["configs/realm.yaml", *heroes, "configs/tasks.yaml", "configs/services.yaml"]


def test_all_mistakes_of_all_files_are_reported_with_line_and_key(realm: Realm) -> None:
    realm.config_file.write_text("hero: nobody\ntraining:\n  save_step: 5\n  device: gpu\n  threads: 0\nboard: 3\n")
    realm.hero_file("dio").write_text("model_name: x\nrecipe:\n  precision: fp16\n  learning_rat: 1\n")
    assert messages(realm) == [
        "configs/realm.yaml:3: training.save_step: unknown key; did you mean 'save_steps'?",
        "configs/realm.yaml:4: training.device: invalid enum value 'gpu'; one of: auto, cpu, cuda",
        "configs/realm.yaml:5: training.threads: expected `int` >= 1",
        "configs/realm.yaml:6: board: expected keys and values, found int",
        "configs/realm.yaml:1: hero: there is no hero 'nobody'; known: dio, dio-mini",
        "configs/heroes/dio.yaml:3: recipe.precision: invalid enum value 'fp16'; one of: fp32, bf16",
        "configs/heroes/dio.yaml:4: recipe.learning_rat: unknown key; did you mean 'learning_rate'?",
        "configs/heroes/dio.yaml:1: base_model: missing; add it",
        "configs/heroes/dio.yaml:1: max_length: missing; add it",
    ]


def test_a_file_that_does_not_parse_does_not_hide_the_others(realm: Realm) -> None:
    realm.config_file.write_text("hero: dio-mini\nhero: dio\n")
    realm.hero_file("dio").write_bytes(b"model_name: \xff\n")
    realm.hero_file("dio-mini").write_text("a: [\n")
    assert messages(realm) == [
        "configs/realm.yaml:2: key 'hero' was already given in line 1; keep one of them",
        "configs/heroes/dio-mini.yaml:2: not valid YAML (did not find expected node content)",
        "configs/heroes/dio.yaml: not UTF-8 (byte 12); save the file as UTF-8",
    ]


def test_contradictions_between_keys_are_found(realm: Realm) -> None:
    realm.hero_file("dio-mini").write_text(
        "model_name: a\nbase_model: Qwen/Qwen3-0.6B\nmax_length: 8\nembedded:\n  heads: 3\n  kv_heads: 2\n"
    )
    assert messages(realm) == [
        "configs/heroes/dio-mini.yaml:2: base_model: 'Qwen/Qwen3-0.6B' contradicts the section `embedded:`; "
        "write `base_model: embedded`, or take the section `embedded:` out",
        "configs/heroes/dio-mini.yaml:6: embedded.kv_heads: 3 heads cannot be shared evenly by 2 kv_heads; "
        "change it; the hero's model is made from these numbers",
    ]


def test_a_hero_file_whose_name_would_be_passed_over_is_reported(realm: Realm) -> None:
    (realm.heroes / "Big Hero.yaml").write_text("")
    (realm.heroes / "other.yml").write_text("")
    assert [message.partition(";")[0] for message in messages(realm)] == [
        "configs/heroes/Big Hero.yaml: 'Big Hero.yaml' cannot be a hero's file, so it is not read",
        "configs/heroes/other.yml: 'other.yml' cannot be a hero's file, so it is not read",
    ]


def test_the_command_prints_one_line_each_and_fails_when_one_is_bad(run: Run, realm: Realm) -> None:
    good = run("config", "check")
    assert (good.code, good.out) == (
        0,
        "ok   configs/realm.yaml\nok   configs/heroes/dio-mini.yaml\nok   configs/heroes/dio.yaml\n"
        "ok   configs/tasks.yaml\nok   configs/services.yaml\nok   configs/heralds.yaml\n",
    )
    realm.hero_file("dio").write_text("model_name: x\nbase_model: y/z\nmax_length: long\n")
    bad = run("config", "check")
    assert (bad.code, bad.out.splitlines()[2]) == (
        1,
        "bad  configs/heroes/dio.yaml:3: max_length: expected `int`, got `str`",
    )
    listed = run("config", "check", "--json")
    assert (listed.code, [entry["ok"] for entry in json.loads(listed.out)]) == (
        1,
        [True, True, False, True, True, True],
    )
