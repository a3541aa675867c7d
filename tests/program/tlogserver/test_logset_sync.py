"""tlogctl sync between two tlogservers.

Goal: while both sites write and each is killed with SIGKILL in turn, the logs converge both ways, byte for byte; what is
behind is told in bytes and time; a refusal and a server that is gone are told, with an exit code; a link that breaks
loses no more than a piece. Prints its seed.
"""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

from logset_site import Site

SERVER, CTL, PROXY = sys.argv[1:4]
ROUNDS = int(sys.argv[4]) if len(sys.argv) > 4 else 10
SEED = int(os.environ.get("TLOG_SEED", random.randrange(1 << 32)))


def sync_once(a, b, *more):
    done = subprocess.run([CTL, "sync", a + "/set", b + "/set", "--once", "--json", *more], capture_output=True, text=True,
                          timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def wait_for(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def status_of(site):
    done = subprocess.run([CTL, "server-status", site.own_address, "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found, = json.loads(done.stdout)["repositories"]
    return found


def told_by_the_servers(a, b):
    """Both servers tell what they have, and the source how far the copy is behind, also when nobody synchronises."""
    def had(site, what):
        found = status_of(site)
        # It is made anew ten times a second at most.
        return found if all(found[key] == value for key, value in what.items()) else None

    size = sum(len(a.read(name)) for name in a.names())
    wait_for(lambda: had(b, {"logs": len(b.names()), "bytes": size, "kind": "logs"}), "it does not tell what it has")
    assert status_of(b)["pushed_bytes"] == 2_000_000 and status_of(b)["pushed_ns"] > 0
    puller, = [one for one in status_of(a)["pullers"] if one["target"] == b.url + "/set"]
    assert puller["peer"] == "127.0.0.1" and puller["behind_bytes"] == 0 and puller["behind_ns"] < 20e9, puller
    a.append("a1", b"new" * 1000)

    def behind():
        return [one for one in status_of(a)["pullers"] if one["target"] == b.url + "/set" and one["behind_bytes"] == 3000]

    wait_for(behind, "it does not tell that the copy is behind")
    said = subprocess.run([CTL, "server-status", a.own_address], capture_output=True, text=True, timeout=60).stdout
    assert "repository set: logs" in said and f"for {b.url}/set: 3000 bytes and " in said, said


def broken_link(directory):
    """What arrived before a link broke is not sent again."""
    piece, size = 8 << 20, 60 << 20
    a, b = [Site(SERVER, os.path.join(directory, name)) for name in ("near", "far")]
    a.start()
    b.start()
    a.append("a1", os.urandom(size))
    proxy = subprocess.Popen([PROXY, "--upstream", b.address, "--other", "--control", "--bytes-per-second", str(30 << 20)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        link = "http://" + proxy.stdout.readline().split()[-1]
        sync = subprocess.Popen([CTL, "sync", a.url + "/set", link + "/set", "--once"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
        wait_for(lambda: len(b.read("a1")) >= piece, "nothing stays of what has arrived")
        proxy.stdin.write("refuse\nreset\n")
        proxy.stdin.flush()
        assert sync.communicate(timeout=60)[1] and sync.returncode != 0
        there = len(b.read("a1"))
        assert piece <= there < size, there
        assert a.read("a1").startswith(b.read("a1"))
        proxy.stdin.write("heal\n")
        proxy.stdin.flush()
        code, told, error = sync_once(a.url, link)
        assert code == 0, error
        assert told["toRemote"]["sentBytes"] == told["toRemote"]["lackedBytes"] == size - there, (told, there)
        assert a.read("a1") == b.read("a1")
    finally:
        proxy.kill()
        proxy.wait()
    assert a.stop() == 0 and b.stop() == 0


def main():
    print(f"seed {SEED}; again with TLOG_SEED={SEED}")
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory() as directory:
        a, b = [Site(SERVER, os.path.join(directory, name)) for name in "ab"]
        a.start()
        b.start()
        a.append("a1", os.urandom(2_000_000))
        b.append("b1", b"b" * 70_000)
        code, told, _ = sync_once(a.url, b.url)
        assert code == 0 and told["toRemote"]["sentBytes"] == 2_000_000 and told["toLocal"]["sentBytes"] == 70_000, told
        assert told["toRemote"]["lackedBytes"] == 2_000_000 and told["toRemote"]["rpoBytes"] == 0, told
        assert a.read("b1") == b.read("b1") and a.read("a1") == b.read("a1")
        # The source knows that all has arrived, though nobody pulls any more.
        puller, = status_of(a)["pullers"]
        assert puller["target"] == b.url + "/set" and puller["behind_bytes"] == 0, puller
        code, told, _ = sync_once(b.url, a.url)
        assert code == 0 and told["toRemote"]["logsSent"] == 0 and told["toRemote"]["error"] is None, told

        told_by_the_servers(a, b)
        with open(os.path.join(directory, "rounds"), "w") as out:
            follower = subprocess.Popen([CTL, "sync", a.url + "/set", b.url + "/set", "--every", "20ms", "--json"], stdout=out)
        for number in range(ROUNDS):
            a.append("a1", b"%d|" % number * rng.randrange(1, 100_000))
            b.append(f"b{number}", b"%d|" % number * rng.randrange(1, 100_000))
            victim = rng.choice((a, b))
            threading.Event().wait(rng.random() * 0.1)
            victim.kill()
            victim.start()

        def even():
            return all(a.read(name) == b.read(name) for name in set(a.names()) | set(b.names()))

        wait_for(even, "the sites do not converge")
        for site, other, prefix in ((a, b, "a"), (b, a, "b")):
            for name in (n for n in site.names() if n.startswith(prefix)):
                assert site.written[name] == other.read(name), name

        def told_even():
            with open(os.path.join(directory, "rounds")) as rounds:
                lines = [line for line in rounds.read().split("\n")[:-1]]
            last = json.loads(lines[-1])
            return all(last[way]["rpoBytes"] == 0 and last[way]["error"] is None and last[way]["rpoSeconds"] < 5
                       for way in ("toRemote", "toLocal"))

        wait_for(told_even, "it does not tell that nothing is behind")
        # A site that is gone is told, and is no reason to end.
        b.kill()
        wait_for(lambda: not told_even(), "it does not tell that a site is gone")
        follower.send_signal(signal.SIGTERM)
        assert follower.wait(30) == 0
        code, told, error = sync_once(a.url, b.url)
        assert code != 0 and told["toRemote"]["error"] and b.url in error, (code, told, error)
        b.start()
        code, _, error = sync_once(a.url, b.url + "/none")
        assert code != 0 and "404" in error, error
        assert sync_once("ftp://x", b.url)[0] != 0
        assert a.stop() == 0 and b.stop() == 0
        print("converged")
        broken_link(directory)


main()
