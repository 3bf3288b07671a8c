"""What verify says of who signed and when: trust lists, certificates, revocation, time-stamps."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.ocsp import OCSPCertStatus
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import safegen
from safegen.provenance.keys.shown import issuer_name

DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)


def finding(verdict, step):
    return next(finding for finding in verdict.findings if finding.step == step)


def test_the_list_that_vouches_is_named(forge, made):
    path = forge.file()
    for trust in (forge.trust, [made.root, forge.trust], (forge.trust, made.root)):
        verdict = safegen.verify(path, trust=trust)
        assert verdict.state == "trusted"
        assert verdict.signer.trusted_by == str(forge.trust)
        assert str(forge.trust) in verdict.text
        assert finding(verdict, "signer").codes[0] == "safegen.signer.trusted"


def test_untrusted_is_not_called_fake_nor_valid_genuine(forge, made):
    path = forge.file()
    alone = safegen.verify(path)
    assert alone.state == "valid"
    assert finding(alone, "signer").codes == (
        "safegen.signer.no-list",
        "signingCredential.untrusted",
    )
    assert "anybody can make a certificate in any name" in finding(alone, "signer").text
    foreign = safegen.verify(path, trust=made.root)
    assert foreign.state == "valid"
    assert finding(foreign, "signer").codes[0] == "safegen.signer.unknown"
    assert "says nothing against the file, and nothing for it" in finding(foreign, "signer").text
    assert str(made.root) in finding(foreign, "signer").text
    assert foreign.signer.name == "signer (Acme)"
    assert foreign.signer.trusted_by is None


def test_who_issued_the_certificate_is_told_and_marked_as_any_name(forge):
    path = forge.file()
    for trust, told in ((forge.trust, "was issued by"), (None, "names")):
        verdict = safegen.verify(path, trust=trust)
        issuer = verdict.signer.issuer
        assert issuer is not None
        assert issuer == issuer_name(forge.leaf())
        assert f"Its certificate {told} {issuer}" in finding(verdict, "signer").text
    names = ((NameOID.COMMON_NAME, "\u0410cme\u202e CA"), (NameOID.ORGANIZATION_NAME, "n" * 500))
    key = ec.generate_private_key(ec.SECP256R1())
    hostile = x509.Name([x509.NameAttribute(*each, _validate=False) for each in names])
    made = (x509.CertificateBuilder(hostile, hostile, key.public_key(), 1, NOW, NOW + DAY)).sign(
        key, hashes.SHA256()
    )
    assert issuer_name(made) == (
        f"\u0410cme\ufffd CA ({'n' * 64}... (64 of 500 letters)) "
        "[with letters that cannot be seen; mixes Cyrillic and Latin letters]"
    )


@pytest.mark.parametrize(("first", "last"), [(-20, -10), (10, 20)])
def test_a_certificate_too_old_or_too_young(forge, first, last):
    shown = forge.leaf(first=NOW + first * DAY, last=NOW + last * DAY)
    verdict = safegen.verify(forge.file(shown=shown), trust=forge.trust)
    assert verdict.state == "invalid"
    said = finding(verdict, "signer")
    assert said.codes[0] == "safegen.signer.expired"
    assert "signingCredential.expired" in said.codes
    assert f"from {(NOW + first * DAY).isoformat()} until {(NOW + last * DAY).isoformat()}" in (
        said.text
    )
    assert "no time-stamp" in said.text
    assert finding(verdict, "integrity").outcome == "passed"
    assert verdict.text == said.text


def test_a_certificate_for_other_purposes(forge):
    shown = forge.leaf(usage=ExtendedKeyUsageOID.SERVER_AUTH)
    for trust in (forge.trust, None):
        verdict = safegen.verify(forge.file(shown=shown), trust=trust)
        assert verdict.state == "invalid"
        assert finding(verdict, "signer").codes[0] == "safegen.signer.unfit"
        assert "may not sign such claims" in verdict.text


def test_a_stapled_answer_about_revocation(forge):
    path = forge.folder / "stapled.png"
    path.write_bytes(forge.with_answer(forge.signed(), OCSPCertStatus.REVOKED))
    revoked = safegen.verify(path, trust=forge.trust)
    assert revoked.state == "invalid"
    assert finding(revoked, "signer").codes == (
        "safegen.signer.revoked",
        "signingCredential.ocsp.revoked",
    )
    assert "was revoked by whoever issued it" in revoked.text
    path.write_bytes(forge.with_answer(forge.signed(), OCSPCertStatus.GOOD))
    sound = safegen.verify(path, trust=forge.trust)
    assert sound.state == "trusted"
    assert "not revoked" in finding(sound, "signer").text
    assert "signingCredential.ocsp.notRevoked" in finding(sound, "signer").codes


def test_a_signature_that_does_not_fit_names_nobody(forge, mend):
    png = bytearray(forge.signed())
    png[png.index(b"\x65tests") + 2] ^= 1
    path = forge.folder / "changed.png"
    path.write_bytes(mend(bytes(png)))
    verdict = safegen.verify(path, trust=forge.trust)
    assert verdict.state == "invalid"
    assert finding(verdict, "signer").codes[0] == "safegen.signer.unclear"
    assert finding(verdict, "integrity").codes[0] == "safegen.integrity.changed"


def test_a_time_stamp_and_who_vouches_for_it(forge, stamps):
    path = forge.file(stamps=stamps.url)
    known = safegen.verify(path, trust=forge.trust, time_trust=stamps.trust)
    assert known.state == "trusted"
    assert known.time_stamp.authority == "Acme stamps"
    assert known.time_stamp.trusted_by == str(stamps.trust)
    said = finding(known, "time")
    assert said.codes[0] == "safegen.time.stamped"
    assert {"timeStamp.validated", "timeStamp.trusted"} <= set(said.codes)
    assert known.time_stamp.time in said.text
    assert str(stamps.trust) in said.text
    unknown = safegen.verify(path, trust=forge.trust)
    assert unknown.state == "trusted"
    assert unknown.time_stamp.trusted_by is None
    assert finding(unknown, "time").codes[0] == "safegen.time.unknown"
    assert "--time-trust" in finding(unknown, "time").text
    assert finding(safegen.verify(forge.file()), "time").codes == ("safegen.time.none",)


def test_authorities_of_time_vouch_for_nobody_else(forge, stamps):
    verdict = safegen.verify(forge.file(), time_trust=forge.trust)
    assert verdict.state == "valid"
    assert finding(verdict, "signer").codes[0] == "safegen.signer.no-list"


def test_a_time_stamp_that_was_changed_counts_as_none(forge, stamps, mend):
    png = bytearray(forge.signed(stamps=stamps.url))
    place = png.index(f"\x18\x0f{datetime.now(UTC).year}".encode())  # the time, in ASN.1
    png[place + 13] ^= 1  # the last digit of the minute: still a time, at any hour
    path = forge.folder / "changed-stamp.png"
    path.write_bytes(mend(bytes(png)))
    verdict = safegen.verify(path, trust=forge.trust, time_trust=stamps.trust)
    assert verdict.state == "trusted"  # as C2PA has it: the stamp says nothing any more
    assert verdict.time_stamp is None
    assert finding(verdict, "time").codes == ("safegen.time.broken", "timeStamp.mismatch")
    assert "Nothing proves when it was signed" in finding(verdict, "time").text


def test_a_certificate_that_expired_since(forge, stamps):
    """Signed in time; only a time-stamp that somebody vouches for can prove it."""
    soon = forge.leaf(last=datetime.now(UTC) + timedelta(seconds=2))
    stamped = forge.file("stamped.png", leaf=soon, stamps=stamps.url)
    late = forge.leaf(last=datetime.now(UTC) + timedelta(seconds=1))
    stamps.delay = 2.1
    stamped_late = forge.file("late.png", leaf=late, stamps=stamps.url)
    stamps.delay = 0.0
    time.sleep(1)
    proven = safegen.verify(stamped, trust=forge.trust, time_trust=stamps.trust)
    assert proven.state == "trusted"
    unproven = safegen.verify(stamped, trust=forge.trust)
    assert unproven.state == "invalid"
    assert "--time-trust" in unproven.text
    assert "Acme stamps" in unproven.text
    outside = safegen.verify(stamped_late, trust=forge.trust, time_trust=stamps.trust)
    assert outside.state == "invalid"
    assert "outside of that" in outside.text


def test_an_issuer_that_expired_since(forge, stamps):
    """Its signer is no stranger, and a time-stamp that somebody vouches for proves it."""
    key = ec.generate_private_key(ec.SECP256R1())
    last = datetime.now(UTC) + timedelta(seconds=5)
    issuer = forge.authority("short-lived", key, last=last)
    leaf = forge.leaf_of(issuer, key)
    stamped = forge.file("stamped.png", leaf=leaf, issuers=[issuer], stamps=stamps.url)
    alone = forge.file("alone.png", leaf=leaf, issuers=[issuer])
    trust = {"trust": forge.trust, "time_trust": stamps.trust}
    assert safegen.verify(alone, **trust).state == "trusted"
    time.sleep(max(0.0, (last - datetime.now(UTC)).total_seconds()) + 1)
    assert safegen.verify(stamped, **trust).state == "trusted"
    for verdict in (safegen.verify(stamped, trust=forge.trust), safegen.verify(alone, **trust)):
        assert verdict.state == "valid"
        assert finding(verdict, "signer").codes[0] == "safegen.signer.path"
        assert '"short-lived" expired on' in verdict.text
        assert "on none of your lists" not in verdict.text
    assert "--time-trust" in safegen.verify(stamped, trust=forge.trust).text
