"""`scripts/bench cluster`: six redis-servers over loopback, ours on them, and each line's peer, interleaved in one run.

Prints one table in Markdown with the ratios beside what is wanted. Progress goes to standard error. Everything it
starts it ends, also when it is interrupted; the exit code is 1 when a line could not be measured, not when it misses
its mark. Figures of a busy machine mean little: the last column is its load.
"""
import argparse
import os
import shutil
import signal
import sys
import tempfile

from benchlib.cluster_lines import measure_blocks, measure_flush, measure_writes
from benchlib.cluster_outage import measure_outage
from benchlib.cluster_rebuild import measure_rebuild, measure_restore
from benchlib.cluster_settings import ClusterSettings
from benchlib.cluster_table import print_table
from benchlib.fleet import Fleet
from benchlib.servers import Failed

LINES = {"write": measure_writes, "flush": measure_flush, "outage": measure_outage, "blocks": measure_blocks,
         "rebuild": measure_rebuild, "restore": measure_restore}


def parse_arguments(root, words):
    parser = argparse.ArgumentParser(prog="bench cluster", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, help="of each measurement (default 5)")
    parser.add_argument("--pairs", type=int, help="pairs of each line (default 5)")
    parser.add_argument("--only", action="append", metavar="LINE", choices=list(LINES), help=", ".join(LINES))
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


def measure(settings, wanted):
    rows, failures = [], []
    with Fleet(settings.directory) as fleet:
        for key in wanted:
            note(key)
            try:
                rows += LINES[key](settings, fleet, note)
            except Failed as failed:
                failures.append(f"{key}: {failed}")
            fleet.clear()
    print_table(rows)
    for failure in failures:
        note(f"failed: {failure}")
    return 1 if failures else 0


def main(root, words):
    arguments = parse_arguments(root, words)
    # So that what was started is ended then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: terminated"))
    directory = tempfile.mkdtemp(prefix="bench-", dir=arguments.dir)
    settings = None
    try:
        settings = ClusterSettings(arguments, directory)
        for program in settings.programs():
            if not os.path.exists(program):
                raise Failed(f"{program}: not built; build the release preset first")
        for program in ("redis-server", "redis-benchmark", "nbdkit"):
            if shutil.which(program) is None:
                raise Failed(f"{program}: not found; scripts/bootstrap installs it")
        return measure(settings, [key for key in LINES if not arguments.only or key in arguments.only])
    except Failed as failed:
        sys.exit(f"bench: {failed}")
    finally:
        if settings is not None:
            shutil.rmtree(settings.arena_directory, ignore_errors=True)
        shutil.rmtree(directory, ignore_errors=True)
