"""A tlogserver with contents and names over gRPC, and what third-party clients of it are made of: the messages of the
draft, compiled by protoc from the draft's own snippets, and calls by the paths of their methods."""
import atexit
import os
import re
import signal
import subprocess

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

MULTIHASH = bytes.fromhex("a0e40220")  # BLAKE2b-256

# As they stand in the draft, one file each: they cannot be compiled together.
SNIPPETS = {
    "cas": """syntax = "proto3";
package vac.cas;
service CAS {
  rpc Add(Content) returns (Address) {}
  rpc Get(Address) returns (Content) {}
}
message Address {
  bytes id = 1;
}
message Content {
  bytes data = 1;
}
""",
    "ns": """syntax = "proto3";
package vac.cas;
service NS {
  rpc Update(NameUpdate) returns (Response) {}
  rpc Fetch(Query) returns (Content) {}
}
message NameUpdate {
  string name = 1;
  bytes content = 2;
}
message Query {
  string name = 1;
}
message Content {
  bytes data = 1;
}
message Response {
  bytes data = 1;
}
""",
    "log": """syntax = "proto3";
package vac.cas;
message RemoteLog {
  repeated Pair pair = 1;
  bytes tail = 2;
  message Pair {
    bytes remoteHash = 1;
    bytes localHash = 2;
    bytes data = 3;
  }
}
""",
}


class Snippet:
    """The messages and calls of one snippet, in a pool of its own, as a client that knows no other would have them."""

    def __init__(self, directory, name):
        source = os.path.join(directory, name + ".proto")
        compiled = os.path.join(directory, name + ".set")
        with open(source, "w") as file:
            file.write(SNIPPETS[name])
        subprocess.run(["protoc", "-I", directory, "--descriptor_set_out", compiled, source], check=True)
        files = descriptor_pb2.FileDescriptorSet()
        with open(compiled, "rb") as file:
            files.ParseFromString(file.read())
        self.pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)

    def message(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName("vac.cas." + name))

    def call(self, channel, service, method, package="vac.cas"):
        found = self.pool.FindServiceByName("vac.cas." + service).methods_by_name[method]
        answer = self.factory.GetPrototype(found.output_type)
        return channel.unary_unary(f"/{package}.{service}/{method}",
                                   request_serializer=lambda message: message.SerializeToString(),
                                   response_deserializer=answer.FromString)


class CasSite:
    def __init__(self, server, directory, *flags, grpc_address="127.0.0.1:0"):
        self.server = server
        self.directory = directory
        self.flags = flags
        self.grpc_address = grpc_address
        self.process = None
        with open(os.path.join(directory, "tlogdisk.yml"), "w") as file:
            file.write("cas: {directory: cas}\n")

    def start(self):
        words = [self.server, "--memorystorage", "--address", "127.0.0.1:0", "--config",
                 os.path.join(self.directory, "tlogdisk.yml"), "--grpc", self.grpc_address, *self.flags]
        if not any(flag.startswith("--tls") for flag in self.flags):
            words += ["--priv-key-file", self.key()]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)  # a test that fails leaves no server
        line = self.process.stdout.readline()
        found = re.search(r"grpc on (\S+)", line)
        if not found:
            raise AssertionError(f"not started: {line}{self.process.stderr.read()}")
        self.target = found.group(1)
        return self

    def key(self):
        path = os.path.join(self.directory, "tlogdisk.key")
        if not os.path.exists(path):
            with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
                file.write("tlogdisk-key-1:" + "01" * 32 + "\n")
        return path

    def refused(self):
        """What the server says that does not start."""
        try:
            self.start()
        except AssertionError as error:
            self.process.wait(20)
            return str(error)
        raise AssertionError("it started")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
        self._close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.said = self.process.stderr.read()
        self._close()
        return code

    def _close(self):
        self.process.stdout.close()
        self.process.stderr.close()

    def channel(self, target=None, options=()):
        return grpc.insecure_channel(target or self.target, options=[("grpc.enable_http_proxy", 0), *options])


def status_of(call, *arguments, **keywords):
    """(status, its message) of a call that has to fail."""
    try:
        call(*arguments, timeout=20, **keywords)
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("the call was answered")
