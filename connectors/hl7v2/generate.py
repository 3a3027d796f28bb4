"""Synthetic HL7 v2 messages of an invented hospital: message i of a seed is the same whatever is made beside it."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import count as numbered
from itertools import islice

import numpy as np
import numpy.typing as npt
import zstandard

from connectors.errors import ConfigError
from connectors.hl7v2.population import PEOPLE, Row, draw, lists, patient, pick
from connectors.storage import StorageOptions, open_store

KINDS = ("ADT^A01", "ORU^R01", "RDE^O11", "ADT^A03")
_STRUCTURES = {"ADT^A01": "ADT_A01", "ORU^R01": "ORU_R01", "RDE^O11": "RDE_O11", "ADT^A03": "ADT_A03"}
_CHUNK = 4096
_FIRST_DAY = np.datetime64("2026-01-05T00:00", "s")
_DAYS = 7
_RHYTHM = (2, 1, 1, 1, 2, 4, 9, 14, 16, 15, 14, 12, 10, 12, 13, 12, 10, 8, 7, 6, 5, 4, 3, 2)  # weight of each hour
_RESULTS = 6  # the most observations of a panel
Spread = tuple[list[str], list[str], list[int], list[int], list[int], list[list[float]]]


def _moments(seed: int, index: npt.NDArray[np.uint64]) -> npt.NDArray[np.datetime64]:
    """When each message was sent: a day of the week, an hour by the rhythm of a hospital, a second."""
    weights = np.cumsum(np.array(_RHYTHM))
    r = draw(seed, index, 1)
    hours = np.searchsorted(weights, (r % np.uint64(weights[-1])).astype(np.int64), side="right")
    seconds = (r >> np.uint64(16)) % np.uint64(3600) + (r >> np.uint64(40)) % np.uint64(_DAYS) * np.uint64(86400)
    return _FIRST_DAY + (hours * 3600 + seconds.astype(np.int64)).astype("timedelta64[s]")


def _compact(moments: npt.NDArray[np.datetime64]) -> list[str]:
    """YYYYMMDDHHMMSS of each moment."""
    text = np.datetime_as_string(moments, unit="s").tolist()
    return [f"{t[:4]}{t[5:7]}{t[8:10]}{t[11:13]}{t[14:16]}{t[17:19]}" for t in text]


def _normal(seed: int, index: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """float64[n, 6]: standard normal numbers (Box and Muller)."""
    columns = []
    for salt in range(20, 20 + _RESULTS):
        u = [(draw(seed, index, s) >> np.uint64(11)).astype(np.float64) / 2**53 for s in (salt, salt + 100)]
        columns.append(np.sqrt(-2 * np.log(u[0] + 2**-54)) * np.cos(2 * np.pi * u[1]))
    return np.stack(columns, 1)


def _spread(seed: int, first: int, count: int) -> Spread:
    """What chance decides for messages [first, first + count): sent, earlier, person, choice, detail, deviations."""
    index = np.arange(first, first + count, dtype=np.uint64)
    moments, earlier = _moments(seed, index), draw(seed, index, 2) % np.uint64(72 * 3600)
    people = draw(seed, index, 3) % np.uint64(PEOPLE)
    return (
        _compact(moments),
        _compact(moments - earlier.astype(np.int64).astype("timedelta64[s]")),
        people.astype(np.int64).tolist(),
        draw(seed, index, 4).tolist(),
        draw(seed, index, 5).tolist(),
        _normal(seed, index).round(6).tolist(),
    )


def _visit(person: int, detail: int, admitted: str, discharged: str = "") -> str:
    ward, doctor = pick("ward", detail), pick("provider", detail >> 8)
    provider = f"{doctor['code']}^{doctor['text']}^^^^^^NPI"
    bed = f"{ward['code']}^{100 + (detail >> 16) % 40}^{'AB'[detail >> 24 & 1]}^GENHOSP"
    number = f"V{person:06}{(detail >> 28) % 4}^^^GENHOSP^VN"
    return f"PV1|1|{'IIOE'[detail >> 26 & 3]}|{bed}||||{provider}|||{ward['code']}|||||||{provider}||{number}" + (
        "|" * 25 + f"{admitted}|{discharged}\r"
    )


def _admission(person: tuple[str, str, str], detail: int, time: str) -> str:
    sickness, allergy = pick("diagnosis", detail >> 32), pick("allergy", detail >> 36)
    text = f"DG1|1||{sickness['code']}^{sickness['text']}^I10||{time}|A\r"
    if detail >> 40 & 1:
        text = f"AL1|1|DA|{allergy['code']}^{allergy['text']}^RXNORM|MO|{allergy['a']}~Swelling\r" + text
    return text + person[2]


@lru_cache(maxsize=1)
def _analytes() -> dict[str, Row]:
    return {row["code"]: row for row in lists()["analyte"]}


def _observation(number: int, row: Row, deviation: float, time: str) -> str:
    low, high = float(row["b"]), float(row["c"])
    decimals = len(row["b"].partition(".")[2])
    value = round(float(row["d"]) * float(np.exp(float(row["e"]) * deviation)), decimals)
    flag = "L" if value < low else "H" if value > high else "N"
    code = f"{row['code']}^{row['text']}^LN"
    return f"OBX|{number}|NM|{code}||{value:.{decimals}f}|{row['a']}|{row['b']}-{row['c']}|{flag}|||F|||{time}\r"


def _results(index: int, detail: int, deviations: list[float], drawn: str, sent: str) -> str:
    panel, doctor = pick("panel", detail >> 32), pick("provider", detail >> 8)
    order = f"ORC|RE|P{index:09}|F{index:09}||||||{sent}\r"
    request = f"OBR|1|P{index:09}|F{index:09}|{panel['code']}^{panel['text']}^LN|||{drawn}|||||||||"
    request += f"{doctor['code']}^{doctor['text']}||||||{sent}||LAB|F\r"
    parts, codes = [order, request], panel["a"].split()
    for number, code in enumerate(codes, 1):
        parts.append(_observation(number, _analytes()[code], deviations[number - 1], drawn))
    if detail >> 44 & 7 == 0:
        parts.append(f"NTE|1|L|{pick('note', detail >> 48)['text']}\r")
    if detail >> 50 & 15 == 0:
        parts.append(f"OBX|{len(codes) + 1}|SN|20570-8^Dilution^LN||>^{detail % 90 + 10}||||||F|||{drawn}\r")
    return "".join(parts)


def _prescription(index: int, detail: int, time: str) -> str:
    drug, doctor = pick("drug", detail >> 32), pick("provider", detail >> 8)
    who = f"{doctor['code']}^{doctor['text']}"
    return (
        f"ORC|NW|R{index:09}|||||||{time}|||{who}\r"
        f"RXE|1^{drug['e']}^^{time}|{drug['code']}^{drug['text']}^RXNORM|{drug['a']}||{drug['b']}|{drug['d']}"
        f"|||||||{who}||RX{index:09}\rRXR|{drug['c']}\r"
    )


def _message(index: int, kind: str, seed: int, chance: tuple[str, str, int, int, int, list[float]]) -> bytes:
    sent, earlier, person, _, detail, deviations = chance
    who = patient(seed, person)
    application = "LAB" if kind == "ORU^R01" else "PHARM" if kind == "RDE^O11" else "ADT"
    zone = "-0500" if detail & 3 == 0 else ""
    trigger = kind.partition("^")[2]
    head = (
        f"MSH|^~\\&|{application}|GENHOSP|LAKE|DATA|{sent}{zone}||{kind}^{_STRUCTURES[kind]}"
        f"|M{seed % 1000:03}{index:09}|P|2.5.1||||||UNICODE UTF-8\r"
    )
    if kind.startswith("ADT"):
        left = sent if kind == "ADT^A03" else ""
        kin = who[1] if kind == "ADT^A01" else ""
        body = f"EVN|{trigger}|{sent}{zone}\r{who[0]}{kin}{_visit(person, detail, earlier, left)}"
        body += _admission(who, detail, sent) if kind == "ADT^A01" else ""
    elif kind == "ORU^R01":
        body = who[0] + _visit(person, detail, earlier) + _results(index, detail, deviations, earlier, sent)
    else:
        body = who[0] + _visit(person, detail, earlier) + _prescription(index, detail, sent)
    return (head + body).encode()


def messages(count: int, seed: int, kinds: Sequence[str] = KINDS) -> Iterator[bytes]:
    """`count` messages of the kinds, each ending with CR. Raises ConfigError for an unknown kind."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise ConfigError("GENERATE_KIND", f"kinds are {', '.join(KINDS)}")
    shares = [kind for kind in kinds for _ in range(3 if kind == "ORU^R01" else 1)]
    for first in range(0, count, _CHUNK):
        spread = zip(*_spread(seed, first, min(_CHUNK, count - first)), strict=True)
        for index, chance in enumerate(spread, first):
            yield _message(index, shares[chance[3] % len(shares)], seed, chance)


def _broken(message: bytes, fault: int, first: bool) -> bytes:
    """The message with one fault: no MSH-2, a charset that does not exist, cut within MSH, or text in front."""
    if fault == 0:
        return message.replace(b"MSH|^~\\&|", b"MSH|||", 1)
    if fault == 1:
        return message[:7] + b"\r"
    if fault == 2 and first:
        return b"-- connection reset, log resumes --\r" + message
    return message.replace(b"UNICODE UTF-8", b"X-UNHEARD-OF", 1)


_COMPRESSIONS: dict[str | None, tuple[str, Callable[[bytes], bytes]]] = {
    None: ("", bytes),
    "gz": (".gz", lambda data: gzip.compress(data, 6, mtime=0)),
    "zst": (".zst", lambda data: zstandard.ZstdCompressor(level=3).compress(data)),
    "bz2": (".bz2", bz2.compress),
}


def objects(
    count: int,
    messages_per_object: int,
    seed: int,
    *,
    kinds: Sequence[str] = KINDS,
    malformed: float = 0.0,
    compress: str | None = None,
) -> Iterator[tuple[str, bytes]]:
    """(key, bytes) of objects NNNNNN.hl7 with so many messages each.

    malformed: share of messages (0 to 1) that are broken on purpose. compress: None, "gz", "zst" or "bz2".
    Raises ConfigError for an unknown kind or compression.
    """
    if compress not in _COMPRESSIONS:
        raise ConfigError("GENERATE_COMPRESSION", "compress is gz, zst or bz2")
    suffix, squeeze = _COMPRESSIONS[compress]
    stream, limit = messages(count, seed, kinds), round(malformed * 2**32)
    for number in numbered():
        batch = list(islice(stream, messages_per_object))
        if not batch:
            return
        if limit:
            index = np.arange(len(batch), dtype=np.uint64) + np.uint64(number * messages_per_object)
            for at, r in enumerate(draw(seed, index, 6).tolist()):
                if r % 2**32 < limit:
                    batch[at] = _broken(batch[at], (r >> 32) % 4, at == 0)
        yield f"{number:06}.hl7{suffix}", squeeze(b"".join(batch))


def write(
    uri: str,
    count: int,
    messages_per_object: int,
    seed: int,
    *,
    kinds: Sequence[str] = KINDS,
    malformed: float = 0.0,
    compress: str | None = None,
    options: StorageOptions | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Writes `objects(...)` below a folder or prefix; returns how many. progress is called with 1 an object.

    Raises what the store raises, and ConfigError as `objects` does.
    """
    store, written = open_store(uri, options or StorageOptions()), 0
    for key, data in objects(count, messages_per_object, seed, kinds=kinds, malformed=malformed, compress=compress):
        store.put(key, data)
        written += 1
        if progress is not None:
            progress(1)
    return written


def bench_messages(count: int, seed: int) -> Iterator[bytes]:
    """`count` small messages of about 312 bytes: MSH, EVN, PID, PV1 and one OBX, each segment ending with CR."""
    analytes = lists()["analyte"]
    for first in range(0, count, _CHUNK):
        sent, earlier, people, choices, details, deviations = _spread(seed, first, min(_CHUNK, count - first))
        for k, person in enumerate(people):
            fields = patient(seed, person)[0].split("|")
            name, detail = fields[5], details[k]
            city = pick("city", choices[k] >> 8)
            yield (
                f"MSH|^~\\&|LAB|GENHOSP|LAKE|DATA|{sent[k]}||ADT^A01|M{first + k:09}|P|2.5\r"
                f"EVN||{sent[k]}\r"
                f"PID|1||{4_000_000 + person}^^^GENHOSP^MR||{name}||{fields[7]}|{fields[8]}|||"
                f"{detail % 998 + 1} Alder Lane^^{city['text']}^{city['code']}^{city['a']}\r"
                f"PV1|1|I|{pick('ward', detail)['code']}^{100 + detail % 40}^A|||||||||||||||V{person:06}\r"
                f"{_observation(1, analytes[choices[k] % len(analytes)], deviations[k][0], earlier[k])}"
            ).encode()


_COMPONENTS = {"CX": 12, "XPN": 15, "XAD": 23, "XTN": 18, "XCN": 25, "XON": 10, "PL": 11, "HD": 3, "EI": 4, "EIP": 2}
_COMPONENTS |= {"PPN": 25, "CWE": 22, "CNE": 22, "CE": 6, "CF": 6, "JCC": 3, "DLN": 3, "FC": 2, "NDL": 11, "SPS": 7}
_COMPONENTS |= {"DLD": 2, "CP": 6, "MO": 2, "RP": 4, "ED": 5, "PLN": 4, "DR": 2, "TS": 1, "DTM": 1, "DT": 1}
_TIMES = ("TS", "DTM", "DT")
_SPOKEN_FOR = {("MSH", k) for k in (1, 2, 7, 9, 10, 11, 12, 18)} | {("OBX", 1), ("OBX", 2), ("EVN", 1), ("PID", 1)}
_ORDER = (
    "MSH",
    "EVN",
    "PID",
    "PD1",
    "NK1",
    "PV1",
    "PV2",
    "GT1",
    "IN1",
    "IN2",
    "IN3",
    "ORC",
    "OBR",
    "NTE",
    "OBX",
    "SPM",
)


def _canary(prefix: str, number: int, datatype: str) -> str:
    if datatype not in _TIMES:
        return f"{prefix}{number:05}Q"
    moment = np.datetime64("1947-03-01T00:00:00", "s") + np.timedelta64(number * 26 * 3600 + number, "s")
    text = _compact(np.array([moment]))[0]
    return text[:8] if datatype == "DT" else text


def canary_message(prefix: str, positions: Iterable[tuple[str, int, str]]) -> tuple[bytes, dict[str, str]]:
    """An ORU^R01 message with a value that stands nowhere else in every position, and which value stands where.

    prefix: letters and digits, so that a value can be recognised. positions: (segment, field, data type of HL7 v2);
    each component of the type gets a value of its own, named like "PID-5.1", or "PID-7" where the type has one
    component. Times are times between 1947 and about 2060, the others the prefix with a number. Fields without which
    a message cannot be read (of MSH, and OBX-2, which is ST) keep their meaning and are left out of the answer.
    """
    fields: dict[str, dict[int, str]] = {"MSH": {}, "PID": {1: "1"}, "OBX": {1: "1", 2: "ST"}, "EVN": {1: "R01"}}
    values: dict[str, str] = {}
    for segment, field, datatype in positions:
        if (segment, field) in _SPOKEN_FOR:
            continue
        many = _COMPONENTS.get(datatype, 1)
        names = [f"{segment}-{field}.{c}" for c in range(1, many + 1)] if many > 1 else [f"{segment}-{field}"]
        for name in names:
            values[name] = _canary(prefix, len(values), datatype)
        fields.setdefault(segment, {})[field] = "^".join(values[name] for name in names)
    fields["MSH"] |= {2: "^~\\&", 7: "20260105080000", 9: "ORU^R01^ORU_R01", 10: f"{prefix}CTRL", 11: "P", 12: "2.5.1"}
    fields["MSH"][18] = "UNICODE UTF-8"
    lines = []
    for segment in sorted(fields, key=lambda s: (_ORDER.index(s) if s in _ORDER else len(_ORDER), s)):
        held, first = fields[segment], 2 if segment == "MSH" else 1
        lines.append("|".join([segment, *(held.get(k, "") for k in range(first, max(held) + 1))]) + "\r")
    return "".join(lines).encode(), values
