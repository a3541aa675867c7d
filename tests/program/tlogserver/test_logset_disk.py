"""A vdisk that is written through a real nbdkit while its log is published and carried away.

Goal: the copy of another site, restored with the key alone, is the disk as it was at the last flush, byte for byte, though
the log was read and pulled while it grew, and the copy's server was killed with SIGKILL in between.
"""
import atexit
import concurrent.futures
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

SERVER, CTL, PLAY, PLUGIN, NBD_LOAD = sys.argv[1:6]
MIB = 1 << 20
SIZE = 16 * MIB


def run(*words, wanted=0):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == wanted, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def wait_for(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.02)
    return found


def begin(words, **more):
    process = subprocess.Popen(words, **more)
    atexit.register(process.kill)  # a test that fails leaves nothing behind
    return process


class Server:
    def __init__(self, *words):
        self.words, self.address = words, "127.0.0.1:0"
        self.start()

    def start(self):
        self.process = begin([SERVER, "--address", "127.0.0.1:0", "--insecure", "--logset", self.address, *self.words],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = re.search(r"logset on (\S+)/", self.process.stdout.readline()).group(1)
        self.address = self.url.split("//")[1]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
        self.process.stdout.close()


def write_config(path, contents):
    with open(path, "w") as file:
        json.dump(contents, file)  # JSON is YAML
    return path


def main(directory):
    def file(name):
        return os.path.join(directory, name)

    run(CTL, "keygen", file("key"))
    config = write_config(file("disk.yml"), {
        "keyFile": "key", "journal": {"directory": "journal", "size": "64MiB"},
        "clusters": {"c": {"directories": ["log/0", "log/1", "log/2"]}},
        "tlog": {"dataShards": 2, "parityShards": 1, "flushTime": "200ms"},
        "vdisks": {"vm1": {"size": SIZE, "storage": {"file": "blocks"}}}, "repos": {"pub": {"vdisk": "vm1"}}})
    copy_config = write_config(file("copy.yml"), {"repos": {"vm": {"copy": "copy"}}})
    uri = f"nbd+unix:///?socket={file('nbd.sock')}"
    nbdkit = begin(["nbdkit", "-f", "-U", file("nbd.sock"), PLUGIN, f"config={config}"], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    wait_for(lambda: os.path.exists(file("nbd.sock")), "nbdkit does not serve")
    publisher, copy = Server("--config", config), Server("--memorystorage", "--config", copy_config)

    def lag():
        with open(file("rounds")) as rounds:
            lines = rounds.read().split("\n")[:-1]
        last = json.loads(lines[-1])["toRemote"] if lines else {"error": "none yet"}
        return None if last["error"] else last["rpoBytes"]

    with open(file("rounds"), "w") as rounds:
        sync = begin([CTL, "sync", publisher.url + "/pub", copy.url + "/vm", "--every", "20ms", "--json"], stdout=rounds,
                     stderr=rounds)
    load = [NBD_LOAD, "--uri", uri, "--op", "write", "--block-size", "16384", "--depth", "2", "--connections", "1"]
    enough = threading.Event()

    def write():
        for seed in itertools.count(1):
            run(*load, "--bytes", str(4 * MIB), "--seed", str(seed))
            if enough.is_set():
                return

    writing = concurrent.futures.ThreadPoolExecutor(1).submit(write)

    def copied():
        return sum(os.path.getsize(file("copy/" + name)) for name in os.listdir(file("copy")) if name.isalnum())

    def rounds_so_far():
        return open(file("rounds")).read()[-1500:]

    try:
        begun = wait_for(copied, lambda: "nothing is copied while the disk is written: " + rounds_so_far(), 60)
        copy.kill()
        before = copied()
        copy.start()
        wait_for(lambda: copied() > before, lambda: "nothing more is copied: " + rounds_so_far(), 60)
        assert not writing.done(), writing.exception()
    finally:
        enough.set()
    writing.result(60)
    run(*load, "--sequential", "--bytes", str(SIZE // 2), "--final-flush")
    run(CTL, "--config", config, "flush", "vm1")  # what was written is in the log's stores
    run("nbdcopy", uri, file("disk.img"))
    # A round that began after that has brought all.
    with open(file("rounds")) as rounds:
        seen = rounds.read().count("\n")

    def has_all():
        with open(file("rounds")) as rounds:
            return rounds.read().count("\n") > seen + 2 and lag() == 0

    wait_for(has_all, lambda: "the copy never has everything: " + rounds_so_far(), 60)
    sync.send_signal(signal.SIGTERM)
    sync.wait(20)
    # The site is lost: its log, its disk and its servers.
    nbdkit.kill()
    nbdkit.wait(20)
    publisher.kill()
    copy.kill()
    for name in ("log", "journal", "blocks"):
        shutil.rmtree(file(name), ignore_errors=True)
    run(PLAY, "restore", "--from-logset", file("copy"), "--key-file", file("key"), "--to", file("restored.img"))
    with open(file("disk.img"), "rb") as disk, open(file("restored.img"), "rb") as restored:
        wanted, found = disk.read(), restored.read()
    assert len(wanted) == len(found) == SIZE, (len(wanted), len(found))
    different = [at for at in range(0, SIZE, 4096) if wanted[at:at + 4096] != found[at:at + 4096]]
    assert not different, f"{len(different)} blocks differ, the first at {different[0]}"
    assert any(wanted), "nothing was written"
    print(f"equal; {begun} bytes were copied before the kill, {copied()} in all")


for program in ("nbdkit", "nbdcopy"):
    if shutil.which(program) is None:
        print(f"there is no {program}")
        sys.exit(77)
with tempfile.TemporaryDirectory() as made:
    main(made)
