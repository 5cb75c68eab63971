"""Connections on loopback and over Unix sockets."""

from collections import Counter

from contract import Fact
from . import ports
from .programs import Program


class Connections(Program):
    """Connects to a port of its own."""

    family = "sockets"

    def prepare(self, folder, operations):
        super().prepare(folder, operations)
        ports.pick(self.place(folder))

    def arguments(self, place, operations):
        return [str(ports.picked(place))]

    def caused(self, folder, operations):
        server = f"tcp:{ports.picked(self.place(folder))}"
        return Counter({
            Fact("accept", self.name, server): operations,
            Fact("connect", self.name, server): operations,
        })


class ProcessPerConnection(Connections):
    """Forks a process for each."""

    def caused(self, folder, operations):
        return super().caused(folder, operations) + Counter({Fact("fork", self.name, ""): operations})


class Datagrams(Connections):
    """Connected UDP sockets: nobody accepts."""

    def caused(self, folder, operations):
        return Counter({Fact("connect", self.name, f"udp:{ports.picked(self.place(folder))}"): operations})


class Local(Program):
    """A Unix socket in the workload's folder, and a server of its own."""

    family = "sockets"

    def arguments(self, place, operations):
        return [f"{place}/socket"]

    def caused(self, folder, operations):
        server = f"unix:{self.place(folder)}/socket"
        return Counter({
            Fact("accept", f"{self.name}-server", server): operations,
            Fact("connect", self.name, server): operations,
        })


WORKLOADS = [
    Connections("tcp", "connect + accept + close", 20_000),
    ProcessPerConnection("tcp-process", "fork + connect + accept + close", 1_000),
    Datagrams("udp", "socket + connect + send + receive + close", 25_000),
    Local("unix", "connect + accept + close", 25_000),
]
