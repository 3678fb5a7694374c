"""The pieces of one run: where the programs are, which cores, how to start whom."""
import json
import os
import subprocess

from .process import Failed, Server, make_certificate

PERF = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

PEER_PACKAGES = {"ws": "ws", "socketio": "socket.io"}

# Whom the commands can measure: which server, and what its members speak.
SUBJECTS = {
    "ringroom": ("ringroom", "native"),
    "ringroom-socketio": ("ringroom", "socketio"),
    "ringroom-mixed": ("ringroom", "mixed"),
    "ws": ("ws", "native"),
    "socketio": ("socketio", "socketio"),
}


class Setup:
    def __init__(self, arguments, results):
        self.build = arguments.build
        self.server_core = arguments.server_core
        self.bench_core = arguments.bench_core
        self.spin = arguments.spin
        self.results = results
        self.cert, self.key = make_certificate(results)

    def program(self, name):
        for path in (os.path.join(self.build, "perf", name), os.path.join(self.build, name)):
            if os.access(path, os.X_OK):
                return path
        raise Failed(f"{name} is not in {self.build}: build the release preset first")

    def _log(self, name):
        return os.path.join(self.results, f"{name}.log")

    def start(self, subject, plain=False, history=0, settings=()):
        """history: messages that a peer is to keep; settings: Ringroom's own, as KEY=VALUE."""
        server, proto = SUBJECTS[subject]
        started = getattr(self, f"_start_{server}")(plain, history, settings)
        started.proto = proto
        return started

    def _start_ringroom(self, plain, _history, settings):
        settings = ["shards=1", "limits.messages_per_second=0", "limits.requests_per_second=0",
                    "limits.handshakes_per_ip=0",
                    "limits.bad_requests_per_ip=0", "log.level=warn", *settings]
        if plain:
            # Servers want a TLS listener by default: the plain one alone is asked for.
            settings += ["listen=[]", "listen_plain=127.0.0.1:0"]
        else:
            settings += ["listen=127.0.0.1:0", f"tls.cert={self.cert}", f"tls.key={self.key}"]
        command = [self.program("ringroom"), "serve"]
        for setting in settings:
            command += ["--set", setting]
        return Server(command, self.server_core, self._log("ringroom"))

    def _start_ws(self, plain, history, _settings):
        return self._start_peer("ws", plain, history)

    def _start_socketio(self, plain, history, _settings):
        # Such a chat always keeps what was said; Ringroom's rooms do too.
        return self._start_peer("socketio", plain, history or 1000)

    def _start_peer(self, name, plain, history):
        if plain:
            raise Failed(f"the {name} peer is measured over TLS only")
        modules = os.path.join(PERF, "peers", "node_modules")
        if not os.path.isdir(os.path.join(modules, PEER_PACKAGES[name])):
            raise Failed("the peers are not installed: npm ci --prefix perf/peers")
        command = ["node", os.path.join(PERF, "peers", f"{name}.js"), self.cert, self.key,
                   str(history)]
        return Server(command, self.server_core, self._log(name))

    def bench(self, server, scenario, **options):
        """One run of ringroom-bench; its report as a dict."""
        command = ["taskset", "-c", str(self.bench_core), self.program("ringroom-bench"),
                   "--json", "--scenario", scenario, "--url", server.url, "--pid", str(server.pid),
                   "--proto", server.proto]
        if self.spin:
            command.append("--spin")
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        return self._run_json(command, 900)

    def floor(self, **options):
        command = [self.program("ringroom-floor"), "--json", "--cert", self.cert, "--key", self.key,
                   "--cores", f"{self.server_core},{self.bench_core}"]
        for name, value in options.items():
            command += ["--" + name, str(value)]
        return self._run_json(command, 60)

    def _run_json(self, command, timeout):
        with open(self._log("bench"), "a", encoding="utf-8") as log:
            log.write(" ".join(command) + "\n")
            log.flush()
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True,
                                  timeout=timeout, check=False)
            log.write(done.stdout)
        if not done.stdout.strip():
            raise Failed(f"{os.path.basename(command[3])} failed with status {done.returncode}; "
                         f"see {self._log('bench')}")
        report = json.loads(done.stdout)
        report["status"] = done.returncode
        return report
