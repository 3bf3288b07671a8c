"""Time-stamps: what they prove, whose word counts, and what happens without."""

import threading
import time
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import safegen
from safegen.errors import KeyMaterialError, PolicyError, TamperedError, TimeStampError
from safegen.package import files
from safegen.policy.load import load_policy
from safegen.provenance.c2pa import claims, manifest
from safegen.provenance.c2pa.timestamps import Stamping
from safegen.provenance.keys import pki
from safegen.provenance.keys.custody.local import FileSigner
from safegen.provenance.keys.trust import Trust, TrustList
from safegen.provenance.log.ledger import Ledger

NOBODY = "http://127.0.0.1:9/"


def claim(mime="image/png"):
    return claims.created_claim(
        title="something", mime=mime, source_type=claims.SOURCE_TYPES["algorithmic"]
    )


@pytest.fixture
def png(media):
    return media["image/png"]


@pytest.fixture
def roots(made, authority):
    return made.root.read_bytes(), authority.root.read_bytes()


def trust(*, signers=b"", stamps=b""):
    def lists(**roots):
        return tuple(TrustList(name=name, pem=pem) for name, pem in roots.items() if pem)

    return Trust(signers=lists(ours=signers), time_stamps=lists(theirs=stamps))


def test_a_stamp_is_read_back(png, signer, authority, roots):
    signed, found = Stamping(authority.url).sign(png, claim(), signer)
    assert found.state == "Trusted"
    assert found.time_stamp.authority == "authority"
    assert found.time_stamp.trusted_by is None
    again = manifest.read(signed, "image/png", trust=trust(signers=roots[0], stamps=roots[1]))
    assert (again.state, again.trusted_by) == ("Trusted", "ours")
    assert (again.time_stamp.time, again.time_stamp.trusted_by) == (found.time_stamp.time, "theirs")
    assert manifest.read(signed, "image/png").time_stamp.trusted_by is None


def test_a_manifest_beside_its_file_is_stamped_too(signer, authority, roots):
    store, found = Stamping(authority.url).sign_beside(b"rows", claim("text/csv"), signer)
    assert found.time_stamp is not None
    everyone = trust(signers=roots[0], stamps=roots[1])
    again = manifest.read(b"rows", "text/csv", trust=everyone, beside=store)
    assert again.time_stamp.trusted_by == "theirs"


def test_a_second_implementation_reads_it_too(png, signer, authority, roots):
    encypher_c2pa = pytest.importorskip("encypher_c2pa")
    signed, _ = Stamping(authority.url).sign(png, claim(), signer)
    found = encypher_c2pa.verify(
        signed, "image/png", trust_pem=roots[0].decode(), tsa_trust_pem=roots[1].decode(),
        no_default_trust=True, telemetry=False, online=False,
    )  # fmt: skip
    codes = {check["code"] for check in found["validation_results"]["success"]}
    assert found["validation_state"] == "Trusted"
    assert {"timeStamp.validated", "timeStamp.trusted"} <= codes


@pytest.mark.parametrize("stamped", [False, True])
def test_a_list_of_authorities_vouches_for_no_signer(png, signer, authority, roots, stamped):
    """The SDK alone would call it Trusted."""
    signed, _ = Stamping(authority.url if stamped else None).sign(png, claim(), signer)
    for lists in (
        trust(stamps=roots[0]),
        trust(stamps=roots[0] + roots[1]),
        trust(signers=roots[1], stamps=roots[0]),
    ):
        found = manifest.read(signed, "image/png", trust=lists)
        assert (found.state, found.trusted_by) == ("Valid", None)
        assert "time-stamp authorities" in found.failures[manifest.UNTRUSTED]
        assert manifest.TRUSTED not in found.successes


def test_a_root_on_both_lists_is_a_signers(png, signer, authority, roots):
    """The SDK names either list, as chance has it, so it is told of the first alone."""
    signed, _ = Stamping(authority.url).sign(png, claim(), signer)
    for lists in (
        trust(signers=roots[0], stamps=roots[0]),
        trust(signers=roots[0], stamps=roots[1] + roots[0]),
        trust(signers=roots[0] + roots[1], stamps=roots[0] + roots[1]),
    ):
        found = manifest.read(signed, "image/png", trust=lists)
        assert (found.state, found.trusted_by) == ("Trusted", "ours")


ANSWERS = {
    "500": "answered with HTTP status 500 instead of a time-stamp",
    "junk": "answered with something that is no time-stamp of this signature",
    "replay": "answered with something that is no time-stamp of this signature",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_authority_that_gives_none(png, signer, authority, answer):
    Stamping(authority.url).sign(png, claim(), signer)
    authority.asked, authority.answer = 0, answer
    preferred = Stamping(authority.url)
    for _ in range(3):
        _, found = preferred.sign(png, claim(), signer)
        assert (found.state, found.time_stamp) == ("Trusted", None)
    assert authority.asked == 1
    assert ANSWERS[answer] in preferred.missed
    required = Stamping(authority.url, required=True)
    for _ in range(2):
        with pytest.raises(TimeStampError, match=ANSWERS[answer]) as error:
            required.sign(png, claim(), signer)
        one_sentence(error)
    assert authority.asked == 2


def test_an_authority_that_is_not_there(png, signer):
    preferred = Stamping(NOBODY)
    assert preferred.sign(png, claim(), signer)[1].time_stamp is None
    assert "cannot be reached" in preferred.missed
    assert preferred.anew().missed is None
    with pytest.raises(TimeStampError, match="cannot be reached") as error:
        Stamping(NOBODY, required=True).sign(png, claim(), signer)
    one_sentence(error)


def one_sentence(error):
    """Nothing of the SDK's own, which stays in the cause."""
    said = str(error.value)
    assert not any(noise in said for noise in ("internal error", "Signature", "Some(", "resolver"))
    assert said.startswith("the time-stamp authority http://127.0.0.1:")
    assert said.endswith("; try again, or sign without one where the policy allows it")


@pytest.mark.slow
def test_an_authority_that_is_silent_is_waited_for_once(png, signer, authority):
    """Half a minute, the SDK's own limit."""
    authority.answer = "hang"
    stamping = Stamping(authority.url)
    for _ in range(2):
        assert stamping.sign(png, claim(), signer)[1].time_stamp is None
    assert authority.asked == 1
    assert "no answer within 30 seconds" in stamping.missed


def test_many_threads_ask_a_broken_authority_once(png, signer, authority):
    authority.answer = "500"
    stamping = Stamping(authority.url)
    workers = [
        threading.Thread(target=stamping.sign, args=(png, claim(), signer)) for _ in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert authority.asked == 1


def test_a_time_stamp_that_does_not_hold_is_none(png, signer, authority, monkeypatch):
    """Whatever an authority gives, what counts is what a stranger reads back."""
    whole = manifest.reading._time_stamp
    monkeypatch.setattr(manifest.reading, "_time_stamp", lambda *_: None)
    with pytest.raises(TimeStampError, match="does not hold"):
        Stamping(authority.url, required=True).sign(png, claim(), signer)
    preferred = Stamping(authority.url)
    preferred.sign(png, claim(), signer)
    assert "does not hold" in preferred.missed
    assert whole("2026-01-01", {"success": []}) is None


def test_a_signer_that_fails_is_not_taken_for_the_authority(png, authority, signer, monkeypatch):
    def broken(self, data):
        raise ConnectionError("the key service is gone")

    monkeypatch.setattr(FileSigner, "sign", broken)
    stamping = Stamping(authority.url)
    with pytest.raises(KeyMaterialError, match="the key service is gone"):
        stamping.sign(png, claim(), signer)
    assert (authority.asked, stamping.missed) == (0, None)


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "ftp://tsa.example/", "http://", "http:///path", "http://a b/", "http://tsä/",
     "http://tsa.example:0/", "http://tsa.example:port/", "http://tsa\x00/", "file:///etc/passwd"],
)  # fmt: skip
def test_what_is_no_address(url):
    with pytest.raises(KeyMaterialError, match="no address of a time-stamp authority"):
        Stamping(url)


def test_a_password_in_an_address_is_never_shown(png, signer):
    secret = "http://user:hunter2@127.0.0.1:9/stamp?token=hunter3"
    stamping = Stamping(secret)
    stamping.sign(png, claim(), signer)
    assert "hunter" not in stamping.missed
    assert "http://127.0.0.1:9/stamp" in stamping.missed
    with pytest.raises(KeyMaterialError) as error:
        Stamping(secret.replace("http", "ftp"))
    assert "hunter" not in str(error.value)


# An expired certificate.


def short_lived(made, issued):
    """A signer of the same authority whose certificate ends in three seconds."""
    issuer = x509.load_pem_x509_certificate((made.keys / pki.ISSUER).read_bytes())
    issuer_key = serialization.load_pem_private_key((made.keys / pki.ISSUER_KEY).read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = issued(
        "short", key, (issuer, issuer_key), usages=[pki.CLAIM_SIGNING, pki.DOCUMENT_SIGNING],
        lasting=timedelta(seconds=3),
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    return FileSigner(
        algorithm="es256",
        chain=leaf.public_bytes(pem) + issuer.public_bytes(pem),
        anchor=made.root.read_bytes(),
        _key=key,
    )


@pytest.fixture(scope="module")
def expired(made, media, issued, _authority):
    """A file that was signed with a certificate since expired: without a stamp, and with one."""
    _authority.answer = "stamp"
    signer = short_lived(made, issued)
    png = media["image/png"]
    plain, _ = manifest.sign(png, claim(), signer)
    stamped, _ = manifest.sign(png, claim(), signer, stamps=_authority.url)
    time.sleep(4)
    return signer, plain, stamped


def test_a_package_that_was_stamped_in_time_outlives_its_signer(
    made, signer, issued, authority, tmp_path
):
    """Then its outputs can be signed on, and whoever believes the authority trusts them."""
    whole = files.read(made.model)
    short = short_lived(made, issued)
    claimed = claims.model_claim(
        name="m", certificate=whole.certificate, digests=whole.content.digests,
        mime=files.WEIGHTS_MIME,
    )  # fmt: skip
    store, _ = manifest.sign_beside(whole.content.weights, claimed, short, stamps=authority.url)
    files.write(tmp_path / "model", whole.content, store)
    time.sleep(4)
    own = {"keys": made.keys, "ledger": tmp_path / "ledger.db"}
    with pytest.raises(TamperedError, match="has expired; name the authority"):
        safegen.load(tmp_path / "model", **own)
    model = safegen.load(tmp_path / "model", time_trust=authority.root, **own)
    (path,) = model.generate(1, purpose="a test", seed=0).save(tmp_path / "out")
    assert safegen.verify(path, trust=made.root, time_trust=authority.root).state == "trusted"
    unproven = safegen.verify(path, trust=made.root)
    assert unproven.state == "valid"
    assert "something that it was made from" in unproven.text


def test_after_expiry_only_a_trusted_stamp_keeps_a_signature(expired, roots):
    _, plain, stamped = expired
    ours, both = trust(signers=roots[0]), trust(signers=roots[0], stamps=roots[1])
    for lists in (None, ours, both):
        found = manifest.read(plain, "image/png", trust=lists)
        assert found.state == "Invalid"
        assert manifest.EXPIRED in found.failures
    assert manifest.read(stamped, "image/png", trust=both).state == "Trusted"
    for lists in (None, ours):
        assert manifest.read(stamped, "image/png", trust=lists).state == "Invalid"


def test_after_expiry_a_list_of_authorities_still_vouches_for_no_signer(expired, roots):
    found = manifest.read(expired[2], "image/png", trust=trust(stamps=roots[0] + roots[1]))
    assert (found.state, found.trusted_by) == ("Valid", None)


def test_an_expired_certificate_signs_nothing_stamped_or_not(expired, png, authority):
    for stamps in (None, authority.url):
        with pytest.raises(KeyMaterialError, match="not valid at time of signing") as error:
            manifest.sign(png, claim(), expired[0], stamps=stamps)
        assert "Signature:" not in str(error.value)


# The policy's choice, through a whole release.

POLICY = """
name: stamped
description: What leaves is time-stamped.
time_stamps: {choice}
rules:
- {{id: ask, stage: request, require: 'true', because: Anybody may ask.}}
- {{id: leave, stage: release, require: 'true', because: Anything may leave.}}
"""


@pytest.fixture
def policy(tmp_path):
    def write(choice):
        (tmp_path / f"{choice}.yaml").write_text(POLICY.format(choice=choice))
        return tmp_path / f"{choice}.yaml"

    return write


def test_a_release_is_stamped_throughout(made, authority, policy):
    loaded = safegen.load(
        made.model, keys=made.keys, ledger=made.ledger, policy=policy("required"),
        time_stamps=authority.url,
    )  # fmt: skip
    release = loaded.generate(2, purpose="x", explain="full")
    assert release.unstamped is None
    assert authority.asked == 4
    for output in release.outputs:
        for data in (output.data, output.figure):
            assert manifest.read(data, "image/png").time_stamp.authority == "authority"


@pytest.mark.parametrize("answer", ["500", "junk"])
def test_preferred_goes_without_and_says_why(made, authority, policy, answer):
    authority.answer = answer
    loaded = safegen.load(
        made.model, keys=made.keys, ledger=made.ledger, policy=policy("preferred"),
        time_stamps=authority.url,
    )  # fmt: skip
    release = loaded.generate(3, purpose="x")
    assert authority.asked == 1
    assert ANSWERS[answer] in release.unstamped
    assert manifest.read(release.outputs[0].data, "image/png").time_stamp is None
    authority.answer = "stamp"
    assert loaded.generate(1, purpose="x").unstamped is None


def test_required_releases_nothing(made, authority, policy, tmp_path):
    authority.answer = "500"
    loaded = safegen.load(
        made.model, keys=made.keys, ledger=tmp_path / "ledger.db", policy=policy("required"),
        time_stamps=authority.url,
    )  # fmt: skip
    with pytest.raises(TimeStampError, match="HTTP status 500"):
        loaded.generate(3, purpose="x")
    assert authority.asked == 1
    assert len(Ledger(tmp_path / "ledger.db")) == 0


def test_required_without_an_authority_does_not_load(made, policy):
    with pytest.raises(KeyMaterialError, match="time-stamps are required: name an authority"):
        safegen.load(made.model, keys=made.keys, ledger=made.ledger, policy=policy("required"))


@pytest.mark.parametrize("choice", ["always", "true", "", "[required]", "{required: yes}"])
def test_a_policy_that_chooses_neither(policy, tmp_path, choice):
    (tmp_path / "wrong.yaml").write_text(POLICY.format(choice=choice))
    with pytest.raises(PolicyError, match=r"time_stamps: .*choose preferred, required"):
        load_policy(tmp_path / "wrong.yaml")


def test_a_policy_may_leave_the_choice_out(policy):
    assert load_policy(policy("required")).stamps_required
    assert not load_policy(policy("preferred")).stamps_required
    assert not load_policy("baseline").stamps_required


def test_a_misspelt_choice_is_told_what_there_is(policy):
    path = policy("required")
    path.write_text(path.read_text().replace("time_stamps", "time_stamp"))
    with pytest.raises(PolicyError, match=r"time_stamp: no such key; .*time_stamps"):
        load_policy(path)
