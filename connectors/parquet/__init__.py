"""Flat Arrow tables → the bytes of a Parquet file (Apache Parquet format 2.x, data pages of version 1).

A part of the lake repeats much of the part beside it: the tables of a bundle share their columns of lineage and
identifiers, and most columns of a wide table hold no value. Here a column that was encoded for one table is taken for
the next, and one without values costs a few bytes.
"""
