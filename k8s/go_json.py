"""JSON byte for byte as Go's encoding/json writes it: digests of what Helm writes depend on it."""

from __future__ import annotations

import json
from typing import Any

ESCAPED = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
"""Characters that Go escapes and Python does not."""

PLAIN = (1e-6, 1e21)
"""Between these, Go writes a number without an exponent."""


def go_json(node: Any) -> str:
    """What YAML holds as JSON: keys in order, no spaces. Raises TypeError for anything else."""
    if isinstance(node, dict):
        pairs = (f"{go_json(str(key))}:{go_json(node[key])}" for key in sorted(node, key=str))
        return "{" + ",".join(pairs) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(go_json, node)) + "]"
    if isinstance(node, float):
        return number(node)
    if node is None or isinstance(node, bool | int | str):
        return json.dumps(node, ensure_ascii=False).translate(ESCAPED)
    raise TypeError(f"{type(node).__name__} is nothing that JSON holds")


def number(value: float) -> str:
    """A number with the fewest digits that give it back: 1.0 as 1, 0.00001 as 0.00001, 1e-7 as 1e-7.

    Every number of a values file is a float there: so is 1e6, which it writes as 1000000.
    """
    if value == int(value) and abs(value) < PLAIN[1]:
        return str(int(value)) if value or str(value)[0] != "-" else "-0"
    if PLAIN[0] <= abs(value) < PLAIN[1]:
        digits = repr(value)
        return digits if "e" not in digits else f"{value:.{_places(digits)}f}"
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa.removesuffix('.0')}e{exponent[0] if exponent[0] == '-' else '+'}{exponent.lstrip('+-0')}"


def _places(digits: str) -> int:
    """Decimal places of a small number that is written with an exponent."""
    mantissa, _, exponent = digits.partition("e-")
    return len(mantissa.partition(".")[2].removesuffix("0" if mantissa.endswith(".0") else "")) + int(exponent)
