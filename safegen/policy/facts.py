"""The typed facts that rules may speak of; a rule that names another fact does not load.

Each field of a group becomes a CEL variable of the same dotted name: `request.purpose`,
`certificate.epsilon`. A field that is a mapping becomes one for each of its names:
`output.screens.contrast`. A field that is None is not known, and a rule about it refuses.

`known_at` has which groups there are at which stage; `safegen.policy.vocabulary` makes names and
types of them. A new fact is a field here, and a value where the facts of its stage are gathered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from safegen.schemas.decision import Stage

Fact = str | int | float | bool | tuple[str, ...]
Scores = Mapping[str, float]
Counts = Mapping[str, int]
NAMES_GROUP = "screen"  # the field that says which screen's facts a group has; no fact itself

# Names that facts had in 0.1; policies may go on to use them.
OLD_NAMES = {
    "model.certified": "certificate.recomputed",
    "model.data": "data.name",
    "model.delta": "certificate.delta",
    "model.epsilon": "certificate.epsilon",
    "model.unit": "certificate.unit",
    "output.completeness_gap": "explanation.faithfulness.completeness_gap",
    "output.contrast": "output.screens.contrast",
    "output.digital_source_type": "manifest.source_type",
    "output.explained": "explanation.made",
    "output.signed": "manifest.signed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """What was asked.

    Attributes:
        purpose: what the outputs are for, in the requester's words, without outer spaces.
        label: the class's number; at the request, -1 stands for all classes in turn; at the
            release, it is always the output's own.
        label_name: the class's name; empty where `label` is -1.
        count: how many outputs.
        actor: who asks, as the caller names them; empty where nobody is named.
    """

    GROUP: ClassVar = "request"
    purpose: str
    label: int
    label_name: str
    count: int
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaFacts:
    """What was counted before a request, by the database that its ledger lies in.

    Attributes:
        used: outputs in the present period for whom it counts, this request's not among them, by
            the quota's name.
    """

    GROUP: ClassVar = "quota"
    used: Counts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFacts:
    """What a training would spend, and for what, before its budget is asked.

    Attributes:
        epsilon: that the training may reach.
        delta: of the plan.
        unit: the privacy unit, `record` or `group`.
        units: how many of them.
        purpose: what the generator is for; empty where nobody said.
    """

    GROUP: ClassVar = "plan"
    epsilon: float
    delta: float
    unit: str
    units: int
    purpose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What the data set's card says.

    Attributes:
        name: of the data set.
        licence: in words, or as an SPDX identifier.
        source: where it came from.
        public: whether anybody may hold the records.
    """

    GROUP: ClassVar = "data"
    name: str
    licence: str
    source: str
    public: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """Which generator.

    Attributes:
        digest: of the package.
        name: of the package.
        family: how it was trained, `vae` or `gan`.
    """

    GROUP: ClassVar = "model"
    digest: str
    name: str = ""
    family: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What the generator's privacy certificate says.

    Attributes:
        recomputed: whether its epsilon was recomputed from its events and agrees.
        epsilon: recomputed.
        delta: beside it.
        unit: the privacy unit, `record` or `group`.
        units: how many of them.
        variant: of differential privacy.
        neighbours: how two data sets that must look alike differ.
        accountant: library, version and method behind epsilon.
        trust_model: who saw the records.
        noise_source: where the noise came from; `operating system`, or it is void.
        attacked: whether an attack on this very run was made.
        lower_bound: what it proved of epsilon; 0 where it proved nothing or was not made.
        confidence: of the lower bound; 0 where no attack was made.
    """

    GROUP: ClassVar = "certificate"
    recomputed: bool
    epsilon: float
    delta: float
    unit: str
    units: int | None = None
    variant: str | None = None
    neighbours: str | None = None
    accountant: str | None = None
    trust_model: str | None = None
    noise_source: str | None = None
    attacked: bool | None = None
    lower_bound: float | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFacts:
    """What is about to leave.

    Attributes:
        format: of the file, as `--format` names it.
        width: pixels.
        height: pixels.
        icon_scale: whether both sides have 64 pixels or fewer; no law gives a number.
        screens: the score of each screen that was asked, by the screen's name.
    """

    GROUP: ClassVar = "output"
    format: str | None = None
    width: int | None = None
    height: int | None = None
    icon_scale: bool | None = None
    screens: Scores | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationFacts:
    """What explains an output.

    Attributes:
        made: whether an explanation goes with it.
        detail: `full` where a signed picture of it does, too; else `summary`.
        explainer: the method's name.
        faithfulness: how far it can be believed, by the score's name; `completeness_gap` is how far
            the attributions miss what they explain, and 0 is exact.
    """

    GROUP: ClassVar = "explanation"
    made: bool
    detail: str | None = None
    explainer: str | None = None
    faithfulness: Scores | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkFacts:
    """What an output carries beside its manifest, and what can find it again.

    Attributes:
        watermark: whether its pixels carry a mark that is hardly seen, and was read in the file.
        psnr: the peak signal-to-noise ratio of the marked picture to the unmarked one, in dB;
            0 without a mark.
        read_back: whether the mark was read in the encoded file; without a mark, it was not.
        fingerprint: whether its manifest has a fingerprint by which a stripped copy is found.
        label: whether it shows that a machine made it.
        label_text: what it says; empty without one.
        label_share: the height of its capitals as a share of the picture's shorter side; 0 without
            one.
        label_contrast: of its letters against what lies beneath, as the file stores both, by WCAG
            2.2, from 1 to 21; 0 without one.
        aigc: whether it carries China's `TC260:AIGC` block.
    """

    GROUP: ClassVar = "marks"
    watermark: bool = False
    psnr: float | None = 0.0
    read_back: bool | None = False
    fingerprint: bool = False
    label: bool = False
    label_text: str = ""
    label_share: float = 0.0
    label_contrast: float | None = 0.0
    aigc: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFacts:
    """What an output's manifest will say.

    Attributes:
        signed: whether a signer stands ready; the file is read back after signing, and withheld
            when its signature does not hold.
        source_type: IPTC's term for how it was made.
        time_stamped: whether nothing leaves without the time-stamp of an authority that was named.
        created: whether it says that the content was created, rather than altered.
    """

    GROUP: ClassVar = "manifest"
    signed: bool
    source_type: str
    time_stamped: bool | None = None
    created: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenFacts:
    """What is known of a screen before it measures anything, by its name.

    Attributes:
        threshold: of its score, as the policy declares it.
        measured: whether the error rates of this very screen at this threshold were measured, and
            signed by somebody who is trusted.
        measured_on: when, as `2026-11-28`.
        forbidden: on how many pictures that it should deny.
        allowed: on how many pictures that it should let pass.
        miss_rate: share of the former that it let pass.
        miss_rate_upper: the upper end of that share's exact interval.
        false_alarm_rate: share of the latter that it denied.
        false_alarm_rate_upper: likewise.
    """

    GROUP: ClassVar = "screens.<name>"
    screen: str
    threshold: float | None = None
    measured: bool = False
    measured_on: str | None = None
    forbidden: int | None = None
    allowed: int | None = None
    miss_rate: float | None = None
    miss_rate_upper: float | None = None
    false_alarm_rate: float | None = None
    false_alarm_rate_upper: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFacts:
    """Where and for whom the system runs, as its `deployment.yaml` says (`policy.deployment`).

    Attributes:
        provider: who answers for the system.
        system: its name.
        system_version: its version.
        placed_on_market: since when it is offered, as `2026-08-02`.
        exposure: who meets its outputs: `public`, `business` or `internal`.
        jurisdictions: where they are met: `EU`, `DE`, `US-CA`, ..., or `world`.
        audience: whom it is for: `everyone`, `adults`, `children` or `professionals`.
        sector: what it is used in: `general`, `health`, `education`, `research`, `fashion` or
            `finance`.
        monthly_users: how many people use it in a month.
        is_deepfake: whether outputs resemble existing people, places or events and seem authentic.
        is_artistic: whether they are evidently artistic, creative, satirical or fictional work.
        shows_people: whether outputs can show people who could be recognised.
        consumer: whether anybody may use it, rather than firms alone.
        detector: the address where anybody may check an output, `none` where there is none.
    """

    GROUP: ClassVar = "deployment"
    provider: str | None = None
    system: str | None = None
    system_version: str | None = None
    placed_on_market: str | None = None
    exposure: str | None = None
    jurisdictions: tuple[str, ...] | None = None
    audience: str | None = None
    sector: str | None = None
    monthly_users: int | None = None
    is_deepfake: bool | None = None
    is_artistic: bool | None = None
    shows_people: bool | None = None
    consumer: bool | None = None
    detector: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeFacts:
    """When it is decided, in UTC.

    Attributes:
        date: as `2026-11-28`.
        hour: from 0 to 23.
    """

    GROUP: ClassVar = "time"
    date: str
    hour: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What verifying a finished file found; of any file, ours or anybody's.

    Attributes:
        state: the verdict's: trusted, valid, invalid, unsigned, unsupported or unreadable.
        signer: the name in the signing certificate, as it is shown; it proves nothing by itself,
            and is empty where no manifest could be read.
        trusted: whether a list that was given vouches for the signer, and no step failed.
        time_stamped: whether an authority on a list of time-stamps saw the signature.
        ingredients: how many things it was made from, however deep.
        declared_broken: how many of them did not hold when they were used, as whoever used them
            says in what they signed.
        unsigned_ingredients: how many of them have no manifest.
    """

    GROUP: ClassVar = "file"
    state: str
    signer: str
    trusted: bool
    time_stamped: bool
    ingredients: int
    declared_broken: int
    unsigned_ingredients: int


Group = (
    RequestFacts
    | QuotaFacts
    | PlanFacts
    | DataFacts
    | ModelFacts
    | CertificateFacts
    | OutputFacts
    | ExplanationFacts
    | MarkFacts
    | ManifestFacts
    | ScreenFacts
    | DeploymentFacts
    | TimeFacts
    | FileFacts
)
_ALWAYS: tuple[type[Group], ...] = (DeploymentFacts, TimeFacts)
_ASKED: tuple[type[Group], ...] = (
    *(RequestFacts, ModelFacts, CertificateFacts, DataFacts),
    ScreenFacts,
)
KNOWN_AT: Mapping[Stage, tuple[type[Group], ...]] = {
    "train": (PlanFacts, DataFacts, *_ALWAYS),
    "request": (*_ASKED, QuotaFacts, *_ALWAYS),
    "release": (*_ASKED, OutputFacts, ExplanationFacts, MarkFacts, ManifestFacts, *_ALWAYS),
    "publish": (FileFacts, *_ALWAYS),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known at one stage.

    Attributes:
        stage: when it is asked.
        known: by dotted name; what is not there is not known.
        failures: why screens that were asked gave no score, by name; any failure refuses.
        attested: what somebody vouched for, by the rule that asks for it (`policy/rule`).
        deployment: the digest of the deployment's file; None without one.
    """

    stage: Stage
    known: Mapping[str, Fact]
    failures: Mapping[str, str] = field(default_factory=dict)
    attested: Mapping[str, str] = field(default_factory=dict)
    deployment: str | None = None


def facts_at(stage: Stage, *groups: Group, failures: Mapping[str, str] | None = None) -> Facts:
    """Gather the facts of a stage; what is no number is not known, so that a rule about it refuses.

    >>> asked = RequestFacts(purpose="demo", label=7, label_name="7", count=1)
    >>> bound = CertificateFacts(recomputed=True, epsilon=math.nan, delta=1e-5, unit="record")
    >>> known = facts_at("request", asked, bound).known
    >>> known["request.label"], known["model.delta"], "certificate.epsilon" in known
    (7, 1e-05, False)
    """
    known: dict[str, Fact] = {}
    for group in groups:
        of = f"screens.{group.screen}" if isinstance(group, ScreenFacts) else group.GROUP
        for each in fields(group):
            value, name = getattr(group, each.name), f"{of}.{each.name}"
            if each.name == NAMES_GROUP:
                continue
            if isinstance(value, Mapping):
                known |= {f"{name}.{part}": score for part, score in value.items()}
            elif value is not None:
                known[name] = value
    known = {name: value for name, value in known.items() if not _is_no_number(value)}
    known |= {old: known[new] for old, new in OLD_NAMES.items() if new in known}
    return Facts(stage=stage, known=known, failures=failures or {})


def _is_no_number(value: Fact) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
