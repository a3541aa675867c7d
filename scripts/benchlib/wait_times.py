"""Where the threads of some processes spend a stretch of time: on a core, ready and waiting for one, or asleep.

Of the kernel's accounting (/proc/PID/task/TID/schedstat), looked at every few milliseconds from a thread. What waits for
another process is asleep; so who asks whether two of them take turns looks in how many slices both were up.
"""
import os
import threading

SLICE_SECONDS = 0.02


def threads_of(pid):
    """thread -> (nanoseconds on a core, nanoseconds that it was ready and had none)"""
    found = {}
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                running, ready, _ = file.read().split()
            found[thread] = (int(running), int(ready))
    except (FileNotFoundError, ProcessLookupError):
        pass  # it, or the thread, has ended meanwhile
    return found


def cores_busy():
    """Seconds of all cores that were not idle, and seconds of all."""
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    idle = fields[3] + fields[4]
    ticks = os.sysconf("SC_CLK_TCK")
    return (sum(fields) - idle) / ticks, sum(fields) / ticks


class WaitTimes:
    """`groups`: name -> process ids. A context manager around what is traced."""

    def __init__(self, groups):
        self.groups = groups
        self.running = dict.fromkeys(groups, 0.0)  # seconds, of all threads of the group
        self.ready = dict.fromkeys(groups, 0.0)
        self.slices = []  # of each: the groups that were up
        self.busy = 0.0   # share of the machine's cores
        self.ended = threading.Event()

    def __enter__(self):
        self.at_first = cores_busy()
        self.known = {name: self.look(name) for name in self.groups}
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        busy, whole = (now - first for now, first in zip(cores_busy(), self.at_first))
        self.busy = busy / whole

    def look(self, name):
        return {(pid, thread): times for pid in self.groups[name] for thread, times in threads_of(pid).items()}

    def watch(self):
        while not self.ended.wait(SLICE_SECONDS):
            self.slices.append({name for name in self.groups if self.advance(name)})

    def advance(self, name):
        """Adds what has passed; whether any of its threads was up."""
        before, now = self.known[name], self.look(name)
        self.known[name] = now
        running = sum(times[0] - before.get(thread, (0, 0))[0] for thread, times in now.items())
        ready = sum(times[1] - before.get(thread, (0, 0))[1] for thread, times in now.items())
        self.running[name] += running / 1e9
        self.ready[name] += ready / 1e9
        # Looking at a clock is not work.
        return running + ready > SLICE_SECONDS * 1e9 / 20

    def share_up(self, *names):
        """In what share of the slices in which any of these was up all of them were."""
        any_up = [up for up in self.slices if up & set(names)]
        return sum(set(names) <= up for up in any_up) / max(1, len(any_up))
