"""`make docs`: the documents that are generated from schemas, rules, policies, settings and error codes."""

from __future__ import annotations

from pathlib import Path

from connectors import document as shared
from connectors.hl7v2 import document as hl7v2
from connectors.registry import connector
from jobs import metrics
from jobs.document import pipeline_page
from jobs.privacy import document as privacy


def write(docs: Path) -> None:
    """Writes every generated page below the folder of documents."""
    shared.write(docs)
    (docs / "tables").mkdir(parents=True, exist_ok=True)
    (docs / "tables" / "hl7v2.md").write_text(hl7v2.page(), encoding="utf-8")
    (docs / "policies.md").write_text(privacy.render(connector("hl7v2").tables.values()), encoding="utf-8")
    (docs / "metrics.md").write_text(metrics.page(), encoding="utf-8")
    (docs / "pipeline-file.md").write_text(pipeline_page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path("docs"))
