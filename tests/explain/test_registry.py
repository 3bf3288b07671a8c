"""A method of explanation is one file: here is one, added through the seam alone."""

import pytest
import torch

import safegen
from safegen.errors import InputError, Refused, RequestError, SafegenError
from safegen.explain import registry
from safegen.explain.explainer import Attribution, average, regions_of
from safegen.pipeline.explain import made_again, read_explained
from safegen.provenance.c2pa.manifest import read


class Occlusion:
    """What each region loses when one input is set back to the baseline."""

    name = "occlusion"

    def explain(self, generator, draw, modality):
        regions = regions_of(generator, draw, modality)
        base = average(generator, draw)
        with torch.no_grad():
            whole = regions(draw.noise, draw.places, draw.grain)
            lost = []
            for latent in range(generator.latent):
                without = draw.noise.clone()
                without[:, latent] = base.noise[:, latent]
                lost.append(whole - regions(without, draw.places, draw.grain))
            of_label = whole - regions(draw.noise, base.places, draw.grain)
        return Attribution(
            method="occlusion",
            baseline=base,
            settings={"inputs": generator.latent + 1},
            values=torch.stack([*lost, of_label], dim=2),
            faithfulness={"largest": whole.amax(dim=1)},
        )


@pytest.fixture
def occlusion(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    registry.register(Occlusion())


@pytest.fixture
def lenient(made, tmp_path):
    """The model under a policy that asks of explanations nothing."""
    policy = tmp_path / "lenient.yaml"
    policy.write_text(
        "name: lenient\ndescription: asks for nothing.\nrules:\n"
        "  - {id: some, stage: request, require: request.count > 0, because: So.}\n"
        "  - {id: marked, stage: release, require: output.signed, because: So.}\n"
    )
    return safegen.load(made.model, keys=made.keys, ledger=made.ledger, policy=policy)


def test_a_method_is_registered_asked_for_signed_and_read_back(occlusion, lenient, made, tmp_path):
    release = lenient.generate(2, label=3, seed=1, purpose="a test", explainer="occlusion")
    path, _ = release.save(tmp_path / "out")
    whole = read_explained(path)
    explained = whole.explanation
    assert (explained.explainer, explained.method) == ("occlusion", "occlusion")
    assert explained.settings == {"inputs": 16 + 1}
    assert set(explained.faithfulness) == {"completeness_gap", "effect", "largest"}
    (said,) = read(path.read_bytes(), "image/png").said("org.safegen.explanation")
    assert said["explainer"] == "occlusion"
    assert said["faithfulness"] == pytest.approx(explained.faithfulness)
    assert whole.attributions.any()
    again = made_again(whole, made.model)
    assert again.agrees  # a method of one's own may round otherwise in another company


def test_every_method_is_scored_alike(occlusion, model):
    """A method cannot leave out, or decide, whether it adds up; this one does not."""
    with pytest.raises(Refused, match="output-explained"):
        model.generate(1, label=3, seed=1, purpose="a test", explainer="occlusion")


def test_an_unknown_method_is_refused_with_the_known_ones(occlusion, model):
    with pytest.raises(RequestError, match=r"'oclusion'; there are integrated-.*occlusion"):
        model.generate(1, purpose="a test", explainer="oclusion")


class Nameless:
    explain = Occlusion.explain


class Shouting(Nameless):
    name = "Shouting Method"


class Ours(Nameless):
    name = "integrated-gradients"


class Mute:
    name = "mute"


class TakesTwo:
    name = "takes-two"

    def explain(self, generator, draw):
        return generator, draw


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (Nameless(), "Nameless has the name None"),
        (Shouting(), "Shouting has the name 'Shouting Method'"),
        (Ours(), "safegen's own 'integrated-gradients'"),
        (Mute(), r"'mute' \(Mute\) has no method explain"),
        (TakesTwo(), r"'takes-two' \(TakesTwo\) has no method explain"),
        (None, "NoneType has the name None"),
    ],
)
def test_what_breaks_the_protocol_is_refused_by_name_when_it_is_registered(broken, why):
    with pytest.raises(InputError, match=why):
        registry.register(broken)


def test_an_answer_of_another_shape_is_refused(occlusion, model, monkeypatch):
    whole = Occlusion.explain

    def narrow(self, *given):
        said = whole(self, *given)
        return Attribution(
            method=said.method, baseline=said.baseline, settings={}, values=said.values[:, :, 1:]
        )

    monkeypatch.setattr(Occlusion, "explain", narrow)
    with pytest.raises(InputError, match=r"'occlusion' answered with .* shape \(1, 16, 16\)"):
        model.generate(1, purpose="a test", explainer="occlusion")


def test_values_that_are_not_finite_are_never_released(occlusion, model, monkeypatch):
    whole = Occlusion.explain

    def broken(self, *given):
        said = whole(self, *given)
        said.values[0, 3, 2] = torch.nan
        return said

    monkeypatch.setattr(Occlusion, "explain", broken)
    with pytest.raises(SafegenError, match="'occlusion' found values that are not finite"):
        model.generate(1, purpose="a test", explainer="occlusion")
