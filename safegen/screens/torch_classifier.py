"""A torch module as a screen, for whoever calls from Python; policies name ONNX files instead.

Nothing that only checks files imports this module, for it needs torch.
"""

from __future__ import annotations

import hashlib
import inspect
from typing import TYPE_CHECKING

import torch

from safegen.schemas.canonical import digest
from safegen.schemas.screens import ScreenContent
from safegen.screens.classifier import require_scores, scored
from safegen.screens.pictures import prepared

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from safegen.schemas.screens import ClassifierSettings
    from safegen.screens.screen import Batch

ROWS_AT_ONCE = 64  # so that memory does not grow with a release


class TorchClassifier:
    """A module that names classes: inputs (n, channels, height, width) to outputs (n, labels).

    Attributes:
        name: of the screen.
        settings: what the module is given, and what its answer means.
    """

    def __init__(self, name: str, module: torch.nn.Module, settings: ClassifierSettings) -> None:
        """Take a module, on the CPU, as it is; it is tried on a grey picture at once.

        Args:
            name: a policy speaks of the score as `output.screens.<name>`.
            module: its evaluation mode is used.
            settings: what it is given, and what its answer means.

        Raises:
            InputError: it does not answer as declared.
        """
        self.name, self.settings = name, settings
        self._module = module.eval()
        self._source = _source(module)
        import numpy as np

        grey = np.full((1, 1, *settings.input.size), 128, dtype=np.uint8)
        require_scores(self._outputs(grey), settings, f"module {type(module).__qualname__}")

    @property
    def file_digest(self) -> str:
        """Of the module's source and of all its tensors, as they are now."""
        whole = hashlib.sha256(self._source.encode())
        for name, tensor in sorted(self._module.state_dict().items()):
            values = tensor.detach().cpu().contiguous()
            whole.update(f"\n{name} {values.dtype} {tuple(values.shape)}\n".encode())
            whole.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
        return f"sha256:{whole.hexdigest()}"

    @property
    def digest(self) -> str:
        """Of the module and the settings together."""
        return digest(
            ScreenContent(kind="torch", file_digest=self.file_digest, classifier=self.settings)
        )

    def measure(self, batch: Batch) -> list[float]:
        """The probability of what is forbidden, of each picture."""
        scores: list[float] = scored(self._outputs(batch.samples), self.settings).tolist()
        return scores

    def _outputs(self, samples: NDArray[np.uint8]) -> NDArray[np.float32]:
        wanted, parts = self.settings.input, []
        with torch.no_grad():
            for start in range(0, len(samples), ROWS_AT_ONCE):
                values = prepared(samples[start : start + ROWS_AT_ONCE], wanted)
                parts.append(self._module(torch.from_numpy(values)))
        outputs: NDArray[np.float32] = torch.cat(parts).float().numpy()
        return outputs


def _source(module: torch.nn.Module) -> str:
    """The text of every class in a module; of one without text, its name."""
    texts = set()
    for part in module.modules():
        try:
            texts.add(inspect.getsource(type(part)))
        except (OSError, TypeError):
            texts.add(f"{type(part).__module__}.{type(part).__qualname__}")
    return "\n".join(sorted(texts)) + f"\n{module}"
