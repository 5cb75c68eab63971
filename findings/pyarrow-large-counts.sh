#!/usr/bin/env bash
# pyarrow 18.1.0: the JSON reader turns an integer above 2^63 - 1 into a float, and with it every other of its column.
#
# Counters of the kernel are unsigned 64-bit numbers. One that is large enough makes its whole column `double`, so that
# 9007199254740993 in another line comes out as 9007199254740992, without a warning. A schema of uint64 keeps both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install --disable-pip-version-check pyarrow==18.1.0 numpy==2.1.3
venv/bin/python - <<'P'
import io
import pyarrow
from pyarrow import json

text = b'{"n":9007199254740993}\n{"n":18446744073709551615}\n'
table = json.read_json(io.BytesIO(text))
values = [int(value) for value in table.column("n").to_pylist()]
print(pyarrow.__version__, table.schema.field("n").type, values)
assert str(table.schema.field("n").type) == "double" and values == [9007199254740992, 18446744073709551616]
alone = json.read_json(io.BytesIO(b'{"n":9007199254740993}\n'))
assert alone.column("n").to_pylist() == [9007199254740993]
schema = pyarrow.schema([("n", pyarrow.uint64())])
exact = json.read_json(io.BytesIO(text), parse_options=json.ParseOptions(explicit_schema=schema))
print("with a schema of uint64:", exact.column("n").to_pylist())
assert exact.column("n").to_pylist() == [9007199254740993, 18446744073709551615]
P
