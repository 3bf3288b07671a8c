"""A package's model card: true to its certificate, valid for a hub, and safe from names in data."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from typer.testing import CliRunner

import safegen
from safegen.cli.commands import build
from safegen.package import files
from safegen.package.model_card import Metric, model_card
from safegen.schemas.certificate import PrivacyCertificate
from safegen.schemas.config import PackageConfig, PackageDigests

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
DIGESTS = PackageDigests(weights="sha256:a", config="sha256:b", certificate="sha256:c")
FIGURES = (
    Metric("accuracy, trained on synthetic records", "digits", "test", 93.21),
    Metric("accuracy, trained on real records", "digits", "test", 97.5),
    Metric("Fréchet distance", "digits", "train", 12.125),
)
HOSTILE = [
    "a\n---\nlicense: mit\n---\n# b",
    "--- |\n|---|\n| x | y |",
    "<script>alert(1)</script><img src=x onerror=y>",
    "[click](http://evil.example) ![i](http://evil.example/i.png)",
    "http://evil.example www.evil.example mailto:a@evil.example",
    "*bold* _slanted_ `code` ~~gone~~ $x^2$ &lt;b&gt; \\| \\\\",
    "```\n# code",
    "{{ config.seed }} {% raw %} %s {0}",
    "!!python/object:os.system x: [y]",
    "yes",
    "1. one\n2. two",
    "turned \u202e round \x1b[2K\x00",
    "café 王 # ",
]


def golden(name, **changes):
    config = PackageConfig.model_validate_json((GOLDEN / "config.json").read_bytes())
    certificate = PrivacyCertificate.model_validate_json((GOLDEN / "certificate.json").read_bytes())
    data = config.data.model_copy(
        update={"name": name, "source": name, "licence": name, "classes": (name, "b")} | changes
    )
    return (
        config.model_copy(update={"data": data, "name": f"{name}-vae"}),
        certificate.model_copy(update={"data": data}),
    )


def parts(card):
    """The front matter, as a hub reads it, and the Markdown after it."""
    found = re.match(r"\A---\n(.*?)\n---\n(.*)\Z", card, re.DOTALL)
    return yaml.safe_load(found[1]), found[2]


def tokens(markdown):
    """Markdown's structure, block by block and inside of blocks."""
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        yield token.type, token.tag, token.map and token.map[0]
        yield from ((inner.type, inner.tag, 0) for inner in token.children or ())


def texts(markdown):
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        yield "".join(inner.content for inner in token.children or ())


# What it says


def test_the_front_matter_is_a_hubs():
    front, _ = parts(model_card(*golden("digits"), DIGESTS))
    assert front["library_name"] == "safegen"
    assert "differential-privacy" in front["tags"]
    assert front["license"] == "other"
    assert "model-index" not in front


def test_a_label_chooses_only_where_there_are_several_classes():
    """The hub's only task for such models is the unconditional one, and is not said of others."""
    config, certificate = golden("digits")
    front, body = parts(model_card(config, certificate, DIGESTS, FIGURES))
    assert "pipeline_tag" not in front
    assert "conditional-image-generation" in front["tags"]
    assert "A conditional variational autoencoder that makes" in body
    assert "unconditional" not in yaml.safe_dump(front) + body

    one = config.model_copy(
        update={"architecture": config.architecture.model_copy(update={"classes": 1})}
    )
    front, body = parts(model_card(one, certificate, DIGESTS, FIGURES))
    assert front["pipeline_tag"] == "unconditional-image-generation"
    assert front["model-index"][0]["results"][0]["task"]["type"] == front["pipeline_tag"]
    assert "conditional-image-generation" not in front["tags"]
    assert "A variational autoencoder that makes" in body


def test_the_numbers_are_the_certificates():
    config, certificate = golden("digits")
    _, body = parts(model_card(config, certificate, DIGESTS))
    told = " ".join(texts(body))
    assert f"at most {certificate.epsilon:.6f} (allowed: 8)" in told
    assert f"{certificate.delta:.6g}" in told
    assert "one group of 900, at most 4 of its records in a step" in told
    assert certificate.lower_bound.in_words() in told
    for text in (*certificate.public_by_assumption, *certificate.not_protected):
        assert text in told
    for event in certificate.events:
        assert f"{event.noise_multiplier:.4g} times" in told


def test_a_certificate_without_an_attack_says_so():
    config, certificate = golden("digits")
    card = model_card(config, certificate.model_copy(update={"lower_bound": None}), DIGESTS)
    assert "| attack | none was measured |" in card
    assert "Steinke" not in card


def test_a_void_guarantee_stands_in_front():
    config, certificate = golden("digits")
    noise = certificate.noise.model_copy(update={"source": "unsafe seed"})
    card = model_card(config, certificate.model_copy(update={"noise": noise}), DIGESTS)
    assert "privacy guarantee is void" in card
    assert "privacy guarantee is void" not in model_card(config, certificate, DIGESTS)


def test_before_an_evaluation_it_says_how_to_make_one():
    assert "Not evaluated yet: run `safegen evaluate`" in model_card(*golden("digits"), DIGESTS)


def test_measured_figures_are_in_the_page_and_in_the_index():
    front, body = parts(model_card(*golden("digits"), DIGESTS, FIGURES))
    assert "| Fréchet distance | digits | train | 12.12 |" in body
    assert "Not evaluated yet" not in body
    (entry,) = front["model-index"]
    assert entry["name"] == "digits-vae"
    test, train = entry["results"]
    assert test["dataset"] == {"type": "digits", "name": "digits", "split": "test"}
    assert [metric["value"] for metric in test["metrics"]] == [93.21, 97.5]
    assert train["metrics"][0]["value"] == 12.125
    assert test["task"]["type"] == front["tags"][0] == "conditional-image-generation"


@pytest.mark.parametrize(
    ("name", "public", "told"),
    [
        ("mnist", True, ["ylecun/mnist"]),
        ("mnist", False, None),
        ("our patients", False, None),
        ("digits", True, None),
    ],
)
def test_a_data_set_is_named_to_the_hub_only_where_it_surely_is_the_hubs(name, public, told):
    front, _ = parts(model_card(*golden(name, public=public), DIGESTS))
    assert front.get("datasets") == told


def test_many_classes_are_counted():
    classes = tuple(f"class {number}" for number in range(60))
    card = model_card(*golden("digits", classes=classes), DIGESTS)
    assert "class 49, and 10 more" in card
    assert "class 50" not in card


# Names that come from data


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_and_nothing_else(name):
    figures = (Metric(name, name, name, 1.0),)
    front, body = parts(model_card(*golden(name), DIGESTS, figures))
    plain, plain_body = parts(model_card(*golden("plain"), DIGESTS, (Metric(*["plain"] * 3, 1.0),)))
    assert list(tokens(body)) == list(tokens(plain_body))
    assert front | {"model-index": 0} == plain | {"model-index": 0}
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
    assert shown.strip() in "\n".join(texts(body))
    (result,) = front["model-index"][0]["results"]
    assert result["dataset"]["name"] == result["metrics"][0]["name"] == shown
    assert not re.search(r"(?<!\\)(www\.|://|mailto:)", body.replace("http\\://", ""))


# In a package


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(made.model, tmp_path / "model")
    return tmp_path / "model"


def test_a_new_package_has_its_card(made):
    opened = files.read(made.model)
    card = (made.model / "README.md").read_text()
    assert card.startswith(model_card(opened.config, opened.certificate, opened.content.digests))
    assert opened.digest in card


def test_nothing_rests_on_the_card(made, copy):
    (copy / "README.md").write_text("epsilon 0.001, says who?")
    assert (
        safegen.load(
            copy, workspace=safegen.Workspace(keys=made.keys, ledger=made.ledger)
        ).certificate.epsilon
        > 1
    )
    (copy / "README.md").unlink()
    assert files.read(copy).digest == files.read(made.model).digest


def test_a_card_is_written_anew_while_it_is_untouched(copy):
    assert files.write_card(copy, "# new, with figures\n")
    assert files.write_card(copy, "# newer\n")
    assert (copy / "README.md").read_text().startswith("# newer\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"license: other", b"license: mit"),
        (rb"\Z", b"More of mine.\n"),
        (rb"(?s)\A.*\Z", b"# A page of somebody's own\n"),
        (rb"(?s)\A.*\Z", b""),
        (rb"sha256:[0-9a-f]{64} -->", b"sha256: -->"),
    ],
)
def test_a_card_that_somebody_changed_is_left_alone(copy, old, new):
    changed = re.sub(old, new, (copy / "README.md").read_bytes())
    (copy / "README.md").write_bytes(changed)
    assert not files.write_card(copy, "# new\n")
    assert (copy / "README.md").read_bytes() == changed


def test_what_the_card_says_to_type_works(made, copy, monkeypatch):
    card = (copy / "README.md").read_text()
    shutil.copytree(made.keys, copy / "keys")
    shutil.copy(made.root, copy / "root.pem")
    monkeypatch.chdir(copy)
    (commands,) = re.findall(r"^```sh\n(.*?)^```", card, re.MULTILINE | re.DOTALL)
    for line in commands.splitlines():
        done = CliRunner().invoke(build(), shlex.split(line)[1:])
        assert done.exit_code == 0, done.output
    (code,) = re.findall(r"^```python\n(.*?)^```", card, re.MULTILINE | re.DOTALL)
    exec(code, {})
    assert len(list((copy / "out").glob("*.png"))) == 4
