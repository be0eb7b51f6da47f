"""A user's ordinary chat file trains other architectures with other tokenizers and templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import BattleProcess, Run, write_rows
from realm_arena_models import gemma, llama, mamba
from realm_cli.ledger import Ledger
from realm_cli.realm import Realm

ORDINARY = [
    {
        "id": number,
        "messages": [
            {"role": "user", "content": f"What is {number} plus {number}? Please be friendly — it's late."},
            {"role": "assistant", "content": f"Gladly! {number} plus {number} is {2 * number}. Sleep well 🌙"},
            {"role": "user", "content": "Thank you"},
            {"role": "assistant", "content": "You're welcome."},
        ],
        "source": {"app": "notes", "tags": ["math"]},
    }
    for number in range(40)
]


@pytest.mark.parametrize("maker", [llama, gemma, mamba])
def test_a_recruited_model_trains_on_an_ordinary_chat_file(
    realm: Realm, run: Run, tmp_path: Path, maker: object
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = maker(tmp_path / "Tiny-Model.v1")  # type: ignore[operator]
    recruited = run("hero", "recruit", folder, "--id", "tiny")
    assert recruited.code == 0, recruited.err
    assert run("hero", "use", "tiny").code == 0
    for key, value in (("learning_rate", "1e-2"), ("warmup_steps", "0"), ("epochs", "3")):
        assert run("config", "set", f"heroes.tiny.recipe.{key}", value).code == 0
    added = run("quest", "add", write_rows(tmp_path / "chats.jsonl", ORDINARY), "--json")
    assert added.code == 0, added.err
    assert added.json[0]["trained_tokens"] > 0
    battle = BattleProcess(realm, "--until-empty")
    assert battle.wait() == 0, battle.output()

    ledger = Ledger(Realm(realm.root), "tiny")
    record = ledger.get_latest()
    assert record.samples_seen == 3 * len(ORDINARY)
    path = ledger.path_of(record)
    model = AutoModelForCausalLM.from_pretrained(path)
    tokenizer = AutoTokenizer.from_pretrained(path)
    text = tokenizer.apply_chat_template(ORDINARY[3]["messages"], tokenize=False)
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    before = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        assert float(model(ids, labels=ids).loss) < float(before(ids, labels=ids).loss)
    listed = run("hero", "list", "--json").json
    assert {row["id"]: row["step"] for row in listed}["tiny"] == record.step
