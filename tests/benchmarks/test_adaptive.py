"""What it costs that runs may be chosen one after another, beside runs planned beforehand.

Each row: a run of some epsilon; what it counts toward a total as the first and as the third of
several; how many like it fit under ten when all are planned, with our filter, and with a Renyi
filter (Feldman & Zrnic 2021) at the one order that suits such runs best.
"""

import bisect
import math

import dp_accounting
import pytest
from dp_accounting.rdp import RdpAccountant

from safegen.privacy.accounting import adaptive
from safegen.privacy.accounting.events import coarse_epsilon_of
from safegen.privacy.accounting.plan import Share, Workload, plan_within

pytestmark = pytest.mark.benchmark

TOTAL = 10.0
RUNS = [  # epsilon, records, batch, steps, share of a release
    (8.0, 60_000, 4096, 1500, 0.0),
    (8.0, 1797, 256, 300, 0.5),
    (3.0, 60_000, 4096, 1500, 0.0),
    (3.0, 1797, 256, 300, 0.5),
    (2.0, 60_000, 4096, 1500, 0.5),
    (2.0, 1797, 256, 300, 0.5),
    (3.0, 1000, 100, 20, 0.0),
]
ORDERS = [1 + x / 4 for x in range(1, 60)] + list(range(17, 128))


def renyi_at_best(events, delta, runs):
    """The smallest total under which so many runs keep to one order, fixed beforehand."""
    accountant = RdpAccountant(ORDERS)
    for event in events:
        accountant.compose(_in_its_words(event), event.count * runs)
    return min(
        rdp + math.log1p(-1 / a) - math.log(delta * a) / (a - 1)
        for a, rdp in zip(accountant._orders, accountant._rdp, strict=True)
    )


def _in_its_words(event):
    noise = dp_accounting.GaussianDpEvent(event.noise_multiplier)
    if event.event == "gaussian":
        return noise
    return dp_accounting.PoissonSampledDpEvent(event.sampling_probability, noise)


def most(total):
    """The largest number of runs whose total is at most ten."""
    high = 2
    while total(high) <= TOTAL:
        high *= 2
    return bisect.bisect_right(range(high), TOTAL, lo=1, key=total) - 1


def counts(plan):
    """How many runs like a plan's fit: all planned, with our filter, with a Renyi filter."""
    events, delta = plan.events(), plan.delta
    mus = [adaptive.mu_of(events, adaptive.slack_of(k, delta)) for k in range(1, 65)]

    def ours(runs):
        return adaptive.epsilon_of_mu(adaptive.together(mus[:runs]), delta)

    first, third = (adaptive.epsilon_of_mu(mus[k], delta) for k in (0, 2))
    planned = most(lambda runs: coarse_epsilon_of(events * runs, delta))
    return first, third, planned, most(ours), most(lambda runs: renyi_at_best(events, delta, runs))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_cost_of_choosing_one_after_another():
    print("\n| epsilon | records | q | steps | counts 1st | 3rd | planned | filter | Rényi |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for epsilon, records, batch, steps, share in RUNS:
        plan = plan_within(
            Workload(
                units=records,
                expected_batch_size=batch,
                steps=steps,
                clipping_norm=1.0,
                shares=(Share(purpose="latents", share=share),) if share else (),
            ),
            epsilon=epsilon,
        )
        first, third, planned, ours, renyi = counts(plan)
        print(
            f"| {epsilon:g} | {records:,} | {plan.sampling_probability:.3f} | {steps} "
            f"| {first:.2f} | {third:.2f} | {planned} | {ours} | {renyi} |",
            flush=True,
        )
        assert 0.99 * epsilon < first <= third
        assert planned >= ours
