"""Writes, flushes and reads with redis-servers behind, each beside its peer. A line answers rows of the table."""
import contextlib
import signal

from benchlib.cluster_servers import BlocksOnServers, Controlled, Export, LogOnServers
from benchlib.cluster_table import interleaved, limit_row, median, ratio_row
from benchlib.servers import Failed

WRITE = ("--op", "write", "--block-size", "4096")
READ = ("--op", "read", "--block-size", "4096", "--depth", "32")


@contextlib.contextmanager
def serving(*servers, prefilled=True):
    """Fresh disks, served; whatever happens, ended, without waiting for what they would still store."""
    try:
        for server in servers:
            server.begin(prefilled)
        yield
    finally:
        for server in servers:
            server.end(signal.SIGKILL)


def write_job(settings, server):
    """Sustained: the journal has wrapped before the clock starts."""
    figures = settings.load(server, *WRITE, "--depth", "32", "--seconds", str(settings.seconds),
                            "--warmup-bytes", str(settings.journal * 5 // 4))
    server.settle()
    server.make_room()
    return figures


def measure_writes(settings, fleet, note):
    embedded, on_servers = Controlled(settings, "tlogdisk, embedded stores"), LogOnServers(settings, fleet)
    with serving(embedded, on_servers):
        results = interleaved(settings, {server.name: lambda _, server=server: write_job(settings, server)
                                         for server in (embedded, on_servers)}, note)
    ours, peer = results[on_servers.name], results[embedded.name]
    title = "4 KiB random write, depth 32, sustained, 4+2 on six servers"
    return [ratio_row(f"{title} / embedded stores", ours, peer, "ops_per_s", "op/s", at_least=0.6),
            limit_row(f"{title}: ten times the ancestor", median(ours, "ops_per_s"), "op/s", at_least=60_000),
            limit_row(f"{title}: the same in bytes", median(ours, "mb_per_s"), "MB/s", at_least=240)]


def measure_flush(settings, fleet, note):
    ours = LogOnServers(settings, fleet, durability="cluster")

    def flushes(_):
        figures = settings.load(ours, *WRITE, "--depth", "1", "--flush-each", "--seconds", str(settings.seconds))
        ours.settle()
        return figures

    def sets(_):
        servers = [word for address in fleet.addresses() for word in ("--server", address)]
        return settings.bare("sets", *servers, "--value-bytes", str(25 * 1024), "--seconds", str(settings.seconds))

    with serving(ours):
        results = interleaved(settings, {"flush": flushes, "sets": sets}, note)
    title = "4 KiB write + FLUSH, depth 1, durability: cluster / six parallel 25 KiB SETs"
    return [ratio_row(f"{title}, p50", results["flush"], results["sets"], "p50_us", "us", at_most=3),
            ratio_row(f"{title}, p99", results["flush"], results["sets"], "p99_us", "us")]


def read_again(settings, export):
    """What has been read before: the clock starts after everything was read once."""
    part = ("--range", str(settings.cached_bytes))
    settings.load(export, "--op", "read", "--sequential", "--block-size", "4096", "--depth", "16",
                  "--bytes", str(settings.cached_bytes), *part)
    return lambda: settings.load(export, *READ, "--seconds", str(settings.seconds), *part)


def read_from_cache(settings, fleet, export):
    read = read_again(settings, export)
    before = fleet.commands()
    figures = read()
    commands = fleet.commands() - before
    # The servers are also asked for their figures, and now and then how they are.
    if commands > figures["ops"] // 100 + 500:
        raise Failed(f"{export.name}: {commands} commands reached the servers during {figures['ops']} reads that "
                     "should come from the cache")
    return figures


def read_from_servers(settings, fleet, export):
    before = fleet.commands()
    figures = settings.load(export, *READ, "--seconds", str(settings.seconds))
    commands = fleet.commands() - before
    if commands < figures["ops"] // 64:
        raise Failed(f"{export.name}: {commands} commands for {figures['ops']} reads: they do not "
                     "come from the servers")
    return figures


def measure_blocks(settings, fleet, note):
    ours = BlocksOnServers(settings, fleet)
    with serving(ours):
        file, cached, uncached = (Export(ours, name) for name in ours.EXPORTS)
        results = interleaved(settings, {
            "cached": lambda _: read_from_cache(settings, fleet, cached),
            "file": lambda _: read_again(settings, file)(),
            "uncached": lambda _: read_from_servers(settings, fleet, uncached),
            "gets": lambda _: {"ops_per_s": settings.redis_benchmark_gets(fleet.spare)}}, note)
    title = "4 KiB random read, depth 32, blocks on six servers"
    return [ratio_row(f"{title}, from the cache / file storage", results["cached"], results["file"], "ops_per_s",
                      "op/s", at_least=0.9),
            ratio_row(f"{title}, not cached / redis-benchmark -P 16 GETs of 4 KiB", results["uncached"],
                      results["gets"], "ops_per_s", "op/s", at_least=0.5)]
