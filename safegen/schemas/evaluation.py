"""How good a generator is, and how near it stays to its records: `evaluation.json`.

{
  "format": "safegen.evaluation/1", "model": "digits-vae", "model_digest": "sha256:...",
  "epsilon": 7.99, "delta": 7.4e-05, "unit": "record",
  "data": "digits", "data_digest": "sha256:...", "public": true, "same_records": true,
  "held_out": {"what": "the test split", "count": 10000, "seen": false},
  "method": {"protocol": "quick", "networks": ["cnn"], "seeds": [0, 1, 2], ...},
  "utility": {"synthetic": {"accuracy": {"mean": 0.97, "deviation": 0.001, "runs": [...]}, ...},
              "real": {...}, "share_of_ceiling": 0.99, "by_class": [...], ...},
  "fidelity": {"frechet": {"value": 21.0, "floor": 0.4}, ...},
  "neighbours": {"nearer": {"value": 0.5, ...}, "control": {...}, "p_value": 0.4, ...},
  "outside_guarantee": false, "publishing": "...", "notes": ["..."]
}
"""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from safegen.schemas import choices
from safegen.schemas.audit import Rate, Share
from safegen.schemas.canonical import Record
from safegen.schemas.card import Unit

ProtocolName = choices.ProtocolName
Augment = choices.Augment


class Spread(Record):
    """A share that several classifiers reached.

    Attributes:
        mean: over the runs.
        deviation: of one run, estimated from all (n - 1); 0 with a single run.
        runs: each of them, seeds in order, the networks in order within a seed.
    """

    mean: Share
    deviation: NonNegativeFloat
    runs: tuple[Share, ...]


class Bin(Record):
    """Predictions of like confidence, of all runs.

    Attributes:
        confidence: their mean probability of the class that they name.
        accuracy: how many of them are right.
        share: of all predictions.
    """

    confidence: Share
    accuracy: Share
    share: Share


class Side(Record):
    """What classifiers that were trained on one kind of pictures reach on the test records.

    Attributes:
        accuracy: share of test records named rightly.
        balanced: mean of the classes' recalls.
        calibration: expected calibration error of the class named.
        reliability: confidence beside accuracy; bins without predictions are left out.
    """

    accuracy: Spread
    balanced: Spread
    calibration: Spread
    reliability: tuple[Bin, ...]


class ClassFigures(Record):
    """One class, averaged over runs.

    Attributes:
        name: of the class.
        tested: test records of it.
        recall_synthetic: share of them named rightly after training on synthetic pictures; null
            where there is none.
        recall_real: likewise after training on records.
        calibration_synthetic: expected calibration error of this class's probability.
        calibration_real: likewise after training on records.
    """

    name: str
    tested: NonNegativeInt
    recall_synthetic: Share | None
    recall_real: Share | None
    calibration_synthetic: Share
    calibration_real: Share


class Utility(Record):
    """Train on synthetic, test on real, beside train on real, test on real.

    Attributes:
        pictures: synthetic ones that a classifier was trained on.
        records: real ones that its counterpart was.
        tested: test records.
        synthetic: what training on synthetic pictures reaches.
        real: what training on records reaches: the ceiling.
        share_of_ceiling: accuracy of the first over that of the second.
        by_class: in the order of the labels.
        confusion: share of each true class (row) that is named as each class (column), after
            training on synthetic pictures.
    """

    pictures: PositiveInt
    records: PositiveInt
    tested: PositiveInt
    synthetic: Side
    real: Side
    share_of_ceiling: NonNegativeFloat
    by_class: tuple[ClassFigures, ...]
    confusion: tuple[tuple[Share, ...], ...]

    @property
    def by_guessing(self) -> float:
        """Accuracy of naming the commonest class always."""
        return max(each.tested for each in self.by_class) / self.tested


class Beside(Record):
    """A figure of the synthetic pictures beside that of training records, computed alike."""

    value: float
    floor: float


class Fidelity(Record):
    """How far synthetic pictures are from test records in a feature space.

    Attributes:
        features: what the space is, in words.
        count: pictures of each kind: synthetic, test and training ones.
        neighbour: which nearest neighbour bounds a record's surroundings.
        frechet: distance of Gaussians that are fitted to both; not negative, 0 is best.
        precision: share of synthetic pictures among the test records' surroundings.
        recall: share of test records among the synthetic pictures' surroundings.
    """

    features: str
    count: PositiveInt
    neighbour: PositiveInt
    frechet: Beside
    precision: Beside
    recall: Beside


class Neighbours(Record):
    """Whether synthetic pictures are nearer to training records than to as many held-out ones.

    Attributes:
        samples: synthetic pictures asked about.
        records: training records, and as many held-out ones.
        nearer: share of samples whose nearest record is a training one; one half is chance.
        control: the same share of training records that are in neither; null where too few are
            left. It is above one half where training and held-out records differ.
        p_value: of so large an excess over the control, or over one half, without copying.
        confidence: of the intervals.
        to_training: median distance to the nearest training record, in grey levels a pixel.
        to_held_out: likewise to the nearest held-out one.
        copies: whether the excess is more than chance explains.
    """

    samples: PositiveInt
    records: PositiveInt
    nearer: Rate
    control: Rate | None
    p_value: Share
    confidence: Share
    to_training: NonNegativeFloat
    to_held_out: NonNegativeFloat
    copies: bool


class HeldOut(Record):
    """What was tested on.

    Attributes:
        what: the records, in words.
        count: how many.
        seen: whether the generator was trained on them; then every figure flatters it. Null where
            nobody can tell.
    """

    what: str
    count: PositiveInt
    seen: bool | None


class Method(Record):
    """How it was measured.

    Attributes:
        protocol: its name.
        networks: the classifiers.
        training: how each was trained, in words.
        chosen: which epoch was taken, in words.
        augment: what was done to the classifiers' training pictures.
        augment_because: who decided that, in words.
        labels: of which classes synthetic pictures were drawn, in words.
        seeds: of each repetition: of the draw, of first weights and of the order.
        device: where it ran.
    """

    protocol: ProtocolName
    networks: tuple[str, ...]
    training: str
    chosen: str
    augment: Augment
    augment_because: str
    labels: str
    seeds: tuple[NonNegativeInt, ...]
    device: str


class EvaluationReport(Record):
    """An evaluation.

    Attributes:
        model: the package's name.
        model_digest: the package's digest.
        epsilon: what the package claims.
        delta: of it.
        unit: what is protected: a record, or a group.
        data: name of the records.
        data_digest: as the package's certificate states it.
        public: whether anybody may hold the records.
        same_records: whether the records are those that the package was trained on.
        held_out: what was tested on.
        method: how.
        utility: null where there is a single class.
        fidelity: distances in a feature space.
        neighbours: null where no records were held out, or the package was trained on others.
        outside_guarantee: whether these figures tell of private records without noise.
        publishing: what that means, in a sentence.
        notes: what a reader should know of this run.
    """

    format: Literal["safegen.evaluation/1"] = "safegen.evaluation/1"
    model: str
    model_digest: str
    epsilon: NonNegativeFloat
    delta: Share
    unit: Unit
    data: str
    data_digest: str
    public: bool
    same_records: bool
    held_out: HeldOut
    method: Method
    utility: Utility | None
    fidelity: Fidelity
    neighbours: Neighbours | None
    outside_guarantee: bool
    publishing: str
    notes: tuple[str, ...]
