"""What a run of scripts/bench is told, and the load generator's call."""
import json
import os
import shutil
import subprocess

from benchlib.servers import GIB, Failed


class Settings:
    def __init__(self, arguments, directory):
        quick = arguments.quick
        self.directory = directory
        self.build = arguments.build
        self.seconds = arguments.seconds or (1 if quick else 5)
        self.pairs = arguments.pairs or (2 if quick else 5)
        self.size = arguments.size_gib * GIB if not quick else GIB // 4
        self.journal = GIB // 8 if quick else GIB
        self.copy_bytes = GIB // 8 if quick else GIB
        # A directory that keeps every write begins anew when it has grown to this. Three of the servers do, and
        # the other two have an image each.
        free = shutil.disk_usage(directory).free
        self.room = min(arguments.room_gib * GIB, int(free * 0.8 - 2 * self.size) // 3)
        needed = 3 * self.size + 2 * self.journal
        if self.room < needed:
            raise Failed(f"{directory}: has {free / GIB:.0f} GiB free, about {(3 * needed + 2 * self.size) / 0.8 / GIB:.0f} "
                         "GiB are needed; use --dir or --size-gib")
        self.arena_directory = os.path.join(arguments.arena, f"tlogdisk-bench-{os.getpid()}")
        self.plugin = os.path.join(self.build, "nbdkit-plugin", "tlogdisk.so")
        self.tlogplay = os.path.join(self.build, "player", "tlogplay")
        self.engine_bench = os.path.join(self.build, "tests", "bench", "engine_bench")
        self.nbd_load = os.path.join(self.build, "tests", "bench", "nbd_load")

    def has_ours(self):
        return os.path.exists(self.plugin)

    def load(self, server, *arguments, timeout=900):
        """One run of nbd_load against the server: its figures."""
        command = [self.nbd_load, "--uri", server.uri(), "--server-pid", str(server.pid), *arguments]
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        if result.returncode != 0:
            raise Failed(f"{server.name}: {' '.join(command)}: {result.stderr.strip()}: {server.log_tail()}")
        return json.loads(result.stdout)
