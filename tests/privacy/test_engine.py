"""The engine over a table of every category."""

from __future__ import annotations

import base64
import gc
import pickle
import weakref

import made_up
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from connectors.contract import LINEAGE, Category, Column, TableSpec
from connectors.errors import ConfigError
from connectors.kernels.distinct import Distinct, Told, distinct
from jobs.privacy import engine, policy
from jobs.privacy.actions import Action, Rows
from jobs.privacy.actions.hash import Hash
from jobs.privacy.actions.token import Token

DEIDENTIFYING = [n for n in policy.names() if policy.load(n).zone is policy.Zone.DEIDENTIFIED]


def run(name: str, table: pa.Table | None = None) -> pa.Table:
    source = made_up.table() if table is None else table
    return engine.deidentify(source, made_up.spec(), policy.load(name), made_up.keyring())


@pytest.mark.parametrize("name", policy.names())
def test_output_has_exactly_the_announced_schema_and_rows(name: str) -> None:
    out = run(name)
    assert out.schema.equals(engine.deidentified_spec(made_up.spec(), policy.load(name)), check_metadata=True)
    assert out.num_rows == 60
    out.validate(full=True)


def test_identified_changes_nothing() -> None:
    assert run("identified").equals(made_up.table(), check_metadata=True)


def allowed(name: str) -> set[str]:
    """Categories whose values the policy keeps, if they are one word."""
    rules = policy.load(name)
    return {c.value for c in Category if rules.action(c).name in ("keep", "one_word")}


@pytest.mark.parametrize("name", DEIDENTIFYING)
def test_no_canary_in_any_column_unless_its_category_is_kept(name: str) -> None:
    out, kept = run(name), allowed(name)
    routes = made_up.table().column("value_category").to_pylist()
    for column in out.column_names:
        for row, value in enumerate(out.column(column).to_pylist()):
            if column in kept or (column == "value" and routes[row] in kept):
                continue
            assert "KANARIE" not in str(value).upper()
            assert "HOSPITAL" not in str(value).upper()


@pytest.mark.parametrize("name", DEIDENTIFYING)
def test_tables_for_identified_zones_are_not_written(name: str) -> None:
    spec = TableSpec("raw", "Raw.", LINEAGE, identified_only=True, patient_key="")
    assert engine.deidentified_spec(spec, policy.load(name)) is None
    assert engine.deidentified_spec(spec, policy.load("identified")) is not None


def test_a_record_number_and_the_key_of_its_person_have_one_token() -> None:
    out = run("pseudonymised")
    assert out.column("patient_id").equals(out.column("patient_key"))


def test_token_is_that_of_the_library_over_the_normalised_identifier() -> None:
    key = made_up.keyring().subkey("token", "patient", 64)
    expected = base64.urlsafe_b64encode(AESSIV(key).encrypt(b"HOSPITAL|KANARIE3", None)).rstrip(b"=").decode()
    assert run("pseudonymised").column("patient_id")[3].as_py() == expected


def test_reveal_gives_the_identifier_back() -> None:
    tokens = run("pseudonymised").column("patient_id")
    assert engine.reveal(tokens, "patient", made_up.keyring()).to_pylist()[:2] == [
        "HOSPITAL|KANARIE0",
        "HOSPITAL|KANARIE1",
    ]
    assert engine.reveal(tokens, "encounter", made_up.keyring()).null_count == 60
    assert engine.reveal(tokens, "patient", made_up.keyring(8)).null_count == 60


def test_dates_of_one_patient_move_by_one_number_of_days() -> None:
    before, after = made_up.table(), run("pseudonymised")
    moved: dict[str, set[float]] = {}
    for name in ("birth_date", "death_date", "event_date", "record_date"):
        for patient, x, y in zip(
            *(c.to_pylist() for c in (before["patient_key"], before[name], after[name])), strict=True
        ):
            moved.setdefault(patient, set()).add((x - y).total_seconds() / 86400)
    assert all(len(days) == 1 and 1 <= min(days) <= 365 and min(days) % 1 == 0 for days in moved.values())
    assert len({min(days) for days in moved.values()}) > 3


def test_a_row_without_a_patient_moves_by_its_record() -> None:
    table = made_up.table()
    at = table.schema.get_field_index("patient_key")
    nobody = table.set_column(at, table.schema.field(at), pa.nulls(60, pa.string()))
    out = run("pseudonymised", nobody)
    days = [(x - y).days for x, y in zip(table["event_date"].to_pylist(), out["event_date"].to_pylist(), strict=True)]
    assert all(days[i] == days[i + 1] for i in range(0, 60, 2))
    assert len(set(days)) > 10


def test_a_category_that_nobody_knows_is_dropped() -> None:
    fresh = str.__new__(Category, "iris_scan")
    fresh._name_, fresh._value_ = "IRIS_SCAN", "iris_scan"
    spec = TableSpec("t", "T.", (Column("iris", pa.string(), fresh, "New."), *LINEAGE), patient_key="")
    for name in policy.names():
        assert "iris" not in engine.deidentified_spec(spec, policy.load(name)).names


def test_a_column_that_the_spec_does_not_have_is_refused() -> None:
    more = made_up.table().append_column("extra", pa.array(["x"] * 60))
    with pytest.raises(ConfigError, match="COLUMN_UNKNOWN"):
        run("pseudonymised", more)
    with pytest.raises(ConfigError, match="COLUMN_UNKNOWN"):
        run("pseudonymised", made_up.table().drop_columns(["ssn"]))


def test_columns_in_another_order_come_out_in_that_of_the_spec() -> None:
    table = made_up.table()
    turned = table.select(table.column_names[::-1])
    assert run("pseudonymised", turned).equals(run("pseudonymised", table))


def test_chunks_and_slices_give_the_rows_of_the_whole() -> None:
    table, whole = made_up.table(), run("pseudonymised")
    chunked = pa.concat_tables([table.slice(0, 13), table.slice(13, 20), table.slice(33)])
    assert run("pseudonymised", chunked).equals(whole)
    assert run("pseudonymised", table.slice(13, 20)).equals(whole.slice(13, 20))


def test_a_table_without_rows_keeps_its_schema() -> None:
    for name in policy.names():
        out = run(name, made_up.table().slice(0, 0))
        assert out.num_rows == 0
        assert out.schema == engine.deidentified_spec(made_up.spec(), policy.load(name))


def test_dropped_columns_take_their_companions_along() -> None:
    column = Column("born", made_up.TIMESTAMP, Category.BIRTH_DATE, "B.")
    part = Column("born_precision", pa.int8(), Category.TECHNICAL, "P.", companion_of="born")
    spec = TableSpec("t", "T.", (column, part, *LINEAGE), patient_key="")
    rules = policy.load("pseudonymised")
    without = rules.model_copy(update={"actions": tuple(a for a in rules.actions if a[0] != "birth_date")})
    assert engine.deidentified_spec(spec, rules).names[:2] == ["born", "born_precision"]
    assert engine.deidentified_spec(spec, pickle.loads(pickle.dumps(without))).names == [c.name for c in LINEAGE]


def test_record_ids_are_hashed_to_16_bytes_and_stay_equal_where_they_were() -> None:
    before, out = made_up.table()["_record_id"], run("pseudonymised")["_record_id"]
    assert set(pc.binary_length(out).to_pylist()) == {16}
    assert not set(before.to_pylist()) & set(out.to_pylist())
    assert len(set(out.to_pylist())) == len(set(before.to_pylist())) == 30


def test_routed_rows_follow_their_own_category() -> None:
    out, table = run("pseudonymised"), made_up.table()
    value = dict(zip(table["value_category"].to_pylist(), out["value"].to_pylist(), strict=False))
    number = dict(zip(table["value_category"].to_pylist(), out["value_number"].to_pylist(), strict=False))
    assert value["quantity"].startswith("Kanarie-value")
    assert [value[c] for c in ("free_text", "person_name", "event_date", None, "no_such_category", "code_text")] == [
        None
    ] * 6
    assert (
        engine.reveal(pa.array([value["order_id"]]), "order", made_up.keyring())[0].as_py().startswith("KANARIE-VALUE")
    )
    assert (number["age"], number["quantity"], number["order_id"], number[None]) == (90.0, 91.5, None, None)


def test_routed_times_and_their_parts_follow_the_row() -> None:
    out, table = run("pseudonymised"), made_up.table()
    routes = table["value_category"].to_pylist()
    at = {route: i for i, route in reversed(list(enumerate(routes)))}
    time, digits = out["value_time"].to_pylist(), out["value_time_precision"].to_pylist()
    moved = table["value_time"][at["event_date"]].as_py() - time[at["event_date"]]
    assert moved.seconds == 0
    assert 1 <= moved.days <= 365
    assert (time[at["ssn"]], digits[at["ssn"]], digits[at["event_date"]]) == (None, None, 14)


def test_tables_that_share_arrays_come_out_as_if_each_were_alone() -> None:
    rules, keys, spec = policy.load("pseudonymised"), made_up.keyring(), made_up.spec()
    whole = made_up.table()
    tables = [whole, whole.slice(0, 30), whole.slice(30), whole.take(list(range(59, -1, -1)))]
    shared = engine.Shared()
    for table in tables:
        alone = engine.deidentify(table, spec, rules, keys)
        assert engine.deidentify(table, spec, rules, keys, shared).equals(alone)


@pytest.mark.parametrize("name", policy.names())
def test_dictionaries_of_arrow_hold_what_columns_hold_otherwise(name: str) -> None:
    source, rules, spec = made_up.table(), policy.load(name), made_up.spec()
    null = pa.array(['""', "a", "A", None] * 15)
    for column in ("order_id", "patient_id"):
        source = source.set_column(source.schema.get_field_index(column), source.schema.field(column), null)
    alone = engine.deidentify(source, spec, rules, made_up.keyring())
    made = engine.deidentify(source, spec, rules, made_up.keyring(), engine.Shared(encoded=True))
    encoded = [f.name for f in made.schema if pa.types.is_dictionary(f.type)]
    assert bool(encoded) == (rules.zone is policy.Zone.DEIDENTIFIED)
    assert made.schema.metadata == alone.schema.metadata
    assert [f.metadata for f in made.schema] == [f.metadata for f in alone.schema]
    assert made.cast(alone.schema).equals(alone)


def test_nothing_of_a_table_is_held_once_it_is_deidentified() -> None:
    """A cycle would keep identified values, and their memory, until the collector comes by."""
    table = made_up.table()
    held = weakref.ref(table)
    gc.disable()
    try:
        engine.deidentify(table, made_up.spec(), policy.load("pseudonymised"), made_up.keyring())
        del table
        assert held() is None
    finally:
        gc.enable()


def test_what_follows_from_shared_arrays_alone_is_made_once() -> None:
    made: list[int] = []
    shared, array = engine.Shared(), pa.array(["a", "b"])
    for each in (array, array, array[1:], pa.array(["a", "b"])):
        shared.once("length", [each], lambda each=each: made.append(len(each)))
    assert made == [2, 1, 2]


def rows(shared: engine.Shared) -> Rows:
    """What an action may know of order numbers."""
    more = {"distinct": shared.distinct, "alike": shared.alike, "once": shared.once}
    return Rows(keys=made_up.keyring(), category="order_id", days=lambda most: pytest.fail("no dates"), **more)


def test_an_array_is_kept_while_what_was_made_of_it_is() -> None:
    shared = engine.Shared()
    results = [shared.once("text", [a], a.to_pylist) for a in (pa.array([str(n)] * 99) for n in range(50))]
    assert [result[0] for result in results] == [str(n) for n in range(50)]


def test_a_column_that_the_reader_knows_is_not_told_apart_again(monkeypatch: pytest.MonkeyPatch) -> None:
    column, reader, told = pa.array(["a", "b", "a"]), Told(), Told()
    known = distinct(column)
    reader.note(column, known)
    told.learn(reader)
    monkeypatch.setattr("jobs.privacy.engine.distinct", lambda values: pytest.fail("asked again"))
    assert engine.Shared(told).distinct(column) is known


@pytest.mark.parametrize("action", [Token(), Hash()])
@pytest.mark.parametrize("sent", ["A", "a", "A "])
def test_pseudonyms_of_values_of_one_form_each_are_not_told_apart(
    sent: str, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, column = Told(), pa.array(["A", sent, None, "B"] * 9)
    shared = engine.Shared(told)
    found = action.apply(column, rows(shared))
    if sent == "A":
        monkeypatch.setattr("connectors.kernels.distinct.all_differ", lambda spans: pytest.fail("asked again"))
    known = told.of(found)
    assert (known is None) == (sent != "A")
    assert known is None or (known.values.equals(distinct(found).values) and known.exact)


def test_pseudonyms_that_hardly_repeat_are_known_to() -> None:
    told, numbers = Told(), [str(n) for n in range(50_000)]
    shared = engine.Shared(told)
    made = Token().apply(pa.array(numbers), rows(shared))
    assert told.of(made) == Distinct(made, None, exact=True)
    twice = Token().apply(pa.array([each for n in numbers[:25_000] for each in (f"a{n}", f"A{n}")]), rows(shared))
    assert told.of(twice) is None
    assert distinct(twice).codes is not None


def test_equal_columns_are_worked_on_once_for_a_purpose() -> None:
    shared, worked_on = engine.Shared(), []

    def make(several: Distinct) -> Distinct:
        worked_on.append(several.values.to_pylist())
        return Distinct(pa.array([f"<{value}>" for value in several.values.to_pylist()]), several.codes)

    columns = [pa.array(["a", "b"]), pa.array(["a", "b"]), pa.array(["a", "c"]), pa.array(["a"])]
    made = [shared.alike("token", distinct(column), make).to_pylist() for column in columns]
    assert made == [["<a>", "<b>"], ["<a>", "<b>"], ["<a>", "<c>"], ["<a>"]]
    shared.alike("hash", distinct(columns[0]), make)
    assert worked_on == [["a", "b"], ["a", "c"], ["a"], ["a", "b"]]
