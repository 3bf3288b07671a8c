"""File names, and the largest seed, on which writers and readers agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAX_SEED = 2**53 - 1  # JSON's largest exact whole number

# A model package.
WEIGHTS, CONFIG, CERTIFICATE = "weights.safetensors", "config.json", "certificate.json"
MODEL_MANIFEST, DIGESTS = "model.c2pa", "digests.json"
CARD = "README.md"  # for people; not signed, because it changes when the model is evaluated
LATENT_NAMES = "names.json"  # a user's words for latents; not signed, for they are not the model's

# A release.
EXPLANATIONS = "explanations"  # sub-folder of the explanations' pictures
RECEIPT_SUFFIX = ".receipt.json"
ARRAYS_SUFFIX = ".safetensors"  # of the explanations' numbers, in their sub-folder


def figure_of(path: Path) -> Path:
    """Where the picture of a released file's explanation lies.

    >>> from pathlib import Path
    >>> figure_of(Path("out/0001.jpg")).as_posix()
    'out/explanations/0001.png'
    """
    return path.parent / EXPLANATIONS / f"{path.stem}.png"


def receipt_beside(path: Path) -> Path:
    """Where the receipt of a released file lies.

    >>> from pathlib import Path
    >>> receipt_beside(Path("out/0001.png")).as_posix()
    'out/0001.receipt.json'
    """
    return path.with_name(f"{path.stem}{RECEIPT_SUFFIX}")
