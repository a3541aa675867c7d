"""A vdisk's log in a CAS and a name system of somebody else, while everybody is killed: what is published is followed from
there alone, without the key and with it."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(__file__))
import disk_site
import third_party
from disk_site import rig

PROGRAMS = dict(zip(("tlogserver", "tlogctl", "tlogplay", "tlogdisk.so"), sys.argv[1:]))


def site_with(there, directory, embed):
    site = disk_site.DiskSite(PROGRAMS, directory,
                              f'{{publish: {{vm1: {{to: "{there.target}", embed: {embed}}}}}}}')
    site.serve()
    return site


def told(path):
    """The lines that a follower has told so far."""
    with open(path) as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


def kills_of_followers_and_publishers(directory):
    """The standby is kept current through kills of all who work at it, and is the disk when nothing else is left."""
    there = third_party.ThirdParty()
    site = site_with(there, directory, "last 3")
    site.publish("--publish")
    image, lines = site.path("standby.img"), site.path("lines")
    follow = site.follower(there.target, "--to", image, "--key-file", site.key, "--every", "50ms", "--json")
    copy = site.follower(there.target, "--to", site.path("copy"), "--every", "50ms")
    followers = [rig.Child(follow, site.path("follow.log"), stdout=open(lines, "ab")),
                 rig.Child(copy, site.path("copy.log"))]
    for one in followers:
        one.start()
    for round_ in range(8):
        site.write(60)
        site.flush()
        victims = [followers[0], followers[1], site.publisher][round_ % 3:]
        time.sleep(site.random.uniform(0, 0.6))  # not for anything to happen: for different moments
        for one in victims:
            one.kill()
        for one in victims:
            one.start()
    last = site.flush()
    rig.eventually(lambda: f"the follower has {last}: {open(lines).read()[-500:]}",
                   lambda: any(line["sequence"] >= last for line in told(lines)[-1:]))
    for one in followers:
        assert one.kill(signal.SIGTERM) == 0, open(one.log).read()
    site.end()
    assert site.is_disk(image), "the standby is another disk"
    # Nothing is left but the services. The copy goes on, and a new standby begins.
    site.run(site.follower(there.target, "--to", site.path("copy"), "--once"))
    site.run(["tlogplay", "restore", "--from-logset", site.path("copy"), "--key-file", site.key, "--to", site.path("copy.img")])
    assert site.is_disk(site.path("copy.img")), "the copy is of another disk"
    site.run(site.follower(there.target, "--to", site.path("new.img"), "--key-file", site.key, "--once"))
    assert site.is_disk(site.path("new.img"))
    there.stop()


def publisher_killed_at_its_calls(directory):
    """Before and after every Add and Update: the name never leads to what is not there, and the next publisher goes on."""
    there = third_party.ThirdParty(own_addresses=True)
    site = site_with(there, directory, "none")
    killed = []

    def kill_at(what, count):
        seen = [0]

        def look(called, _):
            if called == what:
                seen[0] += 1
                if seen[0] == count:
                    site.publisher.process.send_signal(signal.SIGKILL)
                    site.publisher.process.wait()
                    killed.append((what, count))
        there.before = look

    for what, count in (("Add", 1), ("Add", 2), ("Update", 1), ("Add", 3), ("Add", 6), ("Update", 1), ("Update", 2)):
        for _ in range(8):  # aggregations, at least
            site.write(3)
            site.flush()
        kill_at(what, count)
        site.publish("--publish")
        rig.eventually("the publisher is killed", lambda: not site.publisher.running() or there_is_all(site, there))
        there.before = None
        site.publisher.kill()
        if "vdisk/vm1" in there.names:
            site.run(site.follower(there.target, "--to", site.path("copy"), "--once"))
    assert len(killed) >= 5, killed
    site.publish("--publish")
    image = site.path("disk.img")
    rig.eventually("all is published", lambda: there_is_all(site, there))
    site.end()
    site.run(site.follower(there.target, "--to", image, "--key-file", site.key, "--once"))
    assert site.is_disk(image)
    there.stop()


def there_is_all(site, there):
    last = site.flush()
    if "vdisk/vm1" not in there.names:
        return False
    subprocess.run(["rm", "-f", site.path("probe.img"), site.path("probe.img.tlogplay-follow")], check=True)
    said = site.run(site.follower(there.target, "--to", site.path("probe.img"), "--key-file", site.key, "--once", "--json"))
    return json.loads(said.splitlines()[-1])["sequence"] >= last


def what_is_wrong_is_named(directory):
    there = third_party.ThirdParty()
    site = site_with(there, directory, "none")
    site.publish("--publish")
    site.write(100)
    site.flush()
    rig.eventually("all is published", lambda: there_is_all(site, there))
    site.end()
    image = site.path("disk.img")
    follow = site.follower(there.target, "--to", image, "--key-file", site.key, "--once")
    copy = site.follower(there.target, "--to", site.path("copy"), "--once")
    victim = max(there.contents, key=lambda address: len(there.contents[address]))
    kept = there.contents[victim]
    for change, why in ((kept[:-1], "another content"), (kept[:500] + bytes([kept[500] ^ 1]) + kept[501:], "another content"),
                        (None, "missing")):
        if change is None:
            del there.contents[victim]
        else:
            there.contents[victim] = change
        for words in (follow, copy):
            said = site.run(words, code=3)
            assert why in said, said
    there.contents[victim] = kept
    for words in (follow, copy):
        site.run(words)
    assert site.is_disk(image)

    with open(site.path("other.key"), "w") as file:
        os.chmod(site.path("other.key"), 0o600)
        file.write("tlogdisk-key-1:" + "02" * 32 + "\n")
    said = site.run(site.follower(there.target, "--to", site.path("x.img"), "--key-file", site.path("other.key"), "--once"), 1)
    assert "key" in said and not os.path.exists(site.path("x.img")), said
    said = site.run(site.follower(there.target, "--to", site.path("x.img"), "--key-file", site.path("none.key"), "--once"), 1)
    assert "none.key" in said, said

    # The target is not what was followed: nothing is changed, and it says what to do.
    os.rename(image, image + ".kept")
    with open(image, "wb") as file:
        file.truncate(disk_site.SIZE)
    said = site.run(follow, code=1)
    assert "--restart" in said and not any(open(image, "rb").read()), said
    os.remove(image)
    os.rename(image + ".kept", image)
    site.run(follow)
    # Nor when it was cut, or written to by somebody else.
    os.truncate(image, 0)
    said = site.run(follow, code=1)
    assert "--restart" in said and os.path.getsize(image) == 0, said
    site.run([*follow, "--restart", "--force"])
    assert site.is_disk(image)
    with open(image, "r+b") as file:
        file.seek(5 << 20)
        file.write(b"not the vdisk's")
    said = site.run(follow, code=1)
    assert "somebody else" in said and "--restart" in said, said
    site.run([*follow, "--restart", "--force"])
    assert site.is_disk(image)
    # A file that was never followed to is not overwritten.
    with open(site.path("precious"), "wb") as file:
        file.write(b"mine")
    said = site.run(site.follower(there.target, "--to", site.path("precious"), "--key-file", site.key, "--once"), 1)
    assert "--force" in said and open(site.path("precious"), "rb").read() == b"mine", said

    head = there.names["vdisk/vm1"]
    there.names["vdisk/vm1"] = b"\x0a\x03abc"
    assert "page" in site.run(copy, code=3)
    there.names["vdisk/vm1"] = head
    there.stop()
    said = site.run(copy, code=1)
    assert there.target in said, said


def an_export_is_kept_current(directory):
    """An NBD export: over rounds without data, kills of the follower, and a restore to the same one."""
    there = third_party.ThirdParty()
    site = site_with(there, directory, "none")
    site.publish("--publish")
    export = rig.Child(["nbdkit", "-f", "-U", site.path("out.sock"), "-P", site.path("out.pid"), "memory",
                        str(disk_site.SIZE)], site.path("out.log"))
    export.start()
    rig.eventually("the export is served", lambda: os.path.exists(site.path("out.pid")) and os.path.getsize(site.path("out.pid")))
    uri = f"nbd+unix:///?socket={site.path('out.sock')}"
    words = site.follower(there.target, "--to", uri, "--key-file", site.key, "--force")

    def is_disk():
        site.run(["nbdcopy", uri, site.path("seen.img")])
        return site.is_disk(site.path("seen.img"))

    for round_ in range(4):
        site.write(30)
        rig.eventually("all is published", lambda: there_is_all(site, there))
        site.run([*words, "--once"])
        assert is_disk(), f"round {round_}"
        site.client.zero(1 << 20, round_ << 21)  # a round that tells no data
        site.disk[round_ << 21:(round_ << 21) + (1 << 20)] = bytes(1 << 20)
        rig.eventually("all is published", lambda: there_is_all(site, there))
        site.run([*words, "--once"])
        assert is_disk(), f"round {round_}, of zeros"
    follower = rig.Child([*words, "--every", "20ms"], site.path("follow.log"), cwd=directory)
    for _ in range(10):
        follower.start()
        for _ in range(3):
            site.write(10)
            site.flush()
        follower.kill()
    rig.eventually("all is published", lambda: there_is_all(site, there))
    site.run([*words, "--once"])
    assert is_disk(), "after kills of the follower"
    # Who restores there does not take the follower's position for its own.
    with open(site.path("noise"), "wb") as file:
        file.write(site.random.randbytes(disk_site.SIZE))
    site.run(["nbdcopy", site.path("noise"), uri])
    site.run(["tlogplay", "--config", site.config, "restore", "vm1", "--to", uri, "--force"])
    assert is_disk(), "restored"
    export.kill()
    site.end()
    there.stop()


def answers(path):
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(path) == 0


def stores_down_while_a_follower_reads(directory):
    """The service that is a view of the log: with m stores down it is read, with more it says so, and back again."""
    site = disk_site.DiskSite(PROGRAMS, directory, "{directory: cas, publish: {vm1: none}}")
    site.serve()
    remote = "unix:" + site.path("grpc.sock")
    site.publish("--grpc", remote)
    rig.eventually("it listens", lambda: os.path.exists(site.path("grpc.sock")))
    follow = site.follower(remote, "--to", site.path("disk.img"), "--key-file", site.key, "--once")
    for _ in range(6):
        site.write(40)
        last = site.flush()

    def has_all():
        said = site.run([*follow, "--json"])
        return json.loads(said.splitlines()[-1])["sequence"] >= last

    rig.eventually("all is published", has_all)
    assert site.is_disk(site.path("disk.img"))
    size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(site.path("cas")) for name in names)
    assert size < 1 << 20, f"{size} bytes: the log's bytes stay in the log"
    server = "unix:" + site.path("server.sock")
    status = json.loads(site.run(["tlogctl", "server-status", server, "--json"]))
    shown, = status["publications"]
    assert shown["name"] == "vdisk/vm1" and shown["to"] == "" and shown["contents"] > 6 and not shown["error"], shown
    assert "published vdisk/vm1: here" in site.run(["tlogctl", "server-status", server])
    for one in (1, 4):
        site.redis[one].kill()
    copy = site.follower(remote, "--to", site.path("copy"), "--once")
    site.run(copy)
    site.run(site.follower(remote, "--to", site.path("two-down.img"), "--key-file", site.key, "--once"))
    assert site.is_disk(site.path("two-down.img"))
    site.redis[5].kill()
    site.publisher.kill()  # which has read frames in memory
    site.publisher.start()
    rig.eventually("it listens again", lambda: answers(site.path("grpc.sock")))
    for _ in range(3):
        said = site.run(site.follower(remote, "--to", site.path("three-down.img"), "--key-file", site.key, "--once"), 1)
        assert "missing" not in said, said
    site.redis[5].start()
    rig.eventually(lambda: "the log is read again: " + open(site.path("server.log")).read()[-3000:], lambda: subprocess.run(
        site.follower(remote, "--to", site.path("three-down.img"), "--key-file", site.key, "--once"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0)
    assert site.is_disk(site.path("three-down.img"))
    # The server is another one after a restart, and still knows where everything is.
    site.publisher.kill()
    site.publisher.start()
    rig.eventually("it serves again", lambda: subprocess.run(
        site.follower(remote, "--to", site.path("again.img"), "--key-file", site.key, "--once"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0)
    assert site.is_disk(site.path("again.img"))
    site.end()


for test in (kills_of_followers_and_publishers, publisher_killed_at_its_calls, what_is_wrong_is_named,
             an_export_is_kept_current, stores_down_while_a_follower_reads):
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        test(directory)
    print(f"ok {test.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
