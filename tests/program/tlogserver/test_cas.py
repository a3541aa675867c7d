#!/usr/bin/env python3
"""Contents and names over gRPC, seen by clients of others: Debian's python3-grpcio with messages made from the draft's
separate snippets, a client made by protoc from our merged file, and curl. The wire, statuses, limits, access."""
import hashlib
import importlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

import grpc

from cas_site import MULTIHASH, CasSite, Snippet, status_of

server, source = sys.argv[1:3]
CONTENT_MAX = 4 * 1024 * 1024 - 64
TOKEN = "0123456789abcdef-token"
Status = grpc.StatusCode


def check(condition, what=""):
    if not condition:
        raise AssertionError(what)


def same(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r:.300} is not {wanted!r:.300}")


def address_of(content):
    return MULTIHASH + hashlib.blake2b(content, digest_size=32).digest()


class Client:
    """All calls, by the draft's snippets."""

    def __init__(self, directory, channel, metadata=()):
        cas, ns = Snippet(directory, "cas"), Snippet(directory, "ns")
        self.content, self.address = cas.message("Content"), cas.message("Address")
        self.name_update, self.query = ns.message("NameUpdate"), ns.message("Query")
        self.metadata = metadata
        self.calls = {"Add": cas.call(channel, "CAS", "Add"), "Get": cas.call(channel, "CAS", "Get"),
                      "Update": ns.call(channel, "NS", "Update"), "Fetch": ns.call(channel, "NS", "Fetch"),
                      "OldUpdate": ns.call(channel, "NS", "Update", package="vac.ns"),
                      "OldFetch": ns.call(channel, "NS", "Fetch", package="vac.ns")}

    def request(self, method, first, second=b""):
        method = method.replace("Old", "")
        if method == "Add":
            return self.content(data=first)
        if method == "Get":
            return self.address(id=first)
        return self.name_update(name=first, content=second) if method == "Update" else self.query(name=first)

    def ask(self, method, *arguments):
        return self.calls[method](self.request(method, *arguments), timeout=20, metadata=self.metadata)

    def fail(self, method, *arguments):
        return status_of(self.calls[method], self.request(method, *arguments), metadata=self.metadata)


def test_the_wire(directory, client, channel):
    for content in (b"", b"hello", bytes(range(256)) * 100):
        address = client.ask("Add", content).id
        same(address, address_of(content))
        same(client.ask("Add", content).id, address)
        same(client.ask("Get", address).data, content)
    # Unknown fields of what a name holds, and of what asks for it.
    log = Snippet(directory, "log").message("RemoteLog")
    page = log(tail=b"older")
    page.pair.add(remoteHash=b"r", localHash=b"l", data=b"d")
    held = page.SerializeToString() + b"\x7a\x03cas" + b"\xfa\x3f\x02??"
    same(client.ask("Update", "vdisk/vm1", held).data, b"")
    same(client.ask("Fetch", "vdisk/vm1").data, held)
    same(client.ask("OldFetch", "vdisk/vm1").data, held)
    client.ask("OldUpdate", "ü/\u20ac", b"\xff\xfe\0")
    same(client.ask("Fetch", "ü/\u20ac").data, b"\xff\xfe\0")
    client.ask("Update", "vdisk/vm1", b"")
    same(client.ask("Fetch", "vdisk/vm1").data, b"")
    raw = channel.unary_unary("/vac.cas.CAS/Add")
    same(raw(b"\x7a\x03new\x0a\x05hello\x10\x07"), b"\x0a\x24" + address_of(b"hello"))
    same(raw(b""), b"\x0a\x24" + address_of(b""))


def test_statuses(client, channel):
    same(client.fail("Get", address_of(b"not there"))[0], Status.NOT_FOUND)
    same(client.fail("Get", b"x")[0], Status.NOT_FOUND)
    same(client.fail("Fetch", "not there")[0], Status.NOT_FOUND)
    for method, first in (("Get", b""), ("Get", b"a" * 257), ("Fetch", ""), ("Fetch", "n" * 513), ("Update", ""),
                          ("Update", "n" * 513)):
        same(client.fail(method, first)[0], Status.INVALID_ARGUMENT)
    client.ask("Update", "n" * 512, b"x")
    for path in ("/vac.cas.CAS/Delete", "/vac.cas.Other/Add", "/vac.ns.CAS/Add", "/", "/vac.cas.CAS/add"):
        same(status_of(channel.unary_unary(path), b"")[0], Status.UNIMPLEMENTED)
    for path, broken in (("/vac.cas.CAS/Add", b"\x0a\x7fshort"), ("/vac.cas.NS/Update", b"\x0a\x02\xff\xfe"),
                         ("/vac.cas.NS/Fetch", b"\xff")):
        same(status_of(channel.unary_unary(path), broken)[0], Status.INVALID_ARGUMENT)
    compressed = status_of(channel.unary_unary("/vac.cas.CAS/Add"), b"\x0a\x05" + b"hello" * 1,
                           compression=grpc.Compression.Gzip)
    same(compressed[0], Status.UNIMPLEMENTED)


def test_limits(client):
    most = os.urandom(CONTENT_MAX)
    address = client.ask("Add", most).id
    same(client.ask("Get", address).data, most)
    client.ask("Update", "n" * 512, most)
    same(client.ask("Fetch", "n" * 512).data, most)
    for more in (most + b"x", most + bytes(32 * 1024)):
        same(client.fail("Add", more)[0], Status.INVALID_ARGUMENT)
        code, message = client.fail("Update", "name", more)
        same(code, Status.INVALID_ARGUMENT)
        check(str(CONTENT_MAX) in message, message)
    code, message = client.fail("Add", bytes(8 * 1024 * 1024))
    same(code, Status.RESOURCE_EXHAUSTED)
    check("larger than max" in message, message)
    same(client.fail("Fetch", "name")[0], Status.NOT_FOUND)


def test_damage(directory, client):
    address = client.ask("Add", b"precious").id
    digest = address[4:].hex()
    path = os.path.join(directory, "cas/contents", digest[:2], digest)
    with open(path, "wb") as file:
        file.write(b"Precious")
    same(client.fail("Get", address)[0], Status.DATA_LOSS)
    client.ask("Add", b"precious")
    same(client.ask("Get", address).data, b"precious")


def test_generated_client(directory, target):
    """What protoc and its gRPC plugin make from our merged file."""
    out = os.path.join(directory, "generated")
    os.mkdir(out)
    for name in ("remote_log", "name_service"):
        subprocess.run(["protoc", "-I", source, f"--python_out={out}", f"--grpc_python_out={out}",
                        f"--plugin=protoc-gen-grpc_python={shutil.which('grpc_python_plugin')}",
                        f"gateways/cas/{name}.proto"], check=True)
    sys.path.insert(0, out)
    wire = importlib.import_module("gateways.cas.remote_log_pb2")
    cas = importlib.import_module("gateways.cas.remote_log_pb2_grpc")
    names = importlib.import_module("gateways.cas.name_service_pb2_grpc")
    with grpc.insecure_channel(target) as channel:
        address = cas.CASStub(channel).Add(wire.Content(data=b"generated"))
        same(cas.CASStub(channel).Get(address).data, b"generated")
        page = wire.RemoteLog(tail=address.id, cas=b"/unix/x")
        cas.NSStub(channel).Update(wire.NameUpdate(name="g", content=page.SerializeToString()))
        same(wire.RemoteLog.FromString(names.NSStub(channel).Fetch(wire.Query(name="g")).data), page)


def curl(path, body, *flags):
    """The HTTP/2 of a call, made by hand: (headers, body)."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\0" + len(body).to_bytes(4, "big") + body)
        file.flush()
        done = subprocess.run(["curl", "-sS", "-i", "--noproxy", "*", "--http2-prior-knowledge", "-m", "20", "-H", "te: trailers", "-H",
                               "content-type: application/grpc", "--data-binary", "@" + file.name, *flags, path], stdout=subprocess.PIPE, check=True)
    return done.stdout


def test_curl(target):
    answer = curl(f"http://{target}/vac.cas.CAS/Get", b"\x0a\x24" + address_of(b"hello"))
    check(answer.startswith(b"HTTP/2 200"), answer)
    check(b"content-type: application/grpc\r\n" in answer and b"\0\0\0\0\x07\x0a\x05hello" in answer, answer)
    check(b"grpc-status: 0" in answer, answer)
    check(b"grpc-status: 5" in curl(f"http://{target}/vac.cas.NS/Fetch", b"\x0a\x04none"), "not NOT_FOUND")


def changes(client):
    return [client.fail("Add", b"x"), client.fail("Update", "name", b"x"), client.fail("OldUpdate", "name", b"x")]


def test_read_only_without_a_token(directory, target):
    with grpc.insecure_channel(target) as channel:
        client = Client(directory, channel, [("authorization", "Bearer " + TOKEN)])
        for code, message in changes(client):
            same(code, Status.PERMISSION_DENIED)
            check("--token-file" in message and "Unix socket" in message, message)
        same(client.ask("Get", address_of(b"hello")).data, b"hello")
        same(client.ask("Fetch", "ü/\u20ac").data, b"\xff\xfe\0")
        same(client.ask("OldFetch", "ü/\u20ac").data, b"\xff\xfe\0")


def test_token(directory, target):
    with grpc.insecure_channel(target) as channel:
        for metadata in ((), [("authorization", "Bearer " + TOKEN[:-1])], [("authorization", "Bearer " + TOKEN + "x")],
                         [("authorization", "Basic " + TOKEN)], [("authorization", "")], [("authorization-bin", b"Bearer " + TOKEN.encode())]):
            client = Client(directory, channel, metadata)
            for code, _ in changes(client) + [client.fail("Get", address_of(b"hello")), client.fail("Fetch", "name"),
                                              client.fail("OldFetch", "name")]:
                same(code, Status.UNAUTHENTICATED)
        client = Client(directory, channel, [("authorization", "Bearer " + TOKEN)])
        same(client.ask("Get", client.ask("Add", b"with a token").id).data, b"with a token")
        client.ask("Update", "name", b"with a token")
        same(client.ask("OldFetch", "name").data, b"with a token")


def make_certificate(directory):
    certificate, key = (os.path.join(directory, name) for name in ("cert.pem", "key.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=cas.test",
                    "-addext", "subjectAltName=DNS:cas.test", "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
    os.chmod(key, 0o600)
    return certificate, key


def test_tls(directory, site, certificate):
    with open(certificate, "rb") as file:
        trusted = grpc.ssl_channel_credentials(file.read())
    named = [("grpc.ssl_target_name_override", "cas.test")]
    with grpc.secure_channel(site.target, trusted, named) as channel:
        client = Client(directory, channel, [("authorization", "Bearer " + TOKEN)])
        same(client.ask("Get", client.ask("Add", b"over tls").id).data, b"over tls")
        same(Client(directory, channel).fail("Get", b"x")[0], Status.UNAUTHENTICATED)
    # Who does not trust it, and who does not speak TLS.
    with grpc.secure_channel(site.target, grpc.ssl_channel_credentials(), named) as channel:
        same(Client(directory, channel).fail("Get", b"x")[0], Status.UNAVAILABLE)
    with site.channel() as channel:
        same(Client(directory, channel).fail("Get", b"x")[0], Status.UNAVAILABLE)


def test_a_new_certificate(directory, site):
    """At SIGHUP, while the server goes on; the files are those that it was started with."""
    certificate, _ = make_certificate(directory)
    with open(certificate, "rb") as file:
        trusted = grpc.ssl_channel_credentials(file.read())
    site.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 60
    while True:
        with grpc.secure_channel(site.target, trusted, [("grpc.ssl_target_name_override", "cas.test")]) as channel:
            got = status_of(channel.unary_unary("/vac.cas.CAS/Get"), b"",
                            metadata=[("authorization", "Bearer " + TOKEN)])
        if got[0] != Status.UNAVAILABLE:
            return same(got[0], Status.INVALID_ARGUMENT)  # it has answered
        check(time.monotonic() < end, got)
        time.sleep(0.05)


def test_what_does_not_start(directory, token_file):
    def refused(address, *flags):
        return CasSite(server, directory, *flags, grpc_address=address).refused()

    check("--insecure" in refused("0.0.0.0:0"), "everybody could reach it")
    check("host:port" in refused("nowhere"), "a bad address")
    os.chmod(token_file, 0o644)
    check("chmod 600" in refused("127.0.0.1:0", "--token-file", token_file), "a token that others can read")
    os.chmod(token_file, 0o600)
    taken = CasSite(server, directory).start()
    check("another process has this directory" in refused("127.0.0.1:0"), "one directory, two servers")
    other = os.path.join(directory, "other")
    os.mkdir(other)
    said = CasSite(server, other, grpc_address=taken.target).refused()
    check("another process listens there" in said, said)
    same(taken.stop(), 0)


def main():
    with tempfile.TemporaryDirectory(prefix="cas") as directory:
        socket = os.path.join(directory, "s")
        site = CasSite(server, directory, grpc_address="unix:" + socket).start()
        same(stat.S_IMODE(os.stat(socket).st_mode), 0o600)
        with site.channel() as channel:
            client = Client(directory, channel)
            test_the_wire(directory, client, channel)
            test_statuses(client, channel)
            test_limits(client)
            test_damage(directory, client)
        test_generated_client(directory, site.target)
        same(site.stop(), 0)
        same([line for line in site.said.splitlines() if "event=" not in line], [])
        check(not os.path.exists(socket), "the socket stayed")

        site = CasSite(server, directory).start()
        test_read_only_without_a_token(directory, site.target)
        test_curl(site.target)
        same(site.stop(), 0)

        token_file = os.path.join(directory, "token")
        with open(os.open(token_file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(TOKEN + "\n")
        site = CasSite(server, directory, "--token-file", token_file, grpc_address="0.0.0.0:0").start()
        test_token(directory, site.target.replace("0.0.0.0", "127.0.0.1"))
        same(site.stop(), 0)

        certificate, key = make_certificate(directory)
        site = CasSite(server, directory, "--token-file", token_file, "--tls-cert", certificate, "--tls-key", key).start()
        test_tls(directory, site, certificate)
        test_a_new_certificate(directory, site)
        same(site.stop(), 0)
        test_what_does_not_start(directory, token_file)
    print("ok")


main()
