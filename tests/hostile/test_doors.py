"""Side doors: ways around the front one, to an unsigned output or to an undeserved `trusted`."""

import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import safegen
from safegen.errors import KeyMaterialError, SafegenError, StorageError
from safegen.provenance.c2pa import claims, manifest
from safegen.provenance.keys import pki
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.media import formats
from safegen.schemas.names import receipt_beside

PEM = serialization.Encoding.PEM


def copied(made, folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or ("0001.png", "0001.receipt.json"):
        shutil.copy(made.outputs / name, folder)
    return folder / "0001.png"


def text_of(verdict, step):
    return next(each.text for each in verdict.findings if each.step == step)


# Whom to trust


def issue(folder, name, *, issuer, change=lambda builder: builder, days=1):
    """A certificate like that of our own leaf, changed; its key and issuer beside it."""
    leaf = x509.load_pem_x509_certificate((folder / pki.LEAF).read_bytes())
    issuer_certificate, issuer_key = issuer
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer_certificate is None else issuer_certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
    )
    for extension in leaf.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectKeyIdentifier):
            value = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        if isinstance(value, x509.AuthorityKeyIdentifier):
            public = key if issuer_key is None else issuer_key
            value = x509.AuthorityKeyIdentifier.from_issuer_public_key(public.public_key())
        builder = builder.add_extension(value, critical=extension.critical)
    certificate = change(builder).sign(issuer_key or key, hashes.SHA256())
    return certificate, key


def issuing(folder):
    key = serialization.load_pem_private_key((folder / pki.ISSUER_KEY).read_bytes(), None)
    return x509.load_pem_x509_certificate((folder / pki.ISSUER).read_bytes()), key


@dataclasses.dataclass(frozen=True)
class Anybody:
    """A signer with whatever certificates it likes."""

    chain: bytes
    key: object
    algorithm: str = "es256"
    anchor: bytes | None = None
    key_pem: bytes | None = None

    def sign(self, data):
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


def signed_by(signer, data, mime="image/png"):
    """A signed file, where the SDK lets such a signer sign at all."""
    claim = claims.created_claim(title="x", mime=mime, source_type=claims.SOURCE_TYPES["model"])
    return manifest.sign(data, claim, signer)[0]


@pytest.fixture
def released(made, tmp_path):
    return copied(made, tmp_path / "released")


def test_only_a_root_makes_a_signer_trusted(made, released, tmp_path):
    """The leaf itself, the issuing CA, and a root of the same name, each as the list."""
    impostor = tmp_path / "impostor"
    pki.init(impostor)
    own = {
        "the leaf": made.keys / pki.LEAF,
        "a root of the same name": impostor / pki.ROOT,
        "its leaf": impostor / pki.LEAF,
    }
    for name, anchor in own.items():
        try:
            state = safegen.verify(released, trust=anchor).state
        except KeyMaterialError:
            continue  # it is not even taken for a list
        assert state != "trusted", name


def test_a_self_signed_leaf_vouches_for_nobody(made, media, tmp_path):
    certificate, key = issue(made.keys, "a stranger", issuer=(None, None))
    pem = certificate.public_bytes(PEM)
    try:
        data = signed_by(Anybody(chain=pem, key=key), media["image/png"])
    except SafegenError:
        pytest.skip("the SDK does not sign with such a certificate")
    (tmp_path / "file.png").write_bytes(data)
    (tmp_path / "itself.pem").write_bytes(pem)
    assert safegen.verify(tmp_path / "file.png", trust=made.root).state != "trusted"
    try:
        verdict = safegen.verify(tmp_path / "file.png", trust=tmp_path / "itself.pem")
    except KeyMaterialError:
        return
    assert verdict.state != "trusted"


def test_a_leaf_that_issued_another_leaf(made, media, tmp_path):
    """Whoever has a signer's key is no authority."""
    leaf = x509.load_pem_x509_certificate((made.keys / pki.LEAF).read_bytes())
    leaf_key = serialization.load_pem_private_key((made.keys / pki.LEAF_KEY).read_bytes(), None)
    forged, key = issue(made.keys, "somebody important", issuer=(leaf, leaf_key))
    chain = b"".join(each.public_bytes(PEM) for each in (forged, leaf))
    chain += (made.keys / pki.ISSUER).read_bytes()
    try:
        data = signed_by(Anybody(chain=chain, key=key), media["image/png"])
    except SafegenError:
        return  # not even signed
    (tmp_path / "file.png").write_bytes(data)
    assert safegen.verify(tmp_path / "file.png", trust=made.root).state != "trusted"


def test_a_certificate_for_something_else(made, media, tmp_path):
    """Below the trusted root, but for servers: it may not sign claims."""

    def for_servers(builder):
        kept = [each for each in builder._extensions if each.oid != x509.ExtendedKeyUsage.oid]
        builder._extensions[:] = kept
        usage = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
        return builder.add_extension(usage, critical=False)

    certificate, key = issue(made.keys, "a server", issuer=issuing(made.keys), change=for_servers)
    chain = certificate.public_bytes(PEM) + (made.keys / pki.ISSUER).read_bytes()
    with pytest.raises(SafegenError):
        signed_by(Anybody(chain=chain, key=key), media["image/png"])


def test_after_its_certificate_expired_nothing_is_trusted(made, media, tmp_path):
    soon = datetime.now(UTC) + timedelta(seconds=4)

    def short(builder):
        builder._not_valid_after = soon.replace(tzinfo=None)
        return builder

    certificate, key = issue(made.keys, "for seconds", issuer=issuing(made.keys), change=short)
    chain = certificate.public_bytes(PEM) + (made.keys / pki.ISSUER).read_bytes()
    path = tmp_path / "file.png"
    path.write_bytes(signed_by(Anybody(chain=chain, key=key), media["image/png"]))
    while datetime.now(UTC) < soon + timedelta(seconds=2):
        time.sleep(0.2)
    assert safegen.verify(path, trust=made.root).state not in {"trusted", "valid"}


# What lies beside a file


def test_a_receipt_of_another_output(made, released):
    shutil.copy(made.outputs / "0002.receipt.json", released.with_name("0001.receipt.json"))
    verdict = safegen.verify(released, trust=made.root, ledger=made.ledger)
    assert verdict.state == "invalid"


def test_a_receipt_under_another_spelling_says_nothing(made, tmp_path):
    path = copied(made, tmp_path, "0001.png")
    without = safegen.verify(path, trust=made.root)
    for name in (
        "0001.RECEIPT.json",
        "0001.Receipt.JSON",
        "0001.receipt.json ",
        "0001 .receipt.json",
    ):
        shutil.copy(made.outputs / "0002.receipt.json", tmp_path / name)
    assert safegen.verify(path, trust=made.root) == without


def test_suffixes_in_capitals_are_found_with_their_receipts(made, tmp_path):
    copied(made, tmp_path).rename(tmp_path / "0001.PNG")
    (verdict,) = safegen.verify_tree([tmp_path], trust=made.root)
    assert verdict.state == "trusted"
    assert "receipt" in text_of(verdict, "ledger")


@pytest.mark.parametrize("kind", ["fifo", "device", "endless", "folder", "itself"])
def test_a_receipt_that_is_no_file_ends(made, tmp_path, kind):
    """An archive can hold named pipes and links; reading one would wait for ever."""
    path = copied(made, tmp_path, "0001.png")
    receipt = tmp_path / "0001.receipt.json"
    if kind == "fifo":
        os.mkfifo(receipt)
    elif kind == "folder":
        receipt.mkdir()
    elif kind == "itself":
        receipt.symlink_to(receipt.name)
    else:
        receipt.symlink_to("/dev/zero" if kind == "endless" else "/dev/tty")
    assert ended(path, made) in {"trusted", "invalid"}


@pytest.mark.parametrize("name", ["config.json", "certificate.json", "model.c2pa"])
def test_a_package_with_a_pipe_in_it_ends(made, tmp_path, name):
    shutil.copytree(made.model, tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    os.mkfifo(tmp_path / "model" / name)
    assert ended(tmp_path / "model" / "weights.safetensors", made) != "trusted"


def test_a_receipt_of_two_gigabytes(made, tmp_path):
    """Sparse, so that it fits into a small archive."""
    path = copied(made, tmp_path, "0001.png")
    with (tmp_path / "0001.receipt.json").open("wb") as file:
        file.truncate(2**31)
    assert ended(path, made) == "invalid"


def ended(path, made):
    """The state of one file, by a process that may take a gigabyte and must end."""
    code = (
        "import resource, safegen, sys; resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30)); "
        "print(safegen.verify(sys.argv[1], trust=sys.argv[2]).state)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path, made.root],
        capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_swapped_sidecar(made, tmp_path):
    for name, rows in {"one.csv": "a\n1\n", "two.csv": "a\n2\n"}.items():
        (tmp_path / name).write_text(rows)
        safegen.sign(
            tmp_path / name, keys=made.keys, ledger=tmp_path / "log.db", source="algorithmic"
        )
        assert safegen.verify(tmp_path / name, trust=made.root).state == "trusted"
    one, two = tmp_path / "one.csv.c2pa", tmp_path / "two.csv.c2pa"
    one.rename(tmp_path / "aside")
    two.rename(one)
    assert safegen.verify(tmp_path / "one.csv", trust=made.root).state == "invalid"
    (tmp_path / "aside").rename(two)
    for name in ("one.csv", "two.csv"):  # each is found again, by the digest that it holds
        assert safegen.verify(tmp_path / name, trust=made.root).state == "trusted"
    (tmp_path / "one.csv").write_text("a\n3\n")
    assert safegen.verify(tmp_path / "one.csv", trust=made.root).state == "invalid"


def test_a_ledger_of_another_house(made, released, tmp_path):
    """A log in which nothing is, or a stranger entered our file, shows no release of it."""
    other, keys = tmp_path / "other.db", tmp_path / "keys"
    pki.init(keys)
    entry = Ledger(made.ledger, to_read=True).find(digest_of(released))[0]
    receipt_beside(released).unlink()
    for begin in (Ledger, lambda path: Ledger(path).append([entry], signer=open_signer(keys))):
        begin(other)
        for trust in (made.root, [made.root, keys / pki.ROOT]):
            asked = {"trust": trust, "ledger": other}
            verdict = safegen.verify(released, **asked)
            finding = next(each for each in verdict.findings if each.step == "ledger")
            assert (verdict.state, finding.outcome) == ("trusted", "not_checked"), finding.text
            assert safegen.verify(released, **asked, released=True).state == "invalid"


def digest_of(path):
    from safegen.schemas.canonical import sha256

    return sha256(path.read_bytes())


# What a file says of itself


def test_a_stranger_who_says_what_we_say(made, released, stranger, tmp_path):
    """All of our statements, and a false epsilon, under a stranger's signature."""
    said = manifest.read(released.read_bytes(), "image/png").assertions
    for epsilon, state in ((None, "valid"), (0.1, "invalid")):
        assertions = []
        for label, data in said.items():
            changed = json.loads(json.dumps(data))
            if label == "c2pa.actions.v2":
                changed["actions"][0].pop("parameters", None)
            if label == claims.PRIVACY and epsilon is not None:
                changed["epsilon"] = epsilon
            assertions.append({"label": label, "data": changed, "created": True})
        claim = claims.Claim(title="x", mime="image/png", assertions=tuple(assertions))
        path = tmp_path / "false.png"
        path.write_bytes(manifest.sign(without_manifest(released), claim, open_signer(stranger))[0])
        verdict = safegen.verify(path, trust=made.root)
        assert verdict.state == state
        asked = {"trust": made.root, "ledger": made.ledger}
        assert safegen.verify(path, **asked).state == state  # neither ours nor in our ledger
        assert safegen.verify(path, **asked, released=True).state == "invalid"


def without_manifest(path):
    data = path.read_bytes()
    length = int.from_bytes(data[33:37], "big")
    assert data[37:41] == b"caBX"
    return data[:33] + data[33 + 12 + length :]


def test_a_manifest_moved_to_another_file(made, tmp_path):
    one, two = (made.outputs / f"000{n}.png" for n in (1, 2))
    store = one.read_bytes()[33 : len(one.read_bytes()) - len(without_manifest(one)) + 33]
    plain = without_manifest(two)
    path = tmp_path / "moved.png"
    path.write_bytes(plain[:33] + store + plain[33:])
    assert safegen.verify(path, trust=made.root).state == "invalid"


def test_two_manifests_in_one_file(made, stranger, tmp_path):
    """A second chunk, ours or a stranger's, before or after the first."""
    data = (made.outputs / "0001.png").read_bytes()
    plain = without_manifest(made.outputs / "0001.png")
    own = data[33 : 33 + len(data) - len(plain)]
    foreign = signed_by(open_signer(stranger), plain)
    theirs = foreign[33 : 33 + len(foreign) - len(plain)]
    for number, stores in enumerate(((own, own), (own, theirs), (theirs, own))):
        path = tmp_path / f"{number}.png"
        path.write_bytes(plain[:33] + b"".join(stores) + plain[33:])
        assert safegen.verify(path, trust=made.root).state not in {"trusted", "valid"}, number


def test_an_older_version_under_a_new_name(made, tmp_path):
    """It is what it was, and the ledger and its own title say so; a name is no statement."""
    path = copied(made, tmp_path, "0001.png").rename(tmp_path / "approved.png")
    older = safegen.verify(path, trust=made.root, ledger=made.ledger)
    assert older.state == "trusted"
    assert "released at" in text_of(older, "ledger")


def test_a_figure_passed_off_as_an_output(made, tmp_path):
    """An explanation's picture makes no privacy claim, and the output's receipt is not its."""
    shutil.copy(made.outputs / "explanations" / "0001.png", tmp_path / "0001.png")
    alone = safegen.verify(tmp_path / "0001.png", trust=made.root, ledger=made.ledger)
    assert "no privacy claim" in text_of(alone, "privacy")
    shutil.copy(made.outputs / "0001.receipt.json", tmp_path)
    assert safegen.verify(tmp_path / "0001.png", trust=made.root).state == "invalid"


def test_an_explanation_with_the_receipt_of_another(made, tmp_path):
    folder = tmp_path / "explanations"
    folder.mkdir()
    shutil.copy(made.outputs / "explanations" / "0001.png", folder)
    shutil.copy(made.outputs / "0002.receipt.json", folder / "0001.receipt.json")
    assert safegen.verify(folder / "0001.png", trust=made.root).state == "invalid"


def test_an_archive_behind_a_picture(made, subjects, tmp_path):
    """A polyglot made after signing is another file; one byte behind the end is enough."""
    for mime, subject in subjects.items():
        archive = io.BytesIO(subject.data)
        archive.seek(0, io.SEEK_END)
        with zipfile.ZipFile(archive, "a") as file:
            file.writestr("run_me", "anything")
        path = tmp_path / f"both{subject.suffix}"
        path.write_bytes(archive.getvalue())
        state = safegen.verify(path, trust=made.root).state
        assert state not in {"trusted", "valid"}, mime


def test_unhashed_boxes_can_hide_things_and_the_ledger_says_so(made, subjects, tmp_path):
    """C2PA leaves `free` boxes of MP4 and AVIF out of its hash; with the ledger nothing hides."""
    for mime in ("video/mp4", "image/avif"):
        subject = subjects[mime]
        hidden = b"PK\x03\x04" + bytes(200)
        longer = subject.data + (8 + len(hidden)).to_bytes(4, "big") + b"free" + hidden
        path = tmp_path / f"hiding{subject.suffix}"
        path.write_bytes(longer)
        assert safegen.verify(path, trust=made.root, ledger=made.ledger).state == "invalid", mime


def test_wrong_suffixes_change_nothing(made, subjects, tmp_path):
    """What a file is, its first bytes say."""
    for mime, subject in subjects.items():
        for suffix in formats.EMBEDDABLE_TYPES.values():
            path = tmp_path / f"copy{suffix}"
            path.write_bytes(subject.data)
            assert safegen.verify(path, trust=made.root).state == "trusted", (mime, suffix)
            path.unlink()


def test_a_picture_that_begins_as_another_type(made, subjects, tmp_path):
    for mime, subject in subjects.items():
        for head in (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0\x08\0\0\0"):
            if subject.data.startswith(head[:3]):
                continue
            path = tmp_path / f"copy{subject.suffix}"
            path.write_bytes(head + subject.data)
            assert safegen.verify(path, trust=made.root).state not in {"trusted", "valid"}, mime


# Between signing and saving


def test_a_folder_that_is_changed_between_signing_and_saving(made, model, tmp_path):
    release = model.generate(1, label=1, seed=5, purpose="a test")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "out"
    folder.symlink_to(elsewhere, target_is_directory=True)
    (path,) = release.save(folder)
    assert safegen.verify(path, trust=made.root, ledger=made.ledger).state == "trusted"
    path.write_bytes(b"changed")
    with pytest.raises(StorageError, match="already holds"):
        release.save(elsewhere)
    file = tmp_path / "file"
    file.write_text("kept")
    with pytest.raises(StorageError):
        release.save(file)
    assert file.read_text() == "kept"
    loose = tmp_path / "loose"
    loose.symlink_to(tmp_path / "nowhere", target_is_directory=True)
    with pytest.raises(StorageError):
        release.save(loose)


@pytest.mark.parametrize("name", ["0001.png", "0001.receipt.json", "explanations/0001.png"])
@pytest.mark.parametrize("kind", ["file", "link", "loose link", "folder"])
def test_a_release_is_never_saved_over_or_through_anything(made, model, tmp_path, name, kind):
    release = model.generate(1, label=1, seed=5, purpose="a test", name="{number:04}")
    folder = tmp_path / "out"
    taken = folder / name
    taken.parent.mkdir(parents=True)
    victim = tmp_path / "victim"
    if kind != "loose link":
        victim.write_text("kept")
    if kind == "file":
        taken.write_text("kept")
    elif kind == "folder":
        taken.mkdir()
    else:
        taken.symlink_to(victim)
    with pytest.raises(StorageError):
        release.save(folder)
    assert not victim.exists() or victim.read_text() == "kept"
    if kind == "file":
        assert taken.read_text() == "kept"


def test_two_releases_saved_into_one_folder_at_once(made, model, tmp_path):
    """One is saved whole, the others are refused; never a file of one with a receipt of another."""
    releases = [
        model.generate(2, label=label, seed=label, purpose="a test", name="{number:04}")
        for label in range(4)
    ]
    for attempt in range(4):
        folder = tmp_path / f"out{attempt}"
        gate = threading.Barrier(len(releases))
        refused = []

        def save(release, gate=gate, folder=folder, refused=refused):
            gate.wait()
            try:
                release.save(folder)
            except StorageError:
                refused.append(release)

        threads = [threading.Thread(target=save, args=(release,)) for release in releases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == len(releases) - 1
        for verdict in safegen.verify_tree([folder], trust=made.root, ledger=made.ledger):
            assert verdict.state == "trusted", (attempt, verdict.path)
