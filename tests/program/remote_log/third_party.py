"""Somebody else's CAS and name system: python3-grpcio, messages taken apart by hand as the draft has them, contents in
memory. It has addresses of its own kind, if a test wants, and the test may look at every call before it is answered."""
import hashlib
import threading
from concurrent import futures

import grpc


def field(number, value):
    """A length-delimited protobuf field."""
    length, size = b"", len(value)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


def fields(message):
    """{number: bytes} of a message of length-delimited fields."""
    found, at = {}, 0
    while at < len(message):
        number, at = message[at] >> 3, at + 1
        size = shift = 0
        while True:
            byte, at = message[at], at + 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        found[number], at = message[at:at + size], at + size
    return found


class ThirdParty:
    def __init__(self, own_addresses=False):
        self.own_addresses = own_addresses
        self.contents, self.names, self.lock = {}, {}, threading.Lock()
        self.before = None  # called with ("Add", content) and so on, before it is answered
        self.server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        calls = {"CAS": {"Add": self.add, "Get": self.get}, "NS": {"Update": self.update, "Fetch": self.fetch}}
        for service, methods in calls.items():
            self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
                "vac.cas." + service,
                {name: grpc.unary_unary_rpc_method_handler(call) for name, call in methods.items()}),))
        self.target = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def look(self, *call):
        if self.before:
            self.before(*call)

    def add(self, message, _):
        content = fields(message).get(1, b"")
        self.look("Add", content)
        address = (b"at:" + hashlib.sha1(content).hexdigest().encode() if self.own_addresses else
                   bytes.fromhex("a0e40220") + hashlib.blake2b(content, digest_size=32).digest())
        with self.lock:
            self.contents[address] = content
        return field(1, address)

    def get(self, message, context):
        address = fields(message).get(1, b"")
        self.look("Get", address)
        with self.lock:
            found = self.contents.get(address)
        if found is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "nothing there")
        return field(1, found)

    def update(self, message, _):
        parts = fields(message)
        self.look("Update", parts[2])
        with self.lock:
            self.names[parts[1].decode()] = parts[2]
        return b""

    def fetch(self, message, context):
        name = fields(message).get(1, b"").decode()
        self.look("Fetch", name)
        with self.lock:
            found = self.names.get(name)
        if found is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such name")
        return field(1, found)

    def stop(self):
        self.server.stop(0).wait()
