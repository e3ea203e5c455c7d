"""YAML text read strictly: no key twice, no depth or growth without end."""

from collections.abc import Hashable
from typing import Any

import yaml

from invrbench.outside import MOST_DEPTH, refuse_odd

MOST_NODES = 200_000  # with every alias written out
# what PyYAML raises on text that is none, and on tagged numbers and times of an odd form
_NO_YAML = (yaml.YAMLError, ValueError, ArithmeticError, AttributeError, LookupError, TypeError)


class _StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML that refuses a key given twice; plain PyYAML keeps the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            is_merge = key_node.tag == "tag:yaml.org,2002:merge"
            key = "<<" if is_merge else self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                raise yaml.YAMLError(f"line {line}: a key is a list or a mapping")
            if key in seen:
                raise yaml.YAMLError(f"line {line}: the key {key} is given twice")
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def parse_yaml(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        ValueError: it is no YAML, gives a key twice, is nested too deep, or grows without end.
    """
    try:
        value = _parsed(text)
        refuse_odd(value)
    except _NO_YAML as problem:
        raise ValueError(str(problem)) from None
    return value


def _parsed(text: str) -> Any:
    """The value of YAML that is neither nested without end nor grows without end.

    Raises:
        yaml.YAMLError, …: it is, or is no YAML; one of ``_NO_YAML``.
    """
    _refuse_depth(text)
    loader = _StrictLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_growth(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _refuse_depth(text: str) -> None:
    """Refuse what libyaml would compose until the stack ends, and the process with it."""
    depth = 0
    for event in yaml.parse(text, Loader=_StrictLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MOST_DEPTH:
            raise yaml.YAMLError(f"{_line(event)}: more than {MOST_DEPTH} levels")


def _refuse_growth(root: yaml.Node) -> None:
    """Refuse aliases that hold themselves, or that stand for more nodes than a person writes."""
    sizes: dict[int, int] = {}
    waiting = [root]
    while waiting:
        node = waiting[-1]
        parts = _parts(node)
        if id(node) not in sizes:
            sizes[id(node)] = 0  # begun
            waiting += parts
            continue
        waiting.pop()
        if sizes[id(node)] == 0:
            if any(not sizes.get(id(part)) for part in parts):
                raise yaml.YAMLError(f"{_line(node)}: an alias holds itself")
            sizes[id(node)] = 1 + sum(sizes[id(part)] for part in parts)
        if sizes[id(node)] > MOST_NODES:
            raise yaml.YAMLError(f"{_line(node)}: aliases stand for more than {MOST_NODES} values")


def _line(at: yaml.Event | yaml.Node) -> str:
    return f"line {at.start_mark.line + 1}" if at.start_mark else "somewhere"


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
