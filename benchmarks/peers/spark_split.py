"""Spark SQL: each message a row by the line separator, its segments and fields by `split`, all inside the engine."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, functions

from benchmarks.peers.program import KEY, Arguments, clocked, parse, report
from benchmarks.peers.spark_session import session

TIMES = ("message_time", "birth_date", "admit_time", "observed_time")


def messages(arguments: Arguments, spark: object) -> DataFrame:
    """One row a message: the lines of it. A custom line separator keeps large files splittable."""
    text = spark.read.option("lineSep", "\rMSH|").text(str(arguments.source))  # type: ignore[attr-defined]
    return text.select(functions.split("value", "\r").alias("lines"))


def at(parts: Column, number: int) -> Column:
    """That element, or null where there are fewer."""
    return functions.get(parts, functions.lit(number))


def segment(name: str) -> Column:
    """The fields of the first segment of that name."""
    named = functions.filter("lines", lambda line: line.startswith(name + "|"))
    return functions.split(at(named, 0), r"\|")


def component(field: Column, number: int) -> Column:
    return at(functions.split(field, r"\^"), number)


def instant(field: Column) -> Column:
    return functions.to_timestamp(functions.rpad(field, 14, "0"), "yyyyMMddHHmmss")


def columns(lines: DataFrame) -> DataFrame:
    """The flat columns of messages with one OBX."""
    # The separator takes "MSH|" away from every message but the first of a file.
    head = functions.split(functions.regexp_replace(functions.col("lines")[0], r"^MSH\|", ""), r"\|")
    cut = lines.select(head.alias("m"), segment("PID").alias("p"), segment("PV1").alias("v"), segment("OBX").alias("o"))
    m, p, v, o = (lambda i, name=name: at(functions.col(name), i) for name in "mpvo")
    return cut.select(
        m(8).alias("control_id"),
        instant(m(5)).alias("message_time"),
        m(2).alias("sending_facility"),
        component(m(7), 0).alias("message_type"),
        component(m(7), 1).alias("trigger_event"),
        component(p(3), 0).alias("patient_id"),
        instant(p(7)).alias("birth_date"),
        p(8).alias("sex"),
        v(2).alias("patient_class"),
        component(v(19), 0).alias("visit_number"),
        instant(v(44)).alias("admit_time"),
        o(1).alias("set_id"),
        o(2).alias("value_type"),
        component(o(3), 0).alias("code"),
        component(o(3), 1).alias("code_text"),
        component(o(3), 2).alias("code_system"),
        o(5).alias("value_text"),
        functions.when(o(2) == "NM", o(5).try_cast("double")).alias("value_number"),
        o(6).alias("units"),
        o(7).alias("reference_range"),
        o(8).alias("abnormal_flags"),
        o(11).alias("status"),
        instant(o(14)).alias("observed_time"),
    )


def pseudonym(name: str) -> Column:
    """A keyed hash; Spark SQL has no HMAC."""
    return functions.sha2(functions.concat(functions.lit(KEY.hex()), functions.col(name)), 256)


def deidentify(flat: DataFrame) -> DataFrame:
    days = functions.pmod(functions.xxhash64("patient_id"), functions.lit(365)) - 182
    shift = functions.make_dt_interval(days.cast("int"))
    changed = {name: functions.col(name) + shift for name in TIMES}
    changed |= {name: pseudonym(name) for name in ("patient_id", "control_id", "visit_number")}
    return flat.select(*(changed.get(name, functions.col(name)).alias(name) for name in flat.columns))


def convert(arguments: Arguments) -> None:
    flat = columns(messages(arguments, session(arguments.cpus)))
    flat = flat if arguments.identified else deidentify(flat)
    flat.write.mode("overwrite").option("compression", "zstd").parquet(str(arguments.out))


def main() -> None:
    arguments = parse()
    spark = session(arguments.cpus)
    clock = clocked(arguments, convert)
    report(clock, spark.read.parquet(str(arguments.out)).count())
    spark.stop()


if __name__ == "__main__":
    main()
