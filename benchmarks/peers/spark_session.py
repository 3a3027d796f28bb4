"""A local Spark as its peers share it."""

from __future__ import annotations

import os
import sys

from pyspark.sql import SparkSession


def session(cpus: int) -> SparkSession:
    """`cpus` task slots in one process, times in UTC, on the loopback interface alone."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONWARNINGS"] = "ignore"
    builder = SparkSession.builder.master(f"local[{cpus}]").config("spark.ui.enabled", "false")
    for key, value in {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "4g",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(cpus),
        # A file costs the default 4 MB of a partition's 128 to open: small local files pack better with less.
        "spark.sql.files.openCostInBytes": str(64 << 10),
        # More partitions than slots, so that a large file keeps both busy to the end.
        "spark.sql.files.maxPartitionBytes": str(32 << 20),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark
