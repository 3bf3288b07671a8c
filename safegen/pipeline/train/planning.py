"""What a run would be and cost, from its configurations and a data set's public card; no torch."""

from __future__ import annotations

import dataclasses
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from safegen.arguments import checked
from safegen.config.privacy import RECORDS_PER_GROUP, PrivacyConfig
from safegen.config.training import TrainingConfig
from safegen.data.dataset import DataSet, side_of
from safegen.data.sources import load
from safegen.errors import DataError, PlanError
from safegen.privacy.accounting.plan import PrivacyPlan, Workload, plan_within
from safegen.training.presets.registry import preset, prior_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from safegen.schemas.card import DataCard
    from safegen.training.presets.preset import Preset


@checked
def plan(
    data: DataSet | str | Path,
    privacy: PrivacyConfig | None = None,
    training: TrainingConfig | None = None,
) -> PrivacyPlan:
    """Plan a run: what it would cost, without a grant, and nothing spent.

    Args:
        data: a data set, or the name or path of one.
        privacy: what is to be promised.
        training: what is to be trained.

    Returns:
        The plan: steps, noise multiplier, releases; `costs()` is epsilon for one record, or one
        group.

    Raises:
        DataError: the data set is not there or does not fit.
        PlanError: no mechanism can honour this.

    >>> planned = plan("digits", PrivacyConfig(epsilon=4))
    >>> planned.steps, planned.expected_batch_size, planned.costs() <= 4
    (300, 256, True)
    """
    data, privacy = as_data(data), privacy or PrivacyConfig()
    training = with_pictures(training or TrainingConfig(), like(data))
    return plan_for(privacy, training, preset_for(privacy, training, data.card), data.card)


def as_data(data: DataSet | str | Path) -> DataSet:
    """A data set, or the one that is named."""
    return data if isinstance(data, DataSet) else load(data)


def like(data: DataSet) -> Callable[[str | Path], DataSet]:
    """What loads a data set whose samples are as large as another's."""
    return partial(load, size=side_of(data.card.shape))


def with_pictures(
    training: TrainingConfig, read: Callable[[str | Path], DataSet]
) -> TrainingConfig:
    """The same, with the data set to learn from first in the place of its name.

    Args:
        training: what is to be trained.
        read: loads a data set by its name or path.

    Raises:
        DataError: there is no such data set, and nothing that code draws has this name.
    """
    named, drawn = training.pretraining, ("auto", "none", *prior_names())
    if not isinstance(named, str | os.PathLike) or str(named) in drawn:
        return training
    try:
        return dataclasses.replace(training, pretraining=read(named))
    except DataError as error:
        raise DataError(
            f"no pretraining {str(named)!r}: choose {', '.join(drawn)}, or a public data set "
            f"({error})"
        ) from error


def public_data(training: TrainingConfig) -> DataSet | None:
    """The data set that networks learn from first; None when its pictures are drawn by code."""
    return training.pretraining if isinstance(training.pretraining, DataSet) else None


def preset_for(privacy: PrivacyConfig, training: TrainingConfig, card: DataCard) -> Preset:
    """The preset that the configurations and the data set's public card ask for."""
    public = public_data(training)
    prior = str(training.pretraining)
    if public is not None:
        prior = f"{public.card.name} ({public.card.digest})"
    return preset(
        training.family, card, privacy.epsilon, prior=prior, warm_start=training.warm_start
    )


def plan_for(
    privacy: PrivacyConfig,
    training: TrainingConfig,
    chosen: Preset,
    card: DataCard,
    *,
    rough: bool = False,
) -> PrivacyPlan:
    """The plan of a run: the preset's where nothing else is asked for.

    Args:
        privacy: what is to be promised.
        training: what is to be trained.
        chosen: the preset.
        card: the data set's.
        rough: to see in a fraction of the time what the plan would be like, not to run it.

    Raises:
        PlanError: no mechanism can honour it.
    """
    batch, steps = training.expected_batch_size, training.steps
    work = Workload(
        units=card.units,
        expected_batch_size=chosen.expected_batch_size if batch is None else batch,
        steps=chosen.steps if steps is None else steps,
        clipping_norm=chosen.clipping_norm,
        shares=chosen.shares,
        unit=card.unit,
        records_per_unit=_records_per_group(privacy, card),
    )
    return plan_within(
        work,
        epsilon=privacy.epsilon,
        delta=privacy.delta,
        noise_multiplier=privacy.noise_multiplier,
        rough=rough,
    )


def _records_per_group(privacy: PrivacyConfig, card: DataCard) -> int:
    """As many as asked for; never what the groups themselves tell, whose sizes are private."""
    asked = privacy.records_per_group
    if card.unit == "record":
        if asked is not None:
            raise PlanError(
                "records_per_group was given and no groups; say who belongs together with --groups"
            )
        return 1
    return RECORDS_PER_GROUP if asked is None else asked
