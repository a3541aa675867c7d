"""Making a lost server's shards anew, reading every shard, and a restore without m servers."""
import json
import os
import time

from benchlib.cluster_lines import WRITE, serving
from benchlib.cluster_servers import LogOnServers, wait_for
from benchlib.cluster_settings import run
from benchlib.cluster_table import interleaved, ratio_row
from benchlib.servers import Failed

SHARDS = "tlog:vm1:[0-9]*:*"
GONE = 2  # m


def fill(settings, ours):
    """A log of so many bytes, all of it in the stores."""
    settings.load(ours, *WRITE, "--depth", "32", "--bytes", str(settings.copy_bytes), "--final-flush")
    ours.wait_applied()
    wait_complete(ours)


def wait_complete(ours, timeout=300):
    def complete():
        status = ours.status()
        return status["missingShards"] == 0 and all(store["state"] == "up" for store in status["stores"])
    wait_for(f"{ours.name}: shards are missing", complete, timeout)


def rebuild(settings, ours, server):
    """From FLUSHALL until nothing is missing; one write makes the writer look at its servers."""
    before = settings.bare("read", "--server", server.address, "--match", SHARDS)
    begun = time.monotonic()
    server.clear()
    settings.load(ours, *WRITE, "--bytes", "4096", "--final-flush")
    ours.tlogctl("flush", "vm1")

    def rebuilt():
        # Before the loss is noticed nothing is missing either: the server itself is asked as well.
        wait_complete(ours)
        return int(server.command("DBSIZE")) >= before["keys"]
    wait_for(f"{ours.name}: {server.address} is not filled again", rebuilt, 300)
    seconds = time.monotonic() - begun
    after = settings.bare("read", "--server", server.address, "--match", SHARDS)
    if after["keys"] < before["keys"] or after["bytes"] < before["bytes"]:
        raise Failed(f"{server.address}: {after['keys']} shards of {before['keys']} after its rebuild")
    return {"mb_per_s": before["bytes"] / 1e6 / seconds}


def copy(settings, fleet, server):
    fleet.spare.clear()
    return settings.bare("copy", "--server", server.address, "--to", fleet.spare.address, "--match", SHARDS)


def read_all(settings, fleet):
    servers = [word for address in fleet.addresses() for word in ("--server", address)]
    return settings.bare("read", *servers, "--match", SHARDS)


def scrub(settings, fleet, ours):
    """By the bytes that a bare client reads there."""
    size = read_all(settings, fleet)["bytes"]
    begun = time.monotonic()
    ours.tlogctl("scrub", "vm1", "--deep", "--rate", "0")
    return {"mb_per_s": size / 1e6 / (time.monotonic() - begun)}


def measure_rebuild(settings, fleet, note):
    ours = LogOnServers(settings, fleet)
    with serving(ours, prefilled=False):
        fill(settings, ours)
        at = fleet.servers
        results = interleaved(settings, {
            "rebuild": lambda pair: rebuild(settings, ours, at[pair % len(at)]),
            "copy": lambda pair: copy(settings, fleet, at[pair % len(at)]),
            "scrub": lambda _: scrub(settings, fleet, ours),
            "read": lambda _: read_all(settings, fleet)}, note)
    return [ratio_row("rebuild of a wiped server / a bare client copies its bytes", results["rebuild"],
                      results["copy"], "mb_per_s", "MB/s", at_least=0.5),
            ratio_row("scrub --deep --rate 0 of six servers / a bare client copies one", results["scrub"],
                      results["copy"], "mb_per_s", "MB/s", at_least=0.5),
            ratio_row("scrub --deep --rate 0 of six servers / a bare client reads them", results["scrub"],
                      results["read"], "mb_per_s", "MB/s")]


def restore(settings, ours, config):
    target = os.path.join(ours.directory, "restored.img")
    begun = time.monotonic()
    run([settings.tlogplay, "--config", config, "--quiet", "restore", "vm1", "--to", target, "--force"], 900)
    seconds = time.monotonic() - begun
    os.unlink(target)
    return {"mb_per_s": settings.copy_bytes / 1e6 / seconds}


def config_without(fleet, ours, count):
    """The same configuration with nobody at the first servers' addresses: they keep their shards for the next pair."""
    with open(ours.config()) as file:
        text = file.read()
    for server in fleet.servers[:count]:
        if server.address not in text:
            raise Failed(f"{ours.config()}: has no {server.address}")
        text = text.replace(server.address, server.address + ".gone")
    path = os.path.join(ours.directory, "gone.yml")
    with open(path, "w") as file:
        file.write(text)
    return path


def measure_restore(settings, fleet, note):
    ours = LogOnServers(settings, fleet)
    with serving(ours, prefilled=False):
        fill(settings, ours)
        ours.end()
        gone = config_without(fleet, ours, GONE)
        results = interleaved(settings, {"gone": lambda _: restore(settings, ours, gone),
                                         "all": lambda _: restore(settings, ours, ours.config())}, note)
    return [ratio_row(f"tlogplay restore with {GONE} servers gone / with all", results["gone"], results["all"],
                      "mb_per_s", "MB/s", at_least=0.8)]
