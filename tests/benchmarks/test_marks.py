"""What is published of marks in docs/marks.md: false positives, attacks, and what they cost.

python -m pytest tests/benchmarks/test_marks.py -m benchmark -s
"""

from __future__ import annotations

import gzip
import os

import numpy as np
import pytest

from safegen.marks import codes, detect, evidence
from safegen.marks.designs import SMALL
from safegen.marks.embed import embed
from safegen.marks.likeness import psnr

pytestmark = pytest.mark.benchmark
KEY = b"a ledger's name."
COUNT = 100  # pictures of an attack


@pytest.fixture(scope="module")
def garments(shared_data) -> np.ndarray:
    path = shared_data / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
    data = gzip.decompress(path.read_bytes())
    return np.frombuffer(data, np.uint8, offset=16).reshape(-1, 28, 28)


@pytest.fixture(scope="module")
def marked(garments) -> np.ndarray:
    return embed(garments[:COUNT], range(COUNT), key=KEY, psnr=36, mode="quality")


def found(pictures: np.ndarray, ids: list[int] | None = None) -> float:
    """Share of pictures in which their own id is found, at 1e-6, alone."""
    wanted = range(len(pictures)) if ids is None else ids
    return float(
        np.mean(
            [
                detect.chance(picture, [number], KEY)[0] <= evidence.FALSE_POSITIVE_RATE
                for picture, number in zip(pictures, wanted, strict=True)
            ]
        )
    )


def whole(pictures: np.ndarray) -> np.ndarray:
    return pictures.round().clip(0, 255).astype(np.uint8)


def mean_psnr(originals: np.ndarray, changed: np.ndarray) -> float:
    return float(np.mean([psnr(*pair) for pair in zip(originals, changed, strict=True)]))


def test_false_positives(garments) -> None:
    """10,000 real pictures, 2,000 random ids: 20 million questions at several thresholds."""
    ids = np.random.default_rng(0).choice(2**16, 2000, replace=False)
    words = codes.words(ids, SMALL.word_bits, KEY)
    count = int(os.environ.get("SAFEGEN_MARKS_PICTURES", "10000"))
    seen = dict.fromkeys((1e-3, 1e-4, 1e-5, 1e-6), 0)
    for picture in garments[:count]:
        chances = evidence.chances(detect.read(picture).logits, words)
        for limit in seen:
            seen[limit] += int((chances <= limit).sum())
    questions = count * len(ids)
    for limit, number in seen.items():
        print(f"p <= {limit:g}: {number:,} of {questions:,}, {number / questions:.2g}")
        expected = limit * questions
        assert number <= expected + 2 * np.sqrt(expected)


def test_attacks(garments, marked) -> None:
    originals = garments[:COUNT]
    print(f"\nmarked: {found(marked):.0%}, {mean_psnr(originals, marked):.1f} dB")

    # Averaging: the mean of what a smoother leaves of many outputs, taken from each of them.
    high = marked - smooth(marked)
    averaged = whole(marked - high.mean(axis=0))
    print(f"mean residual of {COUNT} taken away: {found(averaged):.0%}")

    # Regenerating: what a linear autoencoder, fitted to other pictures, makes of each.
    for components in (32, 64, 128):
        again = regenerated(garments[2000:8000], marked, components)
        print(
            f"regenerated from {components} numbers: {found(again):.0%}, "
            f"{mean_psnr(originals, again):.1f} dB"
        )

    # Pasting: what a smoother leaves of a marked picture, added to somebody else's.
    others = garments[500 : 500 + COUNT]
    for strength in (1, 2):
        pasted = whole(others + strength * high)
        print(
            f"residual pasted {strength} times: {found(pasted):.0%}, "
            f"{mean_psnr(others, pasted):.1f} dB"
        )

    # The word as it is read, written anew into another picture: no key is needed for that.
    forged = with_words_of(marked, others)
    print(f"word copied by the extractor: {found(forged):.0%}, {mean_psnr(others, forged):.1f} dB")

    # Removing: another word written over it, by the public extractor.
    over = embed(marked, [number + 30_000 for number in range(COUNT)], key=KEY[::-1], psnr=36)
    print(f"another word written over it: {found(over):.0%}, {mean_psnr(originals, over):.1f} dB")
    for steps in (1, 3, 10):
        gone = removed(marked, steps)
        print(
            f"{steps} gradient steps against it: {found(gone):.0%}, "
            f"{mean_psnr(marked, gone):.1f} dB to the marked, {mean_psnr(originals, gone):.1f} dB"
        )


def smooth(pictures: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(pictures.astype(np.float64), (0, 1, 1))


def regenerated(known: np.ndarray, pictures: np.ndarray, components: int) -> np.ndarray:
    flat = known.reshape(len(known), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(flat, rowvar=False))
    axes = axes[:, -components:]
    shown = (pictures.reshape(len(pictures), -1) - mean) @ axes @ axes.T + mean
    return whole(shown.reshape(pictures.shape))


def with_words_of(marked: np.ndarray, others: np.ndarray) -> np.ndarray:
    import torch

    from safegen.marks.extractor import extractor_of
    from safegen.marks.networks import network_of
    from safegen.marks.writing import Canvas, root_mean_square_of

    read = np.array([detect.read(picture).logits[0] for picture in marked])
    signs = torch.from_numpy(np.sign(read).astype(np.float32))
    pictures = torch.from_numpy(others[:, None].astype(np.float32))
    canvas = Canvas(network_of(extractor_of(SMALL)), pictures, root_mean_square_of(36))
    return whole(canvas.marked(canvas.amplitudes(signs, 6)).numpy()[:, 0])


def removed(marked: np.ndarray, steps: int) -> np.ndarray:
    """Steps of one level against whatever word is read, by the sign of the gradient."""
    import torch

    from safegen.marks.extractor import extractor_of
    from safegen.marks.networks import network_of

    network = network_of(extractor_of(SMALL))
    pictures = torch.from_numpy(marked[:, None].astype(np.float32))
    signs = network(pictures).sign()
    for _ in range(steps):
        pictures.requires_grad_()
        (slope,) = torch.autograd.grad((network(pictures) * signs).sum(), pictures)
        pictures = (pictures.detach() - slope.sign()).clamp(0, 255)
    return whole(pictures.numpy()[:, 0])


def test_utility(shared_data, garments) -> None:
    """Classifiers of the quick protocol, trained on real garments with marks and without."""
    import torch

    from safegen.evaluation.classifier import Labelled, fit
    from safegen.evaluation.protocols import PROTOCOLS

    folder = shared_data / "FashionMNIST" / "raw"

    def read(name: str, header: int) -> np.ndarray:
        return np.frombuffer(gzip.decompress((folder / name).read_bytes()), np.uint8, offset=header)

    protocol = PROTOCOLS["quick"]
    plain = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)[: protocol.pictures]
    labels = read("train-labels-idx1-ubyte.gz", 8)[: protocol.pictures].astype(np.int64)
    test_labels = read("t10k-labels-idx1-ubyte.gz", 8)
    ids = np.random.default_rng(0).integers(0, 2**16, len(plain))
    with_marks = embed(plain, ids, key=KEY, psnr=37)
    for seed in range(protocol.seeds):
        right = []
        for pictures in (plain, with_marks):
            data = Labelled(pictures=pictures[:, None], labels=labels)
            made = fit(
                data, 10, protocol.networks[0], protocol, augment="none", seed=seed,
                device=torch.device("cpu"),
            )  # fmt: skip
            named = made.probabilities(garments[:, None]).argmax(axis=1)
            right.append(float((named == test_labels).mean()))
        print(f"seed {seed}: {right[0]:.2%} without marks, {right[1]:.2%} with")
