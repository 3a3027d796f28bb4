"""The page of the tables is the one that the specs make."""

from pathlib import Path

from connectors.hl7v2.document import page

PAGE = Path(__file__).parents[2] / "docs" / "tables" / "hl7v2.md"


def test_the_page_is_what_the_specs_say() -> None:
    assert PAGE.read_text("utf-8") == page()
