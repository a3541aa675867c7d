"""tlogdisk with its log, or its blocks, on redis-servers."""
import json
import time

from benchlib.cluster_settings import run
from benchlib.servers import LOCAL_CLUSTER, Failed, Ours

THREADS = 64


def wait_for(what, condition, timeout, interval=0.05):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {timeout} s")
        time.sleep(interval)


class Controlled(Ours):
    """Ours, asked and told through tlogctl."""

    def __init__(self, settings, name):
        super().__init__(settings, THREADS)
        self.name = name
        self.place()

    def tlogctl(self, *arguments, timeout=600):
        return run([self.settings.tlogctl, "--config", self.config(), *arguments], timeout)

    def status(self, vdisk="vm1"):
        reports = json.loads(self.tlogctl("status", vdisk, "--json"))
        return next(report for report in reports["vdisks"] if report["name"] == vdisk)

    def wait_applied(self, vdisk="vm1", timeout=300):
        """Until a read comes from the block storage and from nothing before it."""
        self.tlogctl("flush", vdisk)

        def applied():
            status = self.status(vdisk)
            return status["applied"] >= status["appended"]
        wait_for(f"{self.name}: {vdisk}: applying", applied, timeout)


class LogOnServers(Controlled):
    """4+2 on six servers; the blocks in a file."""

    def __init__(self, settings, fleet, durability="journal"):
        self.fleet, self.durability = fleet, durability
        super().__init__(settings, f"tlogdisk on six servers, {durability}")

    def prepare(self):
        self.fleet.clear()
        super().prepare()

    def layout(self):
        return (f"clusters:\n{servers_text('c', self.fleet.addresses(), self.settings)}"
                f"tlog: {{cluster: c, durability: {self.durability}}}\n"
                "vdisks:\n"
                f"  vm1: {{size: {self.settings.size}, blockSize: 4096, storage: {{file: blocks/vm1}}}}\n")

    def make_room(self):
        if self.fleet.used_bytes() >= self.settings.fleet_room:
            self.begin()


class BlocksOnServers(Controlled):
    """Three vdisks whose log is in directories: blocks in a file, on servers with a cache, and without one."""

    EXPORTS = ("file", "cached", "uncached")

    def __init__(self, settings, fleet):
        self.fleet = fleet
        super().__init__(settings, "tlogdisk, blocks on six servers")

    def prepare(self):
        self.fleet.clear()
        super().prepare()

    def layout(self):
        head = f"size: {self.settings.blocks_size}, blockSize: 4096, storage: "
        return (f"clusters:\n{LOCAL_CLUSTER}{servers_text('c', self.fleet.addresses(), self.settings)}"
                "tlog: {cluster: local}\n"
                "vdisks:\n"
                f"  file: {{{head}{{file: blocks/file}}}}\n"
                f"  cached: {{{head}{{cluster: c, cache: {2 * self.settings.cached_bytes}}}}}\n"
                f"  uncached: {{{head}{{cluster: c, cache: 0}}}}\n")

    def begin(self, prefilled=True):
        super().begin(prefilled=False)
        for name in self.EXPORTS:
            self.settings.load(Export(self, name), "--op", "write", "--sequential", "--block-size", "262144",
                               "--depth", "16", "--bytes", str(self.settings.blocks_size), "--final-flush")
            self.wait_applied(name)


class Export:
    """One of several vdisks of a server, for Settings.load."""

    def __init__(self, server, name):
        self.server, self.export = server, name
        self.name, self.pid = f"{server.name}: {name}", server.pid

    def uri(self):
        return f"nbd+unix:///{self.export}?socket={self.server.socket}"

    def log_tail(self):
        return self.server.log_tail()


def servers_text(cluster, addresses, settings):
    listed = "".join(f'      - {{address: "{address}"}}\n' for address in addresses)
    return f"  {cluster}:\n    requestTimeout: {settings.request_timeout_ms}ms\n    servers:\n{listed}"
