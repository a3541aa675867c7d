"""logset between two tlogservers beside plain HTTP that moves the same bytes.

The peer is as bare as it can be: python's http.server gives the file (by sendfile), and a sink takes what is posted, writes
it into a file and syncs that before it answers, as a push is. Neither knows what it moves. curl is the client of both.
"""
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

from benchlib.cluster_settings import MIB, run
from benchlib.cluster_table import interleaved, ratio_row
from benchlib.servers import Failed

WANTED = 0.5
PIECE = MIB
# A pull's answer without the offsets that it begins with: what a push takes. `read` takes no byte beyond its line.
WITHOUT_OFFSETS = 'while IFS= read -r line && [ -n "$line" ]; do :; done; exec '


class Site:
    """A tlogserver with one repository of plain logs."""

    def __init__(self, settings, name):
        self.program = os.path.join(settings.build, "server", "program", "tlogserver")
        self.directory = os.path.join(settings.directory, name)
        self.logs = os.path.join(self.directory, "logs")
        os.makedirs(self.logs)
        self.process = self.url = None

    def __enter__(self):
        with open(os.path.join(self.directory, "site.yml"), "w") as file:
            json.dump({"repos": {"set": self.logs}}, file)
        with open(os.path.join(self.directory, "log"), "w") as log:
            self.process = subprocess.Popen(
                [self.program, "--memorystorage", "--address", "127.0.0.1:0", "--config", file.name, "--insecure",
                 "--logset", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"logset on (\S+)/", line)
        if found is None:
            self.__exit__()
            raise Failed(f"{self.program}: does not start; it says '{line.strip()}'")
        self.url = found.group(1) + "/set"
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def put(self, size):
        with open(os.path.join(self.logs, "log"), "wb") as file:
            for _ in range(0, size, PIECE):
                file.write(os.urandom(PIECE))
            os.fsync(file.fileno())
        return file.name

    def empty(self):
        for name in os.listdir(self.logs):
            if name != ".lock":
                os.unlink(os.path.join(self.logs, name))


def take_body(stream, length, write):
    """Until `length` bytes have come, or, without a length, until the chunks end."""
    buffer = memoryview(bytearray(PIECE))

    def take(left):
        while left:
            got = stream.readinto(buffer[:min(left, PIECE)])
            if not got:
                raise ConnectionError("the body ended too early")
            write(buffer[:got])
            left -= got

    if length is not None:
        return take(int(length))
    while True:
        size = int(stream.readline(), 16)
        if size:
            take(size)
        stream.readline()
        if not size:
            return None


class BarePeer(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rbufsize = PIECE

    def __init__(self, *words, sink, **more):
        self.sink = sink
        super().__init__(*words, **more)

    def copyfile(self, source, outputfile):
        outputfile.flush()
        self.connection.sendfile(source)

    def do_POST(self):
        with open(self.sink, "wb", buffering=0) as file:
            take_body(self.rfile, self.headers["Content-Length"], file.write)
            os.fdatasync(file.fileno())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Peer:
    """The bare one, in a process of its own: what it does costs the bench's process nothing."""

    def __init__(self, file, sink):
        words = [sys.executable, os.path.abspath(__file__), os.path.dirname(file), sink]
        environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=environment)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        self.file_url = f"{self.url}/{os.path.basename(file)}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def curl(*words):
    return " ".join(["curl", "--silent", "--show-error", "--fail", *(shlex.quote(word) for word in words)])


def piped(command):
    """Fails when anything in the pipeline does."""
    return ["bash", "-o", "pipefail", "-c", command]


def timed(size, words, check=lambda: None):
    begin = time.monotonic()
    run(words, 1800)
    seconds = time.monotonic() - begin
    check()
    return {"mib_per_s": size / MIB / seconds}


class Run:
    def __init__(self, settings, source, target, peers):
        self.settings, self.source, self.target = settings, source, target
        self.size = settings.copy_bytes
        self.file = source.put(self.size)
        self.body = os.path.join(settings.directory, "push-body")
        with open(self.body, "wb") as body, open(self.file, "rb") as log:
            body.write(f"log 0 {self.size}\n".encode())
            shutil.copyfileobj(log, body, PIECE)
        self.sink = os.path.join(settings.directory, "sink")
        self.download, self.upload = peers

    def arrived(self):
        path = os.path.join(self.target.logs, "log")
        if os.path.getsize(path) != self.size:
            raise Failed(f"{path}: has {os.path.getsize(path)} of {self.size} bytes")

    def ours(self, words):
        self.target.empty()
        return timed(self.size, words, self.arrived)

    def theirs(self, words):
        if os.path.exists(self.sink):
            os.unlink(self.sink)
        return timed(self.size, words)

    def push(self, _):
        return self.ours(piped(curl("-T", self.body, "-X", "POST", self.target.url + "/push")))

    def peer_push(self, _):
        return self.theirs(piped(curl("-T", self.body, "-X", "POST", self.upload.url)))

    def pull(self, _):
        return timed(self.size, piped(curl("--data-binary", "\n", self.source.url + "/pull") + " > /dev/null"))

    def peer_pull(self, _):
        return timed(self.size, piped(curl(self.download.file_url) + " > /dev/null"))

    def by_curl(self, _):
        push = curl("-T", "-", "-X", "POST", self.target.url + "/push")
        return self.ours(piped(curl("--data-binary", "\n", self.source.url + "/pull") + " | { " + WITHOUT_OFFSETS + push +
                               "; }"))

    def by_sync(self, _):
        return self.ours([self.settings.tlogctl, "sync", self.source.url, self.target.url, "--once", "--json"])

    def back_by_sync(self, _):
        return self.ours([self.settings.tlogctl, "sync", self.target.url, self.source.url, "--once", "--json"])

    def peer_both(self, _):
        return self.theirs(piped(curl(self.download.file_url) + " | " + curl("-T", "-", "-X", "POST", self.upload.url)))


def measure_logset(settings, fleet, note):
    with Site(settings, "source") as source, Site(settings, "target") as target:
        sink = os.path.join(settings.directory, "sink")
        file = os.path.join(source.logs, "log")
        with Peer(file, sink) as download, Peer(file, sink) as upload:
            one = Run(settings, source, target, (download, upload))
            found = interleaved(settings, {
                "push": one.push, "curl to a bare sink": one.peer_push, "pull": one.pull,
                "curl from http.server": one.peer_pull, "curl | curl": one.by_curl, "sync": one.by_sync,
                "sync back": one.back_by_sync, "curl | curl of the peer": one.peer_both}, note)
    size = f"{settings.copy_bytes // MIB} MiB"
    rows = []
    for title, ours, peer in (
            (f"logset push of {size} by curl; peer: curl to a sink that syncs", "push", "curl to a bare sink"),
            (f"logset pull of {size} by curl; peer: curl from http.server", "pull", "curl from http.server"),
            (f"{size} from site to site, curl pull \\| curl push; peer: curl \\| curl, as above", "curl | curl",
             "curl | curl of the peer"),
            (f"{size} from site to site, tlogctl sync to the remote; peer: curl \\| curl", "sync",
             "curl | curl of the peer"),
            (f"{size} from site to site, tlogctl sync to the local; peer: curl \\| curl", "sync back",
             "curl | curl of the peer")):
        rows.append(ratio_row(title, found[ours], found[peer], "mib_per_s", "MiB/s", at_least=WANTED))
    return rows


def serve_bare(directory, sink):
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *words: BarePeer(*words, directory=directory, sink=sink))
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve_bare(*sys.argv[1:])
