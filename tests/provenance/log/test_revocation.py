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
from safegen.provenance.keys.opener import open_signer
from safegen.provenance.keys.trust import read_trust
from safegen.provenance.log.ledger import Ledger
from safegen.provenance.log.revocation import entry_for, problem_with_revoker, read_lists, sign_list
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
    assert "is not the house of" in problem_with_revoker(of_key(house / "old"), colleague, roots)


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
