"""Marks put to the test on a generator's own pictures, or on those of a folder.

1. Pictures: raw samples of a package, which the ledger logs; or files, opened as anybody's.
2. `safegen.marks.trial` marks them, distorts them, and looks for their marks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from safegen.errors import DataError, InputError
from safegen.marks.embed import PSNR, Mode
from safegen.marks.trial import Trial, put_to_the_test
from safegen.modality.image import pixels_of, to_bytes
from safegen.progress import Progress, silent
from safegen.schemas.names import DIGESTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.config.workspace import Workspace

REASON = "a test of marks"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".avif")


def measure_marks(
    source: str | Path,
    *,
    pictures: int = 100,
    psnr: float = PSNR,
    mode: Mode = "quality",
    seed: int = 0,
    workspace: Workspace | None = None,
    trust: str | Path | None = None,
    progress: Progress = silent,
) -> Trial:
    """Mark pictures, distort them, and look for their marks.

    Args:
        source: a model package, or a folder of pictures of one size.
        pictures: how many, at most.
        psnr: how much marks may change them, in dB.
        mode: `speed` or `quality`, of `safegen.marks.embed.embed`.
        seed: of samples, ids, and what is random in distortions.
        workspace: whose ledger logs that samples were drawn.
        trust: PEM certificates of who may have signed the package.
        progress: told how far the work is.

    Raises:
        DataError: a file is no whole picture, or the package makes no pictures.
        InputError: pictures are too small, too few, or of several sizes.

    Warns:
        UnsafeWarning: for a package; its samples are shown on the page, and are never released.
    """
    if pictures < 1:
        raise InputError(f"a test of marks takes at least one picture, not {pictures}")
    folder = Path(source)
    found = (
        _drawn(folder, pictures, seed, workspace, trust)
        if (folder / DIGESTS).is_file()
        else _read(folder, pictures)
    )
    return put_to_the_test(
        found, source=folder.resolve().name, psnr_asked=psnr, mode=mode, seed=seed,
        progress=progress,
    )  # fmt: skip


def _drawn(
    folder: Path, count: int, seed: int, workspace: Workspace | None, trust: str | Path | None
) -> NDArray[np.uint8]:
    from safegen.pipeline.generate.model import load

    model = load(folder, workspace=workspace, trust=trust)
    samples = model.unsafe_sample(count, reason=REASON, seed=seed)
    if samples.ndim != 4:
        raise DataError(f"{folder} makes no pictures; marks are for pictures alone")
    return to_bytes(samples)


def _read(folder: Path, most: int) -> NDArray[np.uint8]:
    if not folder.is_dir():
        raise InputError(f"{folder} is no model package and no folder of pictures")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)[:most]
    if not paths:
        raise InputError(f"{folder} holds no pictures; their names end in {', '.join(SUFFIXES)}")
    opened = []
    for path in paths:
        try:
            opened.append(pixels_of(path.read_bytes()))
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        if opened[-1].shape != opened[0].shape:
            raise InputError(
                f"pictures to test are of one size and kind; {path} is not like {paths[0]}"
            )
    return np.stack(opened)
