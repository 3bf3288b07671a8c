"""Bytes that lie nowhere are verified as files are: the same steps, the same limits."""

import shutil

import pytest

import safegen
from safegen.errors import InputError
from safegen.verification.workers import pool, process


def test_bytes_come_to_the_same_verdict_but_for_what_lies_beside(made, tmp_path):
    path = made.outputs / "0001.png"
    alone = shutil.copy(path, tmp_path)  # without its receipt
    lists = {"trust": made.root, "ledger": made.ledger, "released": True}
    verdict = safegen.verify(path.read_bytes(), name="sent.png", **lists)
    assert verdict.state == "trusted"
    assert verdict.path == "sent.png"
    named = safegen.verify(alone, **lists)
    assert verdict == named.model_copy(update={"path": "sent.png"})


def test_nothing_beside_a_name_is_taken_for_the_bytes_own(made, tmp_path, monkeypatch):
    """Neither the receipt in the folder that one is in, nor a sidecar of that name."""
    monkeypatch.chdir(made.outputs)
    data = (made.outputs / "0001.png").read_bytes()
    assert _finding(safegen.verify("0001.png", trust=made.root), "ledger").outcome == "passed"
    here = safegen.verify(data, name="0001.png", trust=made.root)
    assert _finding(here, "ledger").codes == ("safegen.ledger.none",)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    safegen.sign("table.csv", workspace=safegen.Workspace(keys=made.keys), source="algorithm")
    assert safegen.verify("table.csv").state == "valid"
    table = (tmp_path / "table.csv").read_bytes()
    assert safegen.verify(table, name="table.csv").state == "unsupported"


def test_types_are_told_by_the_bytes_or_else_by_the_name(made):
    data = (made.outputs / "0001.png").read_bytes()
    assert safegen.verify(data).path == "(bytes)"
    assert safegen.verify(data).state == "valid"
    misnamed = safegen.verify(data, name="picture.jpg")
    assert "PNG" in misnamed.notes[0]
    assert safegen.verify(b"", name="a.png").state in {"unsigned", "unreadable"}
    assert safegen.verify(data, name="a\ud800\udcff.png").path == r"a\ud800\udcff.png"


ACTOR = """
import json, os, signal, sys
from safegen.verification.unread import unread
from safegen.verification.workers import limits
sys.stdin.buffer.readline()
print('"ready"', flush=True)
for line in sys.stdin.buffer:
    said = json.loads(line)
    data = sys.stdin.buffer.read(said["size"])
    if data == b"crash": os.kill(os.getpid(), signal.SIGSEGV)
    if data == b"busy":
        limits.MAX_PROCESSOR_SECONDS = 0
        limits.limit_time()
        while True: pass
    print(unread(said["name"], "safegen.manifest.none", str(len(data)), "unsigned")
          .model_dump_json(), flush=True)
"""


def test_bytes_have_the_limits_of_files(monkeypatch):
    code = f"import sys; sys.path[:] = sys.argv[1:]; exec({ACTOR!r})"
    monkeypatch.setattr(process, "COMMAND", ("-c", code))
    for data, code in ((b"crash", "crashed"), (b"busy", "too-long"), (b"\n\0\n", "none")):
        verdict = safegen.verify(data, name="a.png")
        assert verdict.path == "a.png"
        assert verdict.findings[0].codes == (f"safegen.manifest.{code}",)
    assert verdict.text == "3"


def test_more_bytes_than_are_looked_at_are_not_sent(monkeypatch):
    monkeypatch.setattr(pool, "MAX_FILE_BYTES", 1000)
    verdict = safegen.verify(bytes(1001), name="a.png")
    assert verdict.findings[0].codes == ("safegen.manifest.too-large",)
    assert "1,001 bytes, and at most 1,000" in verdict.text


def test_a_name_is_for_bytes(made):
    with pytest.raises(InputError, match="a name is for bytes"):
        safegen.verify(made.outputs / "0001.png", name="a.png")
    with pytest.raises(InputError, match="file is 3; give a path or bytes"):
        safegen.verify(3)
    with pytest.raises(InputError, match="is a folder"):
        safegen.verify(made.outputs)


def _finding(verdict, step):
    return next(each for each in verdict.findings if each.step == step)
