"""Keywords of 0.1: they work and say where they went, or are refused; none is ignored."""

import inspect
import warnings

import pytest

import safegen
from safegen import Execution, InputError, PrivacyConfig, TrainingConfig, Workspace
from safegen.config.old_names import OLD, old_names

VALUES = {
    "delta": 1e-5,
    "noise_multiplier": 2.0,
    "records_per_group": 3,
    "canaries": 0,
    "unsafe_seeded_noise": 1,
    "model": "gan",
    "steps": 7,
    "batch": 32,
    "prior": "leaves",
    "warm_start": "none",
    "seed": 5,
    "device": "cpu",
    "keys": "own",
    "ledger": "own.db",
    "budget": "spent.db",
    "time_stamps": "https://stamps.example",
}


def resumed(out, data, **given):
    return {"resumed": out, "data": data} | given


@old_names(resume=resumed)
def door(
    data, *, out=None, epsilon=None, privacy=None, training=None, execution=None, workspace=None
):
    return {"data": data, "epsilon": epsilon, "privacy": privacy, "training": training,
            "execution": execution, "workspace": workspace}  # fmt: skip


def moved(door):
    """Each old keyword of a function, with its argument and its field now."""
    known = inspect.signature(door).parameters
    return [(name, argument, field) for argument in OLD if argument in known
            for name, field in OLD[argument].items()]  # fmt: skip


@pytest.mark.parametrize(("name", "argument", "field"), moved(door))
def test_an_old_keyword_works_and_says_where_it_went(name, argument, field):
    with pytest.warns(DeprecationWarning, match="went into configurations") as told:
        got = door("digits", **{name: VALUES[name]})
    assert getattr(got[argument], field) == VALUES[name]
    (warning,) = told
    assert f"{argument}=safegen.{type(got[argument]).__name__}({field}=...)" in str(warning.message)
    assert warning.filename == __file__  # where the call stands, not inside safegen


def test_all_of_them_together():
    with pytest.warns(DeprecationWarning, match="went into configurations"):
        got = door("digits", epsilon=3.0, **VALUES)
    assert got["privacy"] == PrivacyConfig(
        epsilon=3.0, delta=1e-5, noise_multiplier=2.0, records_per_group=3, canaries=0,
        unsafe_seeded_noise=1,
    )  # fmt: skip
    assert got["epsilon"] is None  # said once
    assert got["training"] == TrainingConfig(
        family="gan", steps=7, expected_batch_size=32, pretraining="leaves", warm_start="none",
        seed=5,
    )  # fmt: skip
    assert got["execution"] == Execution(device="cpu")
    assert got["workspace"] == Workspace(
        keys="own", ledger="own.db", budget="spent.db", timestamp_url="https://stamps.example"
    )


def test_beside_the_configuration_that_it_went_into_it_is_refused():
    with pytest.raises(InputError, match="steps is given beside training"):
        door("digits", steps=3, training=TrainingConfig())


def test_new_names_alone_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        door("digits", epsilon=4.0, training=TrainingConfig(steps=3))


def test_what_loading_took_makes_the_data_set():
    with pytest.warns(DeprecationWarning, match=r"data=safegen.load_data\(..., size=...\)"):
        got = door("digits", size=28)
    assert got["data"].images.shape[1:] == (1, 28, 28)
    with pytest.raises(InputError, match="size cannot change a data set"):
        door(got["data"], size=32)


def test_a_run_is_resumed_by_its_own_name():
    with pytest.warns(DeprecationWarning, match="safegen.resume"):
        got = door("digits", out="runs/m", resume=True, keys="own")
    assert got == {"resumed": "runs/m", "data": "digits", "workspace": Workspace(keys="own")}


DECIDED = ["epsilon", *OLD["privacy"], *OLD["training"]]


@pytest.mark.parametrize("name", DECIDED)
def test_who_resumes_and_decides_is_refused(tmp_path, name):
    """Whoever resumes with another epsilon would believe that it holds."""
    given = {"epsilon": 5.0, **VALUES}[name]
    with pytest.raises(InputError, match=rf"leave out {name}"):
        safegen.train("digits", out=tmp_path / "m", resume=True, **{name: given})
    assert not list(tmp_path.iterdir())


def test_resuming_takes_nothing_that_a_run_has_decided():
    assert not {"epsilon", "privacy", "training"} & set(
        inspect.signature(safegen.resume).parameters
    )


def test_epsilon_is_said_once(tmp_path):
    with pytest.raises(InputError, match="epsilon is given beside privacy"):
        safegen.train("digits", out=tmp_path / "m", epsilon=4, privacy=PrivacyConfig())


def test_a_keyword_that_never_was_is_pythons_own_business(tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'stpes'"):
        safegen.train("digits", out=tmp_path / "m", stpes=3)


def test_an_evaluation_takes_what_it_took():
    @old_names()
    def measured(package, *, evaluation=None, workspace=None):
        return evaluation, workspace

    with pytest.warns(DeprecationWarning, match="protocol, seed, device, budget of measured"):
        got = measured("m", protocol="quick", seed=3, device="cpu", budget="b.db")
    evaluation = safegen.EvaluationConfig(protocol="quick", seed=3, device="cpu")
    assert got == (evaluation, Workspace(budget="b.db"))


def test_a_model_is_opened_by_the_old_names_too(made):
    with pytest.warns(DeprecationWarning, match="keys=..., ledger=..."):
        model = safegen.load(made.model, keys=made.keys, ledger=made.ledger)
    places = Workspace(keys=made.keys, ledger=made.ledger)
    assert safegen.Model.open(made.model, workspace=places).digest == model.digest
