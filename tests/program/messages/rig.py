"""Nodes of a log of messages for tests: real tlogservers with real redis-servers, on loopback, ended by pid."""
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 60  # seconds, of anything
GIVEN = set()  # ports, which may not be listened on yet


def free_ports(count):
    """So many ports of loopback, one after the other, that were free a moment ago.

    Not of those that the kernel gives to clients and to who asks for any: between this look and the server's bind, and
    while a server is restarted, those go to whoever comes.
    """
    while True:
        first = random.randrange(16384, 32768 - count)
        ports = set(range(first, first + count))
        if ports & GIVEN:
            continue
        try:
            with contextlib.ExitStack() as stack:
                for port in ports:
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            continue
        GIVEN.update(ports)
        return sorted(ports)


def eventually(what, holds, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what() if callable(what) else what}"
        time.sleep(0.02)


class Child:
    """A process of the test's, ended by its pid."""

    def __init__(self, words, log, **more):
        self.words, self.log, self.more, self.process = words, log, more, None

    def start(self):
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(self.words, stderr=out, **{"stdout": out, **self.more})

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self, number=signal.SIGKILL):
        if self.running():
            self.process.send_signal(number)
        if self.process is not None:
            return self.process.wait(timeout=PATIENCE)


class Redis(Child):
    def __init__(self, directory):
        os.makedirs(directory)
        self.directory = directory
        self.port, = free_ports(1)
        super().__init__(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", directory, "--save",
                          "", "--appendonly", "yes", "--appendfsync", "always"], directory + ".log")

    def start(self):
        super().start()
        eventually("redis-server answers", self.answers)

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as one:
                one.sendall(b"PING\r\n")
                return one.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def empty(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as one:
            one.sendall(b"FLUSHALL\r\n")
            assert one.recv(16).startswith(b"+OK")


class Node(Child):
    """A tlogserver with a log of messages, in one redis-server of its own."""

    def __init__(self, program, directory, index, http_port, port, arguments=()):
        self.index, self.directory = index, directory
        self.http_port, self.port = http_port, port
        self.redis = Redis(os.path.join(directory, f"redis{index}"))
        self.config = os.path.join(directory, f"node{index}.yml")
        self.client = None
        super().__init__([program, "--address", f"127.0.0.1:{port}", "--http", f"127.0.0.1:{http_port}", "--config",
                          self.config, "--storage-addresses", f"127.0.0.1:{self.redis.port}", "-k", "1", "-m", "0",
                          "--priv-key-file", os.path.join(directory, "key"), *arguments],
                         os.path.join(directory, f"node{index}.log"))

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http_port}"

    def start(self):
        if not self.redis.running():
            self.redis.start()
        super().start()
        eventually(lambda: f"{self.words} listens: {self.said()}", self.listens)

    def listens(self):
        assert self.running(), self.said()
        try:
            self.get("/echo")
            return True
        except OSError:
            return False

    def said(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, errors="replace") as file:
            return file.read()[-3000:]

    def request(self, method, path, body=None, timeout=PATIENCE, headers={}):
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path, timeout=PATIENCE):
        status, body = self.request("GET", path, timeout=timeout)
        return status, json.loads(body)

    def post(self, text, w=None, timeout=PATIENCE):
        wanted = {"message": text}
        if w is not None:
            wanted["w"] = w
        status, body = self.request("POST", "/messages", json.dumps(wanted), timeout=timeout)
        return status, json.loads(body)

    def add(self, text, w=None, timeout=PATIENCE):
        status, answer = self.post(text, w, timeout)
        assert status == 201, (status, answer)
        return answer["id"]

    def messages(self, path="/messages"):
        status, answer = self.get(path)
        assert status == 200, (status, answer)
        return answer["messages"]

    def texts(self):
        return [one["message"] for one in self.messages()]

    def health(self):
        return self.get("/health")[1]


class Nodes:
    """One master and its secondaries. `through(i, node)`: the address at which the master finds secondary i."""

    def __init__(self, program, secondaries=2, quorum=0, create="quorum", through=None, arguments=None):
        self.directory = tempfile.mkdtemp(prefix="messages-")
        with open(os.path.join(self.directory, "key"), "w") as file:
            os.chmod(file.name, 0o600)
            file.write("tlogdisk-key-1:" + "a0" * 32 + "\n")
        ports = free_ports(2 * (secondaries + 1))
        self.all = [Node(program, self.directory, i, ports[2 * i], ports[2 * i + 1], (arguments or {}).get(i, ()))
                    for i in range(secondaries + 1)]
        self.master, self.secondaries = self.all[0], self.all[1:]
        addresses = [through(i, node) if through else node.address for i, node in enumerate(self.secondaries)]
        settings = {"quorum": quorum, "create": create}
        if addresses:
            settings["secondaries"] = addresses
        for node in self.all:
            log = settings if node is self.master else {"master": self.master.url}
            with open(node.config, "w") as file:
                json.dump({"logs": {"audit": log}}, file)  # JSON is YAML

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for node in self.all:
            node.kill()
            node.redis.kill()
        if kind is not None:
            for node in self.all:
                print(f"---- node {node.index}\n{node.said()}", file=sys.stderr)
        shutil.rmtree(self.directory)

    def start(self, *nodes):
        for node in nodes or self.all:
            node.start()
        if self.master.running():
            eventually(lambda: f"the master takes messages: {self.master.health()}",
                       lambda: self.master.health()["status"] in ("healthy", "degraded"))


class Watcher(threading.Thread):
    """Asserts, as long as it runs, that each node shows a prefix of one and the same order."""

    def __init__(self, nodes):
        super().__init__()
        self.nodes, self.order, self.wrong, self.looks, self.ends = nodes, [], None, 0, False
        self.seen = {}
        self.start()

    def look(self, node):
        try:
            status, answer = node.get("/messages", timeout=10)
        except (OSError, http.client.HTTPException, ValueError):
            return  # it is being killed
        if status != 200:
            return
        found = [(one["id"], one["message"]) for one in answer["messages"]]
        assert [one[0] for one in found] == list(range(1, len(found) + 1)), f"a gap at node {node.index}: {found}"
        common = min(len(found), len(self.order))
        for ours, theirs in zip(found[:common], self.order):
            assert ours == theirs, f"node {node.index} says {ours}, {theirs} was seen"
        self.order.extend(found[common:])
        self.looks += 1

    def run(self):
        while not self.ends and self.wrong is None:
            for node in self.nodes:
                try:
                    self.look(node)
                except AssertionError as error:
                    self.wrong = error
            time.sleep(0.05)

    def stop(self):
        self.ends = True
        self.join(timeout=PATIENCE)
        assert self.wrong is None, self.wrong
        assert self.looks > 0


class Proxy(Child):
    """tests/support/fault_proxy in front of a node: what it does is changed by words on its input."""

    def __init__(self, program, upstream, directory):
        super().__init__([program, "--upstream", upstream, "--other", "--control"],
                         os.path.join(directory, f"proxy-{upstream.rpartition(':')[2]}.log"), stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
        self.start()
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line
        self.address = line.split()[-1]

    def say(self, words):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer == "done", answer


def needs_redis():
    if not shutil.which("redis-server"):
        print("there is no redis-server")
        sys.exit(77)


def run(tests):
    """Each of them, or those that are named; says which."""
    names = sys.argv[3:]
    for test in tests:
        if names and test.__name__ not in names:
            continue
        begin = time.monotonic()
        test()
        print(f"{test.__name__}: passed in {time.monotonic() - begin:.1f} s", flush=True)
