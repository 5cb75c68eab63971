#!/usr/bin/env python3
"""fleet.py HOSTS PROGRAMS FOLDER: writes a dump for each of some made-up hosts, each with a database and programs, of which
the first twenty connect to the database of the next host; the first host has an nginx too. The same every time."""
import json
import sys

TIME = "2026-11-21T02:00:00.123Z"


def address(host):
    return f"10.0.{host // 250}.{host % 250 + 1}"


def dump(host, hosts, programs, out):
    def line(**members):
        out.write(json.dumps(members, separators=(",", ":")) + "\n")

    def dependency(program, relation, **members):
        line(type="dependency", host=f"{host:032x}", program=program, relation=relation, **members,
             count=3, first=TIME, last=TIME, evidence="exact")

    line(type="header", schema="retinue/2", time=TIME, host=f"{host:032x}",
         machine={"name": f"web{host}", "addresses": [address(host)], "kernel": "6.1", "boot": "b"},
         daemon={"version": "1", "started": TIME}, sources={})
    database = {"executable": "/usr/lib/postgresql/15/bin/postgres", "workload": "system.slice/postgresql.service"}
    dependency(database, "listen", transport="tcp", local={"address": address(host), "port": 5432})
    dependency(database, "file", path="/var/lib/postgresql/15/main/base/1", kind="regular", access="rw")
    if host == 0:
        nginx = {"executable": "/usr/sbin/nginx", "workload": "system.slice/nginx.service"}
        dependency(nginx, "file", path="/etc/nginx/nginx.conf", kind="regular", access="r")
    for number in range(programs):
        program = {"executable": f"/usr/bin/app{number}", "workload": f"system.slice/app{number}.service"}
        dependency(program, "file", path=f"/etc/app{number}.conf", kind="regular", access="r")
        dependency(program, "file", path=f"/var/lib/app{number}/data", kind="regular", access="rw")
        if number < 20:
            dependency(program, "connect", transport="tcp",
                       remote={"address": address((host + 1) % hosts), "port": 5432}, sent=10, received=20)


hosts, programs, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
for host in range(hosts):
    with open(f"{folder}/web{host}.ndjson", "w") as out:
        dump(host, hosts, programs, out)
