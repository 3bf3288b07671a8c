"""Keys in AWS KMS: its own client, against moto and against a server that says no."""

import base64
import json

import boto3
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from safegen.errors import KeyMaterialError
from safegen.provenance.keys.opener import open_signer

moto = pytest.importorskip("moto", reason="no moto here; pip install 'moto[kms]'")
pytest.importorskip("moto.kms.utils")
REGION = "eu-central-1"
SPECS = {"es256": "ECC_NIST_P256", "es384": "ECC_NIST_P384", "ps256": "RSA_2048"}
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture(autouse=True)
def account(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def naps(monkeypatch):
    """Waiting between attempts takes no time here."""
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture
def kms(monkeypatch):
    """Moto hashes whatever it signs, and salts at length; AWS takes a DIGEST, and salts by 32."""
    for kind, form in (("RSA", padding.PSS(padding.MGF1(hashes.SHA256()), 32)), ("ECDSA", None)):
        signing = getattr(moto.kms.utils, f"{kind}PrivateKey")

        def sign(self, message, signing_algorithm, form=form):
            size = int(signing_algorithm[-3:])
            hashed = utils.Prehashed({256: hashes.SHA256(), 384: hashes.SHA384()}[size])
            if form is None:
                return self.private_key.sign(message, ec.ECDSA(hashed))
            return self.private_key.sign(message, form, hashed)

        monkeypatch.setattr(signing, "sign", sign)
    with moto.mock_aws():
        yield boto3.client("kms", region_name=REGION)


@pytest.fixture
def key_for(kms, forge, issuing):
    def make(algorithm):
        made = kms.create_key(KeySpec=SPECS[algorithm], KeyUsage="SIGN_VERIFY")["KeyMetadata"]
        public = load_der_public_key(kms.get_public_key(KeyId=made["KeyId"])["PublicKey"])
        return made, forge(f"signer {algorithm}", issuer=issuing, public_key=public)

    return make


@pytest.mark.parametrize("algorithm", list(SPECS))
def test_each_algorithm_makes_trusted_pictures(algorithm, key_for, place, makes_trusted_pictures):
    made, leaf = key_for(algorithm)
    uri = f"aws-kms:{made['KeyId']}?{place(leaf)}&region={REGION}"
    makes_trusted_pictures(uri, algorithm)


def test_a_key_by_its_arn_knows_its_region(key_for, place):
    made, leaf = key_for("es256")
    assert open_signer(f"aws-kms:{made['Arn']}?{place(leaf)}").sign(b"data")


def test_a_key_by_its_alias(key_for, kms, place):
    made, leaf = key_for("es256")
    kms.create_alias(AliasName="alias/release", TargetKeyId=made["KeyId"])
    assert open_signer(f"aws-kms:alias/release?{place(leaf)}&region={REGION}").sign(b"data")


def test_an_alias_that_moved_to_another_key_signs_nothing(key_for, kms, place):
    made, leaf = key_for("es256")
    other, _ = key_for("es256")
    kms.create_alias(AliasName="alias/moves", TargetKeyId=made["KeyId"])
    uri = f"aws-kms:alias/moves?{place(leaf)}&region={REGION}"
    signer = open_signer(uri)
    kms.update_alias(AliasName="alias/moves", TargetKeyId=other["KeyId"])
    with pytest.raises(KeyMaterialError, match="not its certificate's"):
        signer.sign(b"data")
    with pytest.raises(KeyMaterialError, match="is not the key of its certificate"):
        open_signer(uri)


def test_a_missing_key(kms, forge, issuing, place):
    leaf = forge("leaf", issuer=issuing)
    with pytest.raises(KeyMaterialError, match=r"NotFoundException.*; it takes .*kms:Sign"):
        open_signer(f"aws-kms:{KEY}?{place(leaf)}&region={REGION}")


@pytest.fixture
def aws_says(internet, certified):
    """The service answers a call with an error, or as it should."""
    leaf = certified["es256"]
    target = {}

    def reply(body, headers):
        call = headers["x-amz-target"].removeprefix("TrentService.")
        if call in target:
            status, kind, message = target[call]
            return status, {"__type": kind, "message": message}, {}
        der = leaf.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return 200, {"PublicKey": base64.b64encode(der).decode()}, {}

    internet.answer("POST", f"https://kms.{REGION}.amazonaws.com/", reply)
    return target


@pytest.mark.parametrize(
    ("call", "status", "kind", "message"),
    [
        ("Sign", 400, "AccessDeniedException", "User: me is not authorized to perform: kms:Sign"),
        ("GetPublicKey", 400, "AccessDeniedException", "not authorized: kms:GetPublicKey"),
        ("Sign", 400, "DisabledException", "arn:aws:kms:x is disabled"),
        ("Sign", 400, "KMSInvalidStateException", "the key is pending deletion"),
        ("Sign", 400, "ThrottlingException", "Rate exceeded"),
        ("Sign", 500, "KMSInternalException", "something broke"),
    ],
)
@pytest.mark.usefixtures("naps")
def test_refusals_reach_the_user(
    call, status, kind, message, aws_says, certified, place, cannot_be_used
):
    aws_says[call] = (status, kind, message)
    uri = f"aws-kms:{KEY}?{place(certified['es256'])}&region={REGION}"
    cannot_be_used(uri, f"{KEY} .*{kind}.*{message}")


def test_only_a_digest_is_sent(aws_says, internet, certified, place):
    aws_says["Sign"] = (400, "AccessDeniedException", "no")
    with pytest.raises(KeyMaterialError):
        open_signer(f"aws-kms:{KEY}?{place(certified['es256'])}&region={REGION}")
    sent = json.loads(internet.asked[-1][2])
    assert sent["MessageType"] == "DIGEST"
    assert len(base64.b64decode(sent["Message"])) == 32


def test_no_network(internet, certified, place, naps):
    with pytest.raises(KeyMaterialError, match="Could not connect to the endpoint URL"):
        open_signer(f"aws-kms:{KEY}?{place(certified['es256'])}&region={REGION}")


def test_no_account(certified, place, monkeypatch, internet):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(KeyMaterialError, match="Unable to locate credentials"):
        open_signer(f"aws-kms:{KEY}?{place(certified['es256'])}&region={REGION}")


def test_no_region(certified, place):
    with pytest.raises(KeyMaterialError, match="must specify a region"):
        open_signer(f"aws-kms:{KEY}?{place(certified['es256'])}")


def test_uris_that_name_nothing(certified, place):
    with pytest.raises(KeyMaterialError, match="names no key"):
        open_signer("aws-kms:")
    with pytest.raises(KeyMaterialError, match="no option zone; they have chain, trust, region"):
        open_signer(f"aws-kms:{KEY}?zone=x")
    with pytest.raises(KeyMaterialError, match=r"name its certificates with \?chain="):
        open_signer(f"aws-kms:{KEY}?region={REGION}")
