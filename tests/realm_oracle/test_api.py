"""The Oracle from Python: `Realm().oracle`, over a real server."""

from __future__ import annotations

import pytest

from realm_cli import api
from realm_cli.errors import NotFoundError
from realm_oracle_boxes import OracleProcess


def test_a_loaded_checkpoint_answers_and_names_its_weights(serving: OracleProcess) -> None:
    oracle = api.Realm(serving.realm.root).oracle
    loaded = oracle.client().load(4)
    answer = oracle.chat("say 1", 4)
    assert (answer.step, answer.weights_sha256) == (4, loaded.weights_sha256)
    with pytest.raises(NotFoundError):
        oracle.chat("say 1", 77)
