"""A site: a tlogserver with one repository, \"set\", of plain logs."""
import atexit
import os
import re
import signal
import subprocess


class Site:
    def __init__(self, server, directory):
        self.server = server
        self.directory = directory
        self.written = {}  # what was appended here, by log
        self.logs = os.path.join(directory, "logs")
        os.makedirs(self.logs)
        with open(os.path.join(directory, "tlogdisk.yml"), "w") as file:
            file.write("repos: {set: logs}\n")
        self.address = "127.0.0.1:0"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [self.server, "--memorystorage", "--address", "127.0.0.1:0", "--config",
             os.path.join(self.directory, "tlogdisk.yml"), "--insecure", "--logset", self.address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        atexit.register(self.process.kill)  # a test that fails leaves no server
        line = self.process.stdout.readline()
        self.url = re.search(r"logset on (\S+)/", line).group(1)
        self.own_address = re.search(r"listening on ([^\s,]+)", line).group(1)
        self.address = self.url.split("//")[1]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
        self.process.stdout.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.process.stdout.close()
        return code

    def append(self, name, data):
        self.written[name] = self.written.get(name, b"") + data
        with open(os.path.join(self.logs, name), "ab") as file:
            file.write(data)

    def read(self, name):
        try:
            with open(os.path.join(self.logs, name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def names(self):
        return [name for name in os.listdir(self.logs) if name.isalnum()]
