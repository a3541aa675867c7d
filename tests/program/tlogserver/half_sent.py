"""A rude client of a gRPC server, by hand: begins as many Adds at once as it may, sends nearly all of each, as far as
HTTP/2's flow control lets it, and never the end."""
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
SIZE = 4 * 1024 * 1024 - 128


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def field(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


HEAD = b"".join(field(name, value) for name, value in (
    (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/vac.cas.CAS/Add"), (b":authority", b"x"),
    (b"content-type", b"application/grpc"), (b"te", b"trailers")))


class HalfSent:
    def __init__(self, path, calls):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(0.1)
        self.window_at_first = 65535
        self.windows = {2 * i + 1: 65535 for i in range(calls)}
        self.connection_window = 65535
        self.sent = dict.fromkeys(self.windows, 0)
        self.unread = b""

    def send_for(self, seconds):
        """As much as the server takes within that time. The number of bytes; the connection stays open."""
        end = time.monotonic() + seconds
        try:
            self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
            for stream in self.windows:
                self.socket.sendall(frame(HEADERS, 4, stream, HEAD))
            while time.monotonic() < end:
                self.read()
                for stream in self.windows:
                    self.send(stream)
        except OSError:
            pass  # it has had enough of us
        return sum(self.sent.values())

    def send(self, stream):
        while True:
            count = min(16384, SIZE - self.sent[stream], self.connection_window, self.windows[stream])
            if count <= 5:
                return
            begun = self.sent[stream] > 0
            self.socket.sendall(frame(DATA, 0, stream, b"x" * count if begun else
                                      b"\0" + (SIZE + 100).to_bytes(4, "big") + b"x" * (count - 5)))
            self.sent[stream] += count
            self.connection_window -= count
            self.windows[stream] -= count

    def read(self):
        try:
            got = self.socket.recv(65536)
        except TimeoutError:
            return
        if not got:
            raise ConnectionResetError
        self.unread += got
        while len(self.unread) >= 9:
            length = int.from_bytes(self.unread[:3], "big")
            if len(self.unread) < 9 + length:
                return
            kind, flags, stream = self.unread[3], self.unread[4], int.from_bytes(self.unread[5:9], "big")
            self.take(kind, flags, stream, self.unread[9:9 + length])
            self.unread = self.unread[9 + length:]

    def take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & 1:
            for i in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[i:i + 6])
                if name == 4:
                    self.windows = {one: window + value - self.window_at_first for one, window in self.windows.items()}
                    self.window_at_first = value
            self.socket.sendall(frame(SETTINGS, 1, 0, b""))
        elif kind == PING and not flags & 1:
            self.socket.sendall(frame(PING, 1, 0, payload))
        elif kind == WINDOW_UPDATE and stream == 0:
            self.connection_window += int.from_bytes(payload, "big")
        elif kind == WINDOW_UPDATE and stream in self.windows:
            self.windows[stream] += int.from_bytes(payload, "big")

    def close(self):
        self.socket.close()
