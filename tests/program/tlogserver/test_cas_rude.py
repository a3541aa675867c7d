#!/usr/bin/env python3
"""Contents and names over gRPC among rude clients and kills: garbage, half-open connections, hundreds of connections, more
than the server's share of memory at once, and kill -9 in the middle of Adds and Updates. Others are served meanwhile;
what was answered is there afterwards, and nothing half."""
import concurrent.futures
import hashlib
import os
import random
import select
import socket
import sys
import tempfile
import threading
import time

import grpc

from cas_site import MULTIHASH, CasSite, Snippet
from half_sent import HalfSent

server = sys.argv[1]
seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
dice = random.Random(seed)
print(f"seed {seed}: test_cas_rude.py tlogserver {seed}", flush=True)
MiB = 1 << 20
BUSY = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes.fromhex("000000040000000000")


def address_of(content):
    return MULTIHASH + hashlib.blake2b(content, digest_size=32).digest()


class Client:
    def __init__(self, snippets, channel):
        cas, ns = snippets
        self.content, self.address = cas.message("Content"), cas.message("Address")
        self.name_update, self.query = ns.message("NameUpdate"), ns.message("Query")
        self.add_call, self.get_call = cas.call(channel, "CAS", "Add"), cas.call(channel, "CAS", "Get")
        self.update_call, self.fetch_call = ns.call(channel, "NS", "Update"), ns.call(channel, "NS", "Fetch")

    def add(self, content):
        return self.add_call(self.content(data=content), timeout=60).id

    def get(self, address):
        return self.get_call(self.address(id=address), timeout=60).data

    def update(self, name, content):
        self.update_call(self.name_update(name=name, content=content), timeout=60)

    def fetch(self, name):
        return self.fetch_call(self.query(name=name), timeout=60).data


def connected(path):
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.settimeout(20)
    one.connect(path)
    return one


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def garbage():
    """What no client sends; some of it begins as if it were one."""
    yield b""
    yield b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield bytes.fromhex("16030100c8010000c40303") + dice.randbytes(200)  # TLS to a port without
    for _ in range(20):
        yield dice.randbytes(dice.randrange(1, 5000))
        yield PREFACE + dice.randbytes(dice.randrange(1, 5000))
        yield PREFACE + SETTINGS + dice.randbytes(dice.randrange(1, 5000))
    yield PREFACE[:-3]
    yield PREFACE + SETTINGS + frame(1, 4, 1, b"\x82" * 10000)  # ten thousand pseudo headers
    yield PREFACE + SETTINGS + frame(0, 0, 1, b"x" * 16384)  # of a stream that is not there
    yield PREFACE + SETTINGS + frame(9, 0, 1, b"x" * 100)  # goes on with what was not begun
    yield PREFACE + SETTINGS + frame(6, 0, 0, b"12345678") * 10000  # pings
    yield PREFACE + SETTINGS + b"".join(frame(1, 5, 2 * i + 1, b"\x83\x86\x84\x41\x01x") for i in range(10000))
    yield PREFACE + SETTINGS + b"\xff\xff\xff" + b"\x00" * 6 + b"x" * 100000  # a frame of 16 MiB


def send(one, data):
    try:
        one.sendall(data)
    except OSError:
        pass  # closed on us, as it should be


def test_garbage(path, client):
    held = []
    for data in garbage():
        one = connected(path)
        send(one, data)
        held.append(one)  # half-open: neither read nor closed
        assert client.get(client.add(data)) == data
    for one in held:
        one.close()


def is_closed(one):
    try:
        return one.recv(4096) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_many_connections(site, client, snippets):
    """200 clients at once, each on a connection of its own; and more than the limit of connections that do nothing."""
    def work(number):
        with site.channel(options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            own = Client(snippets, channel)
            content = b"%d " % number * 1000
            assert own.get(own.add(content)) == content
            own.update(f"name {number}", content)
            assert own.fetch(f"name {number}") == content

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        list(pool.map(work, range(200)))
    path = site.target.removeprefix("unix:")
    idle = [connected(path) for _ in range(400)]
    assert client.fetch("name 7") == b"7 " * 1000
    closed = set()
    for one in idle:
        one.setblocking(False)
    end = time.monotonic() + 9  # before those that stay are closed for saying nothing
    while len(closed) < 400 - 256:
        assert time.monotonic() < end, f"{len(closed)} were closed"
        readable = select.select([one for one in idle if one not in closed], [], [], 1)[0]
        closed.update(one for one in readable if is_closed(one))
    for one in idle:
        one.close()


def memory_of(process):
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) // 1024


def test_more_than_fits(site):
    """40 connections with 8 calls of 4 MiB each are 1.3 GiB. Who is refused is told to come again; the server's memory has a bound."""
    big = os.urandom(4 * MiB - 4096)
    codes = set()
    lock = threading.Lock()

    def work(number):
        with site.channel(options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            add = channel.unary_unary("/vac.cas.CAS/Add")
            calls = [add.future(b"\x0a" + varint(len(big) + 4) + number.to_bytes(4, "big") + big, timeout=60) for _ in range(8)]
            for call in calls:
                try:
                    call.result()
                except grpc.RpcError as error:
                    with lock:
                        codes.add(error.code())

    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        list(pool.map(work, range(40)))
    assert codes <= BUSY, codes
    used = memory_of(site.process)
    print(f"  memory at most {used} MiB, refusals {codes or 'none'}", flush=True)
    assert used < 900, f"{used} MiB"


def test_half_sent(site, client):
    """Ten connections that begin 32 Adds of 4 MiB each and end none of them: 1.2 GiB. The server's memory has a bound, and
    others are served."""
    path = site.target.removeprefix("unix:")
    rude = [HalfSent(path, 32) for _ in range(10)]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        sending = [pool.submit(one.send_for, 5) for one in rude]
        served = 0
        while not all(one.done() for one in sending):
            content = os.urandom(100_000)
            try:
                assert client.get(client.add(content)) == content
                served += 1
            except grpc.RpcError as error:  # the library may take memory from the wrong one
                assert error.code() in BUSY, error
            time.sleep(0.05)
        assert served > 0
    print(f"  {sum(one.result() for one in sending) // MiB} MiB were sent in halves, {served} others were served, memory at most {memory_of(site.process)} MiB", flush=True)
    assert memory_of(site.process) < 900
    for one in rude:
        one.close()


def varint(number):
    data = b""
    while number >= 128:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


def test_kills(site, snippets):
    answered = {}  # by address
    names = {}  # the last content that was answered well, and what has been tried since
    lock = threading.Lock()

    def work(number, target):
        with grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            client = Client(snippets, channel)
            name = f"written by {number}"
            for i in range(1_000_000):
                content = b"%d %d %d " % (number, i, life) * (1 if i % 3 else 4000)
                try:
                    address = client.add(content)
                    with lock:
                        answered[address] = content
                        names.setdefault(name, [b"", set()])[1].add(content)
                    client.update(name, content)
                    with lock:
                        names[name] = [content, set()]
                except grpc.RpcError:
                    return  # killed

    for life in range(5):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            working = [pool.submit(work, number, site.target) for number in range(8)]
            enough = len(answered) + dice.randrange(50, 300)
            while len(answered) < enough and not all(one.done() for one in working):
                time.sleep(0.01)
            site.kill()
            for one in working:
                one.result()
        site.start()
        assert os.listdir(os.path.join(site.directory, "cas/new")) == []
        with site.channel() as channel:
            client = Client(snippets, channel)
            for address, content in answered.items():
                assert client.get(address) == content, f"life {life}: {content[:40]}"
                assert address == address_of(content)
            for name, (content, tried) in names.items():
                try:
                    held = client.fetch(name)
                except grpc.RpcError as error:
                    assert error.code() == grpc.StatusCode.NOT_FOUND and content == b"", error
                    continue
                assert held == content or held in tried, f"life {life}: {name}: {held[:40]}"
    print(f"  {len(answered)} contents were answered", flush=True)


def main():
    with tempfile.TemporaryDirectory(prefix="cas") as directory:
        path = os.path.join(directory, "s")
        snippets = Snippet(directory, "cas"), Snippet(directory, "ns")
        site = CasSite(server, directory, grpc_address="unix:" + path).start()
        with site.channel() as channel:
            client = Client(snippets, channel)
            test_garbage(path, client)
            test_many_connections(site, client, snippets)
            test_half_sent(site, client)
        test_more_than_fits(site)
        test_kills(site, snippets)
        code = site.stop()
        assert code == 0, code
        strange = [line for line in site.said.splitlines() if "event=" not in line]
        assert not strange, strange
    print("ok")


main()
