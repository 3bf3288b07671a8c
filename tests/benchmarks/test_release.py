"""What a release costs over a bare loop of sampling, encoding and signing: ratios in one run.

The bare loop runs on one thread: it samples, encodes as PNG, signs with c2pa-python alone (the same
manifest and ingredient), and writes. Whether the SDK verifies what it signed is its own setting; by
default it does, and both are measured. Ours runs as `safegen generate` does, all safeguards on:
policy, explanations, fingerprints, every file read back with the signer's root as a stranger would,
receipts, the log, and every byte synced to the disk before the log has it.

    pytest tests/benchmarks/test_release.py -m benchmark -s
"""

import io
import os
import subprocess
import sys
import time

import c2pa
import pytest
import torch

from safegen.modality.registry import modality_of
from safegen.provenance.c2pa import manifest, sdk

pytestmark = pytest.mark.benchmark

OUTPUTS = int(os.environ.get("SAFEGEN_BENCHMARK_OUTPUTS", "1000"))
FLOOR = 6.0  # times the bare loop that verifies nothing; 4 is the aim
MEMORY = """
import resource, sys, safegen
house = safegen.Workspace(keys=sys.argv[2], ledger=sys.argv[3])
model = safegen.Model.open(sys.argv[1], workspace=house)
model.generate(int(sys.argv[5]), purpose="a benchmark", seed=1).save(sys.argv[4])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.fixture
def call(model, monkeypatch, tmp_path):
    """What the SDK is told to sign for one output."""
    seen, whole = [], sdk.sign_store

    def look(definition, **others):
        seen.append((definition.manifest, dict(definition.resources)))
        return whole(definition, **others)

    monkeypatch.setattr(manifest.signing, "sign_store", look)
    model.generate(1, purpose="a benchmark", seed=1).save(tmp_path / "one")
    monkeypatch.undo()
    return seen[0]


def bare_loop(model, signer, call, folder, *, verify):
    """Sample, encode, sign, write, and nothing else."""
    definition, resources = call
    trust = {"trust_config": sdk.KEY_USAGES, "user_anchors": signer.anchor.decode()}
    asks_nobody = {"remote_manifest_fetch": False, "ocsp_fetch": False}
    context = c2pa.Context.from_dict(
        {
            "trust": trust,
            "verify": asks_nobody | {"verify_after_sign": verify},
            "builder": {"thumbnail": {"enabled": False}},
        }
    )
    info = c2pa.C2paSignerInfo(
        alg=b"es256", sign_cert=signer.chain, private_key=signer.key_pem, ta_url=None
    )
    alone = c2pa.Signer.from_info(info)
    modality = modality_of(model.config.data.shape)
    folder.mkdir()
    samples = model._generator.sample(torch.arange(OUTPUTS) % 10, 1).numpy()
    for number, sample in enumerate(samples):
        builder, target = c2pa.Builder(definition, context), io.BytesIO()
        for identifier, content in resources.items():
            builder.add_resource(identifier, io.BytesIO(content))
        builder.sign(alone, "image/png", io.BytesIO(modality.encode(sample)), target)
        (folder / f"{number}.png").write_bytes(target.getvalue())


def seconds(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_a_release_over_a_bare_loop(model, signer, call, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    quick = seconds(lambda: bare_loop(model, signer, call, tmp_path / "bare", verify=False))
    usual = seconds(lambda: bare_loop(model, signer, call, tmp_path / "usual", verify=True))
    torch.set_num_threads(threads)
    ours = seconds(
        lambda: model.generate(OUTPUTS, purpose="a benchmark", seed=1).save(tmp_path / "ours")
    )
    each = 1000 / OUTPUTS
    print(
        f"\n{OUTPUTS} outputs: {ours * each:.1f} ms each, {ours / quick:.2f} times a bare loop "
        f"that verifies nothing ({quick * each:.1f} ms), {ours / usual:.2f} times one as the SDK "
        f"is by default, which verifies what it signed ({usual * each:.1f} ms)"
    )
    assert ours / quick <= FLOOR


def test_memory_does_not_grow_with_a_release(made, tmp_path):
    peaks = {}
    for count in (100, OUTPUTS * 10):
        command = [
            sys.executable, "-c", MEMORY, made.model, made.keys, made.ledger,
            tmp_path / str(count), str(count),
        ]  # fmt: skip
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks[count] = int(done.stdout.split()[-1])
    print(f"\npeak memory: {peaks} MB")
    small, large = peaks.values()
    assert large <= small + 150
