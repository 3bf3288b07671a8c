"""What a policy says of a screen of its own: a file, its digest and how it is used.

screens:
  weapons:
    file: weapons.onnx                # beside the policy
    digest: sha256:9f3c...
    classifier:
      input: {size: [224, 224], colours: RGB, mean: [0.5], deviation: [0.25]}
      labels: [harmless, weapon]
      forbidden: [weapon]
      temperature: 1.4
    threshold: 0.5
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, StringConstraints, model_validator

from safegen.schemas.canonical import Record

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]
ScreenName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Colours = Literal["RGB", "BGR", "grey"]
Denies = Literal["above", "below"]
Side = Annotated[int, Field(ge=1, le=4096)]  # pixels
_LEFT_OUT: Any = Field(exclude_if=lambda given: given is None)
Seconds = Annotated[float, Field(gt=0, le=3600)]


class PictureInput(Record):
    """How pictures are handed to a network.

    Attributes:
        size: height and width in pixels, to which pictures are resized.
        colours: of its channels.
        layout: whether channels stand before height and width (NCHW) or after them (NHWC).
        resize: the filter; both are antialiased, as Pillow's.
        white: what the brightest value is before it is normalised, 1 or 255.
        mean: taken from each channel; one number, or one a channel.
        deviation: what each channel is then divided by; one number, or one a channel.
    """

    size: tuple[Side, Side]
    colours: Colours = "RGB"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    resize: Literal["bilinear", "bicubic"] = "bilinear"
    white: PositiveFloat = 1.0
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[PositiveFloat, ...] = (1.0,)

    @property
    def channels(self) -> int:
        """1 where it is grey, otherwise 3."""
        return 1 if self.colours == "grey" else 3

    @model_validator(mode="after")
    def _fits_channels(self) -> Self:
        for name in ("mean", "deviation"):
            given = len(getattr(self, name))
            if given not in {1, self.channels}:
                raise ValueError(
                    f"{name} has {given} numbers; give one, or {self.channels} for {self.colours}"
                )
        return self


class PlattScaling(Record):
    """p' = 1 / (1 + exp(-(slope logit(p) + intercept))), fitted on held-out pictures (Platt 1999).

    Attributes:
        slope: of the log odds; larger than 0, so that the order stays.
        intercept: added to them.
    """

    slope: PositiveFloat
    intercept: float = 0.0


class ClassifierSettings(Record):
    """What a network that names classes is given, and what its answer means.

    Attributes:
        input: how pictures are handed to it.
        labels: of its outputs, in their order.
        forbidden: labels whose probability is the score: their sum with softmax, the largest of
            them otherwise.
        outputs: `softmax` where it gives logits of classes that exclude each other, `sigmoid` where
            it gives logits of classes that do not, `probabilities` where it applies either itself.
        temperature: by which logits are divided first (Guo et al. 2017).
        platt: how the score is calibrated in the end; left out, it is not.
        output: the name of the network's output, where it has several.
    """

    input: PictureInput
    labels: Annotated[tuple[Text, ...], Field(min_length=1)]
    forbidden: Annotated[tuple[Text, ...], Field(min_length=1)]
    outputs: Literal["softmax", "sigmoid", "probabilities"] = "softmax"
    temperature: PositiveFloat = 1.0
    platt: PlattScaling | None = None
    output: Text | None = None

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        twice = sorted({each for each in self.labels if self.labels.count(each) > 1})
        if twice:
            raise ValueError(f"labels has {', '.join(twice)} twice")
        unknown = [each for each in self.forbidden if each not in self.labels]
        if unknown:
            raise ValueError(f"forbidden has {', '.join(unknown)}, which is none of its labels")
        if self.outputs == "softmax" and len(self.labels) == 1:
            raise ValueError("softmax over one label is always 1; name all labels, or use sigmoid")
        if self.outputs == "probabilities" and self.temperature != 1:
            raise ValueError("temperature divides logits, and it gives probabilities")
        return self


class LikenessSettings(Record):
    """Whose likeness is protected, and how a network compares pictures with theirs.

    Attributes:
        registry: the file of embeddings or codes, beside the policy.
        digest: of that file.
        input: how pictures are handed to the network; left out where codes are compared.
        output: the name of the network's output, where it has several.
    """

    registry: Text
    digest: Digest
    input: PictureInput | None = None
    output: Text | None = None


class ScreenDocument(Record):
    """A screen that a policy brings along, or what it says of one that is registered.

    Attributes:
        file: its network as ONNX, beside the policy.
        digest: of that file; without a file, that of the screen that is registered by this name.
        classifier: how the network names classes.
        likeness: which registry the network's embeddings, or codes without one, are compared with.
        threshold: of its score, for rules to compare with, and at which error rates are measured.
        denies: whether scores above the threshold are those that a policy denies, or those below.
        seconds: within which it must answer for a batch.
        measured: the record of its error rates, as `safegen screens measure` wrote it.
    """

    file: Text | None = None
    digest: Digest | None = None
    classifier: ClassifierSettings | None = None
    likeness: LikenessSettings | None = None
    threshold: float | None = None
    denies: Denies = "above"
    seconds: Seconds | None = None
    measured: Text | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.classifier is not None and (self.file is None or self.digest is None):
            raise ValueError("a classifier has a file and its digest")
        if self.classifier is not None and self.likeness is not None:
            raise ValueError("a screen is a classifier or a likeness; declare two screens")
        if self.likeness is not None:
            given = (self.file is None, self.digest is None, self.likeness.input is None)
            if len(set(given)) > 1:
                raise ValueError("a network for a likeness has a file, its digest and an input")
        elif self.classifier is None and self.file is not None:
            raise ValueError("nothing says what the file is; describe a classifier or a likeness")
        return self


class ScreenContent(Record):
    """What a screen is: its digest stands in every decision, and changes with any part of it.

    Attributes:
        kind: of screen.
        file_digest: of its network, or of its registry.
        classifier: how the network names classes.
        input: how an embedder is given pictures.
        output: the name of its output.
        embedder_digest: of the embedder beside a registry.
    """

    kind: Literal["classifier", "torch", "embedder", "likeness"]
    file_digest: str
    classifier: Annotated[ClassifierSettings | None, _LEFT_OUT] = None
    input: Annotated[PictureInput | None, _LEFT_OUT] = None
    output: Annotated[str | None, _LEFT_OUT] = None
    embedder_digest: Annotated[str | None, _LEFT_OUT] = None
