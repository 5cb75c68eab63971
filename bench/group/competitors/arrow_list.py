"""Reads a dependency list with pyarrow, the fastest reader that was found, and numbers its names."""

import pyarrow
import pyarrow.compute
import pyarrow.csv

NINE = ["host A", "path A", "relation", "access", "host B", "path B", "count", "first", "last"]


def read(file):
    """The rows' left ends and right ends, each one Arrow array of `address,path`.

    Of nine columns, which have their names in the first line, the four that matter here are made; the others are
    split and not converted, which is the least that a CSV reader can do with them.
    """
    with open(file, "rb") as start:
        isNine = start.readline() == ",".join(NINE).encode() + b"\n"
    columns = [NINE[column] for column in (0, 1, 4, 5)] if isNine else ["a", "b", "c", "d"]
    table = pyarrow.csv.read_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(column_names=None if isNine else columns),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pyarrow.large_string()), include_columns=columns))
    join = pyarrow.compute.binary_join_element_wise
    separator = pyarrow.scalar(",", pyarrow.large_string())
    a, b, c, d = (table[column] for column in columns)
    return join(a, b, separator).combine_chunks(), join(c, d, separator).combine_chunks()


def numbered(file):
    """The numbers of the rows' left ends and right ends (numpy), and the names by number (Arrow)."""
    left, right = read(file)
    encoded = pyarrow.concat_arrays([left, right]).dictionary_encode()
    numbers = encoded.indices.to_numpy()
    return numbers[:len(left)], numbers[len(left):], encoded.dictionary


def number(names, address, path):
    return pyarrow.compute.index(names, pyarrow.scalar(f"{address},{path}", names.type)).as_py()
