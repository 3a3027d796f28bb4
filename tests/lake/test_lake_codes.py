from __future__ import annotations

import csv
import re
from importlib import resources


def test_every_code_of_the_lake_has_its_row():
    with (resources.files("connectors") / "error_codes.csv").open(newline="") as file:
        known = {row["code"] for row in csv.DictReader(file)}
    sources = [f for f in (resources.files("connectors") / "lake").iterdir() if f.name.endswith(".py")]
    pattern = re.compile(r"(?:Error|super\(\).__init__|find|inform|append|_find)\(+\s*\"([A-Z]+(?:_[A-Z]+)*)\"")
    used = {code for source in sources for code in pattern.findall(source.read_text())}
    used |= {f"{kind}_{what}" for kind in ("LEAVES", "INPUTS") for what in ("MISSING", "CHANGED")}
    assert len(used) > 40
    assert used - known == set()
