"""Two sites that are written by pushes and synchronised both ways, while everything is killed.

Goal: an append that was answered 200 is in both sites at the end, once and in order, though each tlogserver and each of two
`tlogctl sync` (one at each site, at the same time) is killed with SIGKILL at any moment; and both sites are equal. No log of
either site is ever anything but whole records from the first on. Prints its seed.
"""
import atexit
import http.client
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

from logset_site import Site

SERVER, CTL = sys.argv[1:3]
SECONDS = float(os.environ.get("TLOG_NEMESIS_SECONDS", 8))
SEED = int(os.environ.get("TLOG_SEED", random.randrange(1 << 32)))


def record(log, number):
    """The same bytes whenever it is asked for; some are longer than what a server keeps in memory."""
    rng = random.Random(f"{log} {number}")
    size = rng.choice([1, 50, 3000, 70_000]) if number % 20 else 1_200_000
    return b"<%s %d " % (log.encode(), number) + rng.randbytes(size) + b">"


class Writer(threading.Thread):
    """Appends to one log of one site, by pushes, one after the other; `confirmed` is how many were answered 200."""

    def __init__(self, site, log):
        super().__init__(daemon=True)  # a test that fails does not wait for it
        self.site, self.log = site, log
        self.ends = [0]  # where each record ends that is in the log
        self.confirmed = self.refused = 0
        self.stopping = False
        self.wrong = None
        self.start()

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.site.address, timeout=20)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def length(self):
        status, text = self.ask("GET", "/set/offsets")
        assert status == 200, text
        return next((int(line.split()[1]) for line in text.splitlines() if line.split()[:1] == [self.log.encode()]), 0)

    def append(self):
        number = len(self.ends) - 1
        data = record(self.log, number)
        end = self.ends[-1] + len(data)
        try:
            status, text = self.ask("POST", "/set/push", b"%s %d %d\n" % (self.log.encode(), self.ends[-1], len(data)) + data)
            assert status == 200, (status, text)
            self.ends.append(end)
            self.confirmed = number + 1
        except (OSError, http.client.HTTPException):
            self.refused += 1
            self.look_again(end)

    def look_again(self, end):
        """Nobody has said whether it is there: the log does."""
        while not self.stopping:
            try:
                length = self.length()
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)
                continue
            assert length in (self.ends[-1], end), f"{self.log}: {length}, and not {self.ends[-1]} or {end}"
            if length == end:
                self.ends.append(end)
            return

    def run(self):
        try:
            while not self.stopping:
                self.append()
        except AssertionError as error:
            self.wrong = error

    def stop(self):
        self.stopping = True
        self.join(60)
        assert not self.is_alive()
        assert self.wrong is None, self.wrong


class Sync:
    def __init__(self, local, remote, log):
        self.words = [CTL, "sync", local.url + "/set", remote.url + "/set", "--every", "10ms", "--json"]
        self.log = log
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.words, stdout=log, stderr=log)
        atexit.register(self.process.kill)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)


def check_whole_records(site, log):
    data, at, number = site.read(log), 0, 0
    try:
        # A server that is down may have been killed in an append: its next start cuts that off.
        with open(os.path.join(site.logs, ".append-" + log), "rb") as marker:
            data = data[:int(marker.read().split()[1])]
    except FileNotFoundError:
        pass
    while at < len(data):
        wanted = record(log, number)
        assert data.startswith(wanted, at), f"{site.directory}: {log}: at {at} is not record {number}"
        at += len(wanted)
        number += 1
    return number


def make_even(a, b):
    """What a killed sync had sent may still be on its way into a log, and be there before what this one sends."""
    end = time.monotonic() + 30
    while True:
        done = subprocess.run([CTL, "sync", a.url + "/set", b.url + "/set", "--once"], capture_output=True, text=True,
                              timeout=60)
        if done.returncode == 0:
            return
        assert "(403)" in done.stderr and time.monotonic() < end, done.stderr


def main():
    print(f"seed {SEED}; again with TLOG_SEED={SEED}")
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory() as directory:
        a, b = sites = [Site(SERVER, os.path.join(directory, name)) for name in "ab"]
        for site in sites:
            site.start()
        writers = [Writer(site, f"{name}{i}") for site, name in ((a, "a"), (b, "b")) for i in range(2)]
        syncs = [Sync(a, b, os.path.join(directory, "sync-a")), Sync(b, a, os.path.join(directory, "sync-b"))]
        kills = {victim: 0 for victim in (a, b, *syncs)}
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(rng.random() * 0.2)
            victim = rng.choice(list(kills))
            victim.kill()
            kills[victim] += 1
            if victim in sites:  # while it is down nothing is appended to what it has
                for writer in writers:
                    check_whole_records(victim, writer.log)
            victim.start()
        for writer in writers:
            writer.stop()
        for sync in syncs:
            sync.kill()
        make_even(a, b)
        for writer in writers:
            there = check_whole_records(a, writer.log)
            assert a.read(writer.log) == b.read(writer.log), writer.log
            assert there >= writer.confirmed > 0, (writer.log, there, writer.confirmed)
        leftovers = [n for site in sites for n in os.listdir(site.logs) if n.startswith(".") and n != ".lock"]
        assert a.stop() == 0 and b.stop() == 0
        assert not [name for name in leftovers if name.startswith(".append-")], leftovers
        print(f"kills: {sorted(kills.values())}; appends: {[writer.confirmed for writer in writers]}, "
              f"cut off: {sum(writer.refused for writer in writers)}")
        assert all(kills.values()) and sum(writer.refused for writer in writers) > 0


main()
