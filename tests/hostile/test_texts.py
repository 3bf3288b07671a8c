"""A stranger's words in a manifest: they may say anything, and must not pass for ours."""

import json
import os
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

import safegen
from safegen.provenance.c2pa import claims, manifest
from safegen.provenance.keys import pki
from safegen.provenance.keys.opener import open_signer

NASTY = {
    "terminal": "\x1b[2J\x1b[1;32mtrusted\x1b[0m",
    "line": "x\ntrusted      /etc/passwd\r\n",
    "title": "\x1b]0;owned\x07",
    "page": "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&",
    "order": "\u202egpj.detsurt\u2066\u200f",
    "markup": "[bold green]trusted[/] [/] \\[link=file:///] \\",
    "width": "\u200b\ufeff\u00ad\u2028\u2029\x85\x9b31m",
}
DECISION = {
    "policy": "baseline",
    "policy_digest": "sha256:00",
    "stage": "release",
    "allowed": True,
    "findings": [{"rule": "a rule", "outcome": "failed", "text": "no"}],
}


EVERYTHING = "".join(NASTY.values())


@pytest.fixture(scope="module")
def files(media, stranger, tmp_path_factory):
    """A file for each kind of words, and one with all of them."""
    folder = tmp_path_factory.mktemp("words")
    return [
        worded(words, media["image/png"], stranger, folder)
        for words in (EVERYTHING, *NASTY.values())
    ]


def worded(nasty, picture, stranger, folder):
    """Signed by a stranger; the words are everywhere where there is room for words."""
    base = claims.created_claim(
        title=nasty, mime="image/png", source_type=claims.SOURCE_TYPES["model"]
    )
    decision = DECISION | {
        "policy": nasty,
        "policy_digest": nasty,
        "findings": [{"rule": nasty, "outcome": "failed", "text": nasty}],
    }
    event = {"event": nasty, "noise_multiplier": nasty}
    said = [
        {"label": claims.DECISION, "data": decision, "created": True},
        {"label": claims.PRIVACY, "data": {"format": nasty, "events": [event], nasty: 1}},
        {"label": claims.EXPLANATION, "data": {"digest": nasty, "summary": nasty}},
        {"label": claims.REQUEST, "data": {"purpose": nasty, "label_name": nasty}},
        {"label": "org.example.words", "data": {nasty: nasty}},
    ]
    before, _ = manifest.sign(picture, base, open_signer(stranger))
    parent = claims.Ingredient(
        name="parent", title=nasty, mime="image/png", relationship="parentOf", content=before
    )
    edited = claims.edited_claim(
        title=nasty, mime="image/png", parent=parent, source_type=claims.SOURCE_TYPES["model"]
    )
    claim = claims.Claim(
        title=nasty,
        mime="image/png",
        assertions=(*edited.assertions, *said),
        ingredients=(parent,),
    )
    name = "".join(letter for letter in nasty if letter not in "/\0") + ".png"
    path = folder / name
    path.write_bytes(manifest.sign(picture, claim, open_signer(stranger))[0])
    return path


def command(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "safegen", *map(str, arguments)],
        capture_output=True,
        check=False,
        timeout=120,
        env=os.environ | {"FORCE_COLOR": "", "NO_COLOR": "1", "COLUMNS": "400"},
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def is_tame(text):
    """Every line can be printed as it is, and none is a verdict of the stranger's own."""
    lines = text.split("\n")
    assert all(line.isprintable() for line in lines), [x for x in lines if not x.isprintable()]
    assert not any(line.startswith("trusted") for line in lines), text


def test_in_the_terminal(files, made):
    for several in (files[:1], files[:2], files):  # alone every step is told
        status, out, err = command("verify", *several, "--trust", made.root)
        assert status == 1
        is_tame(out)
        is_tame(err)


def test_in_documents_for_programs(files, made):
    written = {}
    for form in ("json", "sarif", "junit"):
        _, written[form], _ = command("verify", *files, "--trust", made.root, "--format", form)
        assert "\x1b" not in written[form]
    assert written["json"].isascii()
    assert {item["state"] for item in json.loads(written["json"])} == {"invalid"}
    json.loads(written["sarif"])
    ET.fromstring(written["junit"])


def test_when_it_is_signed_on(files, made, tmp_path):
    """The parent's words are told again by `safegen sign`."""
    status, out, err = command(
        "sign", files[0], "--keys", made.keys, "--ledger", tmp_path / "log.db",
        "--out", tmp_path / "edited.png",
    )  # fmt: skip
    assert status == 0, err
    is_tame(out)
    is_tame(err)
    status, out, _ = command("verify", tmp_path / "edited.png", "--trust", made.root)
    is_tame(out.replace("trusted ", "", 1) if status == 0 else out)


def test_in_a_certificate(made, tmp_path):
    said = json.loads((made.model / "certificate.json").read_bytes())
    said |= {"trust_model": EVERYTHING, "accountant": EVERYTHING, "not_protected": [EVERYTHING]}
    said["data"] |= {"name": EVERYTHING, "source": EVERYTHING}
    (tmp_path / "certificate.json").write_text(json.dumps(said))
    for verb in ("show", "check"):
        _, out, err = command("certificate", verb, tmp_path / "certificate.json")
        is_tame(out)
        is_tame(err)


def test_in_the_name_of_a_signer(tmp_path):
    """An organisation of our own chain may not even be called so; others' may be anything."""
    nasty = NASTY["terminal"]
    with pytest.raises(safegen.InputError):
        pki.init(tmp_path / "keys", organisation=nasty)


def test_every_template_escapes():
    from safegen.report.page import pages

    shown = pages().from_string("{{ words }}").render(words=EVERYTHING)
    assert "<script" not in shown
    assert "<img" not in shown
