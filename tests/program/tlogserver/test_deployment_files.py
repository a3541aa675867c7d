#!/usr/bin/env python3
"""The files for containers and systemd say only what the programs understand: docker-compose.yml parses and refers to
targets of the Dockerfile, volumes and services that exist; each tlogserver's flags are taken by tlogserver; the
configuration is one; the images have the libraries that the programs need; the unit's settings are known to systemd. No container is built or started."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

tlogserver, tlogctl, source = sys.argv[1:4]
plugin, sanitized = (sys.argv[4:6] + ["", ""])[:2]
docker = os.path.join(source, "packaging/docker")
problems = []


def expect(condition, what):
    if not condition:
        problems.append(what)


def run(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)


def refused_flags(words):
    """What is wrong with them: a flag that --help does not know, or what tlogserver says against a value."""
    usage = run(tlogserver, "--help").stdout
    unknown = [word for word in words if not re.search(rf"(^|[ ,]){re.escape(word.split('=')[0])}[ ,=]", usage, re.MULTILINE)]
    found = run(tlogserver, *words, "--help")
    return " ".join(unknown) or (found.stdout if found.returncode != 0 else "")


with open(os.path.join(docker, "Dockerfile")) as file:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", file.read(), re.MULTILINE))
with open(os.path.join(docker, "docker-compose.yml")) as file:
    compose = yaml.safe_load(file)
services = compose["services"]
expect({"tlogserver-1", "tlogserver-2", "tlogserver-3", "nbdkit"} <= set(services), "a service is missing")
expect(sum(name.startswith("redis-") for name in services) == 6, "not six redis-servers")
stores = set()
for name, service in services.items():
    expect(("build" in service) or ("image" in service), f"{name}: neither image nor build")
    if "build" in service:
        expect(service["build"]["target"] in targets, f"{name}: no such target in the Dockerfile")
        path = os.path.join(docker, service["build"]["context"], service["build"]["dockerfile"])
        expect(os.path.exists(path), f"{name}: no {path}")
    for after in service.get("depends_on", {}):
        expect(after in services, f"{name}: depends on {after}, which is no service")
    for volume in service.get("volumes", []):
        where = volume.split(":")[0]
        known = os.path.exists(os.path.join(docker, where)) if where.startswith(".") else where in compose["volumes"]
        expect(known, f"{name}: no volume or file {where}")
    for port in service.get("ports", []):
        expect(port.startswith("127.0.0.1:"), f"{name}: {port} is open to the network")
    if name.startswith("tlogserver-"):
        refused = refused_flags(service["command"])
        expect(not refused, f"{name}: {refused}")
        used = [word.split("=", 1)[1] for word in service["command"] if word.startswith("--storage-addresses=")]
        expect(len(used) == 1 and used[0] not in stores, f"{name}: its stores are another server's")
        stores.update(used)
        for address in used[0].split(","):
            expect(address.split(":")[0] in services, f"{name}: {address} is no service")

config = os.path.join(docker, "tlogdisk.yml")
checked = run(tlogctl, "check-config", config)
expect(checked.returncode == 0, checked.stdout)
with open(config) as file:
    for address in yaml.safe_load(file)["tlog"]["servers"]:
        expect(address.split(":")[0] in services, f"{config}: {address} is no service")

unit = os.path.join(source, "configs/systemd/tlogserver.service")
with open(unit) as file:
    text = file.read()
start = re.search(r"^ExecStart=/usr/bin/tlogserver (.*) \$TLOGSERVER_FLAGS$", text, re.MULTILINE)
expect(start, f"{unit}: no ExecStart")
if start:
    refused = refused_flags(start[1].split())
    expect(not refused, f"{unit}: {refused}")
if shutil.which("systemd-analyze"):
    # With the program that is there, so that nothing but the settings can be wrong.
    with tempfile.TemporaryDirectory() as directory:
        copy = os.path.join(directory, "tlogserver.service")
        with open(copy, "w") as file:
            file.write(text.replace("/usr/bin/tlogserver", os.path.abspath(tlogserver)))
        said = run("systemd-analyze", "verify", "--man=no", copy).stdout
        ours = [line for line in said.splitlines() if "tlogserver.service" in line]
        expect(not ours, "\n".join(ours))


def packages_of(program):
    """The Debian packages with the libraries that it asks for itself; none where there is no dpkg."""
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", program).stdout)
    files = {}
    for line in run("ldd", program).stdout.splitlines():
        words = line.split()
        if len(words) > 2 and words[0] in needed:
            # The package knows the file by the name that it has in /usr or in /.
            path = os.path.realpath(words[2])
            files[path] = files[path.removeprefix("/usr")] = words[0]
    said = run("dpkg", "-S", *files).stdout
    return {files[path]: package for package, path in re.findall(r"^([^:\s]+)\S*: (/\S+)$", said, re.MULTILINE)}


def with_what_they_need(packages):
    known, new = set(), set(packages)
    while new:
        known |= new
        said = run("dpkg-query", "-W", "-f=${Depends}, ", *new).stdout
        new = {re.split(r"[ :]", name.strip())[0] for name in re.split(r"[,|]", said) if name.strip()} - known
    return known


if shutil.which("dpkg") and shutil.which("readelf") and not sanitized:
    with open(os.path.join(docker, "Dockerfile")) as file:
        listed = re.findall(r"apt-get install -y --no-install-recommends (.*?)&&", file.read().replace("\\\n", ""))
    installed = with_what_they_need(listed[0].split() + ["libc6", "libstdc++6", "libgcc-s1"])
    for program in filter(None, [tlogserver, tlogctl, plugin]):
        owners = packages_of(program)
        expect(owners, f"{program}: which libraries does it need?")
        for library, package in owners.items():
            expect(package in installed, f"Dockerfile: {os.path.basename(program)} needs {library}, of {package}")
        # nbdkit forks after it has loaded a plugin, and its threads would be gone.
        expect(program != plugin or not any("grpc" in library for library in owners), f"{plugin}: linked with gRPC")

shell = run("bash", "-n", os.path.join(source, "scripts/cluster"))
expect(shell.returncode == 0, shell.stdout)

print("\n".join(problems) or "ok")
sys.exit(1 if problems else 0)
