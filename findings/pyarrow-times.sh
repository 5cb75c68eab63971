#!/usr/bin/env bash
# pyarrow 18.1.0: the JSON reader infers a timestamp from 2026-11-21T02:00:00Z, and text from the same with milliseconds.
#
# Both are RFC 3339. So the type of a column hangs on whether any of its times has a fraction, and a file whose writer
# leaves a fraction of zero out is a column of text or of timestamps as it happens. A schema given to the reader
# reads both.
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

def read(text, **options):
    return json.read_json(io.BytesIO(text.encode()), **options)

whole = read('{"t":"2026-11-21T02:00:00Z"}\n').schema.field("t").type
fraction = read('{"t":"2026-11-21T02:00:00.123Z"}\n').schema.field("t").type
mixed = read('{"t":"2026-11-21T02:00:00Z"}\n{"t":"2026-11-21T02:00:00.123Z"}\n').schema.field("t").type
print(pyarrow.__version__, "whole seconds:", whole, "| with milliseconds:", fraction, "| both:", mixed)
assert str(whole) == "timestamp[s]" and str(fraction) == "string" and str(mixed) == "string"
schema = pyarrow.schema([("t", pyarrow.timestamp("ms"))])
options = json.ParseOptions(explicit_schema=schema)
table = read('{"t":"2026-11-21T02:00:00Z"}\n{"t":"2026-11-21T02:00:00.123Z"}\n', parse_options=options)
milliseconds = table.column("t").cast(pyarrow.int64()).to_pylist()
print("with a schema of timestamp[ms], apart by:", milliseconds[1] - milliseconds[0], "ms")
assert milliseconds[1] - milliseconds[0] == 123
P
