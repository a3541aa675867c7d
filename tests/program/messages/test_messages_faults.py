#!/usr/bin/env python3
"""Logs of messages among broken links: whatever happens between the nodes, every one of them always shows a prefix of the
master's order, each message once, and what waited for a node goes on when that is back."""
import json
import signal
import sys
import threading
import time

from rig import Nodes, Proxy, Watcher, eventually, needs_redis, run

program, proxy_program = sys.argv[1:3]
FAULTS = ("black-hole", "mute", "refuse", "reset", "close")


class Client(threading.Thread):
    """Posts one message after the other, and remembers which were confirmed."""

    def __init__(self, nodes, name, w):
        super().__init__()
        self.nodes, self.label, self.w = nodes, name, w
        self.confirmed, self.wrong, self.ends = {}, None, False
        self.start()

    def run(self):
        count = 0
        while not self.ends and self.wrong is None:
            count += 1
            try:
                status, answer = self.nodes.master.post(f"{self.label}.{count}", self.w, timeout=120)
                if status == 201:
                    self.confirmed[answer["id"]] = answer["message"]
                elif status == 503:
                    time.sleep(0.1)
                else:
                    self.wrong = (status, answer)
            except Exception as error:
                self.wrong = error

    def stop(self):
        self.ends = True
        self.join(timeout=120)
        assert not self.is_alive(), f"{self.label} still waits"
        assert self.wrong is None, self.wrong


def proxied(proxies):
    def through(_, node):
        proxies.append(Proxy(proxy_program, node.address, node.directory))
        return proxies[-1].address
    return through


def test_broken_links():
    """Each fault on either link, and on both, while clients with w = 1, 2, 3 post."""
    proxies = []
    with Nodes(program, through=proxied(proxies)) as nodes:
        nodes.start()
        watcher = Watcher(nodes.all)
        clients = [Client(nodes, f"w{w}", w) for w in (1, 2, 3)]
        for fault in FAULTS:
            for broken in (proxies[:1], proxies[1:], proxies):
                before = nodes.master.get("/messages?limit=0")[1]["total"]
                for one in broken:
                    one.say(fault)
                if len(broken) == 1:  # a quorum is left: w = 1 and 2 go on
                    eventually(f"{fault}: it goes on",
                               lambda: nodes.master.get("/messages?limit=0")[1]["total"] > before + 20)
                else:
                    time.sleep(1)
                # After it was applied: the answer of what a secondary has is lost with the connection.
                if fault == "mute":
                    for one in broken:
                        one.say("reset")
                for one in broken:
                    one.say("heal")
                eventually(f"{fault}: healed",
                           lambda: all(one["status"] == "Healthy" for one in nodes.master.health()["secondaries"]))
        for client in clients:
            client.stop()
        eventually("all show all", lambda: nodes.secondaries[0].messages() == nodes.secondaries[1].messages() ==
                   nodes.master.messages())
        watcher.stop()
        check_confirmed(nodes, clients)
    for one in proxies:
        one.kill()


def check_confirmed(nodes, clients):
    """Each confirmed message is there under its id; none is there twice."""
    shown = {one["id"]: one["message"] for one in nodes.master.messages()}
    assert len(set(shown.values())) == len(shown), "a message is there twice"
    for client in clients:
        assert client.confirmed, client.label
        for number, text in client.confirmed.items():
            assert shown.get(number) == text, (number, text, shown.get(number))


def test_quorum():
    """Without a quorum: 503 with the reason, reading goes on; with it, by itself, messages are taken again."""
    proxies = []
    with Nodes(program, through=proxied(proxies)) as nodes:
        nodes.start()
        nodes.master.add("one", 3)
        for one in proxies:
            one.say("black-hole")
        states = set()

        def seen():
            health = nodes.master.health()  # one answer: what it says of the nodes and of all belongs together
            states.update(one["status"] for one in health["secondaries"])
            return health["status"] == "read-only"

        # That each is suspected first is a test of Heartbeat's own: a busy machine may not let us look meanwhile.
        eventually("it is read-only", seen)
        assert "Unhealthy" in states, states
        status, answer = nodes.master.post("two", 1)
        assert status == 503 and "quorum" in answer["error"], (status, answer)
        assert nodes.master.texts() == ["one"]
        proxies[0].say("heal")
        eventually("messages are taken again", lambda: nodes.master.post("three", 1)[0] == 201)
        proxies[1].say("heal")
        nodes.master.add("four", 3)
        for node in nodes.all:
            assert node.texts()[0] == "one" and node.texts()[-1] == "four" and "two" not in node.texts(), node.texts()
    for one in proxies:
        one.kill()


def test_who_gives_up_undoes_nothing():
    """A client that does not wait for its answer: its message is there all the same, once."""
    with Nodes(program) as nodes:
        nodes.start(nodes.master, nodes.secondaries[0])
        try:
            nodes.master.post("given up", 3, timeout=1)
            raise AssertionError("it did not wait")
        except TimeoutError:
            pass
        nodes.start(nodes.secondaries[1])
        eventually("it is everywhere", lambda: all(node.texts() == ["given up"] for node in nodes.all))


def test_stop():
    """A master that is stopped answers who waits, loses nothing, and ends well."""
    with Nodes(program) as nodes:
        nodes.start(nodes.master, nodes.secondaries[0])
        answers = []
        waiting = [threading.Thread(target=lambda i=i: answers.append(nodes.master.post(f"waits {i}", 3)))
                   for i in range(10)]
        for one in waiting:
            one.start()
        eventually("they wait", lambda: len(nodes.master.texts()) == 10)
        assert nodes.master.kill(signal.SIGTERM) == 0, nodes.master.said()
        for one in waiting:
            one.join(timeout=60)
        assert len(answers) == 10
        for status, answer in answers:
            assert status == 503 and 1 <= answer["id"] <= 10 and "not undone" in answer["error"], (status, answer)
        nodes.start(nodes.master, nodes.secondaries[1])
        # Soon, though nothing more comes that would be stored together with them.
        eventually("all are everywhere", lambda: all(len(node.texts()) == 10 for node in nodes.all), seconds=15)


def test_long_list():
    """A list is sent while it is read: its end is right, and so is each page."""
    with Nodes(program, secondaries=1, quorum=1) as nodes:
        nodes.start()
        wanted = 20000
        count = 64
        wrong = []

        def fill(number):
            try:
                for i in range(number, wanted, count):
                    nodes.master.add(json.dumps({"i": i, "fill": "x" * 900}), 1)
            except Exception as error:
                wrong.append(error)

        threads = [threading.Thread(target=fill, args=(i,)) for i in range(count)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert not wrong, wrong
        eventually("the secondary has all",
                   lambda: nodes.secondaries[0].get("/messages?limit=0")[1]["total"] == wanted)
        for node in nodes.all:
            node.kill()
        nodes.start()
        for node in nodes.all:
            every = node.messages()
            assert [one["id"] for one in every] == list(range(1, wanted + 1))
            assert sorted(json.loads(one["message"])["i"] for one in every) == list(range(wanted))
            pages = []
            while (page := node.messages(f"/messages?after={len(pages)}&limit=3001")):
                pages += page
            assert pages == every


needs_redis()
run([test_broken_links, test_quorum, test_who_gives_up_undoes_nothing, test_stop, test_long_list])
