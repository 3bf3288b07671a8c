"""`POST /v1/generate` and `GET /v1/models`: keys, refusals, releases; torch in one process only."""

import asyncio
import io
import subprocess
import sys
import zipfile

import pytest
from starlette.testclient import TestClient

import safegen
from safegen.cli import main
from safegen.config.service import GenerationConfig, ServiceConfig
from safegen.errors import InputError, StorageError
from safegen.verification.options import VerificationOptions
from safegen.web.access import Access
from safegen.web.application import create_app
from safegen.web.generating import Generating, Rates
from safegen.web.problems import ProblemError

REFUSING = (
    "name: two\nversion: 2\ndescription: A test.\n"
    "rules:\n  - id: few\n    stage: request\n    require: request.count <= 2\n"
    "    because: Two are enough.\n"
    "  - id: signed\n    stage: release\n    require: output.signed\n    because: Always.\n"
)


@pytest.fixture(scope="module")
def studio(made_apart, tmp_path_factory):
    """A service that generates, and a key to it."""
    folder = tmp_path_factory.mktemp("studio")
    (folder / "two.yaml").write_text(REFUSING)
    generation = GenerationConfig(
        models=[made_apart.model],
        keys=made_apart.keys,
        access=folder / "access.db",
        release_policy=[str(folder / "two.yaml")],
        max_outputs=8,
    )
    options = VerificationOptions(trust=made_apart.root, ledger=made_apart.ledger)
    key = Access(folder / "access.db").add("the art room")
    app = create_app(options, ServiceConfig(), generation)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        yield client


def ask(client, **wanted):
    body = {"model": "model", "count": 1, "label": 7, "seed": 5, "purpose": "a test"} | wanted
    return client.post("/v1/generate", json=body)


def problem_of(answer):
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].removeprefix("/problems#")


def test_a_release_comes_with_its_receipts_and_is_trusted(studio, made_apart, tmp_path):
    answer = ask(studio, count=2)
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == len(list(tmp_path.glob("*.receipt.json"))) == 2
    for each in pictures:
        verdict = safegen.verify(each, trust=made_apart.root, ledger=made_apart.ledger)
        assert verdict.state == "trusted"


def test_a_refusal_is_the_whole_decision_and_no_picture(studio):
    answer = ask(studio, count=3)
    assert problem_of(answer) == (403, "refused")
    decision = answer.json()["decision"]
    assert decision["allowed"] is False
    assert ("few", "failed") in [(each["rule"], each["outcome"]) for each in decision["findings"]]


def test_models_are_listed_with_their_claims(studio, made_apart):
    (model,) = studio.get("/v1/models").json()["models"]
    assert model["name"] == "model"
    assert model["digest"].startswith("sha256:")
    assert model["epsilon"] <= 8
    assert str(made_apart.folder) not in studio.get("/v1/models").text


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer safegen_guessed", "Basic YTpi"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/generate"])
def test_without_a_key_nothing_is_told(studio, path, header):
    method = "POST" if path.endswith("generate") else "GET"
    body = {"model": "model", "purpose": "a test"}
    answer = studio.request(method, path, headers={"Authorization": header}, json=body)
    assert problem_of(answer) == (401, "no-key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"model": "../model"}, (404, "no-model")),
        ({"count": 0}, (422, "invalid")),
        ({"count": 9}, (422, "invalid")),
        ({"count": "two"}, (422, "invalid")),
        ({"label": "no such digit"}, (422, "invalid")),
        ({"seed": -1}, (422, "invalid")),
        ({"explain": "everything"}, (422, "invalid")),
        ({"actor": "somebody else"}, (422, "invalid")),
    ],
)
def test_nonsense_is_told_and_makes_nothing(studio, wanted, expected):
    assert problem_of(ask(studio, **wanted)) == expected


def test_a_process_that_dies_is_replaced(studio):
    assert ask(studio).status_code == 200
    generating = studio.app._app.state.parts.generating
    generating._process.kill()
    generating._process.wait()
    assert ask(studio).status_code == 200


def test_a_revoked_model_makes_nothing_more(made_apart, studio):
    from safegen.pipeline.revoke import take_back

    workspace = safegen.Workspace(keys=made_apart.keys, ledger=made_apart.ledger)
    take_back("model", made_apart.model, workspace=workspace)
    assert problem_of(ask(studio)) == (403, "revoked")


def test_keys_are_kept_as_digests_and_can_be_taken_back(tmp_path):
    access = Access(tmp_path / "access.db")
    key, other = access.add("a"), access.add("b")
    assert access.actor_of(key) == "a"
    content = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert key.encode() not in content
    assert (tmp_path / "access.db").stat().st_mode & 0o077 == 0
    named = next(each.name for each in access.listed() if each.actor == "a")
    assert access.remove(named).actor == "a"
    assert (access.actor_of(key), access.actor_of(other)) == (None, "b")
    with pytest.raises(InputError, match="names no key, or several"):
        access.remove(named)
    with pytest.raises(InputError, match="name who asks"):
        access.add(" \n")


def test_keys_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["safegen", "access", *words])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code or 0, capsys.readouterr()

    assert run("list")[0] == 2
    code, said = run("add", "the art room")
    key = said.out.strip()
    assert (code, Access("access.db").actor_of(key)) == (0, "the art room")
    listed = run("list")[1].out
    assert "the art room" in listed
    assert key not in listed
    assert run("remove", listed.split()[0])[0] == 0
    assert run("list")[1].out == ""


def test_a_key_may_ask_so_often():
    rates = Rates(2)
    rates.count("a")
    rates.count("a")
    rates.count("b")
    with pytest.raises(ProblemError) as caught:
        rates.count("a")
    assert caught.value.name == "too-often"
    assert 0 < int(caught.value.headers["Retry-After"]) <= 61


def test_a_lost_database_of_keys_is_no_key(tmp_path):
    generation = GenerationConfig(models=["m"], access=tmp_path / "access.db")
    generating = Generating(generation, "ledger.db")
    for each in tmp_path.iterdir():
        each.unlink()
    with pytest.raises((StorageError, ProblemError)):
        asyncio.run(generating.actor_of("Bearer safegen_x"))


def test_a_service_that_generates_needs_a_ledger_and_packages(made, tmp_path):
    generation = GenerationConfig(models=[made.model], access=tmp_path / "access.db")
    with pytest.raises(InputError, match="name a ledger with --ledger"):
        create_app(VerificationOptions(), ServiceConfig(), generation)
    with pytest.raises(InputError, match="two models"):
        GenerationConfig(models=["a/m", "b/m"])


def test_the_service_itself_never_loads_torch():
    code = "import sys, safegen.web.application; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
