#!/usr/bin/env python3
"""Reads files of the store with three other programs and checks what they see.

usage: parquet_readers.py FOLDER   (with types.parquet and traces.parquet in it)
"""

import json
import sys
from pathlib import Path

import duckdb
import polars
import pyarrow.parquet

TYPES = {
    "t_ns": [1_000_000_000_000, 1_000_010_000_003, -5],
    "power_w": [0.1, -2.5, 1e300],
    "signal": ["power", "energy", "power"],
    "note": ["größer", "", "x"],
    "peak_bytes": [None, 0, 7],
    "net_j": [0.0, None, -2.5],
    "code": ["x", None, ""],
    "steady": [True, None, False],
}
ROWS = 100_000


def equal(what, seen, expected):
    if seen != expected:
        raise SystemExit(f"{what}: {seen!r}, expected {expected!r}")


def check_pyarrow(folder):
    table = pyarrow.parquet.read_table(folder / "types.parquet")
    equal("pyarrow values", table.to_pydict(), TYPES)
    notes = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    equal("pyarrow schema", (notes["schema"], notes["schema_version"]), ("test", "1.0.0"))
    units = {"t_ns": "ns", "power_w": "W", "peak_bytes": "bytes", "net_j": "J"}
    equal("pyarrow units", json.loads(notes["units"]), units)
    equal("pyarrow field", table.schema.field("power_w").metadata, {b"unit": b"W"})
    file = pyarrow.parquet.ParquetFile(folder / "types.parquet")
    equal("compression", file.metadata.row_group(0).column(0).compression, "ZSTD")
    traces = pyarrow.parquet.read_table(folder / "traces.parquet")
    equal("pyarrow rows", traces.num_rows, ROWS)
    equal("pyarrow last", traces["value"][ROWS - 1].as_py(), 0.5 * (ROWS - 1))


def check_duckdb(folder):
    rows = duckdb.read_parquet(str(folder / "types.parquet")).fetchall()
    equal("duckdb values", rows, list(zip(*TYPES.values())))
    name = str(folder / "traces.parquet")
    query = "select count(*), sum(value), max(t_ns), sum(latency_ns), min(signal), min(unit) from read_parquet(?)"
    last = ROWS - 1
    latencies = sum(5_000 + i % 11 for i in range(ROWS))
    expected = (ROWS, 0.25 * ROWS * last, 1_000_000_000 + last * 10_000_000 + last % 3, latencies, "energy", "J")
    equal("duckdb traces", duckdb.execute(query, [name]).fetchone(), expected)


def check_polars(folder):
    table = polars.read_parquet(folder / "types.parquet")
    equal("polars values", table.with_columns(polars.col("signal", "note", "code").cast(polars.String)).to_dict(as_series=False), TYPES)


def main():
    folder = Path(sys.argv[1])
    for check in (check_pyarrow, check_duckdb, check_polars):
        check(folder)
    print("read by", ", ".join(f"{m.__name__} {m.__version__}" for m in (pyarrow, duckdb, polars)))


if __name__ == "__main__":
    main()
