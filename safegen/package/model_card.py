r"""The model card: a package's `README.md`, in the form that model hubs show.

It says in words what the signed files beside it say in numbers. It is not signed itself, because it
changes whenever the model is evaluated. Every name in it comes from data, and is escaped:

>>> marked("a*b\n<script> | [x](http://y)")
'a\\*b\ufffd\\<script\\> \\| \\[x\\](http\\://y)'
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from safegen.modality.registry import modality_of
from safegen.schemas.canonical import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegen.schemas.certificate import Event, PrivacyCertificate
    from safegen.schemas.config import PackageConfig, PackageDigests

ON_HUBS = {"unconditional-image-generation"}  # tasks that hubs know; any other is a tag
ON_THE_HUB = {"mnist": "ylecun/mnist", "fashion-mnist": "zalando-datasets/fashion_mnist"}
MAX_NAMED_CLASSES = 50  # that are named; more are counted
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&$@])")
_ADDRESS = re.compile(r"((?<=www)\.|:(?=//)|(?<=mailto):|(?<=xmpp):)", re.IGNORECASE)  # else links


class Metric(NamedTuple):
    """One measured number.

    Attributes:
        name: of what was measured, such as "accuracy, trained on synthetic records".
        dataset: on which data set.
        split: on which part of it.
        value: finite.
    """

    name: str
    dataset: str
    split: str
    value: float


class Ours(str):
    """Text that is ours: it may use Markdown."""

    __slots__ = ()


def model_card(
    config: PackageConfig,
    certificate: PrivacyCertificate,
    digests: PackageDigests,
    figures: Sequence[Metric] = (),
) -> str:
    """The card of a package, as Markdown with YAML in front.

    Args:
        config: what the package says of itself.
        certificate: its privacy claim.
        digests: of its files; their digest names the model.
        figures: what was measured; none before the first evaluation.
    """
    front = yaml.safe_dump(
        _metadata(config, figures), sort_keys=False, allow_unicode=True, width=10**9
    )
    page = _templates().get_template("model_card.md.j2")
    body = page.render(
        config=config,
        certificate=certificate,
        data=config.data,
        made=config.architecture,
        kind=modality_of(config.data.shape),
        model=Ours(digest(digests)),
        digests=digests,
        figures=figures,
        events=[Ours(_in_words(event, certificate.unit)) for event in certificate.events],
        classes=config.data.classes[:MAX_NAMED_CLASSES],
        more=len(config.data.classes) - MAX_NAMED_CLASSES,
        settings=_settings(config),
    )
    return f"---\n{front}---\n\n{body}"


def marked(text: str) -> str:
    """Somebody else's text, as nothing but text in Markdown."""
    return _ADDRESS.sub(r"\\\1", _SPECIAL.sub(r"\\\1", _plain(text)))


def _plain(text: str) -> str:
    """Text on one line, without marks that turn writing around."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _shown(value: object) -> str:
    """What the template prints: numbers and our own text as they are, anything else escaped."""
    if isinstance(value, Ours | int | float):
        return str(value)
    return marked(str(value))


def _templates() -> Environment:
    made = Environment(  # noqa: S701 - Markdown has escapes of its own, which `finalize` makes
        loader=PackageLoader("safegen.package", "."),
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals["ours"], made.filters["marked"] = Ours, marked
    return made


def _settings(config: PackageConfig) -> dict[str, object]:
    """How it was trained, setting by setting; whatever a recipe holds."""
    told = config.recipe.model_dump()
    return {name.replace("_", " "): value for name, value in told.items() if value is not None}


def _metadata(config: PackageConfig, figures: Sequence[Metric]) -> dict[str, object]:
    """The front matter (huggingface.co/docs/hub/model-cards).

    Its owner alone can license a model. A data set is named only where it surely is the hub's.
    """
    data, made, task = config.data, config.architecture, _task(config)
    tags = ["differential-privacy", "synthetic-data", "content-credentials", made.family]
    told: dict[str, object] = {
        "license": "other",
        "license_name": "not-stated",
        "library_name": "safegen",
    }
    if task in ON_HUBS:
        told |= {"pipeline_tag": task, "tags": tags}
    else:
        told["tags"] = [task, *tags]
    if data.public and data.name in ON_THE_HUB:
        told["datasets"] = [ON_THE_HUB[data.name]]
    if figures:
        results = _results(figures, task)
        told["model-index"] = [{"name": _plain(config.name), "results": results}]
    return told


def _task(config: PackageConfig) -> str:
    """Of one class there is nothing to choose; of several, a label says which."""
    how = "unconditional" if config.architecture.classes == 1 else "conditional"
    return f"{how}-{config.architecture.shape.kind}-generation"


def _results(figures: Sequence[Metric], task: str) -> list[dict[str, object]]:
    """Figures in the form of a model index, those of one split together."""
    splits = dict.fromkeys((figure.dataset, figure.split) for figure in figures)
    return [
        {
            "task": {"type": task, "name": "synthetic records"},
            "dataset": {"type": _slug(dataset), "name": _plain(dataset), "split": _plain(split)},
            "metrics": [
                {"type": _slug(each.name), "name": _plain(each.name), "value": float(each.value)}
                for each in figures
                if (each.dataset, each.split) == (dataset, split)
            ],
        }
        for dataset, split in splits
    ]


def _slug(name: str) -> str:
    """A name as an identifier.

    >>> _slug("accuracy, trained on synthetic")
    'accuracy-trained-on-synthetic'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"


def _in_words(event: Event, unit: str) -> str:
    if event.event == "gaussian":
        times = "once" if event.count == 1 else f"{event.count:,} times"
        return (
            f"a release of every {unit}, {times}, with Gaussian noise of "
            f"{event.noise_multiplier:.4g} times its sensitivity"
        )
    return (
        f"{event.count:,} gradient steps, each on {event.sampling_probability:.3%} of the {unit}s, "
        f"drawn independently, with Gaussian noise of {event.noise_multiplier:.4g} times the "
        "clipping norm"
    )
