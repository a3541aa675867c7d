"""A vdisk that nbdkit serves, its log on six redis-servers, and a tlogserver that publishes it."""
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "messages"))
import rig  # noqa: E402

SIZE = 16 << 20
BLOCK = 4096


class DiskSite:
    def __init__(self, programs, directory, cas, seed=1):
        self.programs, self.directory = programs, directory
        self.random, self.disk = random.Random(seed), bytearray(SIZE)
        self.redis = [rig.Redis(self.path(f"redis{i}")) for i in range(6)]
        self.key = self.path("key")
        for one in self.redis:
            one.start()
        self.run(["tlogctl", "keygen", self.key])
        self.config = self.path("disk.yml")
        servers = "".join(f"    - {{address: \"127.0.0.1:{one.port}\"}}\n" for one in self.redis)
        with open(self.config, "w") as file:
            file.write(f"keyFile: {self.key}\n"
                       "journal: {directory: journal, size: 64MiB, arenaDirectory: arena}\n"
                       f"clusters:\n  six:\n    servers:\n{servers}"
                       f"vdisks: {{vm1: {{size: {SIZE}, storage: {{file: blocks}}}}}}\n"
                       f"cas: {cas}\n")
        self.socket, self.pid = self.path("nbd.sock"), self.path("nbd.pid")
        self.nbdkit = rig.Child(["nbdkit", "-f", "-U", self.socket, "-P", self.pid, programs["tlogdisk.so"], self.config],
                                self.path("nbdkit.log"))
        self.publisher = None

    def path(self, name):
        return os.path.join(self.directory, name)

    def run(self, words, code=0):
        """What a program says, that has to end with this code."""
        done = subprocess.run([self.programs.get(words[0], words[0]), *words[1:]], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120, cwd=self.directory)
        if done.returncode != code:
            raise AssertionError(f"{words}: {done.returncode} and not {code}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def serve(self):
        self.nbdkit.start()
        rig.eventually("nbdkit serves", lambda: os.path.exists(self.pid) and os.path.getsize(self.pid) > 0)
        import nbd
        self.client = nbd.NBD()
        self.client.connect_unix(self.socket)

    def write(self, count):
        for _ in range(count):
            length = BLOCK * self.random.choice((1, 1, 1, 2, 8, 64))
            at = self.random.randrange((SIZE - length) // BLOCK) * BLOCK
            data = self.random.randbytes(length)
            self.client.pwrite(data, at)
            self.disk[at:at + length] = data

    def flush(self):
        """The sequence up to which everything is stored."""
        self.client.flush()
        said = self.run(["tlogctl", "--config", self.config, "flush", "vm1"])
        return int(said.split()[-1])

    def publish(self, *flags):
        self.publisher = rig.Child([self.programs["tlogserver"], "--address", "unix:" + self.path("server.sock"), "--config",
                                    self.config, "--priv-key-file", self.key, *flags], self.path("server.log"))
        self.publisher.start()

    def end(self):
        self.publisher.kill()
        self.nbdkit.kill()
        for one in self.redis:
            one.kill()

    def follower(self, remote, *more):
        return [self.programs["tlogplay"], "follow", "--remote", remote, "--vdisk", "vm1", *more]

    def is_disk(self, path):
        with open(path, "rb") as file:
            return file.read() == self.disk
