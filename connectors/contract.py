"""What every format implements: a connector turns bytes into Arrow tables; a stage is a pure function over them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.errors import ConfigError

if TYPE_CHECKING:
    from connectors.kernels.distinct import Told


class Category(enum.StrEnum):
    """What a column tells about a person. A policy maps each category to an action; an unnamed one is dropped.

    The classes follow 45 CFR 164.514(b)(2)(i) (A) to (R) and the direct and indirect identifiers of GDPR recital 26.
    """

    TECHNICAL = "technical"  # counters, separators, versions, statuses: says nothing about a person
    CODE = "code"  # a coded clinical or administrative value
    CODE_TEXT = "code_text"  # the display or original text beside a code: typed by people
    QUANTITY = "quantity"  # a measured number, its unit and range
    QUASI_IDENTIFIER = "quasi_identifier"  # sex, race, language, marital status
    AGE = "age"  # (C) an age in years
    PATIENT_KEY = "patient_key"  # the one key of a person: NORMALISED AUTHORITY|ID
    PATIENT_ID = "patient_id"  # (H) medical record number, same domain as the key
    SSN = "ssn"  # (G)
    HEALTH_PLAN_ID = "health_plan_id"  # (I)
    ACCOUNT_NUMBER = "account_number"  # (J)
    LICENCE_NUMBER = "licence_number"  # (K) driver's licence and other certificates of the person
    DEVICE_ID = "device_id"  # (M)
    NETWORK_ADDRESS = "network_address"  # (N), (O)
    ENCOUNTER_ID = "encounter_id"  # (R) visit number
    ORDER_ID = "order_id"  # (R) order, accession, specimen numbers
    DOCUMENT_ID = "document_id"  # (R) document, message and entity identifiers
    PERSON_NAME = "person_name"  # (A) the patient's names
    RELATIVE_NAME = "relative_name"  # (A) names of relatives, guarantors, insured
    RELATIVE_ID = "relative_id"  # (R) their identifiers
    PROVIDER_NAME = "provider_name"
    PROVIDER_ID = "provider_id"
    TELECOM = "telecom"  # (D), (E), (F)
    ADDRESS_STREET = "address_street"  # (B)
    ADDRESS_COUNTY = "address_county"  # (B)
    ADDRESS_CITY = "address_city"  # (B), allowed in a limited data set
    ADDRESS_STATE = "address_state"
    ADDRESS_ZIP = "address_zip"  # (B)
    ADDRESS_COUNTRY = "address_country"
    BIRTH_PLACE = "birth_place"  # (B)
    LOCATION = "location"  # ward, room, bed
    FACILITY = "facility"  # sending or receiving facility: geography by inference
    ORGANISATION = "organisation"
    EMPLOYER = "employer"  # (A) employers are inside (b)(2)(i)
    BIRTH_DATE = "birth_date"  # (C)
    DEATH_DATE = "death_date"  # (C)
    EVENT_DATE = "event_date"  # (C) a date of care: admission, observation, order
    RECORD_DATE = "record_date"  # (C) when a message or record was made
    FREE_TEXT = "free_text"  # may hold anything
    ATTACHMENT = "attachment"  # embedded documents
    OBJECT_KEY = "object_key"  # the name of the object: may hold a medical record number
    RECORD_DIGEST = "record_digest"  # SHA-256 of the record's bytes: confirms a guess
    ROUTED = "routed"  # the category stands, row by row, in the column named by Column.routed_by


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    position: where the value stands in the source ("PID-5.1"), empty for a derived one.
    routed_by: for Category.ROUTED, the column of the same table that holds each row's category (a Category's value).
    authority: for identifiers, the column of the same table that holds the assigning authority: a pseudonym is made
        from the normalised authority and identifier together, so that one person has one pseudonym everywhere.
    companion_of: for a derived part of another column (the precision of a time): it shares the fate of that column.
    """

    name: str
    type: pa.DataType
    category: Category
    description: str
    position: str = ""
    routed_by: str = ""
    authority: str = ""
    companion_of: str = ""

    def arrow(self) -> pa.Field:
        """The Arrow field; its metadata carries category, description and position."""
        metadata = {"category": self.category.value, "description": self.description, "position": self.position}
        return pa.field(self.name, self.type, metadata={k: v for k, v in metadata.items() if v})


LINEAGE = (
    Column(
        "_object",
        pa.string(),
        Category.OBJECT_KEY,
        "The object the record was read from; its token where the zone is de-identified.",
    ),
    Column("_offset", pa.int64(), Category.TECHNICAL, "Byte offset of the record in the (decompressed) object."),
    Column("_length", pa.int64(), Category.TECHNICAL, "Length of the record in bytes."),
    Column(
        "_record_id",
        pa.binary(),
        Category.RECORD_DIGEST,
        "SHA-256 of the record's bytes; its HMAC where the zone is de-identified (16 bytes).",
    ),
)


@dataclass(frozen=True)
class TableSpec:
    """A table of a connector. Its columns end with LINEAGE.

    identified_only: the table is written to identified zones alone.
    patient_key: the column whose value gives a row its date shift; empty if the table has none.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    identified_only: bool = False
    patient_key: str = "patient_key"

    def __post_init__(self) -> None:
        if self.columns[-len(LINEAGE) :] != LINEAGE:
            raise ConfigError("TABLE_LINEAGE", f"table {self.name} does not end with the lineage columns")
        names = [c.name for c in self.columns]
        if len(set(names)) != len(names):
            raise ConfigError("TABLE_COLUMNS", f"table {self.name} names a column twice")
        for c in self.columns:
            if not isinstance(c.category, Category):
                raise ConfigError("TABLE_CATEGORY", f"column {self.name}.{c.name} has no PHI category")
            for other in (c.routed_by, c.authority, c.companion_of):
                if other and other not in names:
                    raise ConfigError(
                        "TABLE_COLUMNS", f"column {self.name}.{c.name} refers to {other}, which is no column"
                    )
            if (c.category is Category.ROUTED) != bool(c.routed_by):
                raise ConfigError(
                    "TABLE_CATEGORY", f"column {self.name}.{c.name}: routed_by goes with the routed category"
                )

    def __hash__(self) -> int:
        return hash(self.name)

    @cached_property
    def schema(self) -> pa.Schema:
        return pa.schema([c.arrow() for c in self.columns])

    @cached_property
    def places(self) -> Mapping[pa.DataType, tuple[int, ...]]:
        """Of each type, which columns are of it."""
        made: dict[pa.DataType, list[int]] = {}
        for place, column in enumerate(self.columns):
            made.setdefault(column.type, []).append(place)
        return {kind: tuple(places) for kind, places in made.items()}

    @cached_property
    def empty(self) -> pa.Table:
        """The table without a row."""
        return self.schema.empty_table()

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)


class RawObject(NamedTuple):
    """An object as it was listed. A tuple, because runs make millions, and a frozen data class takes thrice as long.

    uri: "s3://bucket/key" or an absolute local path. size: bytes. modified_us: microseconds since 1970, UTC.
    etag: its entity tag, where the store gives one.
    """

    uri: str
    size: int
    modified_us: int
    etag: str = ""

    @property
    def version(self) -> str:
        """What makes this content of the key itself: the etag, else size and modification time.

        Not the version id of a bucket that keeps versions: listings do not say it, and an object must be the same
        version whichever way it was found.
        """
        return self.etag or f"{self.size}-{self.modified_us}"


ROOM_BEHIND = 128
"""Readable bytes behind what lies in a room, so that a kernel may load whole vectors."""


@runtime_checkable
class Placed(Protocol):
    """Blocks that are read to where a reader wants them. Who can do nothing with that iterates; not both."""

    def __iter__(self) -> Iterator[bytes]: ...

    def begin(self) -> tuple[npt.NDArray[np.uint8], int]:
        """A room, and how many bytes of it are filled: with the piece's `before` and the first block. Once."""

    def coming(self) -> int:
        """How many bytes the next block has, 0 behind the last one."""

    def read_into(self, place: npt.NDArray[np.uint8]) -> None:
        """Fill a place of so many bytes with the next block."""


@dataclass(frozen=True)
class Piece:
    """The bytes of an object, or of a range of it, for a reader.

    A record belongs to the piece in whose [start, end) it begins; the reader takes blocks beyond `end` until its last
    record is whole. `before` holds the (up to 4) bytes in front of `start`, so that a record start can be recognised.
    Blocks are read lazily, and reading them raises TransientError or ObjectChanged. Offsets are those of the
    decompressed object.
    """

    ordinal: int  # index of the piece in its bundle
    object: RawObject
    blocks: Iterable[bytes] | Placed  # from `start` to the end of the object
    start: int = 0
    end: int | None = None  # None: to the end of the object
    before: bytes = b""

    @property
    def whole(self) -> bool:
        return self.start == 0 and self.end is None


@dataclass(frozen=True)
class Stretch:
    """n whole objects that lie end to end in one buffer, none of them compressed: n pieces.

    ordinals: of the pieces, n. bounds: int64[n + 1] from 0 on, object k is room[bounds[k]:bounds[k + 1]]. room:
    uint8[bounds[n] + ROOM_BEHIND], zero behind the objects.
    """

    ordinals: Sequence[int]
    objects: Sequence[RawObject]
    bounds: npt.NDArray[np.int64]
    room: npt.NDArray[np.uint8]

    @property
    def data(self) -> memoryview:
        """The bytes of all objects."""
        return self.room.data[: int(self.bounds[-1])]

    def pieces(self) -> Iterator[Piece]:
        """The objects one by one."""
        bounds = self.bounds.tolist()
        for ordinal, raw, start, end in zip(self.ordinals, self.objects, bounds[:-1], bounds[1:], strict=True):
            yield Piece(ordinal, raw, (self.room[start:end].tobytes(),) if end > start else ())


@dataclass(frozen=True)
class Pieces:
    """Pieces in order, many small ones as one stretch. Who can do nothing with that iterates, and meets each alone."""

    stretches: Iterator[Piece | Stretch]

    def __iter__(self) -> Iterator[Piece]:
        for each in self.stretches:
            if isinstance(each, Stretch):
                yield from each.pieces()
            else:
                yield each


REJECTS = pa.schema(
    [
        pa.field("piece", pa.int32(), metadata={"description": "ordinal of the piece in its bundle"}),
        pa.field("code", pa.string()),
        pa.field(
            "position", pa.string(), metadata={"description": "segment and field where it is known: never a value"}
        ),
        pa.field(
            "records",
            pa.int64(),
            metadata={"description": "how many records the span counts as; 0 for text that is no record"},
        ),
        pa.field("_object", pa.string()),
        pa.field("_offset", pa.int64()),
        pa.field("_length", pa.int64()),
        pa.field("_record_id", pa.binary(), metadata={"description": "SHA-256 of the span's bytes"}),
    ]
)
"""Spans that could not be read. Never holds a value."""

ACCOUNTS = pa.schema(
    [
        pa.field("piece", pa.int32()),
        pa.field("records", pa.int64(), metadata={"description": "records read: those in tables and those rejected"}),
        pa.field("quarantined", pa.int64(), metadata={"description": "of them, rejected (sum of REJECTS.records)"}),
        pa.field("record_bytes", pa.int64(), metadata={"description": "bytes of records that are in the tables"}),
        pa.field("quarantined_bytes", pa.int64(), metadata={"description": "bytes of rejected spans"}),
        pa.field(
            "envelope_bytes",
            pa.int64(),
            metadata={"description": "bytes between records: terminators, batch headers, BOM, MLLP"},
        ),
    ]
)
"""What became of the bytes of each piece; rows of several chunks add up. The three byte columns of a whole object sum
to its (decompressed) size."""

ENVELOPES = pa.schema(
    [
        pa.field("piece", pa.int32()),
        pa.field("_object", pa.string()),
        pa.field("_offset", pa.int64()),
        pa.field("kind", pa.string(), metadata={"description": "FHS, BHS, BTS, FTS, or MSH for a message start"}),
        pa.field("declared", pa.int64(), metadata={"description": "the count a trailer declares, null if none"}),
        pa.field(
            "count",
            pa.int64(),
            metadata={"description": "messages since the envelope line before (rows of kind MSH only)"},
        ),
    ]
)
"""Envelope lines in order, and how many messages stand between them, for objects that have any. The counts that
trailers declare are checked when all pieces of an object are known."""


@dataclass(frozen=True)
class Parsed:
    """What became of a chunk of whole records.

    tables: name → table in the schema of its spec; one row of the record table for each record that was read.
    told: what the reader knows of the distinct values of their columns.
    """

    tables: Mapping[str, pa.Table]
    rejects: pa.Table  # REJECTS
    accounts: pa.Table  # ACCOUNTS
    envelopes: pa.Table  # ENVELOPES
    told: Told | None = None


@dataclass(frozen=True)
class ReadOptions:
    """What a reader may be told.

    time_zone: IANA name, applied to times that carry no offset. chunk_bytes: about how much is parsed at once.
    tables: the tables that are wanted (empty: all); a reader may leave out the work for others.
    max_record_bytes: a longer record is rejected, so that memory stays bounded.
    """

    time_zone: str = "UTC"
    chunk_bytes: int = 16 << 20
    tables: frozenset[str] = field(default_factory=frozenset)
    max_record_bytes: int = 256 << 20


@runtime_checkable
class Connector(Protocol):
    """One format. Instances hold no state and pickle.

    tables: every table it writes. record_table: the one with one row a record. findings_table: where validate puts
    its findings. splittable: an uncompressed object may be read in ranges.
    """

    name: str
    version: int
    extensions: tuple[str, ...]
    splittable: bool
    record_table: str
    findings_table: str

    @property
    def tables(self) -> Mapping[str, TableSpec]: ...

    def sniff(self, head: bytes) -> bool:
        """Whether an object that begins so is of this format."""
        ...

    def read(self, pieces: Iterable[Piece], options: ReadOptions) -> Iterator[Parsed]:
        """The tables of the pieces' records, a chunk at a time. Bad input becomes rejects; it never raises for it.

        Small objects can be had many at a time where the pieces are `Pieces`.
        """
        ...

    def validate(self, tables: Mapping[str, pa.Table], told: Told | None = None) -> Mapping[str, pa.Table]:
        """The same tables with each record's score filled in, and the findings table with those of the rules added.

        told: what is known of the distinct values of their columns; gets to know more.
        """
        ...

    def envelope_findings(self, envelopes: pa.Table) -> pa.Table:
        """ENVELOPES of whole objects → rows of the findings table for counts that do not agree."""
        ...
