"""One run of a bench with redis-servers behind: its arguments, its servers, its lines, its table."""
import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from benchlib.cluster_settings import MIB, ClusterSettings
from benchlib.cluster_table import print_table
from benchlib.fleet import Fleet
from benchlib.servers import Failed


@dataclass
class Bench:
    name: str
    doc: str
    lines: dict  # key -> what measures it: (settings, fleet, note) -> rows of the table
    programs: Callable = ClusterSettings.programs  # of ours, that have to be built: (settings) -> paths
    tools: tuple = ("redis-server", "redis-benchmark", "nbdkit")


def parse_arguments(bench, root, words):
    parser = argparse.ArgumentParser(prog=f"bench {bench.name}", description=bench.doc.splitlines()[0])
    parser.add_argument("--seconds", type=float, help="of each measurement (default 5)")
    parser.add_argument("--pairs", type=int, help="pairs of each line (default 5)")
    parser.add_argument("--only", action="append", metavar="LINE", choices=list(bench.lines),
                        help=", ".join(bench.lines))
    parser.add_argument("--size", type=int, metavar="MIB", help="of what is copied whole (default 1024, --quick 128)")
    parser.add_argument("--quick", action="store_true", help="small disks, 3 short pairs: does it work at all?")
    parser.add_argument("--build", default=os.path.join(root, "build", "release"), help="build directory")
    parser.add_argument("--dir", default=root, help="the file system to measure on (default: the source's)")
    parser.add_argument("--arena", default="/dev/shm", help="where tlogdisk keeps its arenas")
    arguments = parser.parse_args(words)
    # What the whole bench is told and this one decides itself.
    arguments.size_gib, arguments.room_gib = 1, 20
    return arguments


def note(text):
    print(text, file=sys.stderr, flush=True)


def measure(settings, lines):
    rows, failures = [], []
    with Fleet(settings.directory) as fleet:
        for key, line in lines.items():
            note(key)
            try:
                rows += line(settings, fleet, note)
            except Failed as failed:
                failures.append(f"{key}: {failed}")
            fleet.clear()
    print_table(rows)
    for failure in failures:
        note(f"failed: {failure}")
    return 1 if failures else 0


def main(bench, root, words):
    arguments = parse_arguments(bench, root, words)
    # So that what was started is ended then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: terminated"))
    directory = tempfile.mkdtemp(prefix="bench-", dir=arguments.dir)
    settings = None
    try:
        settings = ClusterSettings(arguments, directory)
        if arguments.size:
            settings.copy_bytes = arguments.size * MIB
        for program in bench.programs(settings):
            if not os.path.exists(program):
                raise Failed(f"{program}: not built; build the release preset first")
        for program in bench.tools:
            if shutil.which(program) is None:
                raise Failed(f"{program}: not found; scripts/bootstrap installs it")
        wanted = {key: line for key, line in bench.lines.items() if not arguments.only or key in arguments.only}
        return measure(settings, wanted)
    except Failed as failed:
        sys.exit(f"bench: {failed}")
    finally:
        if settings is not None:
            shutil.rmtree(settings.arena_directory, ignore_errors=True)
        shutil.rmtree(directory, ignore_errors=True)
