"""The servers that are compared: ours, with its whole pipeline on, and the peers.

Each has a directory of its own on the same file system, a Unix socket, and is ended by its process id.
"""
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
GIB = 1 << 30
LOCAL_CLUSTER = "  local: {directories: [log/0, log/1, log/2, log/3, log/4, log/5]}\n"


class Failed(Exception):
    """A server or a job that did not work; the message is for the user."""


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def tree_bytes(directory):
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass  # a file the server has removed meanwhile
    return total


class Server:
    """Base: `command()` gives the argument list of a foreground server on `self.socket`."""

    name = "server"

    def __init__(self, settings):
        self.settings = settings
        self.process = None
        self.place()

    def place(self):
        """A directory of its own, by the name."""
        self.directory = os.path.join(self.settings.directory, self.slug())
        self.socket = os.path.join(self.directory, "nbd.sock")
        self.log = os.path.join(self.directory, "server.log")

    def slug(self):
        return "".join(c if c.isalnum() else "-" for c in self.name)

    def uri(self):
        return f"nbd+unix:///?socket={self.socket}"

    @property
    def pid(self):
        return self.process.pid

    def prepare(self):
        """Makes the empty disk. The directory exists and is empty."""

    def command(self):
        raise NotImplementedError

    def start(self, timeout=60):
        """Starts; answers the seconds until a client was let in."""
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        begun = time.monotonic()
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd=self.directory)
        while not self.accepts():
            if self.process.poll() is not None:
                raise Failed(f"{self.name}: ended with {self.process.returncode}: {self.log_tail()}")
            if time.monotonic() - begun > timeout:
                raise Failed(f"{self.name}: serves nothing after {timeout} s: {self.log_tail()}")
            time.sleep(0.002)
        return time.monotonic() - begun

    def accepts(self):
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(self.socket)
            # The magic number of the newstyle handshake.
            client.settimeout(60)
            return client.recv(8) == b"NBDMAGIC"
        except OSError:
            return False
        finally:
            client.close()

    def log_tail(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-800:].strip()

    def end(self, how=signal.SIGTERM, timeout=120):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def begin(self, prefilled=True):
        """A fresh disk, served."""
        self.end(signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        self.prepare()
        self.start()
        if prefilled:
            self.prefill()

    def prefill(self):
        self.settings.load(self, "--op", "write", "--sequential", "--block-size", "262144", "--depth", "16",
                           "--bytes", str(self.settings.size), "--final-flush")
        self.settle()

    def settle(self, timeout=90):
        """Waits until the process does nothing more behind its clients' backs."""
        deadline = time.monotonic() + timeout
        quiet = 0
        before = cpu_seconds(self.pid)
        while quiet < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
            now = cpu_seconds(self.pid)
            quiet = quiet + 1 if now - before <= 0.01 else 0
            before = now

    def make_room(self):
        """Called between jobs: a server that keeps everything begins anew before the disk is full."""


class NbdkitFile(Server):
    name = "nbdkit file"

    def image(self):
        return os.path.join(self.directory, "disk.img")

    def prepare(self):
        with open(self.image(), "wb") as image:
            image.truncate(self.settings.size)

    def command(self):
        return ["nbdkit", "-f", "-U", self.socket, "file", self.image()]


class NbdkitLuks(NbdkitFile):
    name = "nbdkit file + luks"

    def prepare(self):
        self.passphrase = os.path.join(self.directory, "passphrase")
        with open(self.passphrase, "w") as file:
            file.write("not a secret")
        subprocess.run(["qemu-img", "create", "-q", "-f", "luks", "--object",
                        f"secret,id=s0,file={self.passphrase}", "-o", "key-secret=s0,iter-time=10",
                        self.image(), str(self.settings.size)], check=True)

    def command(self):
        return ["nbdkit", "-f", "-U", self.socket, "--filter=luks", "file", self.image(),
                f"passphrase=+{self.passphrase}"]


class BlkLogWrites(NbdkitFile):
    """qemu-nbd that writes every write to a log as well, and does nothing else to it."""
    name = "qemu-nbd blklogwrites"

    def log_image(self):
        return os.path.join(self.directory, "writes.log")

    def prepare(self):
        super().prepare()
        open(self.log_image(), "wb").close()

    def command(self):
        options = (f"driver=blklogwrites,file.driver=file,file.filename={self.image()},"
                   f"log.driver=file,log.filename={self.log_image()}")
        return ["qemu-nbd", "-t", "-e", "8", "-k", self.socket, "--image-opts", options]

    def prefill(self):
        # Through the plain server: the same contents without an hour's worth of log.
        self.end()
        plain = NbdkitFile(self.settings)
        plain.directory, plain.socket, plain.log = self.directory, self.socket, self.log
        plain.start()
        try:
            plain.prefill()
        finally:
            plain.end()
        self.start()

    def make_room(self):
        if tree_bytes(self.directory) < self.settings.room:
            return
        self.end()
        with open(self.log_image(), "wb"):
            pass
        self.start()


class Ours(Server):
    """tlogdisk: hash, AES-256-GCM, 4+2, embedded stores, one vdisk on a file."""

    def __init__(self, settings, threads):
        self.threads = threads
        self.name = f"tlogdisk -t {threads}"
        super().__init__(settings)

    def uri(self):
        return f"nbd+unix:///vm1?socket={self.socket}"

    def config(self):
        return os.path.join(self.directory, "tlogdisk.yml")

    def prepare(self):
        arena = os.path.join(self.settings.arena_directory, self.slug())
        shutil.rmtree(arena, ignore_errors=True)
        os.makedirs(arena)
        key = os.path.join(self.directory, "tlogdisk.key")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(f"tlogdisk-key-1:{secrets.token_hex(32)}\n")
        with open(self.config(), "w") as file:
            file.write("keyFile: tlogdisk.key\n"
                       f"journal: {{directory: journal, size: {self.settings.journal}, "
                       f"arenaDirectory: {arena}}}\n" + self.layout())

    def layout(self):
        """The part of the configuration that says what is served, and on which stores."""
        return (f"clusters:\n{LOCAL_CLUSTER}"
                "tlog: {cluster: local}\n"
                "vdisks:\n"
                f"  vm1: {{size: {self.settings.size}, blockSize: 4096, storage: {{file: blocks/vm1}}}}\n")

    def command(self):
        return ["nbdkit", "-f", "-t", str(self.threads), "-U", self.socket, self.settings.plugin,
                f"config={self.config()}"]

    def make_room(self):
        if tree_bytes(self.directory) >= self.settings.room:
            self.begin()
