"""Services held against their own OpenAPI description, with requests that schemathesis makes up."""

from __future__ import annotations

from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance, content_type_conformance]


def statuses_of_random_requests(app: Flask) -> dict[int, int]:
    """How often each status came; every answer has to be as `/api/openapi.json` says, and none a 5xx."""
    seen: dict[int, int] = {}
    for result in schemathesis.openapi.from_wsgi("/api/openapi.json", app).get_all_operations():
        assert isinstance(result, Ok), result

        @settings(
            max_examples=15, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=result.ok().as_strategy())
        def once(case: schemathesis.Case[Any]) -> None:
            answer = case.call_and_validate(checks=CHECKS)
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1

        once()
    return seen
