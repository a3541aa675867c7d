"""What a run of `scripts/bench cluster` is told, and the calls of the programs it measures with."""
import csv
import json
import os
import subprocess

from benchlib.servers import GIB, Failed
from benchlib.settings import Settings

MIB = 1 << 20


class ClusterSettings(Settings):
    def __init__(self, arguments, directory):
        super().__init__(arguments, directory)
        quick = arguments.quick
        self.pairs = arguments.pairs or (3 if quick else 5)
        self.journal = 32 * MIB if quick else GIB // 4
        self.size = 64 * MIB if quick else GIB
        self.copy_bytes = 128 * MIB if quick else GIB
        # Of a vdisk whose blocks are on servers, and the part of it that is read from the cache.
        self.blocks_size = 32 * MIB if quick else GIB // 4
        self.cached_bytes = 8 * MIB if quick else 32 * MIB
        self.request_timeout_ms = 500 if quick else 2000
        # The servers keep every write in memory; they begin anew when they have grown to this.
        self.fleet_room = GIB if quick else 4 * GIB
        self.resp_load = os.path.join(self.build, "tests", "bench", "resp_load")
        self.tlogctl = os.path.join(self.build, "ctl", "tlogctl")

    def programs(self):
        return [self.plugin, self.nbd_load, self.resp_load, self.tlogctl, self.tlogplay]

    def bare(self, *arguments, timeout=600):
        """One run of resp_load: its figures."""
        return json.loads(run([self.resp_load, *arguments], timeout))

    def redis_benchmark_gets(self, server):
        """GETs of 4 KiB a second, sixteen in a pipeline."""
        command = ["redis-benchmark", "-s", server.socket, "-d", "4096", "--csv"]
        run(command + ["-t", "set", "-n", "1000"], 60)

        def gets(count):
            output = run(command + ["-t", "get", "-P", "16", "-n", str(count)], 600)
            for row in csv.DictReader(output.splitlines()):
                if row["test"] == "GET":
                    return float(row["rps"])
            raise Failed(f"redis-benchmark: no line of GET: {output}")
        # It counts requests, not seconds: the first run says how many make as long a run as the others'.
        return gets(max(100_000, int(gets(100_000) * self.seconds)))


def run(command, timeout):
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)}: does not end within {timeout} s") from None
    if result.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit code {result.returncode}: {result.stderr.strip()}")
    return result.stdout
