"""Real redis-servers without persistence, each with its own directory and Unix socket, ended by process id."""
import os
import shutil
import signal
import socket
import subprocess
import time

from benchlib.servers import Failed


class RedisServer:
    def __init__(self, directory):
        self.directory = directory
        self.socket = os.path.join(directory, "redis.sock")
        self.log = os.path.join(directory, "redis.log")
        self.process = None

    @property
    def address(self):
        return f"unix:{self.socket}"

    def start(self, timeout=20):
        os.makedirs(self.directory, exist_ok=True)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.directory, "--daemonize",
                 "no", "--save", "", "--appendonly", "no", "--loglevel", "warning"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + timeout
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(self.log, errors="replace") as log:
                    raise Failed(f"redis-server: does not start: {log.read()[-800:].strip()}")
            time.sleep(0.01)

    def answers(self):
        try:
            return self.command("PING") == "PONG"
        except OSError:
            return False

    def command(self, *words):
        """The reply's first line, or the bulk: enough for what is asked here."""
        text = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(self.socket)
            client.sendall(text.encode())
            with client.makefile("rb") as replies:
                head = replies.readline().decode().strip()
                if head.startswith("-"):
                    raise Failed(f"{self.address}: {words[0]}: {head}")
                return replies.read(int(head[1:])).decode() if head.startswith("$") else head[1:]

    def info(self, section, field):
        for line in self.command("INFO", section).splitlines():
            if line.startswith(field + ":"):
                return int(line.split(":", 1)[1])
        raise Failed(f"{self.address}: INFO {section} has no {field}")

    def clear(self):
        self.command("FLUSHALL", "SYNC")

    def wait_alone(self, timeout=30):
        """Until no client is left, and with it nothing that one has sent and the server has not executed yet."""
        deadline = time.monotonic() + timeout
        while self.info("clients", "connected_clients") > 1:
            if time.monotonic() > deadline:
                raise Failed(f"{self.address}: still has clients after {timeout} s")
            time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        """With all that it has: nothing is kept."""
        self.process.kill()
        self.process.wait()

    def revive(self):
        if self.process.poll() is not None:
            self.start()

    def end(self):
        # SIGKILL also ends a stopped one, and there is nothing to keep.
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Fleet:
    """Six servers for a cluster, and a spare one for what a bare client writes. A context manager."""

    COUNT = 6

    def __init__(self, directory):
        servers = [RedisServer(os.path.join(directory, f"redis-{i}")) for i in range(self.COUNT + 1)]
        self.servers, self.spare = servers[:-1], servers[-1]

    def __enter__(self):
        try:
            for server in self.all():
                server.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in self.all():
            server.end()

    def all(self):
        return self.servers + [self.spare]

    def clear(self):
        """For a fresh start; whoever used the servers has ended."""
        for server in self.all():
            server.revive()
            server.wait_alone()
            server.clear()

    def used_bytes(self):
        return sum(server.info("memory", "used_memory") for server in self.servers)

    def commands(self):
        return sum(server.info("stats", "total_commands_processed") for server in self.servers)

    def addresses(self):
        return [server.address for server in self.servers]
