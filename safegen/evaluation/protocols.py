"""How classifiers are trained to measure utility; fixed before anything is measured.

`quick` is made for a laptop. 30,000 pictures of each kind, 4 epochs of 256, Adam with one cycle to
3e-3 (a fifth of it rising, then a cosine), the last epoch, three seeds. That is 468 steps, and sets
of fewer records get as many: a network that has not converged measures the number of its steps.

Where a data set has fewer than 30,000 records, as many synthetic pictures are drawn as there are
records, but at least 5,000: drawing more costs no privacy, and below that the luck of the draw
would hide what the generator can do.

`dpimagebench` follows Gong et al. 2025 (DPImageBench, CCS) as far as we know it: 60,000 synthetic
pictures, ResNet, WideResNet and ResNeXt, 50 epochs of 256, Adam at 0.01 that falls by 0.2 every 20
epochs, a moving average of weights (0.9999, shorter at first), inputs in [-1, 1], the epoch chosen
by the number of validation records named rightly plus Laplace noise of scale 1/epsilon, and the
mean over the three. Where it may differ: the depth and width of the WideResNet are assumed (40-4);
their generators never see the 5,000 validation records, while a package here may have been trained
on all; the noise in the choice covers one look, as theirs does, not fifty; and a GPU multiplies in
bfloat16 here, which takes less time.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import optim

from safegen.errors import InputError
from safegen.evaluation.classifiers import SmallCNN, resnet_110, resnext_29, wrn_40_4

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn
    from torch.optim.lr_scheduler import LRScheduler

    from safegen.schemas.card import PictureShape
    from safegen.schemas.evaluation import Augment, ProtocolName

# By name, a public property: no result is looked at.
AFFINE_DATA_SETS = frozenset({"mnist", "digits"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierProtocol:
    """A way to train classifiers.

    Attributes:
        name: of the protocol.
        networks: which are trained for each seed.
        pictures: to train on, where there are as many records.
        least_pictures: synthetic ones to train on, however few records there are.
        seeds: how often everything is repeated.
        epochs: through the pictures.
        least_steps: further epochs are made until so many steps are done.
        batch: pictures a step.
        rate: Adam's learning rate at its highest.
        schedule: of the learning rate.
        average_decay: of the moving average of weights that is tested; None tests the last.
        validation: records by which the epoch is chosen; 0 takes the last.
        centred: whether inputs are in [-1, 1] instead of [0, 1].
        half_on_gpu: whether a GPU multiplies in bfloat16 while it trains.
        slow_on_cpu: how long it takes on two cores, where nobody would wait for it; None otherwise.
    """

    name: ProtocolName
    networks: tuple[str, ...]
    pictures: int
    least_pictures: int = 5_000
    seeds: int
    epochs: int
    least_steps: int
    batch: int = 256
    rate: float
    schedule: Literal["one cycle", "steps"]
    average_decay: float | None = None
    validation: int = 0
    centred: bool = False
    half_on_gpu: bool = False
    slow_on_cpu: str | None = None

    def only(self, networks: Sequence[str] | None) -> ClassifierProtocol:
        """The protocol with some of its networks; with all of them when none are named.

        Raises:
            InputError: it has none of that name.
        """
        if isinstance(networks, str):
            networks = (networks,)
        for each in networks or ():
            if each not in self.networks:
                others = [other for other in PROTOCOLS.values() if each in other.networks]
                raise InputError(
                    f"the {self.name} protocol has no classifier {each!r}"
                    f"{f' ({others[0].name} has it)' if others else ''}; choose among "
                    f"{', '.join(self.networks)}, or name none to have all of them"
                )
        chosen = tuple(each for each in self.networks if not networks or each in networks)
        return dataclasses.replace(self, networks=chosen)

    def epochs_for(self, count: int) -> int:
        """How many epochs `count` pictures need."""
        return max(self.epochs, -(-self.least_steps // self.steps_each(count)))

    def steps_each(self, count: int) -> int:
        """Steps an epoch; what does not fill a batch waits for the next shuffling."""
        return max(1, count // self.batch)

    def optimizer(
        self, network: nn.Module, epochs: int, each: int
    ) -> tuple[optim.Adam, LRScheduler]:
        """Adam, and a schedule to be moved on after every step."""
        on_gpu = next(network.parameters()).is_cuda
        adam = optim.Adam(network.parameters(), lr=self.rate, fused=on_gpu or None)
        if self.schedule == "one cycle":
            return adam, optim.lr_scheduler.OneCycleLR(
                adam, self.rate, total_steps=epochs * each, pct_start=0.2
            )
        return adam, optim.lr_scheduler.StepLR(adam, step_size=20 * each, gamma=0.2)

    def in_words(self, *, on_gpu: bool) -> str:
        """How a classifier is trained."""
        cycle = f"Adam with one cycle to {self.rate:g}"
        falling = f"Adam at {self.rate:g}, falling by 0.2 every 20 epochs, averaged weights"
        return (
            f"{self.epochs} epochs in batches of {self.batch}, or {self.least_steps} steps where "
            "that is more, "
            f"{cycle if self.schedule == 'one cycle' else falling}"
            f"{', in bfloat16' if on_gpu and self.half_on_gpu else ''}"
        )


QUICK = ClassifierProtocol(
    name="quick", networks=("cnn",), pictures=30_000, seeds=3, epochs=4, least_steps=468,
    rate=3e-3, schedule="one cycle",
)  # fmt: skip
DPIMAGEBENCH = ClassifierProtocol(
    name="dpimagebench", networks=("resnet", "wrn", "resnext"), pictures=60_000, seeds=1,
    epochs=50, least_steps=468, rate=0.01, schedule="steps", average_decay=0.9999,
    validation=5_000, centred=True, half_on_gpu=True, slow_on_cpu="several weeks",
)  # fmt: skip
PROTOCOLS = {each.name: each for each in (QUICK, DPIMAGEBENCH)}


def build(network: str, shape: PictureShape, classes: int) -> nn.Module:
    """A fresh classifier by its name in a protocol."""
    if network == "cnn":
        return SmallCNN(shape.channels, shape.height, shape.width, classes)
    makers = {"resnet": resnet_110, "wrn": wrn_40_4, "resnext": resnext_29}
    return makers[network](shape.channels, classes)


def default_augment(data: str, protocol: ProtocolName) -> Augment:
    """Whether the classifiers' training pictures are moved about, by the data set's name.

    Digits mean the same when they lean or stand elsewhere. Of other data nobody knows without
    looking, so nothing is done to them; and DPImageBench does nothing to any.

    >>> default_augment("mnist", "quick"), default_augment("fashion-mnist", "quick")
    ('affine', 'none')
    """
    return "affine" if protocol == "quick" and data in AFFINE_DATA_SETS else "none"
