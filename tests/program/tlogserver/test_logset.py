"""A client of logset, written from the protocol's description with python3-requests alone, between two tlogservers.

Goal: logs converge both ways, byte for byte, though the pushes are chunked in tiny pieces and are fed from a pull whose
answer is still open, and though each server is killed with SIGKILL at any moment; no log ever holds half a slice or
anything twice. Method: each log grows by numbered records at one side only; the copy has to be a prefix made of whole
slices at all times. Prints its seed.
"""
import os
import random
import sys
import tempfile
import threading

import requests

from logset_site import Site

SERVER = sys.argv[1]
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 12
SEED = int(os.environ.get("TLOG_SEED", random.randrange(1 << 32)))


def offsets(url):
    answer = requests.get(url + "/set/offsets", timeout=20)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/octet-stream"
    lines = answer.content.split(b"\n")
    assert lines[-2:] == [b"", b""] or answer.content == b"\n", answer.content
    found = [line.split(b" ") for line in lines if line]
    assert [name for name, _ in found] == sorted(name for name, _ in found)
    return {name.decode(): int(length) for name, length in found}


def exact(stream, count):
    data = b""
    while len(data) < count:
        piece = stream.read(min(count - len(data), 65536))
        assert piece, "the answer ended too early"
        data += piece
    return data


def line_of(stream):
    line = b""
    while not line.endswith(b"\n"):
        piece = stream.read(1)
        assert piece or not line, "the answer ended in a line"
        if not piece:
            return None
        line += piece
    return line[:-1]


def synchronise(source, target, sizes):
    """What `target` lacks of `source`, handed on piece by piece while the pull is still open."""
    known = offsets(target)
    text = "".join(f"{name} {length}\n" for name, length in known.items()) + "\n"
    with requests.post(source + "/set/pull", data=text.encode(), stream=True, timeout=20) as pulled:
        assert pulled.status_code == 200, pulled.status_code
        assert "Content-Length" in pulled.headers and "Transfer-Encoding" not in pulled.headers
        stream = pulled.raw
        there = {}
        while True:
            line = line_of(stream)
            if not line:
                break
            name, length = line.split(b" ")
            there[name.decode()] = int(length)

        def pieces():
            while True:
                head = line_of(stream)
                if head is None:
                    return
                yield head + b"\n"
                name, offset, length = head.split(b" ")
                assert int(offset) == known.get(name.decode(), 0)
                left = int(length)
                while left:
                    size = min(left, next(sizes))
                    yield exact(stream, size)
                    left -= size

        pushed = requests.post(target + "/set/push", data=pieces(), timeout=20)
        if pushed.status_code == 200:
            assert pushed.content == b""
        return pushed.status_code, there


def check_prefix(site, other, name):
    """`other` has a copy of `site`'s log."""
    original, copy = site.read(name), other.read(name)
    assert original.startswith(copy), f"{name}: the copy is not a prefix"
    return original == copy


def main():
    print(f"seed {SEED}; again with TLOG_SEED={SEED}")
    rng = random.Random(SEED)
    sizes = iter(lambda: rng.choice([1, 1, 2, 7, 100, 5000]) if rng.random() < 0.2 else 30000, None)
    with tempfile.TemporaryDirectory() as directory:
        sites = [Site(SERVER, os.path.join(directory, name)) for name in "ab"]
        a, b = sites
        for site in sites:
            site.start()
        # Data that looks like the protocol's own.
        a.append("a1", b"\n\n\x00a1 0 5\r\nHTTP/1.1 200 OK\r\n\r\n" * 3)
        b.append("b1", os.urandom(3 * 1024 * 1024 + 17))
        assert synchronise(a.url, b.url, sizes)[0] == 200
        assert synchronise(b.url, a.url, sizes)[0] == 200
        assert check_prefix(a, b, "a1") and check_prefix(b, a, "b1")
        # Synchronising a set with itself while its own pull is open may not wait for itself.
        assert synchronise(a.url, a.url, sizes)[0] == 200
        for number in range(ROUNDS):
            for site, name in ((a, "a1"), (b, "b1"), (a, "a2"), (b, f"b{number + 2}")):
                site.append(name, b"%d %s|" % (number, b"x" * rng.randrange(200000)))
            victim = rng.choice(sites)
            killed = threading.Event()

            def kill(victim=victim, killed=killed):
                killed.set()
                victim.kill()

            timer = threading.Timer(rng.random() * 0.06, kill)
            timer.start()
            for source, target in ((a, b), (b, a)):
                try:
                    status, _ = synchronise(source.url, target.url, sizes)
                    assert status in (200, 403), status
                except (requests.RequestException, AssertionError, OSError, ValueError) as error:
                    if not killed.is_set():
                        raise
                    print(f"round {number}: cut: {type(error).__name__}")
                except Exception as error:  # urllib3's own, when the answer breaks off
                    if "urllib3" not in type(error).__module__:
                        raise
                    print(f"round {number}: cut: {type(error).__name__}")
            timer.join()
            victim.start()
            for name in [n for n in os.listdir(a.logs) if n.isalnum() and n.startswith("a")]:
                check_prefix(a, b, name)
            for name in [n for n in os.listdir(b.logs) if n.isalnum() and n.startswith("b")]:
                check_prefix(b, a, name)
        assert synchronise(a.url, b.url, sizes)[0] == 200
        assert synchronise(b.url, a.url, sizes)[0] == 200
        assert offsets(a.url) == offsets(b.url)
        for name in offsets(a.url):
            assert a.read(name) == b.read(name), name
        leftovers = [n for site in sites for n in os.listdir(site.logs) if n.startswith(".") and n != ".lock"]
        assert not leftovers, leftovers
        assert a.stop() == 0 and b.stop() == 0
        print("converged")


main()
