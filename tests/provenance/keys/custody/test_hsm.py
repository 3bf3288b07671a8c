"""Keys on a real PKCS#11 token (SoftHSM2), made there, never seen here."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from safegen.errors import KeyMaterialError
from safegen.provenance.keys.opener import check_signer, open_signer
from safegen.provenance.keys.pem import PASSPHRASE

pkcs11 = pytest.importorskip("pkcs11", reason="no python-pkcs11 here; pip install 'safegen[hsm]'")
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
CURVES = {"es256": "secp256r1", "es384": "secp384r1"}
ALGORITHMS = ["es256", "es384", "ed25519", "ps256"]


@pytest.fixture(autouse=True)
def no_pin(monkeypatch):
    monkeypatch.delenv(PASSPHRASE, raising=False)
    monkeypatch.delenv("PKCS11_MODULE", raising=False)


def made(session, algorithm, label, number):
    """A key pair on the token, and its public half as anyone would read it."""
    options = {"store": True, "label": label, "id": bytes([number])}
    if algorithm == "ps256":
        public, _ = session.generate_keypair(pkcs11.KeyType.RSA, 2048, **options)
        der = pkcs11.util.rsa.encode_rsa_public_key(public)
        return serialization.load_der_public_key(der)  # PKCS#1
    kind = pkcs11.KeyType.EC_EDWARDS if algorithm == "ed25519" else pkcs11.KeyType.EC
    name = CURVES.get(algorithm, "1.3.101.112")
    parameters = session.create_domain_parameters(
        kind,
        {pkcs11.Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters(name)},
        local=True,
    )
    mechanism = {"mechanism": pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN}
    public, _ = parameters.generate_keypair(
        **options, **(mechanism if algorithm == "ed25519" else {})
    )
    point = public[pkcs11.Attribute.EC_POINT]
    if algorithm == "ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(point[2:])
    curve = {"es256": ec.SECP256R1(), "es384": ec.SECP384R1()}[algorithm]
    header = 3 if point[1] & 0x80 else 2
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, point[header:])


@pytest.fixture(scope="module")
def leaves(token_folder, forge, issuing):
    """A key on the token for each algorithm, with its certificate here and there."""
    token = pkcs11.lib(MODULE).get_token(token_label="release")
    leaves = {}
    with token.open(rw=True, user_pin="123456") as session:
        for number, algorithm in enumerate(ALGORITHMS, 1):
            label = f"signer {algorithm}"
            public = made(session, algorithm, label, number)
            leaves[algorithm] = forge(label, issuer=issuing, public_key=public)
            _store(session, leaves[algorithm], label, number)
        _store(session, issuing, "issuing CA", 99)
        private = {
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY,
            pkcs11.Attribute.LABEL: "signer es256",
        }
        (key,) = session.get_objects(private)
        assert key[pkcs11.Attribute.SENSITIVE]
        assert not key[pkcs11.Attribute.EXTRACTABLE]
    return leaves


def _store(session, issued, label, number):
    session.create_object(
        {
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE,
            pkcs11.Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
            pkcs11.Attribute.TOKEN: True,
            pkcs11.Attribute.LABEL: label,
            pkcs11.Attribute.ID: bytes([number]),
            pkcs11.Attribute.SUBJECT: issued.certificate.subject.public_bytes(),
            pkcs11.Attribute.VALUE: issued.certificate.public_bytes(serialization.Encoding.DER),
        }
    )


@pytest.fixture
def uri(token_folder):
    """A URI in the form of RFC 7512."""

    def write(label, *options, path="token=release"):
        pin = f"pin-source=file:{token_folder / 'pin'}"
        quoted = label.replace(" ", "%20")
        query = "&".join((f"module-path={MODULE}", pin, *options))
        return f"pkcs11:{path};object={quoted}?{query}"

    return write


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_makes_trusted_pictures(
    algorithm, leaves, uri, place, makes_trusted_pictures
):
    makes_trusted_pictures(uri(f"signer {algorithm}", place(leaves[algorithm])), algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_chain_may_lie_on_the_token(algorithm, leaves, uri, issuing):
    signer = open_signer(uri(f"signer {algorithm}"))
    assert signer.chain == leaves[algorithm].pem + issuing.pem


def test_keys_by_id_and_tokens_by_serial(leaves, token_folder, issuing):
    serial = pkcs11.lib(MODULE).get_token(token_label="release").serial.decode()
    signer = open_signer(
        f"pkcs11:serial={serial};id=%01;type=private?module-path={MODULE}"
        f"&pin-source={token_folder / 'pin'}"
    )
    assert signer.chain == leaves["es256"].pem + issuing.pem


def test_pins_from_the_environment(leaves, monkeypatch):
    monkeypatch.setenv("PKCS11_MODULE", MODULE)
    monkeypatch.setenv("TOKEN_PIN", "123456")
    bare = "pkcs11:token=release;object=signer%20es256"
    assert open_signer(f"{bare}?pin-source=env:TOKEN_PIN").sign(b"")
    with pytest.raises(KeyMaterialError, match="OTHER_PIN is not set"):
        _fresh(f"{bare}?pin-source=env:OTHER_PIN")
    monkeypatch.setenv(PASSPHRASE, "123456")
    assert open_signer(bare).sign(b"")


def _log_out():
    from safegen.provenance.keys.custody import hsm as token

    for session in token._sessions.values():
        session.close()
    token._sessions.clear()


def _fresh(uri):
    """As in a process that has not logged in yet."""
    _log_out()
    return open_signer(uri)


def test_a_wrong_pin_says_so_and_is_not_repeated(leaves, uri, tmp_path):
    (tmp_path / "pin").write_text("999999")
    (tmp_path / "pin").chmod(0o600)
    wrong = uri("signer es256").partition("&pin-source")[0] + f"&pin-source={tmp_path / 'pin'}"
    with pytest.raises(KeyMaterialError, match="the PIN is wrong") as raised:
        _fresh(wrong)
    assert "999999" not in str(raised.value)
    assert open_signer(uri("signer es256")).sign(b"")


def test_without_a_pin_private_keys_hide(leaves):
    bare = f"pkcs11:token=release;object=signer%20es256?module-path={MODULE}"
    with pytest.raises(KeyMaterialError, match=r"0 private keys fit.*no PIN was given"):
        _fresh(bare)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("pkcs11:token=release;object=x?pin-value=123456", "does not belong in a URI"),
        ("pkcs11:token=release", "names no key"),
        ("pkcs11:token=release;label=x", "no attribute label; they have token"),
        ("pkcs11:token=release;object=x;type=public", "names no private key"),
        ("pkcs11:token=release;object=x", "names no module; add .module-path"),
        ("pkcs11:object=x?module-path=/nowhere.so", "no PKCS#11 module at /nowhere.so"),
        (f"pkcs11:object=x?module-path={__file__}", "cannot be used: .*test_hsm"),
        (f"pkcs11:token=other;object=x?module-path={MODULE}", "0 tokens fit.*release, spare"),
        (f"pkcs11:object=x?module-path={MODULE}", "tokens fit"),
    ],
)
def test_uris_that_name_nothing(wrong, words, leaves):
    with pytest.raises(KeyMaterialError, match=words) as raised:
        open_signer(wrong)
    assert "123456" not in str(raised.value)


def test_a_certificate_of_another_key(leaves, uri, place, forge, issuing):
    other = forge("other", issuer=issuing)
    with pytest.raises(KeyMaterialError, match="not its certificate's; pair the"):
        open_signer(uri("signer es256", place(other)))
    (finding,) = check_signer(uri("signer es256", place(other)))
    assert finding.code == "cannot-sign"
    for one in ALGORITHMS:
        for another in set(ALGORITHMS) - {one}:
            with pytest.raises(KeyMaterialError, match="pair the"):
                open_signer(uri(f"signer {one}", place(leaves[another])))


def test_many_threads_share_a_token(leaves, uri, verifies):
    signers = {name: open_signer(uri(f"signer {name}")) for name in ("es256", "ed25519")}

    def once(number):
        name = ("es256", "ed25519")[number % 2]
        data = number.to_bytes(4, "big")
        key = leaves[name].certificate.public_key()
        return verifies(name, key, signers[name].sign(data), data)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(once, range(400)))


def test_signers_open_while_others_sign(leaves, uri):
    """A second session on the token would log the first one out when it ends."""
    signer, failed = open_signer(uri("signer es256")), []

    def sign():
        try:
            for _ in range(100):
                signer.sign(b"data")
        except KeyMaterialError as error:
            failed.append(error)

    thread = threading.Thread(target=sign)
    thread.start()
    for _ in range(20):
        open_signer(uri("signer es384"))
    thread.join()
    assert not failed


def test_a_session_that_ended_says_so_and_a_new_one_works(leaves, uri):
    from safegen.provenance.keys.custody import hsm as token

    signer = open_signer(uri("signer es256"))
    for session in token._sessions.values():
        session.close()
    with pytest.raises(KeyMaterialError, match="session with the token has ended"):
        signer.sign(b"data")
    assert open_signer(uri("signer es256")).sign(b"data")


def test_a_child_process_opens_its_own(leaves, uri):
    """A token's state does not survive a fork; a signer says so instead of failing oddly."""
    code = (
        "import os, sys\n"
        "from safegen.errors import KeyMaterialError\n"
        "from safegen.provenance.keys.opener import open_signer\n"
        "signer = open_signer(sys.argv[1])\n"
        "if os.fork() == 0:\n"
        "    try:\n"
        "        signer.sign(b'')\n"
        "    except KeyMaterialError as error:\n"
        "        print(error, flush=True)\n"
        "    print(len(open_signer(sys.argv[1]).sign(b'')) > 60, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "print('parent', len(signer.sign(b'')) > 60)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, uri("signer es256")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert "opened by another process; open the signer again" in done.stdout
    assert done.stdout.splitlines()[1:] == ["True", "parent True"]


def test_a_token_that_wants_its_pin_each_time(leaves, uri, forge, issuing, place):
    """As smart cards do for their signing key."""
    _log_out()
    token = pkcs11.lib(MODULE).get_token(token_label="spare")
    with token.open(rw=True, user_pin="123456") as session:
        options = {
            "mechanism": pkcs11.Mechanism.EC_KEY_PAIR_GEN,
            "private_template": {pkcs11.Attribute.ALWAYS_AUTHENTICATE: True},
        }
        parameters = session.create_domain_parameters(
            pkcs11.KeyType.EC,
            {pkcs11.Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters("secp256r1")},
            local=True,
        )
        public, _ = parameters.generate_keypair(store=True, label="card", **options)
        point = public[pkcs11.Attribute.EC_POINT][2:]
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    leaf = forge("card", issuer=issuing, public_key=key)
    signer = open_signer(uri("card", place(leaf), path="token=spare"))
    assert signer.sign(b"one") != signer.sign(b"two")


def test_a_key_that_may_not_sign(leaves, uri, place):
    _log_out()
    token = pkcs11.lib(MODULE).get_token(token_label="spare")
    with token.open(rw=True, user_pin="123456") as session:
        session.generate_keypair(
            pkcs11.KeyType.RSA,
            2048,
            store=True,
            label="opener",
            capabilities=pkcs11.MechanismFlag.DECRYPT,
        )
    with pytest.raises(KeyMaterialError, match="may not sign"):
        open_signer(uri("opener", place(leaves["ps256"]), path="token=spare"))
