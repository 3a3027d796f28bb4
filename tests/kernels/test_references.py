"""No compiled loop over rows counts references: an array that is handed on or replaced inside one costs more than the
work itself. Read from what numba makes of the kernels, compiled anew in a process of their own; the kernels of
other modules come from where compiled ones are kept."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from connectors.kernels import sha256

KERNELS = {
    "connectors.kernels.interning": (
        "is_constant",
        "_in_order",
        "_runs",
        "_gather",
        "measured",
    ),
    "connectors.kernels.long_values": ("hashes_differ", "_intern_group"),
    "connectors.kernels.gather": ("_measure_rows", "_copy_rows"),
    "connectors.kernels.sha256_spans": ("_hash",),
    "connectors.kernels.short_values": ("_find",),
    "connectors.kernels.numbers": ("_numbers",),
    "connectors.hl7v2.boundaries": ("find_items", "read_headers"),
    "connectors.hl7v2.charsets": ("decide",),
    "connectors.hl7v2.locate": ("find_separators", "find_segments", "find_repetitions"),
    "connectors.hl7v2.relate": ("_count", "_relate"),
    "connectors.hl7v2.values": ("_fill",),
    "connectors.parquet.packing": ("plain", "runs", "differences"),
    "jobs.privacy.siv_kernels": ("_chain", "_count", "_encode", "token_ends"),
}
"""Those through which every message goes."""

WORK = """
import importlib, json, sys
from pathlib import Path
from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher
from connectors.hl7v2.generate import bench_messages
from jobs.config import load_pipeline
from jobs.run import ingest

for module in map(importlib.import_module, json.loads(sys.argv[2])):  # all of each: one that is kept compiles no other
    for kernel in vars(module).values():
        if isinstance(kernel, Dispatcher) and kernel.py_func.__module__ == module.__name__:
            kernel._cache = NullCache()
folder = Path(sys.argv[1])
(folder / "in").mkdir()
(folder / "in" / "a.hl7").write_bytes(b"".join(bench_messages(200, 1)))
(folder / "in" / "b.hl7").write_bytes(b"".join(bench_messages(200, 2)))
settings = {"source": str(folder / "in"), "format": "hl7v2", "lake": str(folder / "lake"), "policy": "pseudonymised"}
pipeline = load_pipeline(None, settings).with_access(endpoint=None, keys=folder / "keys", create_keys=True)
assert ingest(pipeline, cpus=0)["records"]["written"] == 400
kernels = {}
for module, names in json.loads(sys.argv[2]).items():
    for name in names:
        kernel = getattr(importlib.import_module(module), name)
        kernels[f"{module}.{name}"] = [kernel.inspect_llvm(each) for each in kernel.signatures]
print(json.dumps(kernels))
"""


def compiled(folder: Path) -> dict[str, list[str]]:
    """Kernel → the code of each of its signatures, in the language of LLVM."""
    command = [sys.executable, "-c", WORK, str(folder), json.dumps(KERNELS)]
    root = Path(__file__).parents[2]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    made: dict[str, list[str]] = json.loads(said.stdout.splitlines()[-1])
    return made


def counting_blocks(code: str, kernel: str) -> Iterator[str]:
    """The blocks of the kernel's own function that count references and lie in a loop."""
    for function in code.split("\ndefine ")[1:]:
        head, body = function.split("\n", 1)
        if kernel not in head or "cpython" in head or "cfunc" in head:
            continue
        block, follow, counts = "entry", {}, set()
        for line in body.split("\n}")[0].split("\n"):
            if label := re.match(r'"?([\w.$<>-]+)"?:', line):
                block = label[1]
            follow.setdefault(block, set()).update(re.findall(r'label %"?([\w.$<>-]+)"?', line))
            if re.search(r"call .*@NRT_(incref|decref)", line):
                counts.add(block)
        yield from (block for block in counts if reaches(follow, block))


def reaches(follow: dict[str, set[str]], block: str) -> bool:
    """Whether a block comes again after itself."""
    seen: set[str] = set()
    waiting = [block]
    while waiting:
        for other in follow.get(waiting.pop(), set()) - seen:
            seen.add(other)
            waiting.append(other)
    return block in seen


def test_no_loop_of_a_kernel_counts_references(tmp_path: Path) -> None:
    kernels = compiled(tmp_path)
    found = {
        name: [block for code in codes for block in counting_blocks(code, name.rpartition(".")[2])]
        for name, codes in kernels.items()
    }
    unused = {name for name, codes in kernels.items() if not codes}
    assert unused == (set() if sha256.pays() else {"connectors.kernels.sha256_spans._hash"})
    assert found == {name: [] for name in kernels}


def test_a_loop_that_counts_them_would_be_seen() -> None:
    code = (
        "\ndefine i32 @_kernel(ptr %a) {\nentry:\n  br label %B10\nB10:\n  call void @NRT_incref(ptr %a)\n"
        "  br i1 %x, label %B10, label %B20\nB20:\n  call void @NRT_decref(ptr %a)\n  ret i32 0\n}\n"
    )
    assert list(counting_blocks(code, "_kernel")) == ["B10"]
