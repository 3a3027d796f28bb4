"""The page docs/tables/hl7v2.md, made from the specs of the tables."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.contract import LINEAGE, Column, TableSpec
from connectors.hl7v2.layout import specs

_PREFACE = """# Tables of HL7 v2

Made from the descriptions of the columns by `python -m connectors.hl7v2.document`; do not edit.

- **Position** is where the value stands in the message: `PID-5.1` is the first component of the first repetition of
  field 5, `PID-13` a field with all its repetitions. Of several positions the first that holds a value counts.
- **Absent, empty and null.** Typed columns hold null for a field that is absent or empty; the explicit null `""` stays
  as the two quote characters. In `hl7v2_segments` an empty field is an empty text and an absent one is not in the list.
- **Escapes** are decoded after splitting; a line break inside a field is one line feed. `hl7v2_segments` keeps both as
  they stood.
- **Times** are three columns: the instant in UTC, how many digits were sent, and the offset that was sent. Without an
  offset the site's time zone applies; with a precision of a day or less it is the calendar date at midnight UTC. Where
  a time or number does not parse, the column is null and a finding says so.
- **Authorities**: where an identifier names no assigning authority, the sending facility (MSH-4) stands for it.
- **patient_key** is made of the identifier of PID-3 whose type comes first (MR, PI, PT, MC and so on; of equal types
  the first sent), or of PID-2 where PID-3 is empty, and its authority. Rows belong to the patient before them in the
  message. Of an identifier over 256 bytes no key is made.
- Values of a request or specimen that are repeated on each of its observations are left out there if they are longer
  than 256 bytes.
- **Category** is what a policy acts on; `routed` means that each row has its own, in the column named beside it.

Every table ends with the same columns of lineage:

"""


def page() -> str:
    """The whole page, in Markdown."""
    parts = [_PREFACE, *_grid(LINEAGE)]
    for spec in specs().values():
        parts.extend(("\n", *_section(spec)))
    return "".join(parts)


def _section(spec: TableSpec) -> Iterator[str]:
    yield f"## {spec.name}\n\n{spec.description}"
    yield " Written to identified zones alone.\n\n" if spec.identified_only else "\n\n"
    yield from _grid(spec.columns[: -len(LINEAGE)])


def _grid(columns: tuple[Column, ...]) -> Iterator[str]:
    yield "| column | type | position | category | what it holds |\n|---|---|---|---|---|\n"
    for column in columns:
        category = f"routed by `{column.routed_by}`" if column.routed_by else column.category.value
        position = column.position.replace(" ", ", ")
        yield f"| `{column.name}` | {column.type} | {position} | {category} | {column.description} |\n"


if __name__ == "__main__":
    from pathlib import Path

    Path("docs/tables").mkdir(parents=True, exist_ok=True)
    Path("docs/tables/hl7v2.md").write_text(page(), "utf-8")
