"""JSON Schemas of what others read or write without safegen: statements, lists, policies.

`python -m safegen.schemas.published docs/schemas` writes them. They describe an assertion as it
stands in a manifest: what a record leaves open (null) is left out there.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, model_json_schema

from safegen.schemas.canonical import Record
from safegen.schemas.certificate import PrivacyCertificate
from safegen.schemas.config import PackageDigests
from safegen.schemas.decision import Decision
from safegen.schemas.deployment import DeploymentDocument
from safegen.schemas.explanation import ExplanationSummary, FirstExplanationSummary
from safegen.schemas.label import VisibleLabel
from safegen.schemas.likeness import LikenessRegistry
from safegen.schemas.measurement import ScreenMeasurement
from safegen.schemas.policy import PolicyDocument
from safegen.schemas.receipt import GenerationRequest
from safegen.schemas.revocation import RevocationList
from safegen.schemas.watermark import WatermarkRecord
from safegen.storage import write

if TYPE_CHECKING:
    from pydantic import JsonValue

ASSERTIONS: dict[str, type[Record]] = {
    "org.safegen.privacy": PrivacyCertificate,
    "org.safegen.explanation": ExplanationSummary,
    "org.safegen.decision": Decision,
    "org.safegen.request": GenerationRequest,
    "org.safegen.package": PackageDigests,
    "org.safegen.label": VisibleLabel,
    "org.safegen.watermark": WatermarkRecord,
}
EARLIER: dict[str, type[Record]] = {"org.safegen.explanation-1": FirstExplanationSummary}  # by 0.1
DOCUMENTS: dict[str, type[Record]] = {  # whole files
    "safegen.revocation-list": RevocationList,
    "safegen.likeness-registry": LikenessRegistry,
    "safegen.screen-measurement": ScreenMeasurement,
}
# What people write; editors complete it, and `safegen.policy` reads it.
WRITTEN: dict[str, type[Record]] = {"policy": PolicyDocument, "deployment": DeploymentDocument}


def schema_of(label: str) -> dict[str, JsonValue]:
    """The schema of an assertion or a file, with its descriptions from the records' docstrings."""
    record = (ASSERTIONS | EARLIER | DOCUMENTS | WRITTEN)[label]
    made = model_json_schema(record, mode="validation" if label in WRITTEN else "serialization")
    for name, part in {record.__name__: made, **made.get("$defs", {})}.items():
        _describe(part, _docstring(name))
        if label not in WRITTEN:
            _as_it_stands(part)
    if (
        label in DOCUMENTS and "signature" in made["properties"]
    ):  # what is given to others is signed
        made["required"].append("signature")
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:safegen:{label}",
        **made,
        "title": label,
    }


def write_all(folder: Path) -> None:
    """Write every schema into a folder.

    Raises:
        StorageError: the folder cannot be written.
    """
    for label in ASSERTIONS | EARLIER | DOCUMENTS | WRITTEN:
        text = json.dumps(schema_of(label), indent=2, ensure_ascii=False)
        write(folder / f"{label}.json", text.encode() + b"\n")


def _docstring(name: str) -> str:
    """The docstring of a record by its name, wherever it is defined."""
    found = [record for record in _all_records(Record) if record.__name__ == name]
    return inspect.getdoc(found[0]) or ""


def _all_records(above: type[Record]) -> list[type[Record]]:
    return [each for below in above.__subclasses__() for each in (below, *_all_records(below))]


def _describe(part: Any, docstring: str) -> None:  # noqa: ANN401 - pydantic's JSON
    """Take a record's description and its fields' from its docstring, in Google's form."""
    described, _, attributes = docstring.partition("\nAttributes:\n")
    part["description"] = " ".join(described.split())
    for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
        part["properties"][name.rstrip("_")]["description"] = " ".join(text.split())


def _as_it_stands(part: Any) -> None:  # noqa: ANN401 - likewise
    """Every field is written, also one that has its default; only a null is left out."""
    part["required"] = []
    for name, field in part["properties"].items():
        field.pop("default", None)
        kinds = field.pop("anyOf", [])
        some = [kind for kind in kinds if kind != {"type": "null"}]
        if len(some) == len(kinds):
            part["required"].append(name)
        field.update(some[0] if len(some) == 1 else {"anyOf": some} if some else {})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m safegen.schemas.published FOLDER")
    write_all(Path(sys.argv[1]))
