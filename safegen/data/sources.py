"""Where data sets come from; nothing is imported for it before one is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from safegen.arguments import checked
from safegen.option import NoOption, Spelled
from safegen.schemas.choices import Split

if TYPE_CHECKING:
    from safegen.data.dataset import DataSet  # noqa: TC004 - NumPy comes when it is called


@checked
def load(
    source: str | Path,
    *,
    data_root: Annotated[str | Path | None, Spelled(value="FOLDER")] = None,
    size: int | None = None,
    split: Annotated[Split, NoOption()] = "train",
    download: bool = False,
    groups: Annotated[str | Path | None, Spelled(value="CSV")] = None,
) -> DataSet:
    """Load a data set by its name or its place.

    Args:
        source: `digits`, `mnist`, `fashion-mnist`, a MedMNIST `.npz`, or a folder with one
            sub-folder of pictures a class; without labels or sub-folders, all are one class.
        data_root: folder that holds MNIST/raw or FashionMNIST/raw.
        size: pixels a side to resize to; needed where pictures differ or do not fit.
        split: the records to train on, or those held out; `digits` and folders have no test split.
        download: let torchvision fetch a missing benchmark.
        groups: CSV of record,group: then a group, such as a patient, is protected.

    Raises:
        DataError: nothing is there, or it cannot be read.
    """
    from safegen.data.groups import read_groups
    from safegen.data.known import read

    root = None if data_root is None else Path(data_root)
    data = read(source, root, size, split, download)
    return data if groups is None else read_groups(Path(groups), data)
