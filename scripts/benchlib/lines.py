"""The lines of the table. A comparison runs one job against ours and its peers in turn; a single has no peer."""
import os
import signal
import subprocess
import time

from benchlib.servers import BlkLogWrites, Failed, NbdkitFile, NbdkitLuks, Ours, cpu_seconds


class Comparison:
    """`job(settings, server)` answers {"value": ..., "cpu_us": ... or None}; more is better."""

    def __init__(self, key, title, unit, job, peers):
        self.key, self.title, self.unit, self.job, self.peers = key, title, unit, job, peers


def load_job(*arguments, sustained=False, unit="ops_per_s"):
    def job(settings, server):
        more = ["--seconds", str(settings.seconds)]
        if sustained:
            # The journal has wrapped before the clock starts; peers write the same amount first.
            more += ["--warmup-bytes", str(settings.journal * 5 // 4)]
        figures = settings.load(server, *arguments, *more)
        return {"value": figures[unit], "cpu_us": figures["cpu_us_per_op"], "p99_us": figures["p99_us"]}
    return job


def read_job(settings, server):
    # From the page cache, which a run over the other servers' disks may have emptied.
    settings.load(server, "--op", "read", "--sequential", "--block-size", "262144", "--depth", "16",
                  "--bytes", str(settings.size))
    return load_job("--op", "read", "--block-size", "4096", "--depth", "32")(settings, server)


def copy_job(settings, server):
    image = os.path.join(settings.directory, "copy.img")
    if not os.path.exists(image):
        with open(image, "wb") as file:
            for _ in range(settings.copy_bytes >> 20):
                file.write(os.urandom(1 << 20))
    cpu = cpu_seconds(server.pid)
    begun = time.monotonic()
    subprocess.run(["nbdcopy", image, server.uri()], check=True, timeout=900)
    seconds = time.monotonic() - begun
    blocks = settings.copy_bytes / 4096
    return {"value": settings.copy_bytes / seconds / 1e6,
            "cpu_us": (cpu_seconds(server.pid) - cpu) / blocks * 1e6}


WRITE = ("--op", "write", "--block-size", "4096")
COMPARISONS = [
    Comparison("write", "4 KiB random write, depth 32, sustained", "op/s",
               load_job(*WRITE, "--depth", "32", sustained=True), {NbdkitFile: 0.6, BlkLogWrites: 2}),
    Comparison("flush", "4 KiB random write + FLUSH, 32 in flight", "op/s",
               load_job(*WRITE, "--depth", "32", "--flush-each"), {NbdkitFile: 1.5}),
    Comparison("flush1", "4 KiB random write + FLUSH, depth 1", "op/s",
               load_job(*WRITE, "--depth", "1", "--flush-each"), {NbdkitFile: 1.1}),
    Comparison("sequential", "64 KiB sequential write, depth 8, sustained", "MB/s",
               load_job("--op", "write", "--sequential", "--block-size", "65536", "--depth", "8",
                        sustained=True, unit="mb_per_s"),
               {NbdkitFile: 0.35, NbdkitLuks: 1.5, BlkLogWrites: 2}),
    Comparison("copy", "nbdcopy of an image in", "MB/s", copy_job, {NbdkitFile: 0.6}),
    Comparison("read", "4 KiB random read, depth 32, cached", "op/s", read_job, {NbdkitFile: 0.9}),
]


def measure_cpu(settings, ours):
    """CPU of all threads per plain 4 KiB write, with everything that happens behind it."""
    ours.settle()
    cpu = cpu_seconds(ours.pid)
    figures = settings.load(ours, *WRITE, "--depth", "32", "--bytes", str(settings.journal * 2))
    ours.settle()
    per_write = (cpu_seconds(ours.pid) - cpu) / figures["ops"] * 1e6
    return [("CPU per 4 KiB write, until stored and applied", f"{per_write:.1f} us", "<= 25 us",
             per_write <= 25),
            ("resident memory, highest so far", f"{figures['rss_peak_bytes'] / 1e6:.0f} MB", "<= 268 MB",
             figures["rss_peak_bytes"] <= 256 << 20)]


def measure_reopen(settings, ours):
    """SIGKILL while writes outrun the stores, then the time to the first served request."""
    command = [settings.nbd_load, "--uri", ours.uri(), *WRITE, "--depth", "32", "--bytes",
               str(settings.journal * 8)]
    load = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(max(3, settings.seconds))  # how long the writer runs, not a wait for something
    ours.end(signal.SIGKILL)
    load.wait(60)
    begun = time.monotonic()
    ours.start()
    settings.load(ours, "--op", "read", "--bytes", "4096")
    seconds = time.monotonic() - begun
    return [("re-open after SIGKILL under full load, to the first read", f"{seconds:.3f} s", "<= 1 s",
             seconds <= 1)]


def measure_restore(settings, ours):
    """tlogplay of a log of random writes on one core."""
    ours.begin(prefilled=False)
    settings.load(ours, *WRITE, "--depth", "32", "--bytes", str(settings.copy_bytes))
    ours.end()
    log_bytes = settings.copy_bytes
    target = os.path.join(settings.directory, "restored.img")
    core = min(os.sched_getaffinity(0))
    begun = time.monotonic()
    result = subprocess.run(["taskset", "-c", str(core), settings.tlogplay, "--config", ours.config(), "--quiet",
                             "restore", "vm1", "--to", target, "--force"], capture_output=True, text=True)
    seconds = time.monotonic() - begun
    if result.returncode != 0:
        raise Failed(f"tlogplay: exit code {result.returncode}: {result.stderr.strip()}")
    os.unlink(target)
    rate = log_bytes / seconds / 1e6
    ours.start()
    return [(f"tlogplay restore of a {log_bytes / (1 << 30):.2f} GiB log, one core", f"{rate:.0f} MB/s",
             ">= 400 MB/s", rate >= 400)]


def measure_engine(settings, _ours):
    """The engine's path alone, by its own micro-benchmark."""
    if not os.path.exists(settings.engine_bench):
        raise Failed(f"{settings.engine_bench}: not built")
    result = subprocess.run([settings.engine_bench], capture_output=True, text=True, timeout=600)
    if result.returncode != 0:
        raise Failed(f"engine_bench: exit code {result.returncode}: {result.stderr.strip()}")
    return [("engine path (engine_bench prints)", line.strip(), "", None)
            for line in result.stdout.splitlines() if line.strip()]


# key -> (what it measures on one server of ours)
SINGLES = {"cpu": measure_cpu, "reopen": measure_reopen, "restore": measure_restore, "engine": measure_engine}


def servers_of(settings, lines, peers_only):
    """One server of each kind that the lines need, ours first."""
    servers = {}
    if not peers_only:
        servers = {threads: Ours(settings, threads) for threads in (64, 1)}
    for line in lines:
        for peer in line.peers:
            if peer not in servers:
                servers[peer] = peer(settings)
    return servers
