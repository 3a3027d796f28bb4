"""Formats by name, extension and first bytes."""

import pickle
import subprocess
import sys

import pytest

from connectors.contract import Connector
from connectors.errors import ConfigError
from connectors.registry import REGISTRY, by_extension, connector, connectors, sniff


def test_every_format_has_a_connector_of_its_name() -> None:
    assert connectors() == ("hl7v2",)
    for name in REGISTRY:
        assert connector(name).name == name
        assert isinstance(connector(name), Connector)


def test_a_connector_pickles() -> None:
    for name in connectors():
        assert pickle.loads(pickle.dumps(connector(name))).tables == connector(name).tables


def test_an_unknown_format_is_named_with_those_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"FORMAT_UNKNOWN: .*hl7v2"):
        connector("fax")


def test_importing_the_registry_imports_no_format() -> None:
    code = "import sys, connectors.registry; print(any(m.startswith('connectors.hl7v2') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.parametrize(
    ("key", "formats"), [("a/B.HL7", ("hl7v2",)), ("x.hl7.gz", ("hl7v2",)), ("x.dcm", ()), ("x", ())]
)
def test_extensions_name_formats(key: str, formats: tuple[str, ...]) -> None:
    assert by_extension(key) == formats


@pytest.mark.parametrize(
    ("head", "formats"),
    [
        (b"MSH|^~\\&|", ("hl7v2",)),
        (b"\xef\xbb\xbfMSH|^~\\&|", ("hl7v2",)),
        (b"\x0bMSH#*~\\&#", ("hl7v2",)),
        (b"\r\n\r\nFHS|^~\\&", ("hl7v2",)),
        ("MSH|^~\\&|".encode("utf-16"), ("hl7v2",)),
        ("MSH|^~\\&|".encode("utf-16-be"), ("hl7v2",)),
        (b"a message begins with MSH|", ()),
        (b"MSHA", ()),
        (b"MSH \n", ()),
        (b"", ()),
        (b"{}", ()),
    ],
)
def test_first_bytes_name_formats(head: bytes, formats: tuple[str, ...]) -> None:
    assert sniff(head) == formats
