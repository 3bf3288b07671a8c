import re
from pathlib import Path

import numpy as np
import pytest

from safegen.modality.registry import modality_of
from safegen.pipeline.evaluate import Evaluation
from safegen.report.evaluation import render
from safegen.schemas.card import PictureShape
from safegen.schemas.evaluation import EvaluationReport

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "evaluation.json"


@pytest.fixture
def report():
    return EvaluationReport.model_validate_json(GOLDEN.read_bytes())


def page(report, **changes):
    real = np.zeros((4, 1, 28, 28), np.uint8)
    grey = modality_of(PictureShape(channels=1, height=28, width=28))
    parts = {"classes": ("cat", "<dog>"), "shown": (), "withheld": "no keys", "real": real}
    parts |= {"modality": grey}
    return render(Evaluation(report=report, **(parts | changes)))


def test_the_page_loads_nothing_from_anywhere(report):
    sources = re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']*)", page(report))
    assert len(sources) == 4
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "<script" not in page(report)
    assert "@import" not in page(report)


def test_every_figure_stands_beside_its_ceiling(report):
    text = page(report)
    utility, fidelity = report.utility, report.fidelity
    for share in (utility.synthetic.accuracy.mean, utility.real.accuracy.mean):
        assert f"{100 * share:.2f}%" in text
    for value in (fidelity.frechet.value, fidelity.frechet.floor):
        assert f"{value:.4g}" in text
    assert "as by chance" in text


def test_names_are_escaped(report):
    assert "a real &lt;dog&gt;" in page(report)
    assert "<dog>" not in page(report)


def test_private_records_are_not_shown_and_the_owner_is_told(report):
    private = report.model_copy(update={"outside_guarantee": True, "public": False})
    text = page(private, real=None)
    assert "For the records' owner." in text
    assert "data:image" not in text
    assert "For the records' owner." not in page(report)


def test_what_was_not_measured_is_not_drawn(report):
    bare = report.model_copy(
        update={"utility": None, "neighbours": None, "notes": ("There is one class.",)}
    )
    text = page(bare)
    assert "Not measured" in text
    assert "Class by class" not in text
    assert "There is one class." in text


def test_many_classes_have_no_matrix(report):
    utility = report.utility
    many = utility.model_copy(
        update={"by_class": utility.by_class * 20, "confusion": ((0.0,) * 40,) * 40}
    )
    assert "is in the JSON" in page(report.model_copy(update={"utility": many}))
