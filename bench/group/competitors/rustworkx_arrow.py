"""rustworkx: names numbered by pyarrow, PyGraph, node_connected_component.

Usage: rustworkx_arrow.py FILE ADDRESS PATH
"""

import sys

import numpy
import pyarrow
import rustworkx

import arrow_list


def main(file, address, path):
    left, right, names = arrow_list.numbered(file)
    graph = rustworkx.PyGraph(multigraph=True)  # looking for double edges would cost more than they do
    graph.extend_from_edge_list(list(zip(left.tolist(), right.tolist())))
    group = rustworkx.node_connected_component(graph, arrow_list.number(names, address, path))
    members = names.take(pyarrow.array(numpy.fromiter(group, numpy.int64, len(group))))
    sys.stdout.write("\n".join(members.to_pylist()) + "\n")


main(*sys.argv[1:])
