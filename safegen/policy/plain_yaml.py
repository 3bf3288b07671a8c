"""YAML of mappings, lists and text alone, with the line of every key path.

No types to misread (`no`, `2026-01-01`), no references, no tags, and no key twice: a second
`require` would silently replace the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from safegen.errors import PolicyError
from safegen.storage import read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_FILE_BYTES = 1 << 20
Step = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainFile:
    """A file as it was read.

    Attributes:
        path: where it lies.
        data: its bytes.
        content: mappings, lists and texts.
        lines: where each key path begins, counted from 1.
    """

    path: Path
    data: bytes
    content: Any
    lines: Mapping[tuple[Step, ...], int]

    def at(self, *keys: Step) -> str:
        """A key path in words, for the beginning of an error.

        A key that is not there has the line of what it should stand in.
        """
        known = keys
        while known and known not in self.lines:
            known = known[:-1]
        line = f", line {self.lines[known]}" if known in self.lines else ""
        return f"{self.path}{line}" + (f": {spelt(keys)}" if keys else "")


def spelt(keys: tuple[Step, ...]) -> str:
    """A key path as people write it.

    >>> spelt(("rules", 0, "require"))
    'rules[0].require'
    """
    parts = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys]
    return "".join(parts).removeprefix(".")


def read_plain(path: Path) -> PlainFile:
    """Read a file.

    Raises:
        PolicyError: it is no YAML, too large, or has references, tags or a key twice.
        StorageError: it cannot be read.
    """
    data = read(path)
    if len(data) > MAX_FILE_BYTES:
        raise PolicyError(
            f"{path} has {len(data):,} bytes; a policy has {MAX_FILE_BYTES:,} at most"
        )
    lines: dict[tuple[Step, ...], int] = {}
    try:
        node = yaml.compose(data, _PlainLoader)
        content = None if node is None else _content(node, (), lines)
    except RecursionError as error:
        raise PolicyError(f"{path} is nested too deeply to be a policy") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "its bytes are not text"
        raise PolicyError(f"{path} is not YAML{where}: {problem}") from error
    return PlainFile(path=path, data=data, content=content, lines=lines)


def _content(node: yaml.Node, keys: tuple[Step, ...], lines: dict[tuple[Step, ...], int]) -> Any:  # noqa: ANN401 - as YAML gives it
    lines[keys] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_content(each, (*keys, place), lines) for place, each in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    content: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key is no text", key.start_mark)
        if key.value in content or key.value == "<<":
            problem = f"the key {key.value!r} is there twice or merges others"
            raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        content[key.value] = _content(value, (*keys, key.value), lines)
        lines[*keys, key.value] = key.start_mark.line + 1
    return content


class _PlainLoader(yaml.BaseLoader):
    """What composes nodes, and refuses those that stand for others or for anything but text."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            problem = "references are not allowed"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        if getattr(event, "tag", None) not in {None, "!"}:
            problem = "tags are not allowed; put a condition that begins with ! in quotes"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)
