"""A service that moves to where what it asks cannot be reached: the source has a way there, the destination has none."""

import json
import subprocess

from lab import HERE, PATH, Failure, Lab, run, until
from services import PYTHON, SERVICE_ADDRESS, answer, plan

FAR = "10.88.0.2"
PORT = 9000
ASKS = f"""import socket, sys
server = socket.create_server(("", {PORT}), backlog=64)
while True:
    connection, _ = server.accept()
    with connection:
        try:
            connection.settimeout(5)
            if not connection.recv(64):
                continue
            with socket.create_connection(("{FAR}", 9001), 3) as asked:
                asked.sendall(b"x")
                number = asked.recv(200).split()[0].decode()
            connection.sendall(f"{{number}} {{socket.gethostname()}}\\n".encode())
        except OSError:
            pass
"""
CHECK = f"python3 -c \"import socket; c=socket.create_connection(('127.0.0.1',{PORT}),3); c.sendall(b'x'); c.settimeout(5); assert c.recv(9)\""


class Far:
    """A host on a network of its own, which a host of the laboratory has an interface to."""

    def __init__(self, lab, host):
        self.folder = lab.folder / "far"
        self.folder.mkdir()
        self.keeper = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec sleep 1000000"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, text=True, env=PATH, start_new_session=True)
        self.keeper.stdout.readline()
        run("ip", "link", "add", f"{lab.prefix}f", "type", "veth", "peer", "name", "eth1", "netns", str(host.pid))
        run("ip", "link", "set", f"{lab.prefix}f", "netns", str(self.keeper.pid))
        host.run("ip", "addr", "add", "10.88.0.1/24", "dev", "eth1")
        host.run("ip", "link", "set", "eth1", "up")
        inside = ["nsenter", f"--target={self.keeper.pid}", "--net"]
        for words in (["link", "set", "lo", "up"], ["link", "set", f"{lab.prefix}f", "up"],
                      ["addr", "add", f"{FAR}/24", "dev", f"{lab.prefix}f"]):
            run(*inside, "ip", *words)
        self.server = subprocess.Popen([*inside, PYTHON, HERE / "counter.py", "9001", self.folder], stdin=subprocess.DEVNULL, env=PATH)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.server, self.keeper):
            process.kill()
            process.wait()


def traces(host):
    """What a tunnel is made of, and whether the host passes packets on."""
    links = [line.split(": ")[1] for line in host.run("ip", "-o", "link").splitlines() if ": rt" in line]
    tables = [line for line in host.run("nft", "list", "tables").splitlines() if "retinue_via" in line]
    return links + tables, host.path("/proc/sys/net/ipv4/ip_forward").read_text().strip()


def tunnel(checks):
    with Lab("alpha", "beta") as lab, Far(lab, lab.alpha):
        alpha, beta = lab.alpha, lab.beta
        alpha.write("/srv/asks/asks.py", ASKS)
        alpha.spawn(PYTHON, "/srv/asks/asks.py")
        if not until(lambda: answer(alpha, alpha.address, PORT), 10, 0.1):
            raise Failure("the service does not answer")
        made = plan(alpha, {"executable": PYTHON, "script": "/srv/asks/asks.py"},
                    packages=["python3.11-minimal", "libpython3.11-stdlib"], entries=["/srv/asks"], ports=[PORT])
        made["hosts"][0]["endpoints"] = [{"address": f"tcp:{FAR}:9001", "program": PYTHON, "direction": "out", "count": 3}]
        for host in (alpha, beta):
            host.write("/root/plan.json", json.dumps(made))
        alpha.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        alpha.start_agent("--accept", "beta")
        beta.start_agent("--accept", "alpha")
        before = traces(alpha), traces(beta)
        words = ["/root/plan.json", "--to", f"beta={beta.address}", "--name", "asks", "--confirm", CHECK, "--within", "30"]

        done = alpha.move("check", *words)
        checks(f"beta does not reach {FAR}" in done.stdout, "the check names what is not reached", done.stdout.strip()[-160:])
        done = alpha.move("run", *words, "--yes")
        checks(done.returncode == 1 and answer(alpha, alpha.address, PORT, 5)[1] == "alpha", "without a tunnel the move is undone",
               done.stderr.strip()[-120:])

        done = alpha.move("cutover", *words, "--tunnel")
        checks(done.returncode == 0 and traces(alpha)[0] and traces(beta)[0], "with one it is started there", traces(beta)[0])
        done = alpha.move("rollback", *words, "--tunnel")
        after = until(lambda: (traces(alpha), traces(beta)) == before, 5, 0.2)
        checks(done.returncode == 0 and after, "a rollback removes it at both ends", (traces(alpha), traces(beta)))

        last = answer(alpha, alpha.address, PORT, 5)
        moving = [*words, "--tunnel", "--address", f"{SERVICE_ADDRESS}/24"]
        done = alpha.move("run", *moving, "--yes")
        if not checks(done.returncode == 0, "it has moved", done.stderr.strip().splitlines()[-1]):
            checks.say(alpha.agent_log() + beta.agent_log())
            return
        checks(answer(alpha, SERVICE_ADDRESS, PORT, 5)[1] == "beta", "there it asks what stays", last)
        other = beta.ask("timeout", "2", "bash", "-c", "exec 3<>/dev/tcp/10.88.0.1/22")
        checks(other.returncode != 0, "nothing else is reached by it")
        for host in (alpha, beta):
            host.run("ip", "link", "del", traces(host)[0][0])
            host.kill_agent()
            host.start_agent()
        checks(until(lambda: (answer(alpha, SERVICE_ADDRESS, PORT, 5) or [0, ""])[1] == "beta", 20, 0.5), "agents that start again make it anew")
        back = ["/root/plan.json", "--to", f"alpha={alpha.address}", "--name", "asks", "--confirm", CHECK, "--address",
                f"{SERVICE_ADDRESS}/24"]
        done = beta.move("run", *back, "--yes")
        checks(done.returncode == 0, "it has moved back", done.stderr.strip().splitlines()[-1])
        checks(answer(beta, SERVICE_ADDRESS, PORT, 5)[1] == "alpha", "it answers there")
        # The agent there learns of it when it is asked for the move the next time, or looks.
        alpha.move("check", *words)
        checks(until(lambda: (traces(alpha), traces(beta)) == before, 5, 0.2), "no end of it is left", (traces(alpha), traces(beta)))
