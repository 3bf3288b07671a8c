"""A package is what was signed, to the byte, or it does not open."""

import json
import shutil

import pytest
import torch

import safegen
from safegen.errors import (
    DataError,
    StorageError,
    TamperedError,
    TrainingError,
)
from safegen.package import files

FILES = ["weights.safetensors", "config.json", "certificate.json", "model.c2pa", "digests.json"]


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(made.model, tmp_path / "model")
    return tmp_path / "model"


def load(folder, made):
    return safegen.load(folder, workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger))


def test_a_package_holds_what_it_should(made):
    assert sorted(path.name for path in made.model.iterdir()) == sorted([*FILES, "README.md"])
    certificate = json.loads((made.model / "certificate.json").read_text())
    assert certificate["epsilon"] <= 8
    assert certificate["neighbours"] == "zero_out_one"
    assert certificate["format"] == "safegen.privacy-certificate/3"
    assert certificate["unit"] == "record"
    assert certificate["accountant"].startswith("dp-accounting")
    kinds = [event["event"] for event in certificate["events"]]
    assert kinds == ["poisson_subsampled_gaussian", "gaussian"]
    assert set(certificate["events"][0]) == {
        "event", "sampling_probability", "noise_multiplier", "count",
    }  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0.02, 0.5, 0.98])
def test_any_changed_byte_is_found_and_the_file_named(made, copy, name, where):
    path = copy / name
    data = bytearray(path.read_bytes())
    data[int(where * (len(data) - 1))] ^= 1
    path.write_bytes(data)
    with pytest.raises(TamperedError, match="is not what was packaged"):
        load(copy, made)


def test_digests_made_to_fit_do_not_fool_the_signature(made, copy):
    """Whoever changes weights and digests alike still cannot sign the manifest."""
    opened = files.read(copy)
    weights = {name: tensor + 1 for name, tensor in opened.weights.items()}
    forged = files.pack(weights, opened.config, opened.certificate)
    files.write(copy, forged, opened.manifest)
    files.read(copy)  # the digests alone agree
    with pytest.raises(TamperedError, match="does not vouch"):
        load(copy, made)


def test_a_better_certificate_does_not_fool_it_either(made, copy):
    opened = files.read(copy)
    better = opened.certificate.model_copy(update={"epsilon": 0.1})
    forged = files.pack(opened.weights, opened.config, better)
    files.write(copy, forged, opened.manifest)
    with pytest.raises(TamperedError, match="does not vouch"):
        load(copy, made)


def test_a_manifest_that_was_edited_does_not_vouch(made, copy):
    """The digests agree, the assertion reads well, and only the signature does not hold."""
    from safegen.provenance.c2pa.claims import PACKAGE
    from safegen.provenance.c2pa.manifest import UnreadableManifestError, read

    opened = files.read(copy)
    for place in range(len(opened.manifest) - 1, 0, -7):
        edited = bytearray(opened.manifest)
        edited[place] ^= 1
        try:
            found = read(opened.content.weights, files.WEIGHTS_MIME, beside=bytes(edited))
        except UnreadableManifestError:
            continue
        if found.state == "Invalid" and found.assertions.get(PACKAGE):
            break
    files.write(copy, opened.content, bytes(edited))
    with pytest.raises(TamperedError, match="does not vouch"):
        load(copy, made)


def test_a_package_of_a_stranger_is_not_signed_on(made, copy, tmp_path):
    """Otherwise its invented certificate would leave under our own signature."""
    from safegen.provenance.c2pa.claims import model_claim
    from safegen.provenance.c2pa.manifest import sign_beside
    from safegen.provenance.keys import pki
    from safegen.provenance.keys.opener import open_signer
    from safegen.schemas.certificate import Gaussian

    pki.init(tmp_path / "stranger")
    opened = files.read(copy)
    rosy = opened.certificate.model_copy(
        update={"epsilon": 0.1, "events": (Gaussian(noise_multiplier=80.0),)}
    )
    forged = files.pack(opened.weights, opened.config, rosy)
    claim = model_claim(name="x", certificate=rosy, digests=forged.digests, mime=files.WEIGHTS_MIME)
    signed, _ = sign_beside(forged.weights, claim, open_signer(tmp_path / "stranger"))
    files.write(copy, forged, signed)
    with pytest.raises(TamperedError, match="whom you do not trust"):
        load(copy, made)
    root = tmp_path / "stranger" / "root.pem"
    trusting = safegen.load(
        copy, workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger), trust=root
    )
    with pytest.raises(safegen.Refused, match="model-certified"):
        trusting.generate(1, purpose="x")


def test_a_package_of_version_2_opens_and_makes_the_same_pictures(made, tmp_path):
    from safegen.provenance.c2pa.claims import model_claim
    from safegen.provenance.c2pa.manifest import sign_beside
    from safegen.provenance.keys.opener import open_signer

    opened = files.read(made.model)
    config = json.loads(opened.content.config)
    config["format"] = "safegen.model/2"
    for name in ("components", "conditional", "contrast", "grain"):
        del config["architecture"][name]
    for name in ("free_bits", "prior", "prior_pictures", "prior_epochs", "warm_start"):
        del config["recipe"][name]
    config["recipe"]["latent_radius"] = 6.0
    old = files.Unsigned(
        weights=opened.content.weights,
        config=json.dumps(config).encode(),
        certificate=opened.content.certificate,
    )
    claim = model_claim(
        name="old", certificate=opened.certificate, digests=old.digests, mime=files.WEIGHTS_MIME
    )
    signed, _ = sign_beside(old.weights, claim, open_signer(made.keys))
    files.write(tmp_path / "old", old, signed)
    model = load(tmp_path / "old", made)
    assert model.config.format == "safegen.model/2"
    assert model.config.architecture == load(made.model, made).config.architecture
    samples = []
    for each in (load(made.model, made), model):
        with pytest.warns(safegen.UnsafeWarning):
            samples.append(each.unsafe_sample(3, reason="a test", seed=5))
    assert (samples[0] == samples[1]).all()


def test_weights_that_are_not_finite_are_never_packed(made):
    opened = files.read(made.model)
    broken = {name: tensor * float("nan") for name, tensor in opened.weights.items()}
    with pytest.raises(TrainingError, match="not finite"):
        files.pack(broken, opened.config, opened.certificate)


def test_a_missing_file_or_another_folder_is_no_package(made, copy, tmp_path):
    (copy / "config.json").unlink()
    with pytest.raises(StorageError, match=r"config\.json"):
        load(copy, made)
    with pytest.raises(DataError, match="is not a model package"):
        load(tmp_path, made)


def test_no_pickle_is_ever_read(made, copy):
    torch.save({"a": torch.zeros(1)}, copy / "weights.safetensors")
    opened = files.Unsigned(
        weights=(copy / "weights.safetensors").read_bytes(),
        config=(copy / "config.json").read_bytes(),
        certificate=(copy / "certificate.json").read_bytes(),
    )
    files.write(copy, opened, (copy / "model.c2pa").read_bytes())
    with pytest.raises(DataError):
        load(copy, made)
