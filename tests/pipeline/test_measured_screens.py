"""Error rates of screens: counted on pictures, signed, and believed by policies or refused."""

import itertools
import json

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest
from typer.testing import CliRunner

import safegen
from safegen.cli.commands import build
from safegen.errors import DataError, InputError, PolicyError, Refused, TamperedError
from safegen.pipeline.screens import measure_screen
from safegen.provenance.keys import pki
from safegen.schemas.canonical import canonical_bytes
from safegen.schemas.measurement import ScreenMeasurement
from safegen.screens.bound import bound
from safegen.screens.classifier import Classifier
from safegen.screens.ready.contrast import ContrastScreen
from tests.screens.networks import digits, settings, write_classifier

POLICY = """
name: measured
description: Sevens stay inside, and that is known to work.
screens:
  seven:
    file: digits.onnx
    digest: %s
    classifier:
      input: {size: [8, 8], colours: grey}
      labels: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
      forbidden: ["7"]
    threshold: 0.5
    measured: seven.measured.json
rules:
  - id: measured
    stage: request
    require: screens.seven.measured && screens.seven.miss_rate_upper < %s
    because: The detector misses few.
  - id: decent
    stage: release
    require: output.screens.seven <= 1.0
    because: It was asked.
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """100 sevens, and 300 pictures of other digits."""
    folder = tmp_path_factory.mktemp("pictures")
    pictures, labels = digits()
    for kind, chosen in (("forbidden", labels == 7), ("allowed", labels != 7)):
        (folder / kind).mkdir()
        for place, one in enumerate(pictures[chosen][: 100 if kind == "forbidden" else 300]):
            Image.fromarray(one[0]).save(folder / kind / f"{place:03}.png")
    return folder


@pytest.fixture
def digest(tmp_path):
    return write_classifier(tmp_path / "digits.onnx")


def measured(made, tmp_path, folders, threshold=0.5, denies="above", keys=None, screen=None):
    screen = screen or Classifier("seven", tmp_path / "digits.onnx", settings())
    return measure_screen(
        bound(screen, threshold=threshold, denies=denies),
        allowed=folders / "allowed",
        forbidden=folders / "forbidden",
        keys=keys or made.keys,
    )


def test_rates_are_counted_at_the_threshold_with_exact_intervals(made, tmp_path, folders, digest):
    record = measured(made, tmp_path, folders, threshold=0.999)
    pictures, labels = digits()
    screen = Classifier("seven", tmp_path / "digits.onnx", settings())
    scores = np.array(screen.measure(type("B", (), {"samples": pictures[labels == 7][:100]})))
    missed = int((scores < 0.999).sum())
    assert 0 < missed < 100
    exact = binomtest(missed, 100).proportion_ci(0.95, method="exact")
    rate = record.miss_rate
    assert (rate.value, rate.low, rate.high) == pytest.approx((missed / 100, exact.low, exact.high))
    assert (record.forbidden.count, record.allowed.count) == (100, 300)
    assert (record.digest, record.file_digest) == (screen.digest, digest)


def test_a_higher_threshold_misses_more_and_alarms_less(made, tmp_path, folders, digest):
    curve = measured(made, tmp_path, folders).curve
    assert len(curve) == 101
    for one, next_ in itertools.pairwise(curve):
        assert one.threshold < next_.threshold
        assert one.missed <= next_.missed
        assert one.alarms >= next_.alarms
    assert (curve[0].missed, curve[0].alarms) == (0, 300)
    below = measured(made, tmp_path, folders, denies="below").curve
    assert (below[-1].missed, below[-1].alarms) == (0, 300)


class Failing:
    """Scores that are no numbers where a picture is dark."""

    name = "failing"

    def measure(self, batch):
        means = batch.samples.mean(axis=(1, 2, 3))
        return np.where(means < np.median(means), np.nan, 0.0)


def test_what_gives_no_score_denies_in_the_figures_as_in_a_release(made, tmp_path, folders):
    record = measured(made, tmp_path, folders, screen=Failing())
    assert record.forbidden.failed == 50
    assert (record.miss_rate.value, record.false_alarm_rate.value) == (
        0.5,
        record.allowed.failed / 300,
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"allowed": "none"}, "none is no folder; name one that holds pictures"),
        ({"allowed": "empty"}, "holds no pictures; without any"),
        ({"allowed": "forbidden"}, "are the same picture; sort it out"),
        ({"allowed": "broken"}, r"text\.png: not a readable picture; mend or remove it"),
        ({"confidence": 1.0}, "confidence is 1.0; give one between 0 and 1"),
    ],
)
def test_folders_that_measure_nothing_are_refused(made, tmp_path, folders, digest, wrong, reason):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "text.png").write_text("no picture")
    given = {"allowed": folders / "allowed", "forbidden": folders / "forbidden", "keys": made.keys}
    if "allowed" in wrong:
        home = folders if wrong["allowed"] == "forbidden" else tmp_path
        wrong = {"allowed": home / wrong["allowed"]}
    screen = bound(Classifier("seven", tmp_path / "digits.onnx", settings()), threshold=0.5)
    with pytest.raises(DataError, match=reason):
        measure_screen(screen, **{**given, **wrong})


def test_a_screen_without_a_threshold_is_not_measured(made, tmp_path, folders):
    with pytest.raises(InputError, match="from which score on contrast denies; give a threshold"):
        measured(made, tmp_path, folders, threshold=None, screen=ContrastScreen())


def opened(made, tmp_path, digest, record, upper="0.2"):
    if record is not None:
        (tmp_path / "seven.measured.json").write_bytes(canonical_bytes(record))
    (tmp_path / "p.yaml").write_text(POLICY % (digest, upper))
    return safegen.load(
        made.model, keys=made.keys, ledger=tmp_path / "l.db", policy=tmp_path / "p.yaml"
    )


def test_a_policy_asks_for_a_measurement_and_for_how_good_it_was(made, tmp_path, folders, digest):
    record = measured(made, tmp_path, folders)
    opened(made, tmp_path, digest, record).generate(1, purpose="x")
    with pytest.raises(Refused, match="measured: The detector misses few"):
        opened(made, tmp_path, digest, record, upper="0.0001").generate(1, purpose="x")


@pytest.mark.parametrize("other", ["settings", "threshold", "side"])
def test_a_measurement_of_another_screen_does_not_count(made, tmp_path, folders, digest, other):
    warmer = Classifier("seven", tmp_path / "digits.onnx", settings(temperature=2.0))
    changed = {
        "settings": {"screen": warmer},
        "threshold": {"threshold": 0.4},
        "side": {"denies": "below"},
    }
    record = measured(made, tmp_path, folders, **changed[other])
    with pytest.raises(Refused, match=r"miss_rate_upper is not known; its error rates count once"):
        opened(made, tmp_path, digest, record).generate(1, purpose="x")


def test_a_forged_measurement_is_refused(made, tmp_path, folders, digest):
    record = measured(made, tmp_path, folders, threshold=0.9)
    better = record.model_copy(update={"threshold": 0.5})
    with pytest.raises(TamperedError, match="seven is not believed: its signature does not match"):
        opened(made, tmp_path, digest, better)
    unsigned = record.model_copy(update={"signature": None})
    with pytest.raises(TamperedError, match="not believed: it is not signed, or not dated"):
        opened(made, tmp_path, digest, unsigned)
    pki.init(tmp_path / "strangers", organisation="Somebody else")
    strange = measured(made, tmp_path, folders, keys=tmp_path / "strangers")
    with pytest.raises(TamperedError, match="seven is not believed: "):
        opened(made, tmp_path, digest, strange)
    assert not (tmp_path / "l.db").exists()


def test_a_record_that_is_none_or_missing_does_not_load(made, tmp_path, digest):
    with pytest.raises(PolicyError, match=r"screens\.seven: cannot read .*seven\.measured\.json"):
        opened(made, tmp_path, digest, None)
    (tmp_path / "seven.measured.json").write_text("{}")
    with pytest.raises(PolicyError, match=r"is no record of `safegen screens measure`: screen"):
        opened(made, tmp_path, digest, None)


def test_without_a_record_nothing_is_measured(made, tmp_path, digest):
    text = (POLICY % (digest, "0.2")).replace("    measured: seven.measured.json\n", "")
    (tmp_path / "p.yaml").write_text(text)
    loaded = safegen.load(
        made.model, keys=made.keys, ledger=tmp_path / "l.db", policy=tmp_path / "p.yaml"
    )
    with pytest.raises(Refused, match="miss_rate_upper is not known"):
        loaded.generate(1, purpose="x")


def screens(*words):
    return CliRunner().invoke(build(["screens"]), ["screens", *map(str, words)])


def test_the_command_measures_and_writes_what_the_policy_reads(
    made, tmp_path, folders, digest, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    text = POLICY % (digest, "0.2")
    (tmp_path / "p.yaml").write_text(text.replace("    measured: seven.measured.json\n", ""))
    asked = ["--policy", "p.yaml", "--keys", made.keys]
    asked += ["--allowed", folders / "allowed", "--forbidden", folders / "forbidden"]
    done = screens("measure", "seven", *asked)
    assert done.exit_code == 0
    said = done.output
    assert "seven denies scores of 0.5 or more" in said
    assert "100 pictures" in said
    record = ScreenMeasurement.model_validate_json((tmp_path / "seven.measured.json").read_bytes())
    assert record.threshold == 0.5
    opened(made, tmp_path, digest, None).generate(1, purpose="x")
    told = screens("measure", "seven", *asked, "--json", "--threshold", "0.25")
    assert json.loads(told.stdout)["threshold"] == 0.25
    wrong = screens("measure", "sevn", *asked).exception
    assert isinstance(wrong, InputError)
    assert "no screen 'sevn'; did you mean seven?" in str(wrong)


def test_the_command_lists_screens_with_their_digests(tmp_path, digest):
    text = POLICY % (digest, "0.2")
    (tmp_path / "p.yaml").write_text(text.replace("    measured: seven.measured.json\n", ""))
    said = screens("list", "--policy", tmp_path / "p.yaml").output
    assert "contrast  The standard deviation of the values" in said
    assert "declared by measured" in said
    assert digest in said
    assert "seven" not in screens("list").output
