"""Storms of which every fact is known, and what a dump makes of them."""

import subprocess

from watching import program


class Storm:
    """Several copies of the load, each with an executable, a folder and a unit of its own: a record that ties one's
    program to another's file is a misattribution."""

    def __init__(self, folder, workers, port):
        self.folder, self.port, self.workers = folder, port, []
        self.load = folder / "load"
        self.load.mkdir()
        # In memory, where opens cost the least: the disk must not be what holds the storm up.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4g,nr_inodes=8m", "load", self.load], check=True)
        for n in range(workers):
            place = self.load / f"worker-{n}"
            place.mkdir()
            self.workers.append({
                "place": place, "number": n, "storm": program("storm", folder / "bin", f"storm-{n}"),
                "unit": program("unit", folder / "bin", f"unit-{n}"), "log": folder / f"log-{n}"})
        self.server = program("server", folder / "bin")
        self.processes = []

    def start(self, seconds, opens, spawns, connections, names=0):
        """Rates a second and worker; gives the processes."""
        if connections:
            server = subprocess.Popen([self.server, str(self.port)], stdout=subprocess.PIPE)
            server.stdout.readline()
            self.processes.append(server)
        started = [subprocess.Popen([one["storm"], one["place"], str(seconds), str(opens), str(spawns), str(connections),
                                     str(self.port), one["unit"], one["log"], str(names)]) for one in self.workers]
        self.processes += started
        return started

    def end(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()

    def lines(self, worker, kind):
        try:
            with open(f"{worker['log']}.{kind}") as lines:
                for line in lines:
                    name, before, after = line.rsplit(" ", 2)
                    yield name, int(before), int(after)
        except FileNotFoundError:
            return

    def facts(self, worker, kind):
        """(name, before, after) of what a worker caused: files f, spawned units u, connections c."""
        return (line for line in self.lines(worker, kind) if line[0] != "=")

    def caused(self, worker, kind):
        """How many there were, names used again included."""
        return next((count for name, count, _ in self.lines(worker, kind) if name == "="), 0)

    def hold(self, made, checks, point):
        """Every fact is recorded under its own program, or lies within a gap's span; none is another's."""
        below = f"{self.load}/worker-"
        owners, folded, wrong, exact_wrong = {}, {}, [], []
        for record in made.records:
            if record["relation"] != "file" or not record["path"].startswith(below):
                continue
            number = record["path"][len(below):].split("/", 1)[0]
            executable = record["program"]["executable"]
            owners.setdefault(record["path"], set()).add(executable)
            if "folded" in record:  # it stands for every path below it
                folded.setdefault(record["path"], set()).add(executable)
            if executable not in (f"{self.folder}/bin/storm-{number}", f"{self.folder}/bin/unit-{number}"):
                wrong.append((executable, record["path"], record["evidence"]))
                exact_wrong += [wrong[-1]] if record["evidence"] == "exact" else []

        def used(program, path):
            if program in owners.get(path, ()):
                return True
            while folded and len(path) > len(below):
                path = path.rsplit("/", 1)[0]
                if program in folded.get(path, ()):
                    return True
            return False
        connected = {}
        for record in made.records:
            if record["relation"] == "connect" and record["remote"]["port"] == self.port:
                key = record["program"]["executable"], record["remote"]["address"]
                connected[key] = connected.get(key, 0) + record["count"]
        total, missing, silent, parents, miscounted = 0, 0, [], [], []
        for one in self.workers:
            for kind, own in (("f", one["storm"]), ("u", one["unit"])):
                for path, before, after in self.facts(one, kind):
                    total += 1
                    if used(own, path):
                        continue
                    if kind == "u" and one["storm"] in owners.get(path, ()):
                        parents.append(path)  # a unit's file under the program that spawned it
                    missing += 1
                    if not made.excuses(before, after, "file"):
                        silent.append(path)
            for address, before, after in self.facts(one, "c"):
                total += 1
                if connected.get((one["storm"], address)):
                    continue
                missing += 1
                if not made.excuses(before, after):
                    silent.append(f"connection to {address} {[round((t - before) / 1e9, 3) for span in made.spans() for t in span]}")
            spawned = sum(record["count"] for record in made.of("spawn", one["storm"])
                          if record["child"]["executable"] == one["unit"])
            connects = sum(connected[key] for key in connected if key[0] == one["storm"])
            for what, counted, kind, gaps in (("spawns", spawned, "u", made.spans("file")), ("connects", connects, "c", made.gaps)):
                caused = self.caused(one, kind)
                if counted > caused or (counted < caused and not gaps):
                    miscounted.append(f"{counted} of {caused} {what}")
        checks(total > 0, f"{point}: the storm caused something", f"{total} facts, {missing} missing")
        checks(not silent, f"{point}: every missing fact lies within a gap's span", f"{len(silent)} outside {silent[:2]}")
        checks(not wrong, f"{point}: no file is under another worker's program", f"{len(wrong)}, {len(exact_wrong)} exact {wrong[:2]}")
        checks(not parents, f"{point}: no spawned program's file is under its parent", f"{len(parents)} {parents[:1]}")
        checks(not miscounted, f"{point}: spawns and connects are counted rightly", ", ".join(miscounted))
        return total, missing
