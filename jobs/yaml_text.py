"""Safe YAML in which a key stands once: of two values the last would win unseen."""

from __future__ import annotations

from typing import Any, Final

import yaml

try:
    from yaml import CSafeLoader as _Safe
except ImportError:  # PyYAML was built without libyaml, which is ten times as fast
    from yaml import SafeLoader as _Safe  # type: ignore[assignment]

_MERGE: Final = "tag:yaml.org,2002:merge"
"""The key "<<", which takes in another mapping; what stands beside it goes before."""


class KeyTwice(yaml.YAMLError):
    """A key stands twice in a mapping, the second time in line `line`."""

    def __init__(self, line: int) -> None:
        super().__init__(f"a key stands twice, in line {line}")
        self.line = line


class _Loader(_Safe):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key, _ in node.value:
            if key.tag == _MERGE:
                continue
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise KeyTwice(key.start_mark.line + 1)
            seen.append(name)
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """What a YAML text holds. Raises KeyTwice, or another yaml.YAMLError for what is no YAML."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of the safe loader
    except TypeError:
        raise yaml.YAMLError("a key of a mapping cannot be one") from None
