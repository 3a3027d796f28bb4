"""An inventory stands in for a listing, whatever wrote it."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.contract import RawObject
from connectors.errors import ConfigError
from connectors.storage import open_store
from connectors.storage.inventory import read
from connectors.storage.listing import list_objects

KEYS = ["in/a b+c%.hl7", "in/plain.hl7", 'in/ü,"q".hl7']


@pytest.fixture
def listed(s3) -> list[RawObject]:
    for key in KEYS:
        s3.put(key, key.encode())
    return [o for page in open_store(s3.uri, s3.options).list() for o in page]


def rows(objects: list[RawObject]) -> list[dict[str, object]]:
    return [
        {
            "bucket": o.uri.split("/")[2],
            "key": o.uri.split("/", 3)[3],
            "size": o.size,
            "modified": datetime.fromtimestamp(o.modified_us / 1e6, UTC),
            "etag": o.etag.strip('"'),
        }
        for o in objects
    ]


def as_text(objects: list[RawObject]) -> bytes:
    return "".join(o.uri + "\r\n" for o in objects).encode()


def as_csv(objects: list[RawObject]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["uri", "size", "etag", "modified"])
    writer.writerows((o.uri, o.size, o.etag, o.modified_us) for o in objects)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def as_s3_inventory(objects: list[RawObject]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    for r in rows(objects):
        time = r["modified"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
        writer.writerow(
            [r["bucket"], quote_plus(r["key"]), "", "true", "false", r["size"], time, r["etag"], "STANDARD"]
        )
        writer.writerow([r["bucket"], quote_plus(r["key"]), "old", "false", "false", 1, time, r["etag"], "STANDARD"])
        writer.writerow([r["bucket"], "gone", "v9", "true", "true", "", time, "", ""])
    return gzip.compress(out.getvalue().encode())


def as_parquet(objects: list[RawObject]) -> bytes:
    out = io.BytesIO()
    table = pa.Table.from_pylist(rows(objects)).rename_columns(["bucket", "key", "size", "last_modified_date", "e_tag"])
    pq.write_table(table.append_column("storage_class", [["STANDARD"] * len(objects)]), out)
    return out.getvalue()


@pytest.mark.parametrize("write", [as_text, as_csv, as_s3_inventory, as_parquet])
@pytest.mark.parametrize("where", ["local", "s3"])
def test_an_inventory_gives_what_listing_gives(
    s3, listed: list[RawObject], tmp_path: Path, write: Callable[[list[RawObject]], bytes], where: str
) -> None:
    if where == "s3":
        path = s3.put("inventories/1", write(listed))
    else:
        path = str(tmp_path / "inventory")
        Path(path).write_bytes(write(listed))
    assert [o for page in read(path, s3.options) for o in page] == listed


def test_an_inventory_comes_in_pages(s3, listed: list[RawObject], tmp_path: Path) -> None:
    (tmp_path / "inventory").write_bytes(as_csv(listed * 800))
    assert [len(p) for p in read(str(tmp_path / "inventory"), s3.options)] == [1000, 1000, 400]


def test_local_files_are_looked_up_and_missing_ones_stay_in_the_count(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "inventory").write_text(f"{tmp_path}/a\n\n{tmp_path}/b\n")
    found = [o for page in read(str(tmp_path / "inventory")) for o in page]
    assert found == [open_store(str(tmp_path)).head("a"), RawObject(f"{tmp_path}/b", 0, 0)]


def test_in_a_bucket_that_keeps_versions_an_object_is_the_same_whichever_way_it_was_found(s3, tmp_path: Path) -> None:
    s3.client().put_bucket_versioning(Bucket=s3.bucket, VersioningConfiguration={"Status": "Enabled"})
    uri = s3.put("in/a.hl7", b"one")
    (tmp_path / "names").write_text(f"{uri}\n")
    (looked_up,) = [raw for page in read(str(tmp_path / "names"), s3.options) for raw in page]
    (listed,) = [raw for page in list_objects(f"{s3.uri}/in/", s3.options) for raw in page]
    (alone,) = [raw for page in list_objects(uri, s3.options) for raw in page]
    assert looked_up.version == listed.version == alone.version == '"f97c5d29941bfb1b2fdab0874906ab82"'


def test_only_rows_that_tell_too_little_are_looked_up(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    told = [RawObject(f"s3://nowhere/{n}", n, 0, '"0"') for n in range(3)]
    lines = ["uri,size,etag", "s3://nowhere/0,0,0", f"{tmp_path}/a,,", "s3://nowhere/1,1,0", "s3://nowhere/2,2,0"]
    (tmp_path / "inventory").write_text("\n".join(lines))
    found = [o for page in read(str(tmp_path / "inventory")) for o in page]
    assert found == [told[0], open_store(str(tmp_path)).head("a"), *told[1:]]


def test_an_empty_inventory_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "inventory").write_bytes(b"")
    assert list(read(str(tmp_path / "inventory"))) == []


@pytest.mark.parametrize(
    "data",
    [
        b"PAR1 and no more",
        b"\xff\xfe\x00",
        b"uri,size,etag\ns3://bucket/k,many,x\n",
        b"uri,size,etag\ns3://bu cket/k,1,x\n",
        b"uri,size\n,3\n",
    ],
)
def test_what_is_no_inventory_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "inventory").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        list(read(str(tmp_path / "inventory")))
    assert caught.value.code == "INVENTORY_INVALID"


@pytest.mark.parametrize(
    "header",
    ["key,size", "\ufeffKey, Size", '"key","size","etag"', "bucket,size,etag", "size,e_tag", "key,bytes,etag"],
)
def test_a_header_that_names_neither_uri_nor_bucket_and_key_is_told_and_no_bucket_is_asked(
    tmp_path: Path, header: str
) -> None:
    (tmp_path / "inventory").write_text(f"{header}\nd0/f1.hl7,92,0cc175b9c0f1b6a831c399e269772661\n")
    with pytest.raises(ConfigError) as caught:
        list(read(str(tmp_path / "inventory")))
    assert (caught.value.code, str(caught.value)) == (
        "INVENTORY_INVALID",
        f"INVENTORY_INVALID: the header of {tmp_path}/inventory names neither uri nor bucket and key",
    )


def test_a_bucket_and_an_object_that_are_called_like_columns_make_no_header_of_an_s3_inventory(tmp_path: Path) -> None:
    (tmp_path / "inventory").write_text('"key","size","92","900150983cd24fb0d6963f7d28e17f72"\n')
    found = [o for page in read(str(tmp_path / "inventory")) for o in page]
    assert found == [RawObject("s3://key/size", 92, 0, '"900150983cd24fb0d6963f7d28e17f72"')]
