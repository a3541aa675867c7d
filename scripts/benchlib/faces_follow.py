"""Followers of a published vdisk beside `tlogplay restore` of the same vdisk from its stores.

The vdisk's log is on six redis-servers, 4 + 2. One tlogserver publishes it at its own service, which reads the log when it is
asked; another service has all of it in its directory. Followers read from either, with the key and without.
"""
import json
import os
import re
import shutil
import subprocess
import time

from benchlib.cluster_settings import MIB, run
from benchlib.cluster_table import interleaved, ratio_row
from benchlib.servers import Failed

WANTED = 0.5
PIECE = MIB
SERVERS = 6


class Published:
    """Everything that is there before a follower comes."""

    def __init__(self, settings):
        self.settings = settings
        self.directory = os.path.join(settings.directory, "published")
        self.processes = []
        os.makedirs(self.directory)

    def path(self, name):
        return os.path.join(self.directory, name)

    def program(self, *path):
        return os.path.join(self.settings.build, *path)

    def begin(self, words, ready):
        with open(self.path("log"), "a") as log:
            self.processes.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                   cwd=self.directory))
        self.until(ready, " ".join(words))
        return self.processes[-1]

    def until(self, ready, what, seconds=600):
        deadline = time.monotonic() + seconds
        while not ready():
            if self.processes[-1].poll() is not None or time.monotonic() > deadline:
                with open(self.path("log"), errors="replace") as log:
                    raise Failed(f"{what}: {log.read()[-800:].strip()}")
            time.sleep(0.02)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        for i in range(SERVERS):
            socket = self.path(f"redis-{i}.sock")
            self.begin(["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"],
                       lambda socket=socket: os.path.exists(socket))
        with open(self.path("key"), "w") as file:
            os.chmod(file.name, 0o600)
            file.write("tlogdisk-key-1:" + os.urandom(32).hex() + "\n")
        self.elsewhere, self.own = "unix:" + self.path("elsewhere"), "unix:" + self.path("own")
        for name, publish in (("own", {"embed": "last 5"}), ("pushes", {"embed": "last 5", "to": self.elsewhere})):
            with open(self.path(name + ".yml"), "w") as file:
                json.dump({"keyFile": self.path("key"), "journal": {"directory": "journal", "size": "256MiB"},
                           "clusters": {"six": {"servers": [{"address": "unix:" + self.path(f"redis-{i}.sock")}
                                                            for i in range(SERVERS)]}},
                           "vdisks": {"vm1": {"size": self.settings.copy_bytes, "storage": {"file": "blocks"}}},
                           "cas": {"directory": self.path("own-contents"), "publish": {"vm1": publish}}}, file)
        with open(self.path("cas.yml"), "w") as file:
            json.dump({"cas": {"directory": self.path("contents")}}, file)
        self.write()
        server = self.program("server", "program", "tlogserver")
        for name, words in (("elsewhere", ["--memorystorage", "--config", "cas.yml", "--grpc", self.elsewhere]),
                            ("pushes", ["--config", "pushes.yml", "--publish"]),
                            ("own", ["--config", "own.yml", "--grpc", self.own])):
            socket = self.path(name + "-log")
            self.begin([server, "--address", "unix:" + socket, *words], lambda socket=socket: os.path.exists(socket))
        for remote in (self.elsewhere, self.own):
            self.until(lambda remote=remote: self.sequence(remote) >= self.last, f"{remote}: not all is published")

    def write(self):
        """Random bytes through nbdkit, all of them stored."""
        image = self.path("image")
        with open(image, "wb") as file:
            for _ in range(0, self.settings.copy_bytes, PIECE):
                file.write(os.urandom(PIECE))
        socket, pid = self.path("nbd"), self.path("pid")
        plugin = self.program("nbdkit-plugin", "tlogdisk.so")
        nbdkit = self.begin(["nbdkit", "-f", "-U", socket, "-P", pid, plugin, "own.yml"],
                            lambda: os.path.exists(pid) and os.path.getsize(pid) > 0)
        run(["nbdcopy", "--flush", image, f"nbd+unix:///?socket={socket}"], 1800)
        said = run([self.settings.tlogctl, "--config", self.path("own.yml"), "flush", "vm1"], 600)
        self.last = int(re.findall(r"\d+", said)[-1])
        nbdkit.terminate()
        nbdkit.wait()
        self.processes.remove(nbdkit)
        os.unlink(image)
        for name in ("journal", "blocks"):
            path = self.path(name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

    def sequence(self, remote):
        """Up to which it is published, as a follower sees it that reads one aggregation only: the state is kept."""
        words = [self.settings.tlogplay, "follow", "--remote", remote, "--vdisk", "vm1", "--to", self.path("probe"),
                 "--key-file", self.path("key"), "--once", "--json", "--progress=never"]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return json.loads(done.stdout)["sequence"] if done.returncode == 0 else 0

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def clear(self, *names):
        for name in names:
            path = self.path(name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)

    def timed(self, words):
        self.clear("out", "out.tlogplay-follow", "out.tlogplay-state", "copy")
        begin = time.monotonic()
        run([self.settings.tlogplay, *words, "--progress=never"], 1800)
        return {"mib_per_s": self.settings.copy_bytes / MIB / (time.monotonic() - begin)}

    def restore(self, _):
        return self.timed(["--config", self.path("own.yml"), "restore", "vm1", "--to", self.path("out")])

    def follow(self, remote):
        return self.timed(["follow", "--once", "--remote", remote, "--vdisk", "vm1", "--to", self.path("out"), "--key-file",
                           self.path("key")])

    def copy(self, _):
        return self.timed(["follow", "--once", "--remote", self.elsewhere, "--vdisk", "vm1", "--to", self.path("copy")])


def measure_follow(settings, fleet, note):
    with Published(settings) as published:
        found = interleaved(settings, {
            "restore": published.restore, "follow a store": lambda _: published.follow(published.elsewhere),
            "follow a view": lambda _: published.follow(published.own), "copy": published.copy}, note)
    size = f"{settings.copy_bytes // MIB} MiB"
    return [ratio_row(f"{title} of {size}; peer: tlogplay restore from six stores", found[ours], found["restore"],
                      "mib_per_s", "MiB/s", at_least=WANTED)
            for title, ours in (("follower with the key, from a store of contents", "follow a store"),
                                ("follower with the key, from a view of the log", "follow a view"),
                                ("follower without the key, a verified copy", "copy"))]
