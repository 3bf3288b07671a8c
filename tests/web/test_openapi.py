"""The OpenAPI document, and the service held against it by requests that nobody thought of."""

import json

import httpx2
import hypothesis
import pytest
import schemathesis
from schemathesis.generation import GenerationMode

from safegen.web.problems import KINDS_OF_PROBLEMS


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_failure_and_no_answer_that_is_not_documented(service, mode):
    """Requests as the document has them, and requests against it."""
    document = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    operations = [each.ok() for each in document.get_all_operations()]
    assert len(operations) >= 4
    for operation in operations:

        @hypothesis.settings(
            max_examples=20,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def check(case):
            case.call_and_validate()

        if mode is GenerationMode.POSITIVE or operation.query or operation.body:
            check()


def test_every_endpoint_is_described_with_an_example(service):
    said = httpx2.get(f"{service.url}/openapi.json").json()
    assert set(said["paths"]) >= {"/v1/verify", "/healthz", "/readyz", "/metrics"}
    for path, operations in said["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            for status, answer in operation["responses"].items():
                if int(status) < 400:
                    continue
                told = answer["content"]["application/problem+json"]
                assert told["schema"] == {"$ref": "#/components/schemas/Problem"}
                for example in told["examples"].values():
                    assert example["value"]["status"] == int(status)
    assert "ValidationError" not in json.dumps(said)
    assert KINDS_OF_PROBLEMS["too-large"].title in json.dumps(said)
