#!/usr/bin/env python3
"""The files that the property table makes are in the tree, and what the schema says is what the loader says.

Usage: test_config_files.py TLOGCTL SOURCE_TREE
"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import jsonschema
import yaml

TLOGCTL, SOURCE = sys.argv[1], pathlib.Path(sys.argv.pop(2))
del sys.argv[1]


def printed(command):
    return subprocess.run([TLOGCTL, command], check=True, capture_output=True, text=True, timeout=30).stdout


def load_yaml(text):
    return yaml.safe_load(text)


LEAST = """
clusters: {c: {directories: [a, b, c, d, e, f]}}
vdisks: {v: {size: 1MiB, storage: {file: x}}}
"""
GOOD = {
    "the least": LEAST,
    "servers": """
clusters: {c: {servers: [{address: "127.0.0.1:1", db: 0}, {address: "unix:/run/a.sock", passwordFile: p}]}}
tlog: {dataShards: 1, parityShards: 1, flushTime: 100 ms}
vdisks: {v: {size: 1048576, storage: {file: x}, tlog: {durability: cluster}}}
""",
    "logs alone": "logs: {audit: {secondaries: ['h:1']}, other: {master: 'http://h:5000'}}\n",
    "coordination": LEAST + """
coordination: {etcd: ["http://10.0.0.1:2379", "https://h:1"], leaseTtl: 5s, standby: true, hostName: a}
""",
}
BAD = {
    "unknown key": LEAST + "jounral: {}\n",
    "unknown key of a vdisk": "clusters: {c: {directories: [a]}}\nvdisks: {v: {size: 1MiB, sise: 1}}\n",
    "no vdisks": "clusters: {c: {directories: [a]}}\n",
    "empty clusters": "clusters: {}\nvdisks: {v: {size: 1MiB, storage: {file: x}}}\n",
    "no size": "clusters: {c: {directories: [a]}}\nvdisks: {v: {storage: {file: x}}}\n",
    "both kinds of stores": LEAST.replace("f]", "f], servers: [{address: 'h:1'}]"),
    "neither kind of stores": LEAST.replace("directories: [a, b, c, d, e, f]", ""),
    "size zero": LEAST.replace("1MiB", "0"),
    "size in words": LEAST.replace("1MiB", "large"),
    "decimal size": LEAST.replace("1MiB", "10GB"),
    "a name with a slash": LEAST.replace("v:", "a/b:"),
    "17 data shards": LEAST + "tlog: {dataShards: 17}\n",
    "shards in words": LEAST + "tlog: {dataShards: four}\n",
    "durability": LEAST + "tlog: {durability: always}\n",
    "flush time without a unit": LEAST + "tlog: {flushTime: 25}\n",
    "io": LEAST + "journal: {io: aio}\n",
    "read only in words": LEAST.replace("size:", "readOnly: perhaps, size:"),
    "an address without a port": LEAST.replace("directories: [a, b, c, d, e, f]", "servers: [{address: localhost}]"),
    "members of etcd that are no URLs": LEAST + "coordination: {etcd: ['10.0.0.1:2379']}\n",
    "no members of etcd": LEAST + "coordination: {etcd: []}\n",
    "an unknown key of the coordination": LEAST + "coordination: {etcd: ['http://h:1'], lease: 5s}\n",
    "a list": "- 1\n",
}


class ConfigFiles(unittest.TestCase):
    def setUp(self):
        self.schema = __import__("json").loads(printed("print-schema"))
        self.validator = jsonschema.Draft202012Validator(self.schema)

    def loads(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            file.write(text)
            file.flush()
            return subprocess.run([TLOGCTL, "check-config", file.name], capture_output=True, timeout=30).returncode == 0

    def test_tree_is_up_to_date(self):
        remedy = "run: cmake --build BUILD --target config_files"
        for name, command in (("configs/tlogdisk.yml", "print-example"),
                              ("configs/tlogdisk.schema.json", "print-schema")):
            self.assertEqual((SOURCE / name).read_text(), printed(command), f"{name} is not what tlogctl {command} prints; {remedy}")
        pod = (SOURCE / "docs/man/tlogdisk.yml.pod").read_text()
        self.assertIn(printed("print-manual-table"), pod, f"docs/man/tlogdisk.yml.pod has another table; {remedy}")

    def test_the_schema_is_one(self):
        jsonschema.Draft202012Validator.check_schema(self.schema)

    def test_the_example_is_valid(self):
        self.validator.validate(load_yaml(printed("print-example")))

    def test_good_files_are_valid_to_both(self):
        for name, text in GOOD.items():
            with self.subTest(name):
                self.validator.validate(load_yaml(text))
                self.assertTrue(self.loads(text))

    def test_bad_files_are_refused_by_both(self):
        for name, text in BAD.items():
            with self.subTest(name):
                self.assertFalse(self.validator.is_valid(load_yaml(text)), "the schema takes it")
                self.assertFalse(self.loads(text), "the loader takes it")


if __name__ == "__main__":
    unittest.main()
