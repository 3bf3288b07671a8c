"""What a policy is told of a request, of what is foreseen of its outputs, and of each output."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from safegen.policy.deployment import moment
from safegen.policy.facts import (
    CertificateFacts,
    DataFacts,
    ExplanationFacts,
    ManifestFacts,
    MarkFacts,
    ModelFacts,
    OutputFacts,
    RequestFacts,
    ScreenFacts,
    facts_at,
)
from safegen.schemas.card import PictureShape

if TYPE_CHECKING:
    from safegen.modality.base import Modality
    from safegen.package.files import Package
    from safegen.policy.deployment import Deployment
    from safegen.policy.facts import DeploymentFacts, Facts, QuotaFacts, TimeFacts
    from safegen.schemas.certificate import PrivacyCertificate
    from safegen.schemas.explanation import Detail, Explanation
    from safegen.schemas.label import VisibleLabel
    from safegen.schemas.receipt import GenerationRequest
    from safegen.schemas.watermark import WatermarkRecord
    from safegen.screens.measure import Screened

ICON_PIXELS = 64  # both sides; the guidelines on article 50 speak of icons without a number


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is the same for all outputs of a request.

    Attributes:
        request: what was asked.
        model: which generator.
        certificate: what its certificate says.
        data: what its data set's card says.
        deployment: where and for whom it runs.
        time_stamped: whether nothing leaves without a time-stamp.
        now: when it was asked, in UTC.
        screens: what is known of each before it measures.
        label: what every output will show, as planned; None for none.
        marks: whether outputs are to carry marks.
    """

    request: RequestFacts
    model: ModelFacts
    certificate: CertificateFacts
    data: DataFacts
    deployment: Deployment
    time_stamped: bool
    now: datetime
    screens: tuple[ScreenFacts, ...] = ()
    label: VisibleLabel | None = None
    marks: bool = False

    def at_request(self, quotas: QuotaFacts) -> Facts:
        """All that is known before anything is sampled."""
        groups = (self.request, quotas, self.model, self.certificate, self.data)
        return self._dated(facts_at("request", *groups, *self._always()))

    def foreseen(self, request: GenerationRequest, modality: Modality, detail: Detail) -> Facts:
        """All that is known of an output before it is sampled."""
        groups = (self._own(request), self.model, self.certificate, self.data)
        output = OutputFacts(format=modality.format)
        explained = ExplanationFacts(made=True, detail=detail)
        hoped = MarkFacts(watermark=True, psnr=None, read_back=None) if self.marks else MarkFacts()
        marks = label_facts(self.label, modality, hoped, foreseen=True)
        told = (*groups, output, explained, marks, self._manifest(modality), *self._always())
        return self._dated(facts_at("release", *told))

    def at_release(
        self,
        request: GenerationRequest,
        modality: Modality,
        explanation: Explanation,
        screened: Screened,
        label: VisibleLabel | None = None,
        watermark: WatermarkRecord | None = None,
    ) -> Facts:
        """All that is known before an output is signed.

        Args:
            request: of this output.
            modality: how it was encoded.
            explanation: of it.
            screened: what screens said of it.
            label: as it was drawn; None where none was.
            watermark: the mark that was read in its file.
        """
        groups = (self._own(request), self.model, self.certificate, self.data)
        output = dataclasses.replace(size_facts(modality), screens=screened.scores)
        explained = ExplanationFacts(
            made=True,
            detail=explanation.detail,
            explainer=explanation.explainer,
            faithfulness=explanation.faithfulness,
        )
        mark = (
            MarkFacts()
            if watermark is None
            else MarkFacts(watermark=True, psnr=watermark.psnr, read_back=True)
        )
        marks = (label_facts(label, modality, mark), self._manifest(modality))
        told = (*groups, output, explained, *marks, *self._always())
        return self._dated(facts_at("release", *told, failures=screened.failures))

    def _own(self, request: GenerationRequest) -> RequestFacts:
        """What was asked, with one output's own class."""
        return dataclasses.replace(self.request, label=request.label, label_name=request.label_name)

    def _manifest(self, modality: Modality) -> ManifestFacts:
        return ManifestFacts(
            signed=True,  # there is a signer, and what it failed to sign is withheld
            source_type=modality.digital_source_type,
            time_stamped=self.time_stamped,
            created=True,
        )

    def _always(self) -> tuple[DeploymentFacts | TimeFacts | ScreenFacts, ...]:
        return (self.deployment.facts, moment(self.now), *self.screens)

    def _dated(self, facts: Facts) -> Facts:
        return self.deployment.added_to(facts, self.now)


def label_facts(
    label: VisibleLabel | None, modality: Modality, mark: MarkFacts, *, foreseen: bool = False
) -> MarkFacts:
    """What marks an output; the contrast of its label is known when it was drawn."""
    marks = dataclasses.replace(mark, fingerprint=modality.fingerprint_algorithm is not None)
    if label is None:
        return marks
    return dataclasses.replace(
        marks,
        label=True,
        label_text=label.text,
        label_share=label.share,
        label_contrast=None if foreseen else label.contrast,
    )


def size_facts(modality: Modality) -> OutputFacts:
    """The format of an output's file, and what only a picture has: its size."""
    shape = modality.shape
    if not isinstance(shape, PictureShape):
        return OutputFacts(format=modality.format)
    return OutputFacts(
        format=modality.format,
        width=shape.width,
        height=shape.height,
        icon_scale=max(shape.width, shape.height) <= ICON_PIXELS,
    )


def known_of(
    opened: Package,
    request: RequestFacts,
    *,
    certified: bool,
    deployment: Deployment,
    time_stamped: bool,
    screens: tuple[ScreenFacts, ...] = (),
    label: VisibleLabel | None = None,
    marks: bool = False,
) -> Known:
    """What a policy is told of a package and a request.

    Args:
        opened: the package.
        request: what was asked.
        certified: whether its certificate agrees with its events.
        deployment: where and for whom it runs.
        time_stamped: whether nothing leaves without a time-stamp.
        screens: what is known of each before it measures.
        label: what every output will show, as planned; None for none.
        marks: whether outputs are to carry marks.
    """
    config = opened.config
    return Known(
        request=request,
        model=ModelFacts(digest=opened.digest, name=config.name, family=config.architecture.family),
        certificate=certificate_facts(opened.certificate, recomputed=certified),
        data=DataFacts(
            name=config.data.name,
            licence=config.data.licence,
            source=config.data.source,
            public=config.data.public,
        ),
        deployment=deployment,
        time_stamped=time_stamped,
        now=datetime.now(UTC),
        screens=screens,
        label=label,
        marks=marks,
    )


def certificate_facts(certificate: PrivacyCertificate, *, recomputed: bool) -> CertificateFacts:
    """What a policy is told of a certificate; an attack that was not made proved nothing."""
    bound = certificate.lower_bound
    return CertificateFacts(
        recomputed=recomputed,
        epsilon=certificate.epsilon,
        delta=certificate.delta,
        unit=certificate.unit,
        units=certificate.units,
        variant=certificate.variant,
        neighbours=certificate.neighbours,
        accountant=certificate.accountant,
        trust_model=certificate.trust_model,
        noise_source=certificate.noise.source,
        attacked=bound is not None,
        lower_bound=0.0 if bound is None else bound.epsilon,
        confidence=0.0 if bound is None else bound.confidence,
    )
