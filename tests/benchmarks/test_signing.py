"""What signing through safegen costs over c2pa-python alone: ratios measured in one run.

Both sides make the same signed file from the same manifest and the same ingredient, and both check
it: the bare side with the SDK's own verification after signing, ours by reading the file back with
the signer's root, as a stranger would. Rounds take turns, so that a busy machine slows both.
"""

import dataclasses
import io
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import c2pa
import pytest

from safegen.explain.explain import ExplainedSample
from safegen.package import files
from safegen.pipeline.explain import read_explained
from safegen.pipeline.generate import signing as room
from safegen.progress import silent
from safegen.provenance.c2pa import claims, manifest, sdk
from safegen.provenance.c2pa.timestamps import Stamping
from safegen.schemas.mining import KEPT_TO_ITSELF
from safegen.schemas.receipt import Receipt

pytestmark = pytest.mark.benchmark

ROUNDS, BATCH = 60, 48


@dataclasses.dataclass
class Call:
    """What `manifest.sign` told the SDK to sign."""

    definition: dict
    data: bytes
    mime: str
    resources: dict
    embedded: list


@pytest.fixture
def opened(made):
    return files.read(made.model)


@pytest.fixture
def sample(made):
    """A released output, as it was before it was signed."""
    path = made.outputs / "0001.png"
    explained = read_explained(path)
    receipt = Receipt.model_validate_json((made.outputs / "0001.receipt.json").read_bytes())
    encoded = explained.modality.encode(explained.stored / 255)
    return room.Sample(
        name="0001.png",
        modality=explained.modality,
        request=explained.request,
        encoded=encoded,
        figure=explained.modality.encode(explained.stored / 255),
        explanation=ExplainedSample(
            record=explained.explanation, attributions=explained.attributions
        ),
        decision=receipt.decisions[1],
        training_mining=KEPT_TO_ITSELF,
    )


@pytest.fixture
def bare(signer):
    """Signs what `Call`s say with c2pa-python alone."""
    context = c2pa.Context.from_dict(
        {
            "trust": {
                "trust_config": sdk.KEY_USAGES,
                "user_anchors": signer.anchor.decode(),
            },
            "verify": {
                "remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": True,
            },
            "builder": {"thumbnail": {"enabled": False}},
        }
    )  # fmt: skip
    info = c2pa.C2paSignerInfo(
        alg=b"es256", sign_cert=signer.chain, private_key=signer.key_pem, ta_url=None
    )
    alone = c2pa.Signer.from_info(info)

    def sign(call):
        builder, target = c2pa.Builder(call.definition, context), io.BytesIO()
        for identifier, content in call.resources.items():
            builder.add_resource(identifier, io.BytesIO(content))
        for described, kind, content in call.embedded:
            builder.add_ingredient(described, kind, io.BytesIO(content))
        builder.sign(alone, call.mime, io.BytesIO(call.data), target)
        return target.getvalue()

    return sign


@pytest.fixture
def calls(monkeypatch):
    """All that is given to the SDK while a test looks on."""
    seen, whole = [], sdk.sign_store

    def look(definition, *, data, mime, **others):
        resources, embedded = dict(definition.resources), list(definition.embedded)
        seen.append(Call(definition.manifest, data, mime, resources, embedded))
        return whole(definition, data=data, mime=mime, **others)

    monkeypatch.setattr(manifest.signing, "sign_store", look)
    yield seen
    monkeypatch.undo()


def claim_of(sample, opened):
    return claims.output_claim(
        title=sample.name, mime="image/png", source_type=claims.SOURCE_TYPES["model"],
        maker=claims.Maker(
            ingredient=room.model_ingredient(opened), digest=opened.digest,
            certificate=opened.certificate,
        ),
        account=claims.Account(
            request=sample.request, explanation=room.summarise(sample.explanation.record),
            decision=sample.decision,
        ),
        fingerprint=None,
    )  # fmt: skip


def medians(rounds, *works):
    """Seconds that each takes, in turns."""
    taken = [[] for _ in works]
    for _ in range(rounds):
        for work, times in zip(works, taken, strict=True):
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)
    return [statistics.median(times) for times in taken]


def show(name, ours, theirs, each):
    print(
        f"\n{name}: {ours / theirs:.2f} times c2pa-python alone ({ours / each * 1e3:.1f} ms each)"
    )


def test_one_signature(sample, opened, signer, bare, calls, monkeypatch):
    claim = claim_of(sample, opened)
    manifest.sign(sample.encoded, claim, signer)
    (call,) = calls
    monkeypatch.undo()
    ours, theirs = medians(
        ROUNDS, lambda: manifest.sign(sample.encoded, claim, signer), lambda: bare(call)
    )
    show("one signature", ours, theirs, 1)


def test_a_batch_on_all_cores(sample, opened, signer, bare, calls, monkeypatch):
    """`seal` also makes the claims, the fingerprints, and the signed pictures of explanations."""
    room.seal([sample], opened, signer, Stamping(None), silent)
    output, figure = calls
    monkeypatch.undo()
    cores = os.cpu_count()

    def alone(_):
        signed = bare(output)
        ((described, kind, _),) = figure.embedded
        bare(dataclasses.replace(figure, embedded=[(described, kind, signed)]))

    def theirs():
        with ThreadPoolExecutor(cores) as workers:
            list(workers.map(alone, range(BATCH)))

    samples = [sample] * BATCH
    ours, others = medians(
        7, lambda: room.seal(samples, opened, signer, Stamping(None), silent), theirs
    )
    show(f"{BATCH} outputs with their figures, {cores} cores", ours, others, BATCH)
