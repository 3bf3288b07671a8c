"""A rotation leaves one working pair at every moment, and loses nothing."""

import fcntl
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from safegen import storage
from safegen.errors import KeyMaterialError, StorageError
from safegen.provenance.keys import pki
from safegen.provenance.keys.opener import check_signer, find_key, open_signer
from safegen.provenance.keys.pem import PASSPHRASE, load_key


@pytest.fixture(params=["es256", "ps256"])
def keys(request, tmp_path):
    pki.init(tmp_path / "keys", organisation="Acme", algorithm=request.param)
    return tmp_path / "keys"


def leaf(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_new_key_under_the_same_name_and_issuer(keys, sealed_is_trusted):
    before, root = leaf(keys / pki.LEAF), (keys / pki.ROOT).read_bytes()
    old = open_signer(keys)
    kept = pki.rotate(keys)
    after, signer = leaf(keys / pki.LEAF), open_signer(keys)
    assert after.public_key() != before.public_key()
    assert after.serial_number != before.serial_number
    assert after.subject == before.subject
    assert signer.algorithm == old.algorithm
    assert check_signer(keys) == ()
    assert sealed_is_trusted(signer, root)
    assert sealed_is_trusted(old, root)  # whoever had opened the old one can finish
    assert kept.name == f"leaf-{datetime.now(UTC):%Y-%m-%d}.pem"
    assert leaf(kept) == before
    old_key = load_key(kept.with_suffix(".key").read_bytes(), None, "")
    assert old_key.public_key() == before.public_key()
    assert kept.with_suffix(".key").stat().st_mode & 0o777 == 0o600
    assert (keys / pki.LEAF_KEY).stat().st_mode & 0o777 == 0o600
    assert not (keys / pki.NEXT_LEAF).exists()


def test_twice_a_day_loses_nothing(keys):
    kept = {pki.rotate(keys).name for _ in range(3)}
    assert len(kept) == 3
    assert len({leaf(keys / name).serial_number for name in (*kept, pki.LEAF)}) == 4


class PowerCutError(BaseException):
    """Nothing runs after it."""


@pytest.mark.parametrize("writes", range(5))
def test_a_crash_at_any_moment_leaves_a_working_pair(tmp_path, monkeypatch, writes):
    keys = tmp_path / "keys"
    pki.init(keys)
    before = leaf(keys / pki.LEAF).serial_number
    done, write = [], storage.write

    def cut(path, data, *, mode=0o644):
        if len(done) == writes:
            raise PowerCutError
        done.append(path.name)
        write(path, data, mode=mode)

    monkeypatch.setattr(storage, "write", cut)
    with pytest.raises(PowerCutError):
        pki.rotate(keys)
    monkeypatch.undo()

    signer = open_signer(keys)
    now = x509.load_pem_x509_certificate(signer.chain).serial_number
    assert (now == before) == (pki.LEAF_KEY not in done)
    assert check_signer(keys) == ()
    shown = find_key(keys).credentials().chain[0].serial_number
    assert shown == now
    pki.rotate(keys)
    assert not (keys / pki.NEXT_LEAF).exists()
    assert check_signer(keys) == ()
    kept = {leaf(path).serial_number for path in keys.glob("leaf-*.pem")}
    assert {before, now} <= kept


def test_a_crash_before_the_last_file_is_removed(tmp_path, monkeypatch):
    keys = tmp_path / "keys"
    pki.init(keys)

    def cut(path, missing_ok=False):
        raise PowerCutError

    monkeypatch.setattr("pathlib.Path.unlink", cut)
    with pytest.raises(PowerCutError):
        pki.rotate(keys)
    monkeypatch.undo()
    assert check_signer(keys) == ()
    pki.rotate(keys)
    assert check_signer(keys) == ()


def test_readers_meanwhile_always_find_a_pair(tmp_path):
    keys = tmp_path / "keys"
    pki.init(keys)
    stop, failed = threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                open_signer(keys)
            except KeyMaterialError as error:
                failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(15):
        pki.rotate(keys)
    stop.set()
    for reader in readers:
        reader.join()
    assert not failed


def test_one_rotation_at_a_time(keys):
    handle = os.open(keys, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(KeyMaterialError, match="is being rotated already"):
        pki.rotate(keys)
    os.close(handle)
    pki.rotate(keys)


def test_encrypted_keys_stay_encrypted(tmp_path, monkeypatch):
    keys = tmp_path / "keys"
    pki.init(keys, passphrase="correct horse")
    monkeypatch.delenv(PASSPHRASE, raising=False)
    for name in (pki.ROOT_KEY, pki.ISSUER_KEY, pki.LEAF_KEY):
        assert b"ENCRYPTED" in (keys / name).read_bytes()
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    for passphrase, words in ((None, "no passphrase was given"), ("wrong", "does not open")):
        with pytest.raises(KeyMaterialError, match=words):
            pki.rotate(keys, passphrase=passphrase)
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
    kept = pki.rotate(keys, passphrase="correct horse")
    for path in (keys / pki.LEAF_KEY, kept.with_suffix(".key")):
        assert b"ENCRYPTED" in path.read_bytes()
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    assert open_signer(keys).sign(b"")


def test_an_empty_passphrase_protects_nothing(tmp_path):
    with pytest.raises(KeyMaterialError, match="protects nothing"):
        pki.init(tmp_path / "keys", passphrase="")


def test_only_who_holds_the_issuing_key_can_rotate(keys):
    (keys / pki.ISSUER_KEY).unlink()
    with pytest.raises(KeyMaterialError, match=r"no issuing-ca\.key .*only who holds"):
        pki.rotate(keys)
    assert open_signer(keys).sign(b"")


def test_an_issuing_key_of_another_chain(keys, tmp_path):
    pki.init(tmp_path / "other")
    (keys / pki.ISSUER_KEY).write_bytes((tmp_path / "other" / pki.ISSUER_KEY).read_bytes())
    with pytest.raises(KeyMaterialError, match=r"is not the key of issuing-ca\.pem"):
        pki.rotate(keys)


def years_from_now(monkeypatch, years):
    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=365 * years)

    monkeypatch.setattr(pki, "datetime", Later)


def test_a_leaf_never_outlives_its_issuer(tmp_path, monkeypatch):
    keys = tmp_path / "keys"
    pki.init(keys)
    years_from_now(monkeypatch, 4.5)
    pki.rotate(keys)
    assert leaf(keys / pki.LEAF).not_valid_after_utc == leaf(keys / pki.ISSUER).not_valid_after_utc


def test_an_expired_issuer_issues_nothing(tmp_path, monkeypatch):
    keys = tmp_path / "keys"
    pki.init(keys)
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    years_from_now(monkeypatch, 6)
    with pytest.raises(KeyMaterialError, match="issuing CA expired"):
        pki.rotate(keys)
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before


def test_a_chain_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    write = storage.write

    def full(path, data, *, mode=0o644):
        if path.name == pki.LEAF_KEY:
            raise StorageError("no room")
        write(path, data, mode=mode)

    monkeypatch.setattr(storage, "write", full)
    with pytest.raises(StorageError, match="no room"):
        pki.init(tmp_path / "keys")
    assert list((tmp_path / "keys").iterdir()) == []


def test_the_leaf_key_fits_the_algorithm(tmp_path):
    for algorithm, kind in (("es384", "secp384r1"), ("ed25519", "Ed25519")):
        pki.init(tmp_path / algorithm, algorithm=algorithm)
        key = leaf(tmp_path / algorithm / pki.LEAF).public_key()
        assert kind in (key.curve.name if algorithm == "es384" else type(key).__name__)
        issuer = leaf(tmp_path / algorithm / pki.ISSUER).public_key()
        assert issuer.curve.name == "secp384r1"
