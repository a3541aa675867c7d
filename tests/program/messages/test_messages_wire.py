#!/usr/bin/env python3
"""The wire of logs of messages (docs/faces.md, "Messages"): each line of its table, and what is malformed."""
import json
import socket
import subprocess
import sys
import threading

from rig import Nodes, eventually, needs_redis, run

program = sys.argv[1]


def curl(*words):
    """Status and body, as the third-party client sees them."""
    found = subprocess.run(["curl", "-sS", "--max-time", "60", "-w", "\n%{http_code}", *words], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=90)
    assert found.returncode == 0, found.stderr
    body, _, status = found.stdout.rpartition("\n")
    return int(status), body


def test_self_check():
    """Master and S1 run. Msg1 w=1, Msg2 w=2 pass, Msg3 w=3 waits, Msg4 w=1 passes; S2 starts and shows all, Msg3 ends."""
    with Nodes(program) as nodes:
        nodes.start(nodes.master, nodes.secondaries[0])

        def post(text, w):
            status, body = curl("-X", "POST", "-H", "Content-Type: application/json", "-d",
                                json.dumps({"message": text, "w": w}), nodes.master.url + "/messages")
            return status, json.loads(body)

        assert post("Msg1", 1) == (201, {"id": 1, "message": "Msg1"})
        assert post("Msg2", 2) == (201, {"id": 2, "message": "Msg2"})
        third = []
        waiting = threading.Thread(target=lambda: third.append(post("Msg3", 3)))
        waiting.start()
        eventually("Msg3 is there", lambda: nodes.master.texts() == ["Msg1", "Msg2", "Msg3"])
        assert post("Msg4", 1) == (201, {"id": 4, "message": "Msg4"})
        eventually("S1 shows all", lambda: nodes.secondaries[0].texts() == ["Msg1", "Msg2", "Msg3", "Msg4"])
        assert not third, third
        nodes.start(nodes.secondaries[1])
        eventually("S2 shows all", lambda: nodes.secondaries[1].texts() == ["Msg1", "Msg2", "Msg3", "Msg4"])
        waiting.join(timeout=60)
        assert third == [(201, {"id": 3, "message": "Msg3"})], third
        # Absent, w is all of them.
        assert nodes.master.add("Msg5") == 5
        assert nodes.secondaries[0].texts() == nodes.secondaries[1].texts() == nodes.master.texts()
        check_shapes(nodes)
        check_malformed(nodes)
        check_paging(nodes)
        check_echo(nodes)
        check_keep_alive(nodes)
        check_same_text(nodes)


def check_shapes(nodes):
    for node, role in ((nodes.master, "master"), (nodes.secondaries[0], "secondary")):
        status, answer = node.get("/messages")
        assert status == 200 and set(answer) == {"messages", "total", "server_role", "server_id"}, answer
        assert answer["server_role"] == role and answer["total"] == len(answer["messages"])
        assert answer["server_id"] == f"127.0.0.1:{node.http_port}"
        assert set(answer["messages"][0]) == {"id", "message", "timestamp"}
        times = [one["timestamp"] for one in answer["messages"]]
        assert times == sorted(times) and times[0].endswith("Z"), times
        assert node.get("/logs/audit/messages")[1] == answer
        assert node.health()["role"] == role
    health = nodes.master.health()
    assert health["status"] == "healthy", health
    assert [one["url"] for one in health["secondaries"]] == [one.address for one in nodes.secondaries]
    for one in health["secondaries"]:
        assert one["status"] == "Healthy" and one["last_heartbeat"].endswith("Z") and one["failure_count"] == 0, one


def check_malformed(nodes):
    before = nodes.master.messages()
    bad = [b"", b"{", b"[]", b"null", b"1", b'"text"', b"{}", b'{"message": 1}', b'{"message": null}', b'{"message": ""}',
           b'{"message": ["a"]}', b'{"message": "a", "w": "x"}', b'{"message": "a", "w": "1"}', b'{"message": "a", "w": 0}',
           b'{"message": "a", "w": 4}', b'{"message": "a", "w": -1}', b'{"message": "a", "w": 1.5}',
           b'{"message": "a", "w": 1.0}', b'{"message": "a", "w": true}', b'{"message": "a", "w": null}',
           b'{"message": "a", "w": [1]}', b'{"message": "a", "w": 18446744073709551617}', b'{"message": "\xff"}',
           b'{"message": "a"} {"message": "b"}', b'{"w": 1}', b'{"message": "a", "w": 1,}', b"[" * 100000,
           b'{"a":' * 5000 + b"1" + b"}" * 5000]
    for body in bad:
        status, answer = nodes.master.request("POST", "/messages", body)
        wanted = 413 if len(body) > 16384 else 400
        assert status == wanted, (body[:60], status, answer)
        assert json.loads(answer)["error"], (body[:60], answer)
    for body in (b'{"message": "' + b"a" * 1025 + b'"}', b'{"message": "' + b"a" * 100000 + b'"}', b"x" * 1000000):
        status, answer = nodes.master.request("POST", "/messages", body)
        assert status == 413, (len(body), status, answer)
    # More than a mebibyte is not even read: who has not seen the answer has lost the connection.
    try:
        assert nodes.master.request("POST", "/messages", b"x" * 3000000)[0] == 413
    except ConnectionError:
        pass
    for method, path, wanted in (("PUT", "/messages", 405), ("DELETE", "/messages", 405), ("POST", "/health", 405),
                                 ("GET", "/", 404), ("GET", "/nothing", 404), ("GET", "/logs/audit", 404),
                                 ("GET", "/logs/other/messages", 404), ("GET", "/messages?after=x", 400),
                                 ("GET", "/messages?after=-1", 400), ("GET", "/messages?limit=", 400),
                                 ("GET", "/messages?limit=99999999999999999999", 400), ("GET", "/messages?wait=61", 400)):
        status, answer = nodes.master.request(method, path)
        assert status == wanted and json.loads(answer)["error"], (method, path, status, answer)
    status, answer = nodes.secondaries[0].post("not here", 1)
    assert status == 421 and answer["master"] == nodes.master.url, (status, answer)
    assert nodes.master.messages() == before


def check_paging(nodes):
    every = nodes.master.messages()
    for node in nodes.all:
        assert node.messages("/messages?after=2") == every[2:]
        assert node.messages("/messages?limit=2") == every[:2]
        assert node.messages("/messages?after=1&limit=3") == every[1:4]
        assert node.messages("/messages?after=1&limit=0") == []
        assert node.messages("/messages?after=1000") == []
        assert node.get("/messages?after=1000")[1]["total"] == len(every)
        assert node.messages("/messages?after=18446744073709551615&limit=18446744073709551615") == []


def check_echo(nodes):
    for node in nodes.all:
        status, answer = node.get("/echo?message=hello%20there")
        assert status == 200 and answer["message"] == "hello there" and answer["timestamp"].endswith("Z"), answer
        status, body = node.request("POST", "/echo", '{"message": "gr\u00fc\u00df"}'.encode())
        assert status == 200 and json.loads(body)["message"] == "gr\u00fc\u00df"
        assert node.request("POST", "/echo", "{")[0] == 400


def check_keep_alive(nodes):
    """Many requests on one connection; the last of them is refused, and the connection is still good."""
    with socket.create_connection(("127.0.0.1", nodes.master.http_port), timeout=30) as one:
        file = one.makefile("rb")

        def ask(body):
            one.sendall(b"POST /messages HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            status = int(file.readline().split()[1])
            length = 0
            while (line := file.readline().strip()):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            return status, json.loads(file.read(length))

        for i in range(50):
            assert ask(b'{"message": "again", "w": 1}')[0] == 201
        assert ask(b'{"message": "again", "w": 9}')[0] == 400
        assert ask(b'{"message": "again", "w": 3}')[0] == 201


def check_same_text(nodes):
    """Two equal texts are two messages; any text comes back as it was sent."""
    begin = nodes.master.get("/messages?limit=0")[1]["total"]
    texts = ["twice", "twice", "\u0000 \" \\ \n \u2028 \U0001f600", "a" * 1024, " "]
    assert [nodes.master.add(text, 3) for text in texts] == [begin + 1 + i for i in range(len(texts))]
    for node in nodes.all:
        assert [one["message"] for one in node.messages(f"/messages?after={begin}")] == texts


def test_parallel_clients():
    """64 clients at once: ids are dense, and order and ids are the same thing; a blocked w=3 hinders nobody."""
    with Nodes(program) as nodes:
        nodes.start(nodes.master, nodes.secondaries[0])
        blocked = [threading.Thread(target=lambda: nodes.master.add("blocked", 3)) for _ in range(20)]
        for one in blocked:
            one.start()
        eventually("they wait", lambda: len(nodes.master.messages()) == 20)
        got, wrong = {}, []

        def client(number):
            try:
                for i in range(20):
                    text = f"{number}.{i}"
                    got[nodes.master.add(text, 1 + i % 2)] = text
            except Exception as error:
                wrong.append(error)

        clients = [threading.Thread(target=client, args=(i,)) for i in range(64)]
        for one in clients:
            one.start()
        for one in clients:
            one.join()
        assert not wrong, wrong
        assert sorted(got) == list(range(21, 21 + 64 * 20))
        assert all(one.is_alive() for one in blocked)
        shown = {one["id"]: one["message"] for one in nodes.master.messages()}
        assert {i: shown[i] for i in got} == got
        nodes.start(nodes.secondaries[1])
        for one in blocked:
            one.join(timeout=60)
            assert not one.is_alive()
        eventually("all are everywhere", lambda: nodes.secondaries[1].messages() == nodes.master.messages())


def test_delay():
    """A secondary with --replication-delay is behind, and holds up who waits for it only."""
    with Nodes(program, arguments={2: ("--replication-delay", "2s")}) as nodes:
        nodes.start()
        assert nodes.master.add("first", 2) == 1
        assert nodes.secondaries[0].texts() == ["first"] and nodes.secondaries[1].texts() == []
        assert nodes.master.add("second", 3) == 2
        assert nodes.secondaries[1].texts() == ["first", "second"]


needs_redis()
run([test_self_check, test_parallel_clients, test_delay])
