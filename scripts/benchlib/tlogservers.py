"""`scripts/bench server`: a log that tlogservers keep, beside the one that the host stores itself, over loopback.

Both have 4+2 on six redis-servers; the blocks are in a file. Prints one table in Markdown with what is wanted beside
each figure. Everything it starts it ends, also when it is interrupted; the exit code is 1 when a line could not be
measured, not when it misses its mark. Figures of a busy machine mean little: the last column is its load.
"""
import json
import os
import signal
import subprocess
import time

from benchlib import cluster_run
from benchlib.cluster_lines import WRITE, serving, write_job
from benchlib.cluster_servers import Controlled, LogOnServers
from benchlib.cluster_settings import run
from benchlib.cluster_table import Row, interleaved, limit_row, median, ratio_row
from benchlib.fleet import Fleet
from benchlib.servers import GIB, Failed, cpu_seconds
from benchlib.wait_times import WaitTimes

# CPU of the ancestor's server per record, and what of it is allowed.
ANCESTOR_US = 86
STREAM = ("--op", "write", "--sequential", "--block-size", "65536", "--depth", "8")


class TlogServer:
    """One tlogserver on a Unix socket, with a database of its own on each of the fleet's servers, or in memory."""

    def __init__(self, settings, number, fleet=None):
        self.settings, self.number, self.fleet = settings, number, fleet
        # Servers over different fleets may be there at once.
        kept = "memory" if fleet is None else fleet.addresses()[0].rpartition(":")[2]
        self.directory = os.path.join(settings.directory, f"tlogserver-{kept}-{number}")
        self.socket = os.path.join(self.directory, "tlog.sock")
        self.address = f"unix:{self.socket}"
        self.process = None

    def start(self, timeout=20):
        os.makedirs(self.directory, exist_ok=True)
        stores = (["--memorystorage"] if self.fleet is None else
                  ["--storage-addresses", ",".join(f"{address}@{self.number}" for address in self.fleet.addresses())])
        program = os.path.join(self.settings.build, "server", "program", "tlogserver")
        with open(os.path.join(self.directory, "log"), "a") as log:
            self.process = subprocess.Popen([program, "--address", self.address, *stores],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory)
        deadline = time.monotonic() + timeout
        while not os.path.exists(self.socket):
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(os.path.join(self.directory, "log"), errors="replace") as log:
                    raise Failed(f"tlogserver: does not start: {log.read()[-800:].strip()}")
            time.sleep(0.01)

    def cpu(self):
        return cpu_seconds(self.process.pid)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if os.path.exists(self.socket):
            os.unlink(self.socket)


class LogByTlogservers(Controlled):
    """So many tlogservers over the fleet; what `concern` of them have stored is stored."""

    def __init__(self, settings, fleet, servers=1, concern=1, distribution="mirror"):
        self.fleet, self.concern, self.distribution = fleet, concern, distribution
        self.tlogservers = [TlogServer(settings, number, fleet) for number in range(servers)]
        super().__init__(settings, f"tlogdisk, {servers} tlogservers")

    def prepare(self):
        for server in self.tlogservers:
            server.end()
        self.fleet.clear()
        for server in self.tlogservers:
            server.start()
        super().prepare()

    def layout(self):
        addresses = ", ".join(f'"{server.address}"' for server in self.tlogservers)
        return (f"tlog: {{servers: [{addresses}], writeConcern: {self.concern}, distribution: {self.distribution}}}\n"
                "vdisks:\n"
                f"  vm1: {{size: {self.settings.size}, blockSize: 4096, storage: {{file: blocks/vm1}}}}\n")

    def make_room(self):
        if self.fleet.used_bytes() >= self.settings.fleet_room:
            self.begin()

    def end(self, how=signal.SIGTERM, timeout=120):
        super().end(how, timeout)
        for server in self.tlogservers:
            server.end()


def stream_job(settings, server):
    figures = settings.load(server, *STREAM, "--seconds", str(settings.seconds), "--warmup-bytes",
                            str(settings.journal * 5 // 4))
    server.settle()
    server.make_room()
    return figures


def compare(settings, sides, note):
    """`sides`: name -> server. Sustained random writes, then streaming, each in turn."""
    with serving(*sides.values(), prefilled=False):
        writes = interleaved(settings, {name: lambda _, server=server: write_job(settings, server)
                                        for name, server in sides.items()}, note)
        streams = interleaved(settings, {name: lambda _, server=server: stream_job(settings, server)
                                         for name, server in sides.items()}, note)
    return writes, streams


def measure_path(settings, fleet, note):
    with Fleet(os.path.join(settings.directory, "second")) as second:
        sides = {"here": LogOnServers(settings, fleet), "server": LogByTlogservers(settings, second)}
        writes, streams = compare(settings, sides, note)
    return [ratio_row("4 KiB random write, depth 32, sustained, one tlogserver / stored by the host", writes["server"],
                      writes["here"], "ops_per_s", "op/s", at_least=0.7),
            ratio_row("64 KiB sequential write, depth 8, the same", streams["server"], streams["here"], "mb_per_s",
                      "MB/s", at_least=0.7)]


def measure_mirror(settings, fleet, note):
    with Fleet(os.path.join(settings.directory, "second")) as second:
        sides = {"one": LogByTlogservers(settings, fleet), "three": LogByTlogservers(settings, second, 3, 2)}
        writes, streams = compare(settings, sides, note)
    return [ratio_row("4 KiB random write, depth 32, sustained, three servers, writeConcern 2 / one", writes["three"],
                      writes["one"], "ops_per_s", "op/s", at_least=0.5),
            ratio_row("64 KiB sequential write, depth 8, the same", streams["three"], streams["one"], "mb_per_s",
                      "MB/s")]


def measure_stripe(settings, fleet, note):
    """Two servers that share the work, over the stores that the one has alone: what is stored is as much."""
    with Fleet(os.path.join(settings.directory, "second")) as second:
        sides = {"one": LogByTlogservers(settings, fleet),
                 "two": LogByTlogservers(settings, second, 2, distribution="stripe")}
        writes, streams = compare(settings, sides, note)
    return [ratio_row("4 KiB random write, depth 32, sustained, striped over two servers / one", writes["two"],
                      writes["one"], "ops_per_s", "op/s", at_least=0.9),
            ratio_row("64 KiB sequential write, depth 8, the same", streams["two"], streams["one"], "mb_per_s", "MB/s",
                      at_least=0.9)]


def traced(settings, server, load):
    """A load until the journal has wrapped a few times, traced: seconds of cores for each GiB, by who spent them."""
    groups = {"host": [server.pid], "stores": [store.process.pid for store in server.fleet.servers]}
    servers = []
    for tlogserver in server.tlogservers:
        servers.append(f"server {tlogserver.number}")
        groups[servers[-1]] = [tlogserver.process.pid]
    commands = server.fleet.commands()
    with WaitTimes(groups) as times:
        figures = settings.load(server, *load, "--bytes", str(settings.journal * 4))
    server.settle()
    commands = server.fleet.commands() - commands
    server.make_room()
    gib = settings.journal * 4 / GIB
    figures.update(commands=commands / gib, busy=times.busy * 100, host=times.running["host"] / gib, stores=times.running["stores"] / gib,
                   servers=sum(times.running[name] for name in servers) / gib,
                   ready=sum(times.ready.values()) / gib, together=times.share_up(*servers) * 100)
    return figures


def measure_waits(settings, fleet, note):
    """Whether striped servers wait for each other, or for the cores, which are the same for one."""
    with Fleet(os.path.join(settings.directory, "second")) as second:
        sides = {"one": LogByTlogservers(settings, fleet),
                 "two": LogByTlogservers(settings, second, 2, distribution="stripe")}
        rows = []
        with serving(*sides.values(), prefilled=False):
            for what, load in {"4 KiB": (*WRITE, "--depth", "32"), "64 KiB": STREAM}.items():
                results = interleaved(settings, {name: lambda _, server=server, load=load: traced(settings, server, load)
                                                 for name, server in sides.items()}, note)
                rows += wait_rows(f"{what} writes, two stripes / one server", results["two"], results["one"])
    return rows


def wait_rows(what, two, one):
    return [ratio_row(f"{what}: the machine's cores are busy", two, one, "busy", "%"),
            ratio_row(f"{what}: on a core, the host", two, one, "host", "s/GiB", digits=2),
            ratio_row(f"{what}: on a core, the tlogservers", two, one, "servers", "s/GiB", digits=2),
            ratio_row(f"{what}: on a core, the stores", two, one, "stores", "s/GiB", digits=2),
            ratio_row(f"{what}: commands to the stores", two, one, "commands", "/GiB"),
            ratio_row(f"{what}: ready, and waiting for a core, all threads", two, one, "ready", "s/GiB", digits=2),
            Row(f"{what}: slices of 20 ms in which both servers were up, of those in which one was",
                f"{median(two, 'together'):.0f} %", "", "", "", None)]


def client_load(settings, server, *arguments):
    """One run of tlog_load, the client library alone: its figures, with the server's CPU per record."""
    program = os.path.join(settings.build, "tests", "bench", "tlog_load")
    before = server.cpu() if server else 0
    figures = json.loads(run([program, *arguments], 600))
    if server:
        figures["cpu_us"] = (server.cpu() - before) / max(1, figures["records"]) * 1e6
    return figures


def measure_socket(settings, fleet, note):
    server = TlogServer(settings, 0)
    server.start()
    seconds = ("--seconds", str(settings.seconds))
    try:
        results = interleaved(settings, {
            "ours": lambda _: client_load(settings, server, "--server", server.address, *seconds),
            "bare": lambda _: client_load(settings, None, "--bare", *seconds)}, note)
    finally:
        server.end()
    ours = results["ours"]
    rows = [ratio_row("client library to --memorystorage, 4 KiB records / the same bytes over a bare socket", ours,
                      results["bare"], "mb_per_s", "MB/s", at_least=0.5),
            limit_row(f"CPU of the server per record (the ancestor: {ANCESTOR_US} us)", median(ours, "cpu_us"), "us",
                      at_most=ANCESTOR_US / 4)]
    for what in ("received", "stored"):
        for percentile in ("p50", "p99"):
            rows.append(limit_row(f"from sent to {what}, {percentile}", median(ours, f"{what}_{percentile}_us"), "us"))
    return rows


def measure_sessions(settings, fleet, note):
    server = TlogServer(settings, 0)
    server.start()
    seconds = ("--server", server.address, "--seconds", str(settings.seconds))
    try:
        results = interleaved(settings, {
            "one": lambda _: client_load(settings, server, *seconds),
            "fifty": lambda _: client_load(settings, server, *seconds, "--sessions", "50")}, note)
    finally:
        server.end()
    return [ratio_row("50 sessions at once, all together / one session", results["fifty"], results["one"], "mb_per_s",
                      "MB/s", at_least=0.8),
            limit_row("the session with the most records / the one with the fewest", median(results["fifty"], "spread"), "",
                      at_most=2)]


LINES = {"path": measure_path, "mirror": measure_mirror, "stripe": measure_stripe, "waits": measure_waits, "socket": measure_socket,
         "sessions": measure_sessions}


def main(root, words):
    return cluster_run.main(cluster_run.Bench("server", __doc__, LINES), root, words)
