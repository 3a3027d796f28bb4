"""The invented people and lists that synthetic messages are made of. Every name, number and address is made up."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

PEOPLE = 20_000
_EPOCH = np.datetime64("1930-01-01", "D")
Row = Mapping[str, str]


@lru_cache(maxsize=1)
def lists() -> Mapping[str, tuple[Row, ...]]:
    """The rows of `synthetic.csv` by the name of their list."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in csv.DictReader(files("connectors.hl7v2").joinpath("synthetic.csv").read_text("utf-8").splitlines()):
        found[row["list"]].append(row)
    return {name: tuple(rows) for name, rows in found.items()}


def draw(seed: int, index: npt.NDArray[np.uint64], salt: int) -> npt.NDArray[np.uint64]:
    """uint64[n]: the random number `salt` of each index (SplitMix64), the same whatever stands beside it."""
    with np.errstate(over="ignore"):
        stream = (seed * 0xD1B54A32D192ED03 + salt * 0xABC98388FB8FAC03) % 2**64
        z = index * np.uint64(0x9E3779B97F4A7C15) + np.uint64(stream)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
        return z ^ (z >> np.uint64(31))


def _one(seed: int, number: int, salt: int) -> int:
    return int(draw(seed, np.array([number], np.uint64), salt)[0])


def pick(name: str, number: int) -> Row:
    """One row of a list."""
    rows = lists()[name]
    return rows[number % len(rows)]


@lru_cache(maxsize=PEOPLE)
def patient(seed: int, number: int) -> tuple[str, str, str]:
    """The PID segment, the NK1 and the IN1 segment of a person, each with its CR."""
    r = _one(seed, number, 900)
    family, sex = pick("family", r)["text"], "FM"[r >> 8 & 1]
    given = pick("given_f" if sex == "F" else "given_m", r >> 9)["text"]
    born = str(_EPOCH + np.timedelta64((r >> 16) % 33_000, "D")).replace("-", "")
    city, street = pick("city", r >> 24), f"{1 + (r >> 28) % 998} {pick('street', r >> 32)['text']}"
    address = f"{street}^^{city['text']}^{city['code']}^{city['a']}^USA^H"
    phone = f"(555)555-{(r >> 36) % 10_000:04}^PRN^PH"
    mrn, ssn = f"{4_000_000 + number}", f"9{(r >> 40) % 100:02}-{(r >> 44) % 90 + 10}-{(r >> 48) % 10_000:04}"
    identifiers = f"{mrn}^^^GENHOSP^MR"
    if r % 3 == 0:
        identifiers += f"~{ssn}^^^SSA^SS"
    if r % 5 == 0:
        identifiers += f"~S{(r >> 20) % 10**8:08}^^^{city['code']}DMV^DL"
    mobile = f"~(555)555-{(r >> 50) % 10_000:04}^PRN^CP" if r % 4 == 0 else ""
    race, marital = ("2106-3^White", "2054-5^Black", "2028-9^Asian", "1002-5^Native")[r >> 52 & 3], "MSDW"[r >> 54 & 3]
    pid = (
        f"PID|1||{identifiers}||{family}^{given}^{'ABCDEJ'[r % 6]}^^^^L||{born}|{sex}||{race}^HL70005|{address}||"
        f"{phone}{mobile}|||{marital}|||{ssn}\r"
    )
    kin = f"NK1|1|{family}^{pick('given_m', r >> 13)['text']}|SPO^Spouse^HL70063|{address}|{phone}\r"
    insurer = pick("insurer", r >> 11)
    plan = f"IN1|1|PPO^Preferred|{insurer['code']}|{insurer['text']}||||G{r % 9000 + 1000}" + "|" * 8
    plan += f"{family}^{given}|SEL|{born}|{address}" + "|" * 17 + f"H{(r >> 5) % 10**9:09}\r"
    return pid, kin, plan
