"""`scripts/bench standby`: a vdisk with its blocks on three redis-servers and a standby on three others, over loopback.

Prints one table in Markdown with what is wanted beside each figure. Progress goes to standard error. Everything it
starts it ends, also when it is interrupted; the exit code is 1 when a line could not be measured, not when it misses
its mark. Figures of a busy machine mean little: the last column is its load.
"""
import concurrent.futures
import time

from benchlib import cluster_run
from benchlib.cluster_lines import READ, WRITE, serving
from benchlib.cluster_rebuild import restore
from benchlib.cluster_servers import Controlled, Export, servers_text, wait_for
from benchlib.cluster_table import interleaved, limit_row, median, ratio_row
from benchlib.servers import LOCAL_CLUSTER, Failed

# What the pause may have beside failoverAfter.
PAUSE_ROOM_MS = 200


class OnTwoClusters(Controlled):
    """The log in directories, the blocks on the fleet's first three servers, the standby on the others."""

    def __init__(self, settings, fleet, failover_after_ms=0, following=("vm1",), still=()):
        self.fleet, self.failover_after_ms = fleet, failover_after_ms
        self.following, self.still = following, still
        super().__init__(settings, f"tlogdisk with a standby, failoverAfter {failover_after_ms} ms")

    @property
    def primary(self):
        return self.fleet.servers[:3]

    @property
    def standby(self):
        return self.fleet.servers[3:]

    def prepare(self):
        self.fleet.clear()
        super().prepare()

    def layout(self):
        clusters = "".join(servers_text(name, [server.address for server in servers], self.settings)
                           for name, servers in (("p", self.primary), ("s", self.standby)))
        lines = [f"clusters:\n{LOCAL_CLUSTER}{clusters}tlog: {{cluster: local}}\nvdisks:\n"]
        for name in (*self.following, *self.still):
            sync = "true" if name in self.following else "false"
            lines.append(f"  {name}: {{size: {self.settings.size}, blockSize: 4096, storage: {{cluster: p}}, "
                         f"slaveStorage: {{cluster: s, failoverAfter: {self.failover_after_ms}ms}}, "
                         f"tlog: {{slaveSync: {sync}}}}}\n")
        return "".join(lines)

    def wait_synced(self, vdisk="vm1", timeout=600):
        self.tlogctl("wait-slave-sync", vdisk, "--timeout", f"{timeout}s", timeout=timeout + 10)

    def standby_status(self, vdisk="vm1"):
        return self.status(vdisk)["standby"]


# ---- The pause ----

def failover(settings, ours):
    """The primary's servers get SIGKILL under a writer and a reader: the longest that either had to wait."""
    ours.begin(prefilled=False)
    export = Export(ours, "vm1")
    settings.load(export, *WRITE, "--depth", "32", "--bytes", str(settings.cached_bytes), "--final-flush")
    ours.wait_applied()
    ours.wait_synced()
    lead = 1.0
    seconds = lead + ours.failover_after_ms / 1000 + 3
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        writer = pool.submit(settings.load, export, *WRITE, "--depth", "1", "--seconds", str(seconds))
        reader = pool.submit(settings.load, export, *READ, "--seconds", str(seconds), "--range",
                             str(settings.cached_bytes))
        time.sleep(lead)  # how long the clients run before, not a wait for something
        killed = time.monotonic()
        for server in ours.primary:
            server.kill()
        wait_for("failover", lambda: ours.standby_status()["active"] == "s", 60, interval=0.01)
        switched = time.monotonic()
        written, read = writer.result(), reader.result()
    lost = ours.standby_status()["receipt"]["lost"]
    if lost:
        raise Failed(f"{ours.name}: lost {lost}")
    return {"switch_ms": (switched - killed) * 1000, "write_ms": written["max_us"] / 1000,
            "read_ms": read["max_us"] / 1000}


def measure_pause(settings, fleet, note):
    rows = []
    for after_ms, at_most in ((500, 1000), (5000, 5000 + PAUSE_ROOM_MS)):
        ours = OnTwoClusters(settings, fleet, failover_after_ms=after_ms)
        key = f"failover after {after_ms} ms"
        with serving(ours, prefilled=False):
            results = interleaved(settings, {key: lambda _, ours=ours: failover(settings, ours)}, note)[key]
        title = f"primary killed, failoverAfter {after_ms} ms: longest"
        rows.append(limit_row(f"{title} write of a continuous 4 KiB writer, p50", median(results, "write_ms"), "ms",
                              at_most=at_most))
        rows.append(limit_row(f"{title} read p50", median(results, "read_ms"), "ms", at_most=at_most))
        rows.append(limit_row(f"{title.replace('longest', 'until the standby is active')}, p50",
                              median(results, "switch_ms"), "ms", at_most=at_most))
    return rows


# ---- What following costs the writer ----

def measure_cost(settings, fleet, note):
    ours = OnTwoClusters(settings, fleet, following=("on",), still=("off",))

    def writes(name):
        figures = settings.load(Export(ours, name), *WRITE, "--depth", "32", "--seconds", str(settings.seconds))
        for vdisk in ("on", "off"):
            ours.wait_applied(vdisk)
        ours.wait_synced("on")
        return figures

    with serving(ours, prefilled=False):
        for name in ("on", "off"):
            settings.load(Export(ours, name), *WRITE, "--depth", "1", "--bytes", "4096", "--final-flush")
        results = interleaved(settings, {name: lambda _, name=name: writes(name) for name in ("on", "off")}, note)
    return [ratio_row("4 KiB random write, depth 32, slave sync on / off", results["on"], results["off"], "ops_per_s",
                      "op/s", at_least=0.9)]


# ---- Catching up ----

def catch_up(settings, ours):
    for server in ours.standby:
        server.clear()
    begun = time.monotonic()
    ours.wait_synced()
    seconds = time.monotonic() - begun
    blocks = sum(int(server.command("DBSIZE")) for server in ours.standby)
    if blocks != len(ours.standby):
        raise Failed(f"{ours.name}: {blocks} servers of {len(ours.standby)} have blocks after a full resync")
    return {"mb_per_s": settings.copy_bytes / 1e6 / seconds}


def measure_catch_up(settings, fleet, note):
    ours = OnTwoClusters(settings, fleet)
    with serving(ours, prefilled=False):
        settings.load(Export(ours, "vm1"), *WRITE, "--depth", "32", "--bytes", str(settings.copy_bytes),
                      "--final-flush")
        ours.wait_applied()
        ours.wait_synced()
        results = interleaved(settings, {"catch up": lambda _: catch_up(settings, ours),
                                         "restore": lambda _: restore(settings, ours, ours.config())}, note)
    return [ratio_row("an emptied standby catches up / tlogplay restore to a file", results["catch up"],
                      results["restore"], "mb_per_s", "MB/s", at_least=0.5)]


LINES = {"pause": measure_pause, "cost": measure_cost, "catch-up": measure_catch_up}


def main(root, words):
    return cluster_run.main(cluster_run.Bench("standby", __doc__, LINES), root, words)
