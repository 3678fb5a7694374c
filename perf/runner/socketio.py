"""What perf/compare-socketio measures: Socket.IO members beside native ones and the npm server."""
from .plan import Plan, say
from .table import bound, cell, faults, median, neighbours, ratio, rows_of, shape, who

PEER, NATIVE, MIXED = "socketio", "ringroom", "ringroom-mixed"
SUBJECTS = ["ringroom-socketio", NATIVE, MIXED, PEER]
CONNECTIONS = 1000
# Deliveries a second taken for a best that no search has found.
PEER_BEST, OWN_BEST = 20000, 100000
# Shares of the best under 50 ms: the npm server's for everybody, the native form's for Ringroom.
PEER_LOADS = [("low", 0.1), ("half", 0.5), ("full", 1.0)]
OWN_LOADS = [("half", 0.5), ("full", 1.0)]


class SocketioPlan(Plan):
    def __init__(self, setup, subjects, runs, quick, members):
        # A mixed crowd stands under load only: its other figures lie between those of its halves.
        super().__init__(setup, [s for s in subjects if s != MIXED], runs, quick)
        self.under_load = subjects
        connections = 100 if quick else CONNECTIONS
        self.shapes = [(max(connections // m, 1), m) for m in (members[:1] if quick else members)]
        self.best = {}  # deliveries a second, by (members, subject)

    def search(self):
        rows = []
        for rooms, members in self.shapes:
            say(f"search: {rooms} rooms of {members}")
            found = self.interleaved(
                "search", lambda server, _: self.setup.bench(
                    server, "search", connections=rooms * members, rooms=rooms,
                    rate=2000 if self.quick else 10000,
                    duration=0.3 if self.quick else 2, warmup=0.2 if self.quick else 0.5,
                    rate_max=3000 if self.quick else 4000000))
            for subject, summary in found.items():
                self.best[members, subject] = median(summary, "under_50ms_per_s")
            rows.append({"rooms": rooms, "members": members, "subjects": found})
        return rows

    def _loads(self, members):
        """(name, deliveries a second, whom): the npm server's range, then Ringroom's own."""
        def best(subject, otherwise):
            return self.best.get((members, subject)) or otherwise
        loads = [(f"{name} for npm", share * best(PEER, PEER_BEST), self.under_load)
                 for name, share in PEER_LOADS]
        if self.quick:
            return loads[1:2]
        own = [s for s in self.under_load if s != PEER]
        return loads + [(f"{name} for Ringroom", share * best(NATIVE, OWN_BEST), own)
                        for name, share in OWN_LOADS]

    def load(self):
        rows = []
        for rooms, members in self.shapes:
            for name, rate, subjects in self._loads(members):
                rate = max(round(rate), 1)
                say(f"load: {rooms} rooms of {members}, {rate}/s, {name}")
                rows.append({
                    "rooms": rooms, "members": members, "rate": rate, "load": name, "floor": None,
                    "subjects": self.interleaved(
                        "load", lambda server, _: self.setup.bench(
                            server, "fanout", connections=rooms * members, rooms=rooms, rate=rate,
                            duration=1 if self.quick else 5, warmup=0.3 if self.quick else 1),
                        subjects=subjects)})
        return rows

    def idle(self):
        connections = 200 if self.quick else 10000
        say(f"idle: {connections} connections, TLS")
        return {"tls": self._fresh("idle", lambda server, _: self.setup.bench(
            server, "idle", connections=connections, rooms=connections // 10, parallel=64,
            duration=1 if self.quick else 30))}

    def connect(self):
        if self.quick:
            return {}
        return super().connect()


def load_table(rows, _results):
    header = ["load", "who", "CPU µs/delivery", "× npm", "× native", "p50 ms", "p99 ms", "came/s",
              "generator", "neighbours", "wrong"]
    lines = []
    for row in rows:
        cpu = {s: median(summary, "cpu_us_per_delivery") for s, summary in row["subjects"].items()}
        for subject, s in row["subjects"].items():
            lines.append([f"{shape(row)}, {row['rate']:,}/s, {row['load']}", who(subject),
                          cell(s, "cpu_us_per_delivery", 2), ratio(cpu[subject], cpu.get(PEER)),
                          ratio(cpu[subject], cpu.get(NATIVE)), cell(s, "p50_ms", 2),
                          cell(s, "p99_ms", 2), cell(s, "delivered_per_s"), bound(s),
                          neighbours(s), faults(s)])
    return rows_of(header, lines)
