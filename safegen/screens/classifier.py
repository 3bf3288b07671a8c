"""A classifier as a screen: the score is the calibrated probability of what is forbidden."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from safegen.arguments import checked
from safegen.errors import InputError
from safegen.schemas.canonical import digest, sha256
from safegen.schemas.screens import ClassifierSettings, ScreenContent
from safegen.screens.onnx import OnnxNetwork
from safegen.screens.pictures import dimensions_of, prepared
from safegen.storage import read

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from safegen.screens.screen import Batch

    Floats = NDArray[np.float64]

CLOSEST_TO_CERTAIN = 1e-12  # a probability's log odds are finite from here on
ROUNDING_SLACK = 1e-4  # what probabilities in 32 bits may be outside [0, 1] by


class Classifier:
    """A network in an ONNX file that names classes.

    Attributes:
        name: of the screen.
        file_digest: of the network's file.
        settings: what the network is given, and what its answer means.
    """

    @checked
    def __init__(
        self,
        name: str,
        file: str | Path,
        settings: ClassifierSettings,
        *,
        digest: str | None = None,
    ) -> None:
        """Describe a classifier; its file is opened by `open`, or by the first batch.

        Args:
            name: a policy speaks of its score as `output.screens.<name>`.
            file: an ONNX file that holds its own weights.
            settings: what the network is given, and what its answer means.
            digest: that the file must have, as `sha256:...`; what it has now when None.

        Raises:
            StorageError: the file cannot be read.
        """
        self.name, self.settings, self._file = name, settings, Path(file)
        self.file_digest = sha256(read(self._file)) if digest is None else digest
        self._network: OnnxNetwork | None = None
        self._tried = False

    @property
    def digest(self) -> str:
        """Of the file's digest and the settings together."""
        return digest(
            ScreenContent(kind="classifier", file_digest=self.file_digest, classifier=self.settings)
        )

    def open(self) -> OnnxNetwork:
        """Open the network, and try it on a grey picture.

        Raises:
            InputError: the file has another digest, other shapes, or is no ONNX; or onnxruntime is
                not installed.
            StorageError: the file cannot be read.
        """
        if self._network is None or not self._tried:
            wanted = self.settings.input
            self._network = OnnxNetwork(
                self._file, self.file_digest, dimensions_of(wanted), self.settings.output
            )
            grey = np.full((1, 1, *wanted.size), 128, dtype=np.uint8)
            outputs = self._network.run(grey, partial(prepared, wanted=wanted))
            require_scores(outputs, self.settings, str(self._file))
            self._tried = True
        return self._network

    def stop(self) -> None:
        """Give up a batch that another thread waits for no more."""
        if self._network is not None:
            self._network.stop()

    def measure(self, batch: Batch) -> list[float]:
        """The probability of what is forbidden, of each picture."""
        prepare = partial(prepared, wanted=self.settings.input)
        outputs = self.open().run(batch.samples, prepare)
        scores: list[float] = scored(outputs, self.settings).tolist()
        return scores


def require_scores(outputs: NDArray[np.float32], settings: ClassifierSettings, what: str) -> None:
    """Refuse a network whose answer to one picture is no answer.

    Raises:
        InputError: it has another number of outputs than labels, or what it says is no number.
    """
    labels = len(settings.labels)
    if outputs.shape[1] != labels:
        raise InputError(
            f"{what} gives {outputs.shape[1]} numbers a picture, and {labels} labels are declared"
        )
    try:
        sound = np.isfinite(scored(outputs, settings)).all()
    except ValueError as error:
        raise InputError(f"{what}: {error}") from error
    if not sound:
        raise InputError(f"{what} answers a grey picture with what is no number")


def scored(outputs: NDArray[np.float32], settings: ClassifierSettings) -> Floats:
    """Calibrated probabilities (n,) of what is forbidden.

    Args:
        outputs: (n, labels), as `settings.outputs` says.
        settings: what they mean.

    Raises:
        ValueError: they should be probabilities, and are none.

    >>> looks = {"size": (8, 8)}
    >>> two = ClassifierSettings(input=looks, labels=("fine", "bad"), forbidden=("bad",))
    >>> scored(np.zeros((1, 2), dtype=np.float32), two).tolist()
    [0.5]
    """
    values = outputs.astype(np.float64) / settings.temperature
    if settings.outputs == "softmax":
        with np.errstate(invalid="ignore"):  # what is infinite becomes no number, and denies
            powers = np.exp(values - values.max(axis=1, keepdims=True))
        values = powers / powers.sum(axis=1, keepdims=True)
    elif settings.outputs == "sigmoid":
        values = _sigmoid(values)
    elif ((values < -ROUNDING_SLACK) | (values > 1 + ROUNDING_SLACK)).any():
        raise ValueError("it should give probabilities, and gives numbers outside 0 to 1")
    kept = values[:, [settings.labels.index(each) for each in settings.forbidden]]
    # Classes that exclude each other add up; of others, the likeliest alone is enough.
    score: Floats = kept.sum(axis=1) if settings.outputs == "softmax" else kept.max(axis=1)
    if settings.platt is not None:
        sure = score.clip(CLOSEST_TO_CERTAIN, 1 - CLOSEST_TO_CERTAIN)
        odds = np.log(sure) - np.log1p(-sure)
        score = _sigmoid(settings.platt.slope * odds + settings.platt.intercept)
    return score


def _sigmoid(values: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(values / 2))  # which no large number overflows
