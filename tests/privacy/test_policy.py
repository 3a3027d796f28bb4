"""Policies: what is shipped, what loads, and what is refused."""

from __future__ import annotations

import csv
import pickle
import re
from importlib import resources
from pathlib import Path

import pytest
import yaml

from connectors.contract import Category
from connectors.errors import ConfigError
from connectors.registry import connector
from jobs.privacy import document, domains, policy

ROOT = Path(__file__).parents[2]
SIXTEEN_DROPPED = (
    *("person_name", "relative_name", "employer", "address_street", "address_county", "telecom", "ssn"),
    *("health_plan_id", "account_number", "licence_number", "device_id", "network_address", "attachment", "free_text"),
)


def written(folder: Path, **changes: object) -> Path:
    content = {"name": "own", "version": 1, "zone": "deidentified", "legal_basis": "None.", "description": "Own."}
    content |= {"actions": {"code": "keep", "event_date": {"action": "shift", "max_days": 30}}, **changes}
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_three_policies_are_shipped() -> None:
    assert policy.names() == ("hipaa-limited-data-set", "identified", "pseudonymised")
    assert [policy.load(n).name for n in policy.names()] == list(policy.names())


@pytest.mark.parametrize("name", policy.names())
def test_a_shipped_policy_names_every_category(name: str) -> None:
    assert {category for category, _ in policy.load(name).actions} == set(policy.NAMEABLE)


@pytest.mark.parametrize("name", policy.names())
def test_a_shipped_policy_says_what_it_does_to_dates(name: str) -> None:
    assert "date" in policy.load(name).description.lower()


def test_the_limited_data_set_drops_the_direct_identifiers_and_keeps_dates() -> None:
    rules = policy.load("hipaa-limited-data-set")
    assert {rules.action(c).name for c in SIXTEEN_DROPPED} == {"drop"}
    kept = ("event_date", "birth_date", "death_date", "address_city", "address_state", "address_zip", "age")
    assert {rules.action(c).name for c in kept} == {"keep"}


def test_a_category_that_is_not_named_is_dropped(tmp_path: Path) -> None:
    rules = policy.load(written(tmp_path))
    assert [rules.action(c).name for c in ("code", "event_date", "ssn", "never heard of")] == [
        "keep",
        "shift",
        "drop",
        "drop",
    ]


def test_every_category_has_facts_and_only_they() -> None:
    assert list(domains.facts()) == [c.value for c in Category]
    assert domains.of("patient_key").domain == domains.of("patient_id").domain == "patient"
    shared = [f.domain for f in domains.facts().values() if f.domain and f.domain not in ("patient", "code")]
    assert len(shared) == len(set(shared))


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"actions": {"codes": "keep"}}, "POLICY_CATEGORY", "codes"),
        ({"actions": {"routed": "keep"}}, "POLICY_CATEGORY", "routed"),
        ({"actions": {"code": "keeep"}}, "POLICY_ACTION", "keeep"),
        ({"actions": {"code": None}}, "POLICY_ACTION", "code"),
        ({"actions": {"free_text": "scrub"}}, "POLICY_ACTION_PLANNED", "not built"),
        ({"actions": {"patient_id": "vault"}}, "POLICY_ACTION_PLANNED", "not built"),
        ({"actions": {"event_date": {"action": "shift", "days": 3}}}, "POLICY_PARAMETER", "days"),
        ({"actions": {"event_date": {"action": "shift", "max_days": 0}}}, "POLICY_PARAMETER", "max_days"),
        ({"actions": {"event_date": {"action": "shift", "max_days": "3"}}}, "POLICY_PARAMETER", "max_days"),
        ({"actions": {"code": {"action": "constant"}}}, "POLICY_PARAMETER", "value"),
        ({"actions": []}, "POLICY_DAMAGED", "actions"),
        ({"zone": "elsewhere"}, "POLICY_FIELD", "zone"),
        ({"legal_basis": ""}, "POLICY_FIELD", "legal_basis"),
        ({"name": "../x"}, "POLICY_FIELD", "name"),
        ({"colour": "red"}, "POLICY_FIELD", "colour"),
    ],
)
def test_what_a_policy_cannot_be_is_said_in_one_sentence(
    tmp_path: Path, changes: dict[str, object], code: str, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        policy.load(written(tmp_path, **changes))
    assert caught.value.code == code
    assert says in caught.value.message
    assert "\n" not in caught.value.message


def test_a_category_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text() + "  code: drop\n")
    with pytest.raises(ConfigError, match="POLICY_DAMAGED"):
        policy.load(path)


def test_unknown_names_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"POLICY_UNKNOWN.*pseudonymised"):
        policy.load("pseudonymized")
    with pytest.raises(ConfigError, match="POLICY_UNREADABLE"):
        policy.load(tmp_path / "none.yaml")


def test_the_digest_follows_what_a_policy_does_and_not_its_words(tmp_path: Path) -> None:
    plain = policy.load(written(tmp_path)).digest
    reordered = {"event_date": {"max_days": 30, "action": "shift"}, "code": {"action": "keep"}}
    assert policy.load(written(tmp_path, description="Other words.", actions=reordered)).digest == plain
    changes = [{"version": 2}, {"name": "other"}, {"zone": "identified"}, {"actions": {"code": "keep"}}]
    assert len({policy.load(written(tmp_path, **c)).digest for c in changes} | {plain}) == 5
    assert re.fullmatch("[0-9a-f]{64}", plain)


def test_default_parameters_are_part_of_the_digest(tmp_path: Path) -> None:
    short = policy.load(written(tmp_path, actions={"event_date": "shift"}))
    long = policy.load(written(tmp_path, actions={"event_date": {"action": "shift", "max_days": 365}}))
    assert short.digest == long.digest


def test_a_policy_travels_to_a_task_whole() -> None:
    rules = policy.load("pseudonymised")
    digest = rules.digest
    copy = pickle.loads(pickle.dumps(rules))
    assert copy == rules
    assert (copy.digest, copy.action("event_date")) == (digest, rules.action("event_date"))


def test_policies_of_equal_values_are_one_and_others_are_not(tmp_path: Path) -> None:
    plain = policy.canonical(policy.load(written(tmp_path)))
    assert policy.canonical(policy.load(written(tmp_path))) is plain
    assert policy.canonical(policy.load(written(tmp_path, description="Other words."))) is not plain


def test_the_description_of_a_policy_has_a_row_a_category() -> None:
    shown = {row.category: row for row in policy.describe(policy.load("pseudonymised"))}
    assert tuple(shown) == policy.NAMEABLE
    assert shown["event_date"].action == "shift"
    assert "365" in shown["event_date"].result


def test_the_page_of_policies_is_up_to_date() -> None:
    assert (ROOT / "docs" / "policies.md").read_text("utf-8") == document.render(connector("hl7v2").tables.values())


def test_every_error_of_privacy_has_its_row() -> None:
    text = resources.files("connectors").joinpath("error_codes.csv").read_text("utf-8")
    listed = {row["code"] for row in csv.DictReader(text.splitlines())}
    raised: set[str] = set()
    for path in (ROOT / "jobs" / "privacy").rglob("*.py"):
        raised |= set(re.findall(r'Error\(\s*"([A-Z_]+)"', path.read_text("utf-8")))
    assert len(raised) > 15
    assert raised <= listed
