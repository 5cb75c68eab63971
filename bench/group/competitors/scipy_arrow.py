"""SciPy: names numbered by pyarrow, a sparse matrix, csgraph.connected_components.

Usage: scipy_arrow.py FILE ADDRESS PATH
"""

import sys

import numpy
import pyarrow
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import arrow_list


def main(file, address, path):
    left, right, names = arrow_list.numbered(file)
    matrix = coo_array((numpy.ones(len(left), numpy.int8), (left, right)), shape=(len(names), len(names)))
    _, labels = connected_components(matrix, directed=False)
    mine = labels == labels[arrow_list.number(names, address, path)]
    sys.stdout.write("\n".join(names.filter(pyarrow.array(mine)).to_pylist()) + "\n")


main(*sys.argv[1:])
