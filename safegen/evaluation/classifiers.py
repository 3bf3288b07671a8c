"""Classifiers for small pictures: (n, 1 or 3, height, width) to (n, classes) logits.

`cnn` is the quick protocol's. The other three are those of the CIFAR papers, as DPImageBench trains
them: ResNet-110 (He et al. 2016), WRN-40-4 (Zagoruyko and Komodakis 2016), and ResNeXt-29, 8x64d
(Xie et al. 2017). torchvision's own models begin by shrinking a picture eightfold and do not fit;
its blocks do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    Block = Callable[[int, int, int], nn.Module]  # channels in, channels out, stride

MAX_FEATURE_MAP_SIDE = 15  # a side of the last feature map; larger pictures get further stages
POOLED_SIDE = 2  # cells a side to which features are pooled


class SmallCNN(nn.Module):
    """Convolutions of 32 and 64, each with ReLU and 2x2 pooling; dropout; linear.

    Pictures of 64 pixels and more get further stages of 64, until no side exceeds 15 cells.
    """

    def __init__(self, channels: int, height: int, width: int, classes: int) -> None:
        super().__init__()
        stages = [*_stage(channels, 32), *_stage(32, 64)]
        height, width = height // 4, width // 4
        while max(height, width) > MAX_FEATURE_MAP_SIDE:
            stages += _stage(64, 64)
            height, width = height // 2, width // 2
        self.trunk = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.5), nn.Linear(64 * height * width, classes)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (n, classes), float32, of pictures in [0, 1]."""
        logits: Tensor = self.head(self.trunk(pictures))
        return logits

    def features(self, pictures: Tensor) -> Tensor:
        """Features (n, 256), float32: the last feature map, pooled to 2x2 cells."""
        return functional.adaptive_avg_pool2d(self.trunk(pictures), POOLED_SIDE).flatten(1)


def _stage(channels: int, width: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]


def resnet_110(channels: int, classes: int) -> nn.Module:
    """18 basic blocks in each of three stages of 16, 32 and 64 channels."""
    from torchvision.models.resnet import BasicBlock

    def block(before: int, after: int, stride: int) -> nn.Module:
        made: nn.Module = BasicBlock(before, after, stride, _shortcut(before, after, stride))
        return made

    return _staged(channels, classes, 16, (16, 32, 64), 18, block)


def resnext_29(channels: int, classes: int) -> nn.Module:
    """3 bottlenecks of 8 groups in each of three stages of 256, 512 and 1,024 channels."""
    from torchvision.models.resnet import Bottleneck

    def block(before: int, after: int, stride: int) -> nn.Module:
        shortcut = _shortcut(before, after, stride)
        made: nn.Module = Bottleneck(
            before, after // Bottleneck.expansion, stride, shortcut, groups=8, base_width=64
        )
        return made

    return _staged(channels, classes, 64, (256, 512, 1024), 3, block)


def wrn_40_4(channels: int, classes: int) -> nn.Module:
    """6 wide blocks in each of three stages of 64, 128 and 256 channels, dropout 0.3."""
    last = nn.Sequential(nn.BatchNorm2d(256), nn.ReLU())
    return _staged(channels, classes, 16, (64, 128, 256), 6, _WideBlock, last)


class _WideBlock(nn.Module):
    """Normalise and activate before each convolution, with dropout between the two."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.activate = nn.Sequential(nn.BatchNorm2d(before), nn.ReLU())
        self.residual = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
        )
        same = before == after and stride == 1
        self.shortcut = None if same else nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, pictures: Tensor) -> Tensor:
        activated = self.activate(pictures)
        kept = pictures if self.shortcut is None else self.shortcut(activated)
        summed: Tensor = kept + self.residual(activated)
        return summed


def _shortcut(before: int, after: int, stride: int) -> nn.Module | None:
    if before == after and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))


def _staged(
    channels: int,
    classes: int,
    stem: int,
    widths: tuple[int, int, int],
    depth: int,
    block: Block,
    last: nn.Module | None = None,
) -> nn.Module:
    """Three stages at full, half and quarter size, as the CIFAR papers have them."""
    layers = [nn.Conv2d(channels, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem), nn.ReLU()]
    before = stem
    for stage, width in enumerate(widths):
        for place in range(depth):
            layers.append(block(before, width, 2 if stage and not place else 1))
            before = width
    layers += [last or nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    network = nn.Sequential(*layers, nn.Linear(before, classes))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network
