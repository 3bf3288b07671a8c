"""How far explanations of trained generators can be believed, beside those of untrained ones.

    safegen train digits --model vae --out digits-vae        # and so on
    SAFEGEN_BENCHMARK_MODELS=digits-vae:digits-gan:fashion-mnist-vae:fashion-mnist-gan \
        pytest tests/benchmarks/test_explanations.py -m benchmark -s
"""

import os
from pathlib import Path

import pytest
import torch

from safegen.explain.explain import explain
from safegen.explain.faithfulness import believable
from safegen.explain.registry import explainer_named
from safegen.modality.registry import modality_of
from safegen.models.generator import LatentGenerator
from safegen.package import files
from safegen.pipeline.generate.model import open_generator

pytestmark = pytest.mark.benchmark

OUTPUTS = 6  # of each generator, one a class
SHOWN = {
    "completeness_gap": max,
    "effect": min,
    "rank_correlation": lambda each: sum(each) / len(each),
    "interaction": lambda each: sum(each) / len(each),
    "infidelity": max,
    "max_sensitivity": max,
    "deletion": min,
    "insertion": min,
    "stability": max,
}
MODELS = [each for each in os.environ.get("SAFEGEN_BENCHMARK_MODELS", "").split(":") if each]


@pytest.mark.parametrize("folder", MODELS)
def test_scores_of_full_explanations(folder):
    opened = files.read(Path(folder))
    torch.manual_seed(0)
    untrained = LatentGenerator(opened.config.architecture).eval()
    print()
    for name, generator in ((opened.config.name, open_generator(opened)), ("untrained", untrained)):
        generator.requires_grad_(requires_grad=False)
        found = explain(
            generator, generator.propose(torch.arange(OUTPUTS), 0),
            modality_of(opened.config.data.shape), detail="full", file="none",
            explainer=explainer_named("integrated-gradients"),
        )  # fmt: skip
        scores = [each.record.faithfulness for each in found]
        row = {key: of([each[key] for each in scores]) for key, of in SHOWN.items()}
        doubted = sum(not believable(each.record) for each in found)
        told = " | ".join(f"{value:.3f}" for value in row.values())
        print(f"| {name} | {told} | {doubted} of {OUTPUTS} |")
        if name == "untrained":
            assert doubted == OUTPUTS
        else:
            assert row["completeness_gap"] <= 0.01
            assert row["rank_correlation"] >= 0.9
