"""`safegen keys` as its user sees it: what is said, what is left unsaid, how it leaves."""

import contextlib
import io
import re
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from safegen.cli import main
from safegen.provenance.keys import pki

PASSPHRASE = "correct horse"


@pytest.fixture
def safegen(tmp_path, monkeypatch):
    """Call the program in an empty folder: (exit code, what it printed)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAFEGEN_KEY_PASSPHRASE", raising=False)
    monkeypatch.setenv("MINE", PASSPHRASE)

    def call(*arguments):
        said, code = io.StringIO(), 0
        monkeypatch.setattr(sys, "argv", ["safegen", "keys", *map(str, arguments)])
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                main()
            except SystemExit as left:
                code = left.code or 0
        assert "PRIVATE KEY" not in said.getvalue()
        assert PASSPHRASE not in said.getvalue()
        assert "Traceback" not in said.getvalue()
        return code, said.getvalue()

    return call


def test_a_chain_from_its_making_to_its_rotation(safegen, tmp_path):
    code, said = safegen("init", "keys", "--organisation", "Acme")
    assert code == 0
    assert "keys/root.pem" in said
    assert "not encrypted" in said

    code, said = safegen("check", "keys")
    assert (code, said.count("\n")) == (0, 1)
    assert "good; it signs, and whoever lists its root will say Trusted" in said

    before = x509.load_pem_x509_certificate((tmp_path / "keys" / pki.LEAF).read_bytes())
    code, said = safegen("rotate", "keys")
    assert code == 0
    assert f"keys/leaf-{datetime.now(UTC):%Y-%m-%d}.*" in said
    after = x509.load_pem_x509_certificate((tmp_path / "keys" / pki.LEAF).read_bytes())
    assert after.public_key() != before.public_key()
    assert safegen("check", "keys", "--trust", "keys/root.pem")[0] == 0


def test_show_tells_who_and_how_long_and_nothing_secret(safegen, tmp_path):
    safegen("init", "keys", "--organisation", "Acme", "--algorithm", "ed25519")
    code, said = safegen("show", "keys")
    assert code == 0
    lines = said.splitlines()
    assert lines[0] == "keys signs ed25519, with its Ed25519 key"
    root, issuer, signer = (
        next(line for line in lines if f"Acme {role}" in line)
        for role in ("root", "issuing CA", "signer")
    )
    assert said.index(root) < said.index(issuer) < said.index(signer)
    assert root.index("Acme") < issuer.index("Acme") < signer.index("Acme")  # a tree
    assert "364 days left" in signer
    leaf = x509.load_pem_x509_certificate((tmp_path / "keys" / pki.LEAF).read_bytes())
    assert f"{leaf.serial_number:x}" in said
    assert len(re.findall(r"\b([0-9A-F]{2}:){31}[0-9A-F]{2}\b", said)) == 2


def test_show_needs_no_passphrase(safegen):
    safegen("init", "keys", "--passphrase-env", "MINE")
    assert safegen("show", "keys")[0] == 0
    code, said = safegen("check", "keys")
    assert code == 1
    assert "it cannot sign" in said
    assert "SAFEGEN_KEY_PASSPHRASE" in said
    assert safegen("check", "file:keys?passphrase-env=MINE")[0] == 0


def test_encrypted_chains_rotate_with_their_passphrase(safegen, tmp_path):
    code, said = safegen("init", "keys", "--passphrase-env", "MINE", "--algorithm", "ps256")
    assert "file:keys?passphrase-env=MINE" in said
    assert safegen("rotate", "keys")[0] == 2
    assert safegen("rotate", "keys", "--passphrase-env", "MINE")[0] == 0
    assert b"ENCRYPTED" in (tmp_path / "keys" / pki.LEAF_KEY).read_bytes()
    code, said = safegen("rotate", "keys", "--passphrase-env", "NOBODY")
    assert code == 2
    assert "NOBODY is not set" in said


def test_check_tells_all_that_is_wrong(safegen, tmp_path, monkeypatch):
    class Earlier(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(days=400)

    with monkeypatch.context() as patch:
        patch.setattr(pki, "datetime", Earlier)
        safegen("init", "old")
    safegen("init", "keys")
    code, said = safegen("check", "old", "--trust", "keys/root.pem")
    assert code == 1
    assert "old: verifiers would refuse what it signs" in said
    assert '✗ invalid    "safegen development signer" expired on' in said
    assert "✗ untrusted" in said
    assert "its key did not sign this" in said
    code, said = safegen("show", "old")
    assert code == 0
    assert "expired on" in said


def test_a_strangers_name_cannot_draw_a_verdict(safegen):
    safegen("init", "keys", "--organisation", "[green]good[/]")
    assert "[green]good[/] signer" in safegen("show", "keys")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("check", "nowhere"), 2, "no leaf.pem in nowhere; make a development chain"),
        (("show", "vault:x"), 2, "one of file:, env:, pkcs11:, aws-kms:, gcp-kms:, azure-kv:"),
        (("show", "file:keys?passphrase=x"), 2, "does not belong in a URI"),
        (("rotate", "nowhere"), 2, "no issuing-ca.key in nowhere"),
        (("init", "keys", "--algorithm", "rsa"), 2, "is not one of"),
        (("init", "keys", "--passphrase-env", "NOBODY"), 2, "NOBODY is not set"),
        (("init", "keys", "--organisation", "x" * 51), 2, "1 to 50 printable letters"),
    ],
)
def test_wrong_use_is_one_sentence_and_leaves_nothing(safegen, tmp_path, arguments, code, words):
    left, said = safegen(*arguments)
    assert left == code
    assert words in " ".join(said.split())
    assert list(tmp_path.iterdir()) == []
