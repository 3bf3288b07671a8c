"""Keys in files and in environment variables, in every form in which people have them."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from safegen.errors import KeyMaterialError
from safegen.provenance.keys import pki
from safegen.provenance.keys.opener import check_signer, open_signer
from safegen.provenance.keys.pem import PASSPHRASE

ALGORITHMS = ["es256", "es384", "ed25519", "ps256"]
PEM = serialization.Encoding.PEM
FORMS = serialization.PrivateFormat


def written(path, key, form=FORMS.PKCS8, passphrase=None, mode=0o600):
    protection = (
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption()
    )
    path.write_bytes(key.private_bytes(PEM, form, protection))
    path.chmod(mode)
    return path


@pytest.fixture(autouse=True)
def no_passphrase(monkeypatch):
    monkeypatch.delenv(PASSPHRASE, raising=False)


@pytest.fixture
def leaf(certified):
    return certified["es256"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_file_with_its_chain_signs(
    algorithm, certified, place, tmp_path, root, sealed_is_trusted
):
    leaf = certified[algorithm]
    key = written(tmp_path / "my key.pem", leaf.key)
    signer = open_signer(f"file:{str(key).replace(' ', '%20')}?{place(leaf)}")
    assert signer.algorithm == algorithm
    assert signer.anchor == root.pem
    assert sealed_is_trusted(signer, root.pem)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_development_chain_of_each_algorithm_signs(algorithm, tmp_path, sealed_is_trusted):
    pki.init(tmp_path / "keys", algorithm=algorithm, organisation="Acme")
    signer = open_signer(tmp_path / "keys")
    assert signer.algorithm == algorithm
    assert sealed_is_trusted(signer, (tmp_path / "keys" / pki.ROOT).read_bytes())
    assert check_signer(tmp_path / "keys") == ()


def test_the_key_is_at_hand_for_c2pa_and_shown_nowhere(leaf, place, tmp_path):
    key = written(tmp_path / "key.pem", leaf.key, FORMS.TraditionalOpenSSL)
    signer = open_signer(f"file:{key}?{place(leaf)}")
    assert b"BEGIN EC PRIVATE KEY" in key.read_bytes()
    assert signer.key_pem == leaf.key_pem  # PKCS8, as C2PA wants it
    assert b"BEGIN PRIVATE KEY" in signer.key_pem
    assert signer.key_pem.splitlines()[1].decode() not in repr(signer)


def test_folders_by_every_spelling(tmp_path, monkeypatch):
    folder = tmp_path / "100% mine"
    pki.init(folder)
    monkeypatch.chdir(tmp_path)
    escaped = str(folder).replace("%", "%25")
    for uri in (folder, str(folder), "100% mine", f"file:{escaped}", f"file://{escaped}"):
        assert open_signer(uri).algorithm == "es256"
    with pytest.raises(KeyMaterialError, match="another machine"):
        open_signer("file://elsewhere/keys")


@pytest.mark.parametrize("form", [FORMS.PKCS8, FORMS.TraditionalOpenSSL])
def test_passphrases(form, leaf, place, tmp_path, monkeypatch):
    key = written(tmp_path / "key.pem", leaf.key, form, b"correct horse")
    uri = f"file:{key}?{place(leaf)}"
    with pytest.raises(KeyMaterialError, match=f"is encrypted, and no passphrase.*{PASSPHRASE}"):
        open_signer(uri)
    monkeypatch.setenv(PASSPHRASE, "wrong horse")
    with pytest.raises(KeyMaterialError, match="does not open with that passphrase") as raised:
        open_signer(uri)
    assert "horse" not in str(raised.value)
    monkeypatch.setenv("MINE", "correct horse")
    assert open_signer(f"{uri}&passphrase-env=MINE").sign(b"")
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    assert open_signer(uri).sign(b"")
    with pytest.raises(KeyMaterialError, match="variable OTHER is not set"):
        open_signer(f"{uri}&passphrase-env=OTHER")


def test_passphrase_files(leaf, place, tmp_path):
    key = written(tmp_path / "key.pem", leaf.key, passphrase=b"correct horse")
    file = tmp_path / "passphrase"
    uri = f"file:{key}?{place(leaf)}&passphrase-file={file}"
    file.write_text("correct horse\n")
    with pytest.raises(KeyMaterialError, match=r"passphrase can be read by others.*chmod 600"):
        open_signer(uri)
    file.chmod(0o600)
    assert open_signer(uri).sign(b"")
    file.write_text("\n")
    with pytest.raises(KeyMaterialError, match="is empty"):
        open_signer(uri)


def test_a_passphrase_that_is_not_needed_does_no_harm(leaf, place, tmp_path, monkeypatch):
    monkeypatch.setenv(PASSPHRASE, "anything")
    key = written(tmp_path / "key.pem", leaf.key)
    assert open_signer(f"file:{key}?{place(leaf)}").sign(b"")


@pytest.mark.parametrize("option", ["passphrase=secret", "password=secret", "pin=secret"])
def test_a_secret_in_a_uri_is_refused_and_not_repeated(option, tmp_path):
    with pytest.raises(KeyMaterialError, match="does not belong in a URI") as raised:
        open_signer(f"file:{tmp_path}?{option}")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused_with_the_remedy(mode, leaf, place, tmp_path):
    key = written(tmp_path / "key.pem", leaf.key, mode=mode)
    with pytest.raises(KeyMaterialError, match=rf"mode {mode:04o}\); run `chmod 600 {key}`"):
        open_signer(f"file:{key}?{place(leaf)}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can own a key and read it as another")
def test_a_key_that_an_administrator_lends_to_a_group_opens():
    """As container platforms mount secrets: root's file, the service's group, mode 0440."""
    code = (
        "import os, sys, pathlib; from safegen.provenance.keys.pem import read_secret; "
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); "
        "print(read_secret(pathlib.Path(sys.argv[1])))"
    )
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to other users
        Path(folder).chmod(0o711)
        path = Path(folder) / "key.pem"
        path.write_text("lent")
        os.chown(path, 0, 65534)
        for mode, word in ((0o440, "lent"), (0o444, "can be read by others")):
            path.chmod(mode)
            done = subprocess.run(
                [sys.executable, "-c", code, path], capture_output=True, text=True, check=False
            )
            assert word in done.stdout + done.stderr


def test_a_chain_out_of_order_names_the_right_one(leaf, issuing, place, tmp_path):
    key = written(tmp_path / "key.pem", leaf.key)
    options = place(issuing, leaf)
    with pytest.raises(KeyMaterialError, match='"signer es256", then "issuing CA"'):
        open_signer(f"file:{key}?{options}")


def test_a_root_in_the_chain_is_left_out(leaf, issuing, root, place, tmp_path):
    key = written(tmp_path / "key.pem", leaf.key)
    uri = f"file:{key}?{place(leaf, issuing, root)}"
    assert open_signer(uri).chain == leaf.pem + issuing.pem
    assert [finding.code for finding in check_signer(uri)] == ["root-included"]


def test_what_c2pa_would_refuse_is_refused_before_it_signs(forge, issuing, place, tmp_path):
    leaf = forge("leaf", issuer=issuing, usages=(), authority_id=False)
    key = written(tmp_path / "key.pem", leaf.key)
    with pytest.raises(KeyMaterialError, match=r'"leaf" has no extended key usage.*1 more'):
        open_signer(f"file:{key}?{place(leaf)}")


def test_a_chain_without_a_named_root_still_signs(leaf, place, tmp_path):
    key = written(tmp_path / "key.pem", leaf.key)
    uri = f"file:{key}?{place(leaf).partition('&')[0]}"
    assert open_signer(uri).anchor is None
    assert [finding.code for finding in check_signer(uri)] == ["no-anchor"]


def test_a_check_tells_everything_at_once(forge, issuing, root, place, tmp_path):
    leaf = forge("leaf", issuer=issuing, days=-0.5)
    key = written(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1()))
    uri = f"file:{key}?{place(leaf)}"
    stranger = forge("stranger", ca=True)
    findings = check_signer(uri, anchors=stranger.pem)
    assert [finding.code for finding in findings] == ["expired", "no-path", "cannot-sign"]
    assert "is not the key of" in findings[-1].text


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (ec.generate_private_key(ec.SECP521R1()), "P-256, P-384"),
        (ec.generate_private_key(ec.SECP256K1()), "P-256, P-384"),
        (rsa.generate_private_key(65537, 1024), "2048 bits"),
    ],
)
def test_keys_that_c2pa_or_we_do_not_take(key, words, leaf, place, tmp_path):
    path = written(tmp_path / "key.pem", key)
    with pytest.raises(KeyMaterialError, match=words):
        open_signer(f"file:{path}?{place(leaf)}")


def test_things_that_are_no_keys_and_no_chains(leaf, place, tmp_path):
    key, options = tmp_path / "key.pem", place(leaf)
    for content in ("", "garbage", leaf.pem.decode()):
        key.write_text(content)
        key.chmod(0o600)
        with pytest.raises(KeyMaterialError, match=r"key\.pem is not a private key"):
            open_signer(f"file:{key}?{options}")
    written(key, leaf.key)
    (tmp_path / "chain.pem").write_text("garbage")
    with pytest.raises(KeyMaterialError, match=r"chain\.pem holds no certificate"):
        open_signer(f"file:{key}?{options}")
    with pytest.raises(KeyMaterialError, match=r"name the folder.*\?chain=chain\.pem"):
        open_signer(f"file:{key}")
    with pytest.raises(KeyMaterialError, match="no option chian; they have chain, trust"):
        open_signer(f"file:{key}?chian=x")
    with pytest.raises(KeyMaterialError, match="names chain twice"):
        open_signer(f"file:{key}?chain=x&chain=y")


def test_environment_variables(leaf, issuing, root, monkeypatch, sealed_is_trusted):
    monkeypatch.setenv("SIGNING_KEY", leaf.key_pem.decode())
    monkeypatch.setenv("SIGNING_CHAIN", (leaf.pem + issuing.pem).decode())
    assert open_signer("env:SIGNING").anchor is None
    monkeypatch.setenv("SIGNING_TRUST", root.pem.decode())
    signer = open_signer("env:SIGNING")
    assert signer.anchor == root.pem
    assert sealed_is_trusted(signer, root.pem)
    assert signer.key_pem == leaf.key_pem


def test_secrets_on_one_line(leaf, issuing, monkeypatch):
    """Some platforms keep a secret's line breaks as backslash and n."""
    monkeypatch.setenv("ONE_KEY", leaf.key_pem.decode().replace("\n", "\\n"))
    monkeypatch.setenv("ONE_CHAIN", (leaf.pem + issuing.pem).decode().replace("\n", "\\n"))
    assert open_signer("env:ONE").sign(b"")


def test_encrypted_keys_in_the_environment(leaf, issuing, tmp_path, monkeypatch):
    key = written(tmp_path / "key.pem", leaf.key, passphrase=b"correct horse")
    monkeypatch.setenv("CI_KEY", key.read_text())
    monkeypatch.setenv("CI_CHAIN", (leaf.pem + issuing.pem).decode())
    with pytest.raises(KeyMaterialError, match="put its passphrase into CI_PASSPHRASE"):
        open_signer("env:CI")
    monkeypatch.setenv("CI_PASSPHRASE", "correct horse")
    assert open_signer("env:CI").sign(b"")


def test_variables_that_are_missing_are_named(leaf, monkeypatch):
    with pytest.raises(KeyMaterialError, match="NOTHING_CHAIN is not set"):
        open_signer("env:NOTHING")
    monkeypatch.setenv("NOTHING_CHAIN", leaf.pem.decode())
    with pytest.raises(KeyMaterialError, match="NOTHING_KEY is not set"):
        open_signer("env:NOTHING")
    with pytest.raises(KeyMaterialError, match="needs a prefix"):
        open_signer("env:")


def test_a_scheme_whose_package_is_missing_names_the_command(monkeypatch):
    for scheme, package, extra in (
        ("pkcs11:object=x", "pkcs11", "hsm"),
        ("aws-kms:x", "boto3", "aws"),
        ("gcp-kms:x", "google.cloud", "gcp"),
        ("azure-kv:x", "azure.core.exceptions", "azure"),
    ):
        monkeypatch.delitem(sys.modules, f"safegen.provenance.keys.custody.{extra}", raising=False)
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(KeyMaterialError, match=rf"pip install 'safegen\[{extra}\]'"):
            open_signer(scheme)


def test_the_chain_that_is_shown_is_what_was_read(leaf, issuing, place, tmp_path):
    key = written(tmp_path / "key.pem", leaf.key)
    chain = x509.load_pem_x509_certificates(open_signer(f"file:{key}?{place(leaf)}").chain)
    assert chain == [leaf.certificate, issuing.certificate]
