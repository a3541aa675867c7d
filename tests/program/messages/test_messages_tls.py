#!/usr/bin/env python3
"""Logs of messages over TLS: between the nodes, and to clients by HTTPS with a token.

Goal: who does not trust the right authority, speaks plain HTTP, or has no token gets nothing; new certificates and tokens
are taken at SIGHUP, also by logset, while connections that are there go on; bad ones change nothing. The client is
python3-requests.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile

import requests

from rig import PATIENCE, Nodes, eventually, needs_redis, run

program = sys.argv[1]
TOKENS = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"]


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE)


class Authority:
    def __init__(self, directory, name):
        self.pem, self.key = os.path.join(directory, name + ".pem"), os.path.join(directory, name + ".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-days", "2", "-keyout", self.key, "-out", self.pem)

    def issue(self, certificate, key):
        request, extensions = certificate + ".csr", certificate + ".ext"
        with open(extensions, "w") as file:
            file.write("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=server", "-keyout",
                key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial", "-days", "2",
                "-extfile", extensions, "-out", certificate)
        os.chmod(key, 0o600)


def put_token(path, token):
    with open(path, "w") as file:
        os.chmod(path, 0o600)
        file.write(token + "\n")


def outcome(session, url, token=None, verify=None):
    """Status, or what kind of refusal it was."""
    headers = {"Authorization": "Bearer " + token} if token else {}
    try:
        answer = session.get(url, headers=headers, verify=verify, timeout=PATIENCE)
        return answer.status_code
    except requests.exceptions.SSLError:
        return "not trusted"
    except requests.exceptions.ConnectionError:
        return "no answer"


class Rig:
    def __init__(self, directory):
        self.right, self.wrong = Authority(directory, "right"), Authority(directory, "wrong")
        self.pem, self.key = os.path.join(directory, "s.pem"), os.path.join(directory, "s.key")
        self.token = os.path.join(directory, "token")
        self.right.issue(self.pem, self.key)
        put_token(self.token, TOKENS[0])
        flags = ["--tls-cert", self.pem, "--tls-key", self.key, "--token-file", self.token]
        self.nodes = Nodes(program, secondaries=1, arguments={0: [*flags, "--logset", "127.0.0.1:0"], 1: flags})
        self.set_config(self.right.pem)
        for node in self.nodes.all:
            node.listens = lambda node=node: self.get(node) == 200

    def set_config(self, authority):
        with open(self.nodes.master.config) as file:
            config = json.load(file)
        config["tlog"] = {"tls": {"caFile": authority}}
        config["repos"] = {"set": os.path.join(self.nodes.directory, "set")}
        with open(self.nodes.master.config, "w") as file:
            json.dump(config, file)

    def url(self, node, path="/echo"):
        return f"https://127.0.0.1:{node.http_port}{path}"

    def get(self, node, path="/echo", token=TOKENS[0]):
        return outcome(requests, self.url(node, path), token, self.right.pem)

    def post(self, text):
        answer = requests.post(self.url(self.nodes.master, "/messages"), json={"message": text, "w": 2}, timeout=PATIENCE,
                               headers={"Authorization": "Bearer " + TOKENS[0]}, verify=self.right.pem)
        return answer.status_code

    def start(self):
        for node in reversed(self.nodes.all):
            node.redis.start()
            super(type(node), node).start()
        for node in self.nodes.all:
            eventually(node.said, node.listens)


def test_who_is_let_in():
    with tempfile.TemporaryDirectory() as directory:
        rig = Rig(directory)
        with rig.nodes as nodes:
            rig.start()
            eventually(nodes.master.said, lambda: rig.post("over TLS, to both") == 201)
            master = rig.url(nodes.master, "/messages")
            assert outcome(requests, master, TOKENS[0], rig.wrong.pem) == "not trusted"
            assert outcome(requests, master.replace("https", "http"), TOKENS[0]) in ("no answer", 400)
            for token in (None, TOKENS[1]):
                refused = requests.get(master, headers={"Authorization": "Bearer " + token} if token else {},
                                       verify=rig.right.pem, timeout=PATIENCE)
                assert refused.status_code == 401 and refused.json()["error"], refused.text
            # Between the nodes: a master that trusts another authority gives nothing to the secondary.
            nodes.master.kill()
            rig.set_config(rig.wrong.pem)
            super(type(nodes.master), nodes.master).start()
            eventually(nodes.master.said, lambda: rig.get(nodes.master) == 200)
            eventually(nodes.master.said, lambda: "certificate" in requests.get(
                rig.url(nodes.master, "/health"), headers={"Authorization": "Bearer " + TOKENS[0]}, verify=rig.right.pem,
                timeout=PATIENCE).text)
            assert rig.post("not to both") == 503


def test_read_again():
    """New files count from SIGHUP on, for messages and for logset; bad ones change nothing."""
    with tempfile.TemporaryDirectory() as directory:
        rig = Rig(directory)
        with rig.nodes as nodes:
            rig.start()
            logset = eventually(nodes.master.said, lambda: next(
                (word.rstrip("/,") for word in nodes.master.said().split() if word.startswith("https://")), None))
            urls = [rig.url(nodes.master), logset + "/set/offsets"]
            with requests.Session() as kept:
                for url in urls:
                    assert outcome(kept, url, TOKENS[0], rig.right.pem) == 200, url
                rig.wrong.issue(rig.pem, rig.key)
                for url in urls:
                    assert outcome(requests, url, TOKENS[0], rig.right.pem) == 200, "nobody has told it"
                put_token(rig.token, TOKENS[1])
                nodes.master.process.send_signal(signal.SIGHUP)
                for url in urls:
                    eventually(nodes.master.said, lambda: outcome(requests, url, TOKENS[1], rig.wrong.pem) == 200)
                    assert outcome(requests, url, TOKENS[1], rig.right.pem) == "not trusted", url
                    assert outcome(requests, url, TOKENS[0], rig.wrong.pem) == 401, url
                    # The connection of before goes on; its requests need the new token, too.
                    assert outcome(kept, url, TOKENS[1], rig.right.pem) == 200, url
            with open(rig.key, "w") as file:
                file.write("no key at all\n")
            nodes.master.process.send_signal(signal.SIGHUP)
            eventually(nodes.master.said, lambda: nodes.master.said().count("event=tls_not_reloaded of=") == 2)
            for url in urls:
                assert outcome(requests, url, TOKENS[1], rig.wrong.pem) == 200, url
            assert nodes.master.kill(signal.SIGTERM) == 0


needs_redis()
run([test_who_is_let_in, test_read_again])
