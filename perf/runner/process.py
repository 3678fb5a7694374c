"""Servers under test: started on one core, asked for their port, ended by their pid."""
import os
import re
import select
import subprocess
import time


class Failed(Exception):
    """A server or a tool did not do what it should; the message says what it said."""


def make_certificate(folder):
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    if not os.path.exists(cert):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True)
    return cert, key


class Server:
    """A server that prints `ready URL`; a context manager, so that none is left behind."""

    def __init__(self, command, core, log_path):
        self.log = open(log_path, "ab")  # closed in stop()
        self.child = subprocess.Popen(["taskset", "-c", str(core)] + command,
                                      stdout=subprocess.PIPE, stderr=self.log)
        self.proto = "native"  # what the generator is to speak
        self.pid = self.child.pid  # taskset becomes the server: exec, the same pid
        self.log_path = log_path
        try:
            self.url = self._wait_ready(15)
        except Failed:
            self.stop()
            raise

    def _wait_ready(self, seconds):
        text, until = "", time.monotonic() + seconds
        while time.monotonic() < until:
            if select.select([self.child.stdout], [], [], 0.1)[0]:
                piece = os.read(self.child.stdout.fileno(), 4096)
                if not piece:
                    break
                text += piece.decode(errors="replace")
                found = re.search(r"^ready (\S+)", text, re.M)
                if found:
                    return found.group(1)
        raise Failed(f"no `ready` line from {self.child.args[3]}; see {self.log_path}")

    def alive(self):
        return self.child.poll() is None

    def stop(self):
        if self.alive():
            self.child.terminate()
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.child.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
