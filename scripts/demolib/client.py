#!/usr/bin/python3
"""A client that writes and checks a disk until it is told to stop, and knows what must be on it.

usage: client.py URI DIRECTORY

Writes blocks of 4 KiB at random places, flushes now and then, and reads others back, one after the other, as a
program does that needs each answer. In DIRECTORY: `client.json` says how far it is and which answer took longest,
`client.stop` ends it; then `client.img` is what the disk must hold. Any error, and any block that is not what was
written, ends it with status 1 and is on standard error.
"""
import json
import os
import random
import sys
import time

import nbd

BLOCK = 4096
TELL_EVERY = 0.1


class Client:
    def __init__(self, uri, directory):
        self.directory = directory
        self.disk = nbd.NBD()
        self.disk.connect_uri(uri)
        self.blocks = self.disk.get_size() // BLOCK
        self.shadow = bytearray(self.blocks * BLOCK)
        self.random = random.Random(2026)
        self.counts = {"writes": 0, "reads": 0, "flushes": 0}
        self.longest = 0.0
        self.told = 0.0

    def timed(self, what, call):
        began = time.monotonic()
        result = call()
        self.longest = max(self.longest, time.monotonic() - began)
        self.counts[what] += 1
        return result

    def write(self):
        at = self.random.randrange(self.blocks) * BLOCK
        stamp = b"%016d" % self.counts["writes"]
        data = stamp + self.random.randbytes(BLOCK - len(stamp))
        self.timed("writes", lambda: self.disk.pwrite(data, at))
        self.shadow[at : at + BLOCK] = data

    def read(self):
        at = self.random.randrange(self.blocks) * BLOCK
        data = self.timed("reads", lambda: self.disk.pread(BLOCK, at))
        if data != self.shadow[at : at + BLOCK]:
            raise RuntimeError(f"block {at // BLOCK} is not what was written")

    def tell(self):
        if time.monotonic() - self.told < TELL_EVERY:
            return
        path = os.path.join(self.directory, "client.json")
        with open(path + ".new", "w") as file:
            json.dump({**self.counts, "longestMs": round(self.longest * 1000)}, file)
        os.rename(path + ".new", path)
        self.told = time.monotonic()

    def run(self):
        stop = os.path.join(self.directory, "client.stop")
        while not os.path.exists(stop):
            for _ in range(8):
                self.write()
            self.read()
            if self.random.randrange(4) == 0:
                self.timed("flushes", self.disk.flush)
            self.tell()
        self.timed("flushes", self.disk.flush)
        self.told = 0.0
        self.tell()
        with open(os.path.join(self.directory, "client.img"), "wb") as file:
            file.write(self.shadow)
        self.disk.shutdown()


if len(sys.argv) != 3:
    sys.exit(__doc__)
try:
    Client(sys.argv[1], sys.argv[2]).run()
except (nbd.Error, RuntimeError, OSError) as error:
    sys.exit(f"client: {error}")
