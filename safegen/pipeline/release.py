"""What a request is given: outputs that were allowed, explained, signed and logged."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from safegen import storage
from safegen.errors import StorageError
from safegen.records.names import figure_of, receipt_beside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from safegen.records.receipt import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One released picture.

    Attributes:
        name: of its file.
        data: the signed file.
        figure: the signed picture of its explanation.
        receipt: what was decided, explained and logged.
    """

    name: str
    data: bytes = field(repr=False)
    figure: bytes = field(repr=False)
    receipt: Receipt = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Everything that one request was given.

    Attributes:
        outputs: in order.
        seed: with which the same samples can be made again.
        unstamped: why time-stamps that were asked for are missing, in words; None otherwise.
    """

    outputs: tuple[Output, ...]
    seed: int
    unstamped: str | None = None

    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Write every output, its receipt and its explanation; never over another file.

        Args:
            folder: made when it is missing. Outputs and receipts go into it, the explanations'
                pictures into `explanations/`.

        Returns:
            The outputs' paths.

        Raises:
            StorageError: the folder cannot be written, or holds such a file already.
        """
        folder = Path(folder)
        require_room(folder, [output.name for output in self.outputs])
        storage.make_folder(folder)
        with storage.alone(folder):  # of two at once, the second finds the first one's files
            require_room(folder, [output.name for output in self.outputs])
            for output in self.outputs:
                path = folder / output.name
                receipt = output.receipt.model_dump_json(indent=2).encode() + b"\n"
                storage.write(figure_of(path), output.figure)
                storage.write(receipt_beside(path), receipt)
                storage.write(path, output.data)
        return tuple(folder / output.name for output in self.outputs)


def file_names(count: int, suffix: str = ".png") -> list[str]:
    """Names of a release's outputs.

    >>> file_names(2)
    ['0001.png', '0002.png']
    """
    return [f"{number:04d}{suffix}" for number in range(1, count + 1)]


def require_room(folder: Path, names: Iterable[str]) -> None:
    """Refuse a folder that cannot be written or already holds one of these outputs' files.

    Raises:
        StorageError: nothing is written.
    """
    storage.require_writable(folder)
    for name in names:
        path = folder / name
        for taken in (path, receipt_beside(path), figure_of(path)):
            if taken.exists() or taken.is_symlink():
                found = taken.relative_to(folder)
                raise StorageError(f"{folder} already holds {found}; name a new folder with --out")
