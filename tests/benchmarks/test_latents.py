"""How well the released latent prior knows where MNIST's codes lie, and by which of its parts.

`pytest tests/benchmarks/test_latents.py -m benchmark -s` takes five minutes on two cores: networks
learn from drawn digits and take no private step; one Gaussian a class is fitted to the codes of the
training set, as at epsilon 1; and the log-likelihood is that of the test set's codes.
"""

import dataclasses
import math

import numpy as np
import pytest
import torch

from safegen.data.sources import load
from safegen.models.generator import one_hot
from safegen.models.vae import ConditionalVAE
from safegen.pipeline.train.initialization import from_prior
from safegen.privacy.accounting.plan import DpRelease, Workload, plan_within
from safegen.privacy.mechanism import release
from safegen.privacy.mechanism.releases import Releases
from safegen.privacy.mechanism.sealed import PrivateVectors, Vectors
from safegen.progress import silent
from safegen.training.presets.registry import preset
from safegen.training.releases import fitting, latents

pytestmark = pytest.mark.benchmark

EPSILON, KEYS = 1.0, 3


@pytest.fixture(scope="module")
def learnt(shared_data):
    """The preset, its plan, a network that knows the prior's pictures, and both sets of codes."""
    records, test = (load("mnist", data_root=shared_data, split=part) for part in ("train", "test"))
    chosen = preset("vae", records.card, EPSILON)
    plan = plan_within(
        Workload(
            units=records.card.units,
            steps=chosen.steps,
            clipping_norm=1.0,
            expected_batch_size=chosen.expected_batch_size,
            shares=chosen.shares,
        ),
        epsilon=EPSILON,
    )
    _, start = from_prior(
        chosen.recipe,
        chosen.architecture,
        None,
        seed=0,
        device=torch.device("cpu"),
        progress=silent,
    )
    network = ConditionalVAE(chosen.architecture)
    network.load_state_dict(start.weights)
    with torch.no_grad():
        ball = fitting._ball(network, chosen.architecture, start.reference)
    return chosen.architecture, plan, ball, codes(network, records), codes(network, test)


@torch.no_grad()
def codes(network, data):
    found = [
        network.encode(shown.float() / 255, one_hot(labels, 10))[0].double().numpy()
        for shown, labels in zip(
            torch.from_numpy(data.images).split(2048),
            torch.from_numpy(data.labels).split(2048),
            strict=True,
        )
    ]
    return np.concatenate(found), data.labels


def log_likelihood(mixture, ball, seen):
    """Mean over codes of the log density of their own class, in nats."""
    found, labels = seen
    total = 0.0
    for label in range(10):
        away = found[labels == label] - ball.centre - mixture.means[label, 0]
        factor = mixture.factors[label, 0]
        inside = np.linalg.solve(factor, away.T)
        total -= 0.5 * np.square(inside).sum() + len(away) * np.linalg.slogdet(factor)[1]
    return total / len(labels) - 0.5 * found.shape[1] * math.log(2 * math.pi)


def unshrunk(covariances, pooled, variances, told):
    return covariances


def whole_weights(patch):
    patch.setattr(release, "COUNT_WEIGHT", 1.0)
    patch.setattr(release, "MOMENTS", math.sqrt(3))


ROWS = {
    "as released": lambda _: None,
    "counts and means weigh as much as products": whole_weights,
    "covariances as they come": lambda patch: patch.setattr(latents, "_shrunk", unshrunk),
}


def fitted(learnt, plan, key):
    _, _, ball, (found, labels), _ = learnt
    return latents.fit_mixture(
        PrivateVectors(Vectors(values=found - ball.centre, labels=labels, groups=None)),
        Releases(plan, key),
        classes=10,
        components=1,
        radius=ball.radius,
    )


def test_what_each_part_of_the_latent_prior_is_worth(learnt):
    architecture, plan, ball, _, unseen = learnt
    print(
        f"\n| MNIST, {architecture.latent} dimensions, epsilon {EPSILON:g} | nats |\n| --- | --- |"
    )
    for words, change in ROWS.items():
        with pytest.MonkeyPatch.context() as patch:
            change(patch)
            each = [log_likelihood(fitted(learnt, plan, key), ball, unseen) for key in range(KEYS)]
        print(f"| {words} | {np.mean(each):.1f} |")
    exact = DpRelease(purpose="latents", noise_multiplier=0.05)
    found = fitted(learnt, dataclasses.replace(plan, releases=(exact,)), 0)
    print(f"| hardly any noise | {log_likelihood(found, ball, unseen):.1f} |")
