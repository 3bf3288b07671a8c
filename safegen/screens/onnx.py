"""A network as an ONNX file, run on the CPU; the only importer of onnxruntime.

The file is read once, its digest is compared, and the network is made of those very bytes, so that
nothing can change between. Weights in other files would be under no digest, and are not looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from safegen.errors import InputError
from safegen.schemas.canonical import sha256
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

ROWS_AT_ONCE = 64  # so that memory does not grow with a release
_NO_FOLDER = "/nonexistent"  # where other files of weights would be looked for
_FATAL_ALONE = 4  # what is logged to the terminal; whatever else is wrong is raised
_INPUT_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}


class OnnxNetwork:
    """Arrays (n, *dimensions) to arrays (n, outputs).

    Attributes:
        path: of the file.
        digest: of its bytes.
    """

    def __init__(
        self, path: Path, digest: str, dimensions: tuple[int, ...], output: str | None
    ) -> None:
        """Open a file.

        Args:
            path: of the file.
            digest: that it must have.
            dimensions: of one input.
            output: the name of the output that is asked for; the only one when None.

        Raises:
            InputError: it has another digest or other shapes, is no ONNX, or onnxruntime is
                missing.
            StorageError: it cannot be read.
        """
        self.path, self.digest = path, digest
        self._session = _open(path, require_digest(path, digest))
        self._input, self._rows = self._input_for(dimensions)
        self._output = self._output_for(output)
        self._running: Any = None

    def run(self, samples: NDArray[Any], prepare: Callable[[NDArray[Any]], Floats]) -> Floats:
        """Outputs (n, outputs), float32, of samples (n, ...), a few rows at a time.

        Args:
            samples: as they are stored.
            prepare: makes inputs, (rows, *dimensions), of some of them.

        Raises:
            InputError: the network failed, or answered in another shape.
        """
        import onnxruntime

        running = self._running = onnxruntime.RunOptions()
        rows = self._rows or ROWS_AT_ONCE
        parts = range(0, len(samples), rows)
        return np.concatenate(
            [self._part(prepare(samples[at : at + rows]), running) for at in parts]
        )

    def stop(self) -> None:
        """Stop what runs in another thread, as soon as its present operation is done."""
        if self._running is not None:
            self._running.terminate = True

    def _part(self, values: Floats, running: Any) -> Floats:  # noqa: ANN401 - onnxruntime's own
        count = len(values)
        if self._rows and count < self._rows:  # a fixed number of rows is filled with zeros
            empty = np.zeros((self._rows - count, *values.shape[1:]), dtype=values.dtype)
            values = np.concatenate([values, empty])
        typed = values.astype(_INPUT_TYPES[self._input.type], copy=False)
        try:
            (given,) = self._session.run([self._output], {self._input.name: typed}, running)
        except Exception as error:  # its own errors share nothing but Exception
            raise InputError(f"{self.path.name} failed: {_brief(error)}") from error
        answer = np.asarray(given)
        if answer.ndim != 2 or len(answer) != len(values):
            raise InputError(
                f"{self.path.name} answered {len(values)} inputs in the shape {answer.shape}; one "
                "row each is needed"
            )
        return answer[:count].astype(np.float32)

    def _input_for(self, dimensions: tuple[int, ...]) -> tuple[Any, int | None]:
        """The network's input, and the number of rows where it takes no other."""
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(each.name for each in inputs)
            raise InputError(f"{self.path} has the inputs {names}; a screen gives it one, pictures")
        (only,) = inputs
        if only.type not in _INPUT_TYPES:
            raise InputError(
                f"{self.path} takes {only.type}; floating-point values are given to it"
            )
        rows, *sides = only.shape or [None]
        fits = len(sides) == len(dimensions) and all(
            not isinstance(side, int) or side == given
            for side, given in zip(sides, dimensions, strict=True)
        )
        if not fits:
            raise InputError(
                f"{self.path} takes {_shape(only.shape)}, and {_shape(['n', *dimensions])} is "
                "declared; declare its size, colours and layout as it was exported"
            )
        return only, rows if isinstance(rows, int) else None

    def _output_for(self, name: str | None) -> str:
        names = [each.name for each in self._session.get_outputs()]
        if name is None and len(names) > 1:
            raise InputError(f"{self.path} has the outputs {', '.join(names)}; name one as output")
        if name is not None and name not in names:
            raise InputError(f"{self.path} has no output {name!r}; it has {', '.join(names)}")
        return name or names[0]


def require_digest(path: Path, digest: str) -> bytes:
    """A file's bytes, when they have the digest that was declared.

    Raises:
        InputError: they have not.
        StorageError: it cannot be read.
    """
    data = read(path)
    if sha256(data) != digest:
        raise InputError(
            f"{path} is not the file that was declared: its digest is {sha256(data)}, and {digest} "
            "is written there; put the right file back, or measure this one and declare it"
        )
    return data


def _open(path: Path, data: bytes) -> Any:  # noqa: ANN401 - onnxruntime's own
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"{path} needs onnxruntime to be run: `pip install 'safegen[screens]'`"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ALONE
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", _NO_FOLDER
    )
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own errors share nothing but Exception
        if _NO_FOLDER in str(error):
            raise InputError(
                f"{path} keeps weights in another file, which its digest does not cover; export "
                "it as one file"
            ) from error
        raise InputError(f"{path} cannot be opened as an ONNX network: {_brief(error)}") from error


def _shape(sides: list[Any]) -> str:
    return f"({', '.join(str(side) for side in sides)})"


def _brief(error: Exception) -> str:
    """The last part of the runtime's message, in one line."""
    return " ".join(str(error).split())[-200:]
