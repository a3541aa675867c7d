"""`scripts/bench faces`: the public protocols over the log, over loopback.

messages: three nodes, each with one redis-server of its own that syncs every write before it answers (appendfsync
always); 64 clients that each post one message after the other. logset: a log of --size pushed, pulled and brought from
site to site, by curl and by `tlogctl sync`, beside `curl | curl` of the same bytes (faces_logset.py says who the peer is).
follow: a published vdisk of --size followed from a store of contents and from a view of its log, beside `tlogplay
restore` from its stores.
Prints one table in Markdown with what is wanted beside each figure. Everything it starts it ends; figures of a busy
machine mean little: the last column is its load.
"""
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request

from benchlib import cluster_run
from benchlib.cluster_settings import run
from benchlib.cluster_table import interleaved, limit_row, median
from benchlib.faces_follow import measure_follow
from benchlib.faces_logset import measure_logset
from benchlib.servers import Failed

CLIENTS = 64
NODES = 3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Node:
    """A tlogserver with a log of messages, and its durable redis-server."""

    def __init__(self, settings, number):
        self.settings = settings
        self.directory = os.path.join(settings.directory, f"node-{number}")
        self.port, self.http = free_port(), free_port()
        self.socket = os.path.join(self.directory, "redis.sock")
        self.processes = []

    def begin(self, words, ready, timeout=20):
        with open(os.path.join(self.directory, "log"), "a") as log:
            self.processes.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                   cwd=self.directory))
        deadline = time.monotonic() + timeout
        while not ready():
            if self.processes[-1].poll() is not None or time.monotonic() > deadline:
                with open(os.path.join(self.directory, "log"), errors="replace") as log:
                    raise Failed(f"{words[0]}: does not start: {log.read()[-800:].strip()}")
            time.sleep(0.01)

    def health(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/health", timeout=10) as answer:
                return json.load(answer)
        except OSError:
            return None

    def start(self, log):
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        with open(os.path.join(self.directory, "node.yml"), "w") as file:
            json.dump({"keyFile": os.path.join(self.directory, "key"), "logs": {"bench": log}}, file)
        with open(os.path.join(self.directory, "key"), "w") as file:
            os.chmod(file.name, 0o600)
            file.write("tlogdisk-key-1:" + os.urandom(32).hex() + "\n")
        self.begin(["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.directory, "--save", "",
                    "--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"],
                   lambda: os.path.exists(self.socket))
        self.begin([os.path.join(self.settings.build, "server", "program", "tlogserver"), "--address",
                    f"127.0.0.1:{self.port}", "--http", f"127.0.0.1:{self.http}", "--config", "node.yml",
                    "--storage-addresses", f"unix:{self.socket}", "-k", "1", "-m", "0"], self.health)

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []


class Nodes:
    def __init__(self, settings):
        self.all = [Node(settings, number) for number in range(NODES)]

    def __enter__(self):
        master, *secondaries = self.all
        try:
            for node in secondaries:
                node.start({"master": f"http://127.0.0.1:{master.http}"})
            master.start({"secondaries": [f"127.0.0.1:{node.port}" for node in secondaries]})
            deadline = time.monotonic() + 30
            while master.health()["status"] != "healthy":
                if time.monotonic() > deadline:
                    raise Failed(f"the nodes do not find each other: {master.health()}")
                time.sleep(0.05)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.all:
            node.end()


def measure_messages(settings, fleet, note):
    program = os.path.join(settings.build, "tests", "bench", "messages_load")
    with Nodes(settings) as nodes:
        address = f"127.0.0.1:{nodes.all[0].http}"
        results = interleaved(settings, {
            w: lambda _, w=w: json.loads(run([program, address, str(CLIENTS), str(w), str(settings.seconds)], 600))
            for w in range(1, NODES + 1)}, note)
    rows = []
    for w, found in results.items():
        rows.append(limit_row(f"durable messages, w={w}, {CLIENTS} clients, {NODES} nodes", median(found, "per_s"), "/s",
                              at_least=5000 if w == 2 else None))
        for percentile in ("p50", "p99"):
            rows.append(limit_row(f"from posted to confirmed, w={w}, {percentile}", median(found, f"{percentile}_us"),
                                  "us"))
    return rows


def programs(settings):
    return [os.path.join(settings.build, *path) for path in
            (("server", "program", "tlogserver"), ("ctl", "tlogctl"), ("player", "tlogplay"), ("nbdkit-plugin", "tlogdisk.so"),
             ("tests", "bench", "messages_load"))]


LINES = {"messages": measure_messages, "logset": measure_logset, "follow": measure_follow}


def main(root, words):
    bench = cluster_run.Bench("faces", __doc__, LINES, programs=programs, tools=("redis-server", "curl", "nbdkit", "nbdcopy"))
    return cluster_run.main(bench, root, words)
