#!/usr/bin/env python3
"""Logs of messages whose nodes are killed: every message that was confirmed by w nodes is there afterwards, under its id,
while fewer than w nodes have lost everything; and no node ever shows anything but a prefix of one order."""
import os
import random
import shutil
import sys
import threading
import time

from rig import Nodes, Watcher, eventually, needs_redis, run

program = sys.argv[1]


class Client(threading.Thread):
    """Posts through whatever happens to the master, and remembers what was confirmed by how many."""

    def __init__(self, nodes, name, w):
        super().__init__()
        self.nodes, self.label, self.w = nodes, name, w
        self.confirmed, self.ends = {}, False
        self.start()

    def run(self):
        count = 0
        while not self.ends:
            count += 1
            try:
                status, answer = self.nodes.master.post(f"{self.label}.{count}", self.w, timeout=30)
                if status == 201:
                    self.confirmed[answer["id"]] = answer["message"]
                    continue
            except (OSError, ValueError):
                pass
            except Exception as error:  # http.client: the answer ended with the node
                assert "http.client" in str(type(error)), error
            time.sleep(0.05)

    def stop(self):
        self.ends = True
        self.join(timeout=120)
        assert not self.is_alive()


def check_confirmed(nodes, clients, least=1):
    eventually("all show the same", lambda: all(node.messages() == nodes.master.messages() for node in nodes.all))
    shown = {one["id"]: one["message"] for one in nodes.master.messages()}
    assert len(set(shown.values())) == len(shown), "a message is there twice"
    for client in clients:
        if client.w < least:
            continue
        assert client.confirmed, client.label
        for number, text in client.confirmed.items():
            assert shown.get(number) == text, (client.label, number, text, shown.get(number))


def test_kills():
    """One node after the other, and all at once, while clients post."""
    seed = int(time.time())
    print(f"seed {seed}")
    chance = random.Random(seed)
    with Nodes(program) as nodes:
        nodes.start()
        watcher = Watcher(nodes.all)
        clients = [Client(nodes, f"w{w}", w) for w in (1, 2, 3)]
        rounds = [[node] for node in nodes.all] + [nodes.secondaries, nodes.all, nodes.all]
        for killed in rounds:
            before = sum(len(client.confirmed) for client in clients)
            eventually("they post", lambda: sum(len(client.confirmed) for client in clients) > before + 20)
            time.sleep(chance.random() * 0.3)
            for node in killed:
                node.kill()
                if chance.random() < 0.5:
                    node.redis.kill()
            nodes.start(*killed)
        for client in clients:
            client.stop()
        check_confirmed(nodes, clients)
        watcher.stop()


def test_lost_secondary():
    """A secondary that has lost everything is filled again, and shows a prefix all the while."""
    with Nodes(program) as nodes:
        nodes.start()
        for i in range(300):
            nodes.master.add(f"text {i}", 1)
        lost = nodes.secondaries[0]
        lost.kill()
        lost.redis.empty()
        nodes.start(lost)
        eventually("it has all again", lambda: lost.messages() == nodes.master.messages())
        nodes.master.add("and on", 3)
        assert lost.texts()[-1] == "and on"


def test_lost_master():
    """A master that has lost everything takes nothing until it has been filled; then it has what w >= 2 confirmed."""
    with Nodes(program, create="all") as nodes:
        nodes.start()
        clients = [Client(nodes, f"w{w}", w) for w in (1, 2, 3)]
        eventually("they post", lambda: all(len(client.confirmed) > 20 for client in clients))
        for node in nodes.all:
            node.kill()
        for client in clients:
            client.stop()
        nodes.master.redis.empty()
        # Half of the others is not enough: the confirmed one might be at the other.
        nodes.start(nodes.secondaries[0])
        nodes.master.start()
        health = eventually("it says who is missing", lambda: nodes.secondaries[1].address in
                            nodes.master.health()["reason"] and nodes.master.health())
        assert health["status"] == "read-only", health
        status, answer = nodes.master.post("too early", 1)
        assert status == 503 and nodes.secondaries[1].address in answer["error"], (status, answer)
        assert nodes.master.get("/messages")[0] == 503
        nodes.start(nodes.secondaries[1])
        eventually("it is open", lambda: nodes.master.get("/messages")[0] == 200)
        eventually("it takes messages", lambda: nodes.master.post("later", 3)[0] == 201)
        check_confirmed(nodes, clients, least=2)


def test_master_with_older_stores():
    """Stores that were set back: what others have confirmed meanwhile is not given a second text."""
    with Nodes(program) as nodes:
        nodes.start()
        ahead, behind = nodes.secondaries
        for i in range(3):
            nodes.master.add(f"old {i}", 3)
        nodes.master.kill()
        nodes.master.redis.kill()
        kept = os.path.join(nodes.directory, "kept")
        shutil.copytree(nodes.master.redis.directory, kept)
        behind.kill()
        nodes.start(nodes.master)
        for i in range(4):
            nodes.master.add(f"confirmed {i}", 2)
        nodes.master.kill()
        nodes.master.redis.kill()
        shutil.rmtree(nodes.master.redis.directory)
        shutil.copytree(kept, nodes.master.redis.directory)
        behind.start()
        nodes.master.start()
        health = eventually("it says who has more", lambda: "messages that this node does not have" in
                            (nodes.master.health().get("reason") or "") and nodes.master.health())
        assert health["status"] == "read-only" and ahead.address in health["reason"], health
        status, answer = nodes.master.post("second text", 1)
        assert status == 503 and ahead.address in answer["error"], (status, answer)
        assert len(ahead.texts()) == 7, ahead.texts()
        # As it says: with empty stores it is filled from the others.
        nodes.master.kill()
        nodes.master.redis.empty()
        nodes.start(nodes.master)
        assert nodes.master.texts()[3:] == [f"confirmed {i}" for i in range(4)]
        assert nodes.master.add("next", 3) == 8


def test_lost_master_killed_while_filled():
    """Killed in the middle of being filled, it does not take the half for the whole."""
    with Nodes(program, secondaries=1, quorum=1, create="all") as nodes:
        nodes.start()
        count = 3000
        threads = [threading.Thread(target=lambda k=k: [nodes.master.add(f"{k}.{i}", 2) for i in range(count // 50)])
                   for k in range(50)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        nodes.master.kill()
        nodes.master.redis.empty()
        for wait in (0.05, 0.1, 0.2, 0.4):
            nodes.master.redis.start() if not nodes.master.redis.running() else None
            nodes.master.process = None
            super(type(nodes.master), nodes.master).start()
            time.sleep(wait)
            nodes.master.kill()
        nodes.master.start()
        eventually("it is open", lambda: nodes.master.get("/messages")[0] == 200)
        assert len(nodes.master.messages()) == count
        assert nodes.master.messages() == nodes.secondaries[0].messages()


needs_redis()
run([test_kills, test_lost_secondary, test_lost_master, test_master_with_older_stores, test_lost_master_killed_while_filled])
