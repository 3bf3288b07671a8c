"""`POST /v1/verify`: what the library finds, over HTTP."""

import json

import pytest

import safegen
from safegen.errors import StorageError
from safegen.schemas.verdict import Verdict
from safegen.verification.options import VerificationOptions
from safegen.web import verifying
from safegen.web.examples import VERDICT_EXAMPLE
from tests.web.conftest import asking

RAW = {"Content-Type": "application/octet-stream"}


def test_the_answer_is_the_verdict_of_the_library(client, options, signed):
    answer = client.post("/v1/verify?name=sent.png", content=signed, headers=RAW)
    assert answer.status_code == 200
    verdict = Verdict.model_validate_json(answer.content)
    assert verdict == safegen.verify(signed, name="sent.png", options=options, discreet=True)
    assert verdict.state == "trusted"


def test_a_form_with_a_file_is_the_same(client, signed):
    answer = client.post("/v1/verify", files={"file": ("C:\\mine\\sent.png", signed)})
    assert (answer.json()["state"], answer.json()["path"]) == ("trusted", "sent.png")


def test_a_changed_and_a_stripped_file_are_told_apart(client, tampered, stripped):
    states = [
        client.post("/v1/verify", content=data, headers=RAW).json()["state"]
        for data in (tampered, stripped)
    ]
    assert states == ["invalid", "recovered"]


def test_hostile_files_get_a_verdict_and_nothing_else(client, hostile):
    for name, data in hostile.items():
        answer = client.post("/v1/verify", params={"name": name}, content=data, headers=RAW)
        assert answer.status_code == 200, name
        assert answer.json()["state"] in {"unsigned", "unsupported", "unreadable"}, name


def test_no_folder_of_the_server_is_in_an_answer(client, made, signed, tampered, stripped):
    for data in (signed, tampered, stripped):
        answer = client.post("/v1/verify", content=data, headers=RAW)
        assert str(made.folder) not in answer.text


@pytest.mark.parametrize(
    ("query", "body", "status", "kind"),
    [
        ("", {"content": b"", "headers": RAW}, 422, "no-file"),
        ("", {"files": {"other": ("a.png", b"x")}}, 422, "no-file"),
        ("", {"data": {"file": "text"}}, 200, None),  # a body of any other kind is a file
        (f"?name={300 * 'a'}", {"content": b"x", "headers": RAW}, 422, "invalid"),
        ("", {"files": [("file", ("a", b"x")), ("file", ("b", b"y"))]}, 400, "bad-request"),
        (
            "",
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
            400,
            "bad-request",
        ),
    ],
)
def test_nonsense_gets_a_typed_problem(client, query, body, status, kind):
    answer = client.post(f"/v1/verify{query}", **body)
    assert answer.status_code == status
    if kind is None:
        return
    assert answer.headers["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert (said["type"], said["status"]) == (f"/problems#{kind}", status)
    assert said["instance"].startswith("urn:uuid:")
    assert said["instance"].endswith(answer.headers["Request-Id"])


def test_a_lost_ledger_is_a_problem_that_names_no_path(tmp_path, made, signed, caplog):
    gone = tmp_path / "gone" / "ledger.db"
    options = VerificationOptions(trust=made.root, ledger=gone)
    with asking(options) as client:
        answer = client.post("/v1/verify", content=signed, headers=RAW)
        ready = client.get("/readyz")
    for each in (answer, ready):
        assert each.status_code == 503
        assert each.json()["type"] == "/problems#unavailable"
        assert str(tmp_path) not in each.text
    assert any(
        each.exc_info and isinstance(each.exc_info[1], StorageError) for each in caplog.records
    )


def test_a_defect_is_a_problem_that_quotes_nothing(options, signed, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("secret words")

    with asking(options) as client:
        monkeypatch.setattr(verifying, "verify", fail)
        answer = client.post("/v1/verify", content=signed, headers=RAW)
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems#failed")
    assert "secret" not in answer.text


def test_a_policy_of_the_service_refuses(made, signed, tmp_path):
    policy = tmp_path / "mine.yaml"
    policy.write_text(
        "name: mine\nversion: 2\ndescription: A test.\n"
        "rules:\n  - id: stamped\n    stage: publish\n    require: file.time_stamped\n"
        "    because: It must outlive its signer.\n"
    )
    with asking(VerificationOptions(trust=made.root, policy=policy)) as client:
        said = client.post("/v1/verify", content=signed, headers=RAW).json()
    assert said["state"] == "invalid"
    assert said["findings"][-1]["codes"] == ["safegen.publish.refused"]


def test_the_example_is_a_verdict():
    assert Verdict.model_validate_json(json.dumps(VERDICT_EXAMPLE)).state == "trusted"
