"""The records of an evaluation: what a package was trained on, and what it is tested on.

A test that the generator was trained on flatters it. Where a data set has a test split, or held-out
records are named, those are the test. Where there is neither, nothing can be held out any more: a
fifth of the records is kept from the classifiers, which makes the comparison between training on
synthetic and on real pictures fair, and the report says that the generator has seen them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from safegen.data.dataset import DataSet, side_of
from safegen.data.sources import load
from safegen.errors import DataError
from safegen.evaluation.classifier import Labelled
from safegen.modality.registry import modality_of
from safegen.schemas.evaluation import HeldOut

if TYPE_CHECKING:
    from safegen.schemas.config import PackageConfig

Source = str | Path | DataSet

MIN_TEST_RECORDS = 20  # records; fewer tell nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationData:
    """What an evaluation compares with.

    Attributes:
        data: the records that were named.
        training: those that classifiers may be trained on.
        test: those that everything is tested on.
        held_out: what the test is, in words.
        public: whether anybody may hold all of them.
        notes: what a reader should know of them.
    """

    data: DataSet
    training: Labelled
    test: Labelled
    held_out: HeldOut
    public: bool
    notes: tuple[str, ...]


def open_data(source: Source, config: PackageConfig, data_root: Path | None) -> DataSet:
    """The records, in the package's shape.

    Raises:
        DataError: they are not there, or are not samples and classes of the package's kind.
    """
    return _loaded(source, config, data_root, "train")


def gather(
    data: DataSet,
    source: Source,
    held_out: Source | None,
    config: PackageConfig,
    *,
    data_root: Path | None,
    same_records: bool,
    seed: int,
) -> EvaluationData:
    """Find what to test on.

    Args:
        data: the records, opened.
        source: as the user named them.
        held_out: records to test on, as the user named them; None to look for a test split.
        config: of the package.
        data_root: where the public benchmarks lie.
        same_records: whether the package was trained on these records.
        seed: decides which fifth is kept where nothing else is held out.

    Raises:
        DataError: the held-out records do not fit, are too few, or were trained on.
    """
    whole = _aligned(data, config)
    others, what = _others(source, held_out, config, data_root)
    if others is None:
        order = np.random.default_rng(seed).permutation(len(whole))
        kept, rest = np.split(order, [len(whole) // 5])
        records = EvaluationData(
            data=data,
            training=whole.rows(np.sort(rest)),
            test=whole.rows(np.sort(kept)),
            held_out=HeldOut(
                what=f"a fifth of {data.card.name}, kept from the classifiers",
                count=max(1, len(kept)),
                seen=True if same_records else None,
            ),
            public=data.card.public,
            notes=(_no_held_out(data, same_records=same_records),),
        )
    else:
        test = _aligned(others, config)
        records = EvaluationData(
            data=data,
            training=whole,
            test=test,
            held_out=HeldOut(what=what, count=len(test), seen=False),
            public=data.card.public and others.card.public,
            notes=_repeated(whole, test, what),
        )
    if len(records.test) < MIN_TEST_RECORDS:
        part = " (a fifth of all)" if others is None else ""
        raise DataError(
            f"{len(records.test)} records to test on{part} tell nothing; name "
            f"{MIN_TEST_RECORDS} or more with --held-out"
        )
    return records


def _others(
    source: Source, held_out: Source | None, config: PackageConfig, data_root: Path | None
) -> tuple[DataSet | None, str]:
    """Records that were held out, and what they are."""
    if held_out is not None:
        others = _loaded(held_out, config, data_root, "train")
        return others, f"the records of {others.card.name}, named as held out"
    if isinstance(source, DataSet) or source == "digits" or Path(source).is_dir():
        return None, ""
    others = _loaded(source, config, data_root, "test")
    return others, f"the test split of {others.card.name}"


def _no_held_out(data: DataSet, *, same_records: bool) -> str:
    name = data.card.name
    if same_records:
        return (
            f"There is no held-out set: {name} has no test split, so the test records were among "
            "those that the generator was trained on. Utility and fidelity flatter it, and nothing "
            "can be said about copying. Name held-out records with --held-out."
        )
    return (
        f"There is no held-out set: {name} has no test split, so a fifth of it is the test; "
        "whether the generator was trained on some of that is not known."
    )


def _repeated(training: Labelled, test: Labelled, what: str) -> tuple[str, ...]:
    """Test pictures that are also among the training records.

    Raises:
        DataError: more than half of them.
    """
    known = {picture.tobytes() for picture in training.pictures}
    again = sum(picture.tobytes() in known for picture in test.pictures)
    if 2 * again > len(test):
        raise DataError(
            f"{again:,} of the {len(test):,} pictures of {what} are training records too; name "
            "records that were held out"
        )
    if not again:
        return ()
    return (f"{again:,} of {what} are, byte for byte, among the training records too.",)


def _loaded(source: Source, config: PackageConfig, data_root: Path | None, split: str) -> DataSet:
    if isinstance(source, DataSet):
        return source
    size = side_of(config.architecture.shape)
    return load(
        source, data_root=data_root, size=size, split="test" if split == "test" else "train"
    )


def _aligned(data: DataSet, config: PackageConfig) -> Labelled:
    """The records with the package's labels.

    Raises:
        DataError: their pictures have another shape, or a class is not the package's.
    """
    if data.card.shape != config.architecture.shape:
        given, made = (modality_of(each) for each in (data.card.shape, config.architecture.shape))
        raise DataError(
            f"{data.card.name} has {given.in_words()}, and {config.name} makes {made.in_words()}; "
            "name the records that it was trained on"
        )
    places = {name: place for place, name in enumerate(config.data.classes)}
    strange = [name for name in data.card.classes if name not in places]
    if strange:
        raise DataError(
            f"{data.card.name} has a class {strange[0]!r}, which {config.name} does not know; name "
            "the records that it was trained on"
        )
    renamed = np.array([places[name] for name in data.card.classes], dtype=np.int64)
    return Labelled(pictures=data.images, labels=renamed[data.labels])
