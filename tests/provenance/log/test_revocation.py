"""Who may take what back, and which lists are believed."""

import json
import shutil
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from safegen.errors import DataError, InputError, KeyMaterialError
from safegen.provenance.keys import detached, pki
from safegen.provenance.keys.house import certificates, key_id, same_house
from safegen.provenance.keys.opener import open_list_signer, open_signer
from safegen.provenance.keys.trust import read_trust
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.revocation import entry_for, read_lists, revoker_error, sign_list
from safegen.schemas.canonical import canonical_bytes
from safegen.schemas.revocation import Revocation, RevocationList

SINCE = "2026-11-20T00:00:00+00:00"


@pytest.fixture
def house(tmp_path):
    """A house whose key was stolen: the old signer's folder, and the new one's."""
    pki.init(tmp_path / "old", organisation="Acme")
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    pki.rotate(tmp_path / "new")
    return tmp_path


def chain(folder):
    return certificates(open_signer(folder).chain)


def of_key(folder, **changes):
    shown = open_signer(folder).chain.decode()
    said = {"what": "key", "id": key_id(chain(folder)[0]), "chain": shown, "since": SINCE,
            "reason": "keyCompromise"}  # fmt: skip
    return Revocation(**(said | changes))


def write(path, revocations, folder):
    """A list that is signed, whatever stands in it."""
    made = RevocationList(origin="urn:uuid:x", time=now(), revocations=tuple(revocations))
    signature = detached.sign(canonical_bytes(made), open_signer(folder))
    path.write_text(made.model_copy(update={"signature": signature}).model_dump_json())
    return path


def now():
    return datetime.now(UTC).isoformat(timespec="seconds")


def trust(house):
    return read_trust([house / "old" / pki.ROOT])


def test_a_successor_s_list_is_believed(house):
    path = write(house / "list.json", [of_key(house / "old")], house / "new")
    (believed,) = read_lists([path], trust(house))
    assert believed.find("key", key_id(chain(house / "old")[0])).reason == "keyCompromise"
    assert believed.find("key", key_id(chain(house / "new")[0])) is None


def of_root(house):
    """The house's root, as one who signs lists."""
    folder = house / "old"
    return open_list_signer(f"file:{folder / pki.ROOT_KEY}?chain={folder / pki.ROOT}")


@pytest.mark.parametrize(
    "since",
    ["2026-11-20", "2026-11-20T08:00:00", "0001-01-01T00:00:00+23:59", "2026-13-01T00:00:00Z", ""],
)
def test_a_date_that_means_another_moment_elsewhere_is_none(house, since):
    """Without a time zone it would be judged by the clock of whoever verifies."""
    path = write(house / "list.json", [of_key(house / "old", since=since)], house / "new")
    with pytest.raises(KeyMaterialError, match="a date in it cannot be read"):
        read_lists([path], trust(house))


def test_a_root_s_list_is_believed_and_counts_for_all_that_lead_to_it(house):
    ledger = Ledger(house / "ledger.db")
    ledger.append([entry_for(of_key(house / "old"))], signer=open_signer(house / "new"))
    root = of_root(house)
    ledger.require(root)
    made = sign_list(ledger.origin, ledger.revocations(), root)
    (house / "list.json").write_text(made.model_dump_json())
    (believed,) = read_lists([house / "list.json"], trust(house))
    anchors = certificates(root.chain)
    assert believed.find("key", key_id(chain(house / "old")[0]))
    assert believed.counts_for(chain(house / "old"), anchors)
    assert believed.counts_for(chain(house / "new"), anchors)


def test_a_root_speaks_of_nobody_else(house):
    pki.init(house / "other", organisation="Other")
    with pytest.raises(KeyMaterialError, match="does not lead to"):
        sign_list("urn:uuid:x", [of_key(house / "other")], of_root(house))
    made = sign_list("urn:uuid:x", [of_key(house / "old")], of_root(house))
    (house / "list.json").write_text(made.model_dump_json())
    both = read_trust([house / "old" / pki.ROOT, house / "other" / pki.ROOT])
    (believed,) = read_lists([house / "list.json"], both)
    assert not believed.counts_for(chain(house / "other"), certificates(both.anchors))
    with pytest.raises(KeyMaterialError, match="is not believed"):
        read_lists([house / "list.json"], read_trust([house / "other" / pki.ROOT]))
    changed = made.model_copy(update={"origin": "urn:uuid:y"})
    (house / "list.json").write_text(changed.model_dump_json())
    with pytest.raises(KeyMaterialError, match="signature does not match"):
        read_lists([house / "list.json"], both)


def test_an_issuing_authority_and_a_root_without_the_right_sign_no_list(house, monkeypatch):
    folder = house / "old"
    with pytest.raises(KeyMaterialError, match="cannot sign"):
        open_list_signer(f"file:{folder / pki.ISSUER_KEY}?chain={folder / pki.ISSUER}")
    whole = pki._key_usage
    monkeypatch.setattr(pki, "_key_usage", lambda **of: without_crl_sign(whole(**of)))
    pki.init(house / "weak")
    weak = house / "weak"
    with pytest.raises(KeyMaterialError, match="cannot sign"):
        open_list_signer(f"file:{weak / pki.ROOT_KEY}?chain={weak / pki.ROOT}")


def without_crl_sign(usage):
    bits = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "key_cert_sign")  # fmt: skip
    given = {bit: getattr(usage, bit) for bit in bits}
    return x509.KeyUsage(**given, crl_sign=False, encipher_only=False, decipher_only=False)


def test_a_root_signs_no_list_outside_its_own_time(house):
    made = sign_list("urn:uuid:x", [of_key(house / "old")], of_root(house))
    early = made.model_copy(update={"time": "2001-01-01T00:00:00+00:00", "signature": None})
    signature = detached.sign(canonical_bytes(early), of_root(house))
    early = early.model_copy(update={"signature": signature})
    (house / "list.json").write_text(early.model_dump_json())
    with pytest.raises(KeyMaterialError, match="was not valid when it was signed"):
        read_lists([house / "list.json"], trust(house))


def test_a_stolen_key_takes_nothing_back(house):
    """Neither itself, nor what followed it, nor in a list of its own beside the true one."""
    true = write(house / "true.json", [of_key(house / "old")], house / "new")
    own = write(house / "own.json", [of_key(house / "old")], house / "old")
    with pytest.raises(KeyMaterialError, match=r"own\.json is not believed: a key cannot take"):
        read_lists([own], trust(house))
    newer = write(house / "newer.json", [of_key(house / "new")], house / "old")
    with pytest.raises(KeyMaterialError, match="only a younger certificate"):
        read_lists([newer], trust(house))
    model = {"what": "model", "id": f"sha256:{'0' * 64}", "chain": None}
    other = write(house / "other.json", [of_key(house / "old", **model)], house / "old")
    read_lists([other], trust(house))  # nobody knows better yet
    with pytest.raises(KeyMaterialError, match=r"signed with a key that .*true.json takes back"):
        read_lists([true, other], trust(house))


def test_another_house_takes_back_none_of_our_keys(house):
    """Not even one whose certificates have all our names, and whose root is trusted too."""
    pki.init(house / "theirs", organisation="Acme")
    pki.rotate(house / "theirs")
    path = write(house / "list.json", [of_key(house / "old")], house / "theirs")
    both = read_trust([house / "old" / pki.ROOT, house / "theirs" / pki.ROOT])
    with pytest.raises(KeyMaterialError, match="is not the house of"):
        read_lists([path], both)
    with pytest.raises(KeyMaterialError, match="does not lead to a trusted root"):
        read_lists([path], trust(house))


def test_another_subject_under_the_same_root_is_another_house(house):
    issuer = (
        x509.load_pem_x509_certificate((house / "old" / pki.ISSUER).read_bytes()),
        pki._key(house / "old" / pki.ISSUER_KEY, None),
    )
    leaf = pki._certify(
        pki.LEAF, "Colleague", ec.generate_private_key(ec.SECP256R1()), path_length=None,
        issuer=issuer,
    )  # fmt: skip
    roots = certificates((house / "old" / pki.ROOT).read_bytes())
    colleague = (leaf, issuer[0])
    assert not same_house(chain(house / "old"), colleague, roots)
    assert same_house(chain(house / "old"), chain(house / "new"), roots)
    assert same_house(chain(house / "old"), chain(house / "old"), ())
    assert not same_house(chain(house / "old"), chain(house / "new"), ())
    assert not same_house((), (), roots)
    assert "is not the house of" in revoker_error(of_key(house / "old"), colleague, roots)


def test_a_list_that_was_changed_or_is_none_is_refused_in_words(house):
    path = write(house / "list.json", [of_key(house / "old")], house / "new")
    whole = json.loads(path.read_text())
    for change, words in (
        (lambda said: said.update(time="2026-11-01T00:00:00+00:00"), "not valid when"),
        (lambda said: said["revocations"][0].update(since=now()), "does not match its content"),
        (lambda said: said.update(revocations=[]), "does not match its content"),
        (lambda said: said.update(signature=None), "not signed, or not dated"),
        (lambda said: said.update(time="once"), "not signed, or not dated"),
        (lambda said: said["revocations"][0].update(since="once"), "a date in it cannot be read"),
    ):
        changed = json.loads(json.dumps(whole))
        change(changed)
        path.write_text(json.dumps(changed))
        with pytest.raises(KeyMaterialError, match=words):
            read_lists([path], trust(house))
    for text in ("", "[]", "{}", json.dumps(whole | {"format": "safegen.revocation-list/2"})):
        path.write_text(text)
        with pytest.raises(DataError, match=r"list.json is no revocation list"):
            read_lists([path], trust(house))


def test_a_certificate_that_is_not_the_key_s_is_refused(house):
    wrong = of_key(house / "old", id=f"sha256:{'0' * 64}")
    for shown in (wrong.chain, "words", None):
        revocation = wrong.model_copy(update={"chain": shown})
        path = write(house / "list.json", [revocation], house / "new")
        with pytest.raises(KeyMaterialError, match="are not those of the key"):
            read_lists([path], trust(house))


def test_nobody_believes_a_list_without_a_root(house):
    path = write(house / "list.json", [], house / "new")
    with pytest.raises(InputError, match="--trust"):
        read_lists([path], None)
    assert read_lists([], None) == ()


def test_a_ledger_is_not_gone_on_with_by_a_key_that_it_took_back(house, entries):
    ledger = Ledger(house / "ledger.db")
    old, new = open_signer(house / "old"), open_signer(house / "new")
    ledger.append(entries(3), signer=old)
    ledger.append([entry_for(of_key(house / "old"))], signer=new)
    for refused in (
        lambda: ledger.append(entries(4, 5), signer=old),
        lambda: ledger.checkpoint(old),
        lambda: ledger.require(old),
        lambda: Ledger(house / "ledger.db").append([], signer=old),
    ):
        with pytest.raises(KeyMaterialError, match=r"is revoked since .*keyCompromise"):
            refused()
    ledger.append(entries(4, 5), signer=new)
    assert [each.id for each in ledger.revocations()] == [key_id(chain(house / "old")[0])]
    assert ledger.revocation("key", key_id(chain(house / "old")[0])).since == SINCE
    assert ledger.check(anchors=new.anchor).faults == ()
    assert sign_list(ledger.origin, ledger.revocations(), new).revocations == ledger.revocations()
    with pytest.raises(KeyMaterialError, match="cannot take itself back"):
        sign_list(ledger.origin, ledger.revocations(), old)


def test_a_rotation_is_always_younger(tmp_path):
    pki.init(tmp_path / "keys")
    ages = []
    for _ in range(3):
        kept = pki.rotate(tmp_path / "keys")
        ages.append(x509.load_pem_x509_certificate(kept.read_bytes()).not_valid_before_utc)
    now_ = x509.load_pem_x509_certificate((tmp_path / "keys" / pki.LEAF).read_bytes())
    ages.append(now_.not_valid_before_utc)
    assert ages == sorted(set(ages))
