"""The work whose slowing down is measured, and whose dependencies the watchers are asked for: small programs that do
one thing for each kind of fact, and real software."""

from . import files, processes, servers, sockets, software

WORKLOADS = [
    *files.WORKLOADS, *processes.WORKLOADS, *sockets.WORKLOADS, *software.WORKLOADS, *servers.WORKLOADS
]
