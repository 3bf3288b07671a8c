"""What every request passes: sizes, times, names, headers, and what is told of it."""

import asyncio
import json
import logging

import pytest

from safegen.config.service import ServiceConfig
from safegen.errors import InputError
from safegen.web import bodies, logs, verifying
from safegen.web.bodies import Body, Memory
from safegen.web.problems import KINDS_OF_PROBLEMS, ProblemError
from tests.web.conftest import asking

RAW = {"Content-Type": "application/octet-stream"}


def kind_of(answer):
    return answer.status_code, answer.json()["type"].removeprefix("/problems#")


def test_what_is_announced_as_too_large_is_refused(options):
    with asking(options, max_upload=1) as client:
        answer = client.post("/v1/verify", content=bytes(2**20 + 1), headers=RAW)
        assert kind_of(answer) == (413, "too-large")
        assert answer.json()["detail"] == "It may have 1 MiB."
        assert client.post("/v1/verify", content=bytes(2**20), headers=RAW).status_code == 200


def test_what_comes_without_a_length_is_refused_when_it_is_too_much(options):
    def parts():
        for _ in range(3):
            yield bytes(2**19)

    with asking(options, max_upload=1) as client:
        assert kind_of(client.post("/v1/verify", content=parts(), headers=RAW)) == (
            413,
            "too-large",
        )


def test_a_body_that_does_not_come_is_not_waited_for():
    async def silent():
        await asyncio.sleep(60)

    body = Body(silent, max_bytes=10, seconds=0.05)
    with pytest.raises(ProblemError) as caught:
        asyncio.run(body.receive())
    assert caught.value.name == "too-slow"


def test_all_requests_together_hold_so_much():
    memory = Memory(10)
    with memory.hold(6):
        with pytest.raises(ProblemError) as caught, memory.hold(5):
            pytest.fail("there is no room")
        assert caught.value.name == "busy"
    with memory.hold(10):
        pass


def test_a_form_keeps_no_file_on_a_disk(client, signed, monkeypatch):
    import tempfile

    def rolled(self):
        pytest.fail("it was written to a disk")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rolled)
    large = signed + bytes(3 * 2**20)
    assert client.post("/v1/verify", files={"file": ("a.png", large)}).status_code == 200
    assert bodies._Parser.spool_max_size > 2**40


def test_whoever_waits_too_long_is_told_when_to_come_again(options, signed, monkeypatch):
    monkeypatch.setattr(verifying, "MAX_WAITING_PER_JOB", 0)
    with asking(options) as client:
        answer = client.post("/v1/verify", content=signed, headers=RAW)
    assert kind_of(answer) == (503, "busy")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil", ""])
def test_a_foreign_name_for_this_machine_is_refused(client, host):
    assert kind_of(client.get("/healthz", headers={"Host": host})) == (400, "unknown-host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"])
def test_own_names_are_known(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_names_can_be_allowed(options):
    with asking(options, allowed_hosts=["*.example.org"]) as client:
        assert client.get("/healthz", headers={"Host": "a.example.org"}).status_code == 200
        assert client.get("/healthz", headers={"Host": "example.com"}).status_code == 400


@pytest.mark.parametrize("path", ["/", "/v1/verify", "/nowhere", "/static/page.css", "/healthz"])
def test_every_answer_has_the_headers_of_security(client, path):
    headers = client.get(path).headers
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in headers


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nowhere", (404, "not-found")),
        ("GET", "/static/../../etc/passwd", (404, "not-found")),
        ("GET", "/static/page.py", (404, "not-found")),
        ("GET", "/v1/verify", (405, "wrong-method")),
        ("DELETE", "/healthz", (405, "wrong-method")),
    ],
)
def test_what_is_not_there_is_a_problem(client, method, path, expected):
    answer = client.request(method, path)
    assert kind_of(answer) == expected
    assert (expected[0] == 405) == ("Allow" in answer.headers)


def test_people_get_a_page_of_the_same_problem(client):
    answer = client.get("/nowhere", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "<h1>There is nothing here.</h1>" in answer.text


def test_every_type_of_problem_is_told_where_its_address_leads(client):
    text = client.get("/problems").text
    for name in KINDS_OF_PROBLEMS:
        assert f'id="{name}"' in text


def test_a_log_line_knows_nothing_of_persons_and_files(client, signed, caplog):
    with caplog.at_level(logging.INFO, logger="safegen.web"):
        client.post(
            "/v1/verify?name=my-secret-diary.png",
            content=signed,
            headers=RAW | {"User-Agent": "Somebody's browser", "Cookie": "a=b"},
        )
    (record,) = [each for each in caplog.records if each.getMessage() == "request"]
    line = logs.JsonFormatter().format(record)
    said = json.loads(line)
    assert said["route"] == "/v1/verify"
    assert (said["status"], said["received"]) == (200, len(signed))
    for private in ("diary", "browser", "testclient", "127.0.0.1", "a=b"):
        assert private not in line


def test_an_error_of_others_is_logged_without_its_words():
    try:
        int("somebody's name")
    except ValueError as error:
        record = logging.LogRecord(
            "a", 40, "f", 1, "failed", (), (ValueError, error, error.__traceback__)
        )
    line = logs.JsonFormatter().format(record)
    assert "somebody" not in line
    assert json.loads(line)["error"]["kind"] == "ValueError"


def test_numbers_for_operators(client, signed):
    client.post("/v1/verify", content=signed, headers=RAW)
    client.request("BREW", "/made-up/by/somebody")
    text = client.get("/metrics").text
    assert 'safegen_verdicts_total{state="trusted"}' in text
    assert 'route="/v1/verify",status="200"' in text
    assert 'method="other",route="(none)",status="404"' in text
    assert "made-up" not in text


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"port": 70_000}, "port is 70000; choose from 0 to 65535"),
        ({"max_upload": 257}, "max_upload is 257"),
        ({"workers": 0}, "workers is 0"),
        ({"timeout": "long"}, "timeout is 'long'; give a number"),
        ({"jobs": 0}, "jobs is 0"),
    ],
)
def test_a_service_that_cannot_be_is_refused(choice, said):
    with pytest.raises(InputError, match=said):
        ServiceConfig(**choice)
