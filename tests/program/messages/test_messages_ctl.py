#!/usr/bin/env python3
"""tlogctl messages and tlogctl echo against real nodes; TLS, tokens and addresses of --http."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from rig import PATIENCE, Nodes, eventually, needs_redis, run

program, tlogctl = sys.argv[1], sys.argv[2]


def ctl(*words, wanted=0, typed=None):
    found = subprocess.run([tlogctl, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE,
                           input=typed)
    assert found.returncode == wanted, (words, found.returncode, found.stdout, found.stderr)
    return found.stdout if wanted == 0 else found.stderr


def test_commands():
    with Nodes(program) as nodes:
        nodes.start()
        url = nodes.master.url
        assert ctl("messages", "append", url, "before upgrade", "-w", "2") == "1\n"
        assert json.loads(ctl("messages", "append", url, "line\nbreak", "--json")) == {"id": 2, "message": "line\nbreak"}
        assert ctl("messages", "append", url + "/", "third", "--log", "audit") == "3\n"
        lines = ctl("messages", "list", nodes.secondaries[0].url).splitlines()
        assert [line.split(maxsplit=2)[0::2] for line in lines] == [["1", "before upgrade"], ["2", "line\\nbreak"],
                                                                    ["3", "third"]], lines
        listed = [json.loads(line) for line in
                  ctl("messages", "list", url, "--after", "1", "--limit", "1", "--json").splitlines()]
        assert [one["message"] for one in listed] == ["line\nbreak"], listed
        assert url in ctl("messages", "append", nodes.secondaries[0].url, "x", wanted=1)
        assert "from 1 to 3" in ctl("messages", "append", url, "x", "-w", "4", wanted=1)
        assert "not found" in ctl("messages", "list", url, "--log", "none", wanted=1)
        assert "tlogplay info" in ctl("messages", "list", "vm1", wanted=1)
        assert "ask: " in ctl("messages", "list", "http://127.0.0.1:1", wanted=1)
        assert nodes.master.get("/messages?limit=0")[1]["total"] == 3
        assert ctl("echo", url, "hello").split(maxsplit=1)[1] == "hello\n"
        said = ctl("echo", url, "--interactive", typed="one\ntwo words\n").splitlines()
        assert [line.split(maxsplit=1)[1] for line in said] == ["one", "two words"], said


def test_follow():
    """What comes is printed when it comes."""
    with Nodes(program, secondaries=1) as nodes:
        nodes.start()
        nodes.master.add("first")
        following = subprocess.Popen([tlogctl, "messages", "follow", nodes.secondaries[0].url, "--json"],
                                     stdout=subprocess.PIPE, text=True)
        try:
            assert json.loads(following.stdout.readline())["message"] == "first"
            for i in range(5):
                begin = time.monotonic()
                nodes.master.add(f"then {i}")
                assert json.loads(following.stdout.readline())["message"] == f"then {i}"
                assert time.monotonic() - begin < 10
        finally:
            following.kill()
            following.wait()


def test_token_and_address():
    with Nodes(program, secondaries=0) as nodes:
        token = os.path.join(nodes.directory, "token")
        with open(token, "w") as file:
            os.chmod(token, 0o600)
            file.write("0123456789abcdef0123456789abcdef\n")
        nodes.master.words += ["--token-file", token]
        nodes.master.listens = lambda: nodes.master.request("GET", "/echo")[0] == 401 if port_is_open() else False

        def port_is_open():
            try:
                nodes.master.request("GET", "/echo")
                return True
            except OSError:
                return False

        nodes.master.redis.start()
        super(type(nodes.master), nodes.master).start()
        eventually("it listens", nodes.master.listens)
        assert "token" in ctl("messages", "append", nodes.master.url, "x", wanted=1)

        def append():
            found = subprocess.run([tlogctl, "messages", "append", nodes.master.url, "x", "--token-file", token],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
            return found.returncode == 0 and found.stdout

        assert eventually("it is appended", append) == "1\n"
        # What is refused before the API is asked is told as it tells everything.
        bearer = {"Authorization": "Bearer 0123456789abcdef0123456789abcdef"}
        for status, method, path, body, headers in (
                (401, "GET", "/messages", None, {}), (401, "POST", "/messages", "{}", {"Authorization": "Bearer no"}),
                (400, "GET", "/messages?after=%zz", None, bearer),
                (413, "POST", "/messages", iter([b"x" * 65536] * 17), bearer)):
            found, said = nodes.master.request(method, path, body, headers=headers)
            assert found == status and json.loads(said)["error"], (status, found, said)
        # Everybody's address needs more than that it is asked for.
        refused = subprocess.run([program, "--address", "127.0.0.1:0", "--http", "0.0.0.0:0", "--config",
                                  nodes.master.config, "--memorystorage", "--priv-key-file",
                                  os.path.join(nodes.directory, "key")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True, timeout=PATIENCE)
        assert refused.returncode != 0 and "--http" in refused.stderr, refused.stderr


def test_vdisk():
    """A message to a vdisk is a mark in its order, to which it can be brought back."""
    plugin, tlogplay = os.environ.get("TLOGDISK_SO"), os.environ.get("TLOGPLAY")
    if not (plugin and tlogplay and shutil.which("nbdkit") and shutil.which("qemu-io")):
        return print("test_vdisk: skipped: no nbdkit, qemu-io, tlogdisk.so or tlogplay")
    with tempfile.TemporaryDirectory() as directory:
        config, uri = os.path.join(directory, "t.yml"), f"nbd+unix:///?socket={directory}/nbd.sock"
        with open(config, "w") as file:
            json.dump({"keyFile": "key", "journal": {"directory": "journal", "size": "32MiB"},
                       "clusters": {"c": {"directories": ["log/0", "log/1"]}},
                       "tlog": {"dataShards": 1, "parityShards": 1},
                       "vdisks": {"vm1": {"size": "16MiB", "storage": {"file": "blocks"}}}}, file)
        ctl("keygen", os.path.join(directory, "key"))
        nbdkit = subprocess.Popen(["nbdkit", "-f", "-U", f"{directory}/nbd.sock", plugin, f"config={config}"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            eventually("nbdkit serves", lambda: os.path.exists(f"{directory}/nbd.sock"))

            def write(pattern):
                subprocess.run(["qemu-io", "-f", "raw", "-c", f"write -P {pattern} 0 1M", "-c", "flush", uri], check=True,
                               stdout=subprocess.DEVNULL, timeout=PATIENCE)

            write(1)
            said = ctl("--config", config, "messages", "append", "vm1", "before upgrade")
            assert any(word.isdigit() for word in said.replace(":", " ").split()), said
            assert "writeConcern" in ctl("--config", config, "messages", "append", "vm1", "x", "-w", "2", wanted=1)
            write(2)
            ctl("--config", config, "flush", "vm1")
        finally:
            nbdkit.terminate()
            nbdkit.wait(timeout=PATIENCE)
        image = os.path.join(directory, "image")
        subprocess.run([tlogplay, "--config", config, "restore", "vm1", "--to", image, "--until-mark", "before upgrade"],
                       check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
        with open(image, "rb") as file:
            assert set(file.read(1 << 20)) == {1}


needs_redis()
run([test_commands, test_follow, test_token_and_address, test_vdisk])
