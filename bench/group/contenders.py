"""Who takes part, and how each is called."""

import os

HERE = os.path.dirname(os.path.abspath(__file__))

# The order is that of tables, legends and runs: `index` makes the index that `indexed` uses and `retinue` does not.
NAMES = ["retinue", "index", "indexed", "duckdb", "rustworkx", "scipy", "sqlite", "networkx"]

# Those that take no more than four of nine columns without more ado.
NINE = ["retinue", "index", "indexed", "duckdb", "rustworkx", "scipy"]

# Those that take part in lists beyond 350,000 rows, unless others are asked for: there the rest take minutes for a run.
LONG = ["retinue", "index", "indexed", "duckdb", "scipy"]

# Those that print no members.
SILENT = ["index"]

# Packages that each needs in the environment that `run` makes; the sqlite3 shell is Debian's.
MODULES = {"duckdb": "duckdb", "rustworkx": "rustworkx", "scipy": "scipy", "networkx": "networkx"}

_SCRIPTS = {
    "duckdb": "duckdb_cte.py",
    "rustworkx": "rustworkx_arrow.py",
    "scipy": "scipy_arrow.py",
    "networkx": "networkx_csv.py",
}


def retinue_command(binary, file, address, path):
    """The one place where the command line of Retinue stands."""
    return [binary, "group", f"{address}:{path}", "--from", file, "--symmetric", "--format", "csv"]


# What the name of an index has behind that of its list.
INDEX_SUFFIX = ".retinue-index"


# What turns Retinue's answer into lines `address,path`: a header, then host, kind, path, workload. The generated
# names hold nothing that CSV would quote.
RETINUE_MEMBERS = "tail -n +2 | cut -d, -f1,3"


def command(name, retinue, python, file, address, path):
    if name == "index":
        return [retinue, "index", file]
    if name == "indexed":
        return retinue_command(retinue, file, address, path)
    if name == "retinue":
        return retinue_command(retinue, file, address, path) + ["--no-index"]
    if name == "sqlite":
        return [f"{HERE}/competitors/sqlite_shell", file, address, path]
    return [python, f"{HERE}/competitors/{_SCRIPTS[name]}", file, address, path]
