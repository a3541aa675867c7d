#!/usr/bin/env python3
"""scripts/cluster starts what it says, once; `down` ends exactly that, and the data is still there afterwards."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "messages"))
import rig  # noqa: E402

source, build = sys.argv[1:3]
if not shutil.which("redis-server"):
    print("there is no redis-server")
    sys.exit(77)


def cluster(command, wanted=0):
    found = subprocess.run([os.path.join(source, "scripts/cluster"), command, "--dir", directory, "--port", str(port),
                            "--bin", build], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert found.returncode == wanted, f"{command}: {found.returncode}: {found.stdout}"
    return found.stdout


def pids():
    found = {}
    for name in os.listdir(directory):
        if name.endswith(".pid"):
            with open(os.path.join(directory, name)) as file:
                found[name] = int(file.read().split()[0])
    return found


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def redis(*words):
    return subprocess.run(["redis-cli", "-s", os.path.join(directory, "redis-0.sock"), *words],
                          stdout=subprocess.PIPE, text=True, timeout=20).stdout.strip()


port = rig.free_ports(6)[0]
with tempfile.TemporaryDirectory(prefix="tlc") as directory:
    stranger = subprocess.Popen(["sleep", "300"])
    try:
        cluster("status", 1)
        said = cluster("up")
        assert f"127.0.0.1:{port}" in said and "writeConcern" in said, said
        first = pids()
        assert len(first) == 9 and all(runs(pid) for pid in first.values()), first
        assert cluster("status").count("running") == 9
        for page in range(port + 3, port + 6):
            assert urllib.request.urlopen(f"http://127.0.0.1:{page}/health", timeout=20).status == 200
        mode = os.stat(os.path.join(directory, "tlogdisk.key")).st_mode & 0o777
        assert mode == 0o600, oct(mode)

        cluster("up")
        assert pids() == first, "a second `up` has started something"
        redis("set", "here", "still")
        os.kill(first["tlogserver-2.pid"], 9)
        deadline = time.monotonic() + 20
        while runs(first["tlogserver-2.pid"]) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert cluster("status", 1).count("running") == 8
        # A process that by chance has the number of one that is gone.
        with open(os.path.join(directory, "tlogserver-2.pid"), "w") as file:
            file.write(f"{stranger.pid} 1\n")
        cluster("up")
        second = pids()
        assert second["tlogserver-2.pid"] not in (stranger.pid, first["tlogserver-2.pid"])

        with open(os.path.join(directory, "redis-5.pid"), "w") as file:
            file.write(f"{stranger.pid} 1\n")
        cluster("down")
        assert stranger.poll() is None, "`down` has ended what it had not started"
        gone = [pid for name, pid in second.items() if name != "redis-5.pid"]
        assert not any(runs(pid) for pid in gone)
        assert not pids(), pids()
        os.kill(second["redis-5.pid"], 9)
        cluster("down")

        cluster("up")
        assert redis("get", "here") == "still"
    finally:
        subprocess.run([os.path.join(source, "scripts/cluster"), "down", "--dir", directory], timeout=120)
        stranger.kill()
        stranger.wait()
print("ok")
