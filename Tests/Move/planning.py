"""Plans as people make them: `retinued` watches a host of the laboratory, `retinue plan` writes what it has seen."""

import contextlib
import json
import subprocess
import time

from lab import HERE, PATH, PRODUCTS, Failure, until

# What asks a service in these tests, and would be elsewhere.
CLIENTS = ["/usr/lib/postgresql/15/bin/psql", "/usr/lib/postgresql/15/bin/pgbench", "/usr/bin/redis-cli", "/usr/bin/curl"]


def install_recipes(host):
    """The recipes that are shipped, where `make install` has them."""
    for recipe in (HERE.parent.parent / "packaging/recipes").glob("*.recipe"):
        host.write(f"/usr/share/retinue/recipes/{recipe.name}", recipe.read_bytes())


class Observer:
    """A daemon in a host's mount namespace; the kernel reports processes to the initial network namespace alone, so that it
    stays in that one, and reads the host's sockets."""

    def __init__(self, host, *options):
        self.host, self.options = host, options

    def __enter__(self):
        host, log = self.host, self.host.folder / "retinued.log"
        words = [word for word in host.words(PRODUCTS / "retinued", "--netns", f"/proc/{host.pid}/ns/net", "--cgroup", host.group.name,
                                             "--host-name", host.name, *self.options, "--state-dir", "/var/lib/retinue-observer",
                                             "--socket", "/run/retinued.sock", group=False) if word != "--net"]
        with open(log, "wb") as output:
            self.daemon = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=PATH,
                                           start_new_session=True)
        if not until(lambda: b"retinued: ready" in log.read_bytes() or self.daemon.poll() is not None, 60) or self.daemon.poll():
            self.__exit__()
            raise Failure(f"retinued is not ready: {log.read_text(errors='replace')[-600:]}")
        return self

    def dump(self):
        # Where much else runs on the machine, a daemon that hears of all of it may be late.
        dump = until(lambda: self.host.ask(PRODUCTS / "retinue", "dump", "--socket", "/run/retinued.sock").stdout, 120, 1)
        if not dump:
            raise Failure(f"no dump: {(self.host.folder / 'retinued.log').read_text(errors='replace')[-600:]}")
        return dump

    def __exit__(self, *_):
        self.daemon.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.daemon.wait(20)
        if self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()


def observed_plan(host, program, work, *, path="/root/plan.json", times=4):
    """Observes what runs in the host's control group while `work` is done, and plans it. The plan, which is also written to
    `path` of the host."""
    with Observer(host) as observer:
        for _ in range(times):
            work()
            time.sleep(0.2)
        host.write("/root/dump.ndjson", observer.dump())
    host.run(PRODUCTS / "retinue", "plan", program.replace("%", host.group.name), "--from", "/root/dump.ndjson",
             *[f"--exclude={client}" for client in CLIENTS], "--format", "json", "-o", path)
    return json.loads(host.path(path).read_text())
