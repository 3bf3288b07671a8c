"""Nothing but the seam's own files names a picture; each exception is here, with its reason."""

import ast
from pathlib import Path

import pytest

import safegen

HOUSE = Path(safegen.__file__).parent
# Rooms and files that are about pictures, and which a new kind of data has beside them.
OWN = (
    "data/", "marks/", "modality/image", "modality/visible_label.py", "models/",
    "schemas/card.py", "schemas/config.py",
    "training/presets/image.py", "training/pretraining_sources/",
)  # fmt: skip
EXCEPTIONS = {
    "audit/attacks.py": "measures distances in 256 levels of what training sees",
    "cli/tamper.py": "spoils a picture for the demonstration",
    "cli/verdicts.py": "a console has a width, too",
    "evaluation/classifier.py": "trains classifiers of pictures",
    "evaluation/measure.py": "asks whether classifiers of pictures can be asked",
    "evaluation/protocols.py": "makes classifiers of pictures",
    "explain/methods/concepts.py": "the judge of pictures, as two layers",
    "pipeline/generate/marking.py": "marks are in pixels",
    "pipeline/marks.py": "likewise",
    "pipeline/screens.py": "measures screens on folders of pictures",
    "pipeline/generate/told.py": "tells policies how large a picture is",
    "privacy/mechanism/sealed.py": "values of 8 bits, where no kind of data is named",
    "schemas/screens.py": "how networks that look at pictures are given them",
    "screens/likeness.py": "keeps codes of pictures",
    "screens/pictures.py": "how networks that look at pictures are given them",
    "screens/screen.py": "values of 8 bits, where no kind of data is named",
    "training/presets/registry.py": "refuses a warm start of anything but pictures",
    "training/releases/fitting.py": "gives a generator of pictures its judge",
    "training/releases/label_filter.py": "a release that presets of pictures plan",
    "training/releases/residual_spectrum.py": "likewise",
    "training/releases/warmstart.py": "likewise",
    "verification/recovery/originals.py": "reads ISCC codes of 64 bits",
    "verification/recovery/recover.py": "compares ISCC codes of 64 bits",
    "verification/recovery/soft_bindings.py": "likewise",
    "verification/steps/claims.py": "compares ISCC codes of 64 bits",
}
IMAGE_MODULES = (
    "safegen.modality.image", "safegen.modality.image_code", "safegen.models.edges",
    "safegen.models.gan", "safegen.models.residual_noise", "safegen.models.image",
    "safegen.models.label_filter",
    "safegen.models.layers",
)  # fmt: skip
NAMES = {"safegen.schemas.card.PictureShape", "safegen.schemas.card.PICTURES"}
SIDES = {"channels", "height", "width"}  # of a shape, asked of a value


def spoken(source):
    """What a module says that only pictures have."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
            yield from whole & (set(IMAGE_MODULES) | NAMES)
        elif isinstance(node, ast.Import):
            yield from {each.name for each in node.names} & set(IMAGE_MODULES)
        elif isinstance(node, ast.Attribute) and node.attr in SIDES:
            yield f".{node.attr}"
        elif (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div | ast.Mult)
            and any(getattr(side, "value", None) == 255 for side in (node.left, node.right))
        ):
            yield "values of 8 bits"


def speakers():
    """The files outside of the seam that say such things."""
    for path in sorted(HOUSE.rglob("*.py")):
        name = path.relative_to(HOUSE).as_posix()
        if not name.startswith(OWN) and any(spoken(path.read_text(encoding="utf-8"))):
            yield name


def test_nothing_else_names_a_picture():
    assert set(speakers()) == set(EXCEPTIONS)


@pytest.mark.parametrize(
    "planted",
    [
        "from safegen.modality.image import to_bytes",
        "from safegen.modality import image",
        "import safegen.models.edges",
        "def f(shape): return shape.height",
        "from safegen.schemas.card import DataCard, PictureShape",
        "def f(stored): return stored.float() / 255",
    ],
)
def test_a_planted_picture_is_found(planted):
    assert list(spoken(planted))
