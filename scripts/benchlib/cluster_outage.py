"""One of six servers stops answering (SIGSTOP) while a client writes."""
import concurrent.futures
import time

from benchlib.cluster_lines import WRITE, serving
from benchlib.cluster_servers import LogOnServers, wait_for
from benchlib.cluster_table import Row, interleaved, median, ratio, ratio_row

# What "back" means for a p99, which swings from run to run.
BACK_MAX = 2


def writes(settings, ours):
    return settings.load(ours, *WRITE, "--depth", "32", "--seconds", str(settings.seconds),
                         "--warmup-bytes", str(settings.journal * 5 // 4))


def flushes(settings, ours, seconds):
    return settings.load(ours, *WRITE, "--depth", "4", "--flush-each", "--seconds", str(seconds))


def flushes_while_stopping(settings, ours, server):
    """The server stops when the client has got going, and the run outlasts the deadline."""
    lead = settings.seconds / 4
    seconds = lead + settings.request_timeout_ms / 1000 + settings.seconds
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        result = pool.submit(flushes, settings, ours, seconds)
        time.sleep(lead)  # how long the client runs before, not a wait for something
        server.stop()
        return result.result()


def outage(settings, fleet, ours, pair):
    """Each pair on a fresh log: what the stopped server misses is no load of the next pair's healthy half."""
    index = pair % len(fleet.servers)
    server = fleet.servers[index]
    ours.begin()
    healthy = writes(settings, ours)
    ours.settle()
    flush_healthy = flushes(settings, ours, settings.seconds)
    try:
        flush_during = flushes_while_stopping(settings, ours, server)
        wait_for(f"{ours.name}: {server.address} is stopped and still counts as up",
                 lambda: ours.status()["stores"][index]["state"] != "up", 30 + settings.request_timeout_ms / 100)
        flush_after = flushes(settings, ours, settings.seconds)
        stopped = writes(settings, ours)
    finally:
        server.resume()
    return {"healthy": healthy["ops_per_s"], "stopped": stopped["ops_per_s"],
            "p99_healthy": flush_healthy["p99_us"], "max_healthy": flush_healthy["max_us"],
            "p99_during": flush_during["p99_us"], "max_during": flush_during["max_us"],
            "p99_after": flush_after["p99_us"], "max_after": flush_after["max_us"]}


def measure_outage(settings, fleet, note):
    ours = LogOnServers(settings, fleet, durability="cluster")
    with serving(ours):
        results = interleaved(settings, {"outage": lambda pair: outage(settings, fleet, ours, pair)}, note)["outage"]
    deadline_us = settings.request_timeout_ms * 1000
    title = "one of six servers stopped"
    rows = [ratio_row(f"{title}, 4 KiB random write, depth 32, after the first deadline / healthy", results, results,
                      "stopped", "op/s", at_least=0.9, peer_field="healthy")]
    during, back = median(results, "p99_during"), ratio(results, results, "p99_after", "p99_healthy")
    rows.append(flush_row(f"{title}, write + FLUSH while it stops, depth 4 / healthy", results, "during",
                          f"p99 <= {deadline_us / 1000:.0f} ms", during <= deadline_us))
    rows.append(flush_row(f"{title}, write + FLUSH after the first deadline / healthy", results, "after",
                          f"<= {BACK_MAX}", back <= BACK_MAX))
    return rows


def flush_row(line, results, phase, wanted, reached):
    def text(which):
        return (f"p99 {median(results, f'p99_{which}') / 1000:.1f} ms, "
                f"max {median(results, f'max_{which}') / 1000:.1f} ms")
    return Row(line, text(phase), text("healthy"), f"{ratio(results, results, f'p99_{phase}', 'p99_healthy'):.2f}",
               wanted, reached)
