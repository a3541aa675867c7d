"""`scripts/bench cluster`: six redis-servers over loopback, ours on them, and each line's peer, interleaved in one run.

Prints one table in Markdown with the ratios beside what is wanted. Progress goes to standard error. Everything it
starts it ends, also when it is interrupted; the exit code is 1 when a line could not be measured, not when it misses
its mark. Figures of a busy machine mean little: the last column is its load.
"""
from benchlib import cluster_run
from benchlib.cluster_lines import measure_blocks, measure_flush, measure_writes
from benchlib.cluster_outage import measure_outage
from benchlib.cluster_rebuild import measure_rebuild, measure_restore

LINES = {"write": measure_writes, "flush": measure_flush, "outage": measure_outage, "blocks": measure_blocks,
         "rebuild": measure_rebuild, "restore": measure_restore}


def main(root, words):
    return cluster_run.main(cluster_run.Bench("cluster", __doc__, LINES), root, words)
