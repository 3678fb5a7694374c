"""What is measured, in which order. Subjects take turns within a run: machines drift."""
import statistics
import sys

from .process import Failed

SHAPES = [(100, 10), (10, 100), (1, 1000)]  # rooms, members of each
RATES = [20000, 50000, 100000]


def say(text):
    print(text, file=sys.stderr, flush=True)


def summarize(reports):
    """Each number's median, least and most over the runs; faults are summed, never averaged."""
    summary = {"runs": len(reports)}
    for key, first in reports[0].items():
        values = [r[key] for r in reports if isinstance(r.get(key), (int, float))]
        if isinstance(first, str) or not values:
            continue
        if key in ("faults", "error_events", "connections_lost", "given_up", "failed"):
            summary[key] = sum(values)
        else:
            summary[key] = {"median": statistics.median(values), "min": min(values),
                            "max": max(values)}
    return summary


class Plan:
    def __init__(self, setup, subjects, runs, quick):
        self.setup = setup
        self.subjects = subjects
        self.runs = 1 if quick else runs
        self.quick = quick
        self.failures = []

    def _own(self):
        """For what only Ringroom does, or no peer would survive."""
        return [s for s in self.subjects if s.startswith("ringroom")]

    def interleaved(self, name, measure, subjects=None, **start):
        """Runs `measure(server, subject)` `runs` times for each subject in turn."""
        servers, reports = {}, {}
        try:
            for subject in self.subjects if subjects is None else subjects:
                self._try(f"{name}: {subject}",
                          lambda s=subject: servers.update({s: self.setup.start(s, **start)}))
            for _ in range(self.runs):
                for subject, server in servers.items():
                    report = self._try(f"{name}: {subject}", lambda: measure(server, subject))
                    if report:
                        reports.setdefault(subject, []).append(report)
        finally:
            for server in servers.values():
                server.stop()
        return {subject: summarize(list_) for subject, list_ in reports.items()}

    def _try(self, what, action):
        try:
            return action()
        except (Failed, OSError, ValueError) as error:
            say(f"{what}: {error}")
            self.failures.append(f"{what}: {error}")
            return None

    def fanout(self):
        shapes, rates = (SHAPES[:1], RATES[:1]) if self.quick else (SHAPES, RATES)
        rows = []
        for rooms, members in shapes:
            for rate in rates:
                say(f"fanout: {rooms} rooms of {members}, {rate}/s")
                row = {"rooms": rooms, "members": members, "rate": rate}
                row["subjects"] = self.interleaved(
                    "fanout", lambda server, _: self.setup.bench(
                        server, "fanout", connections=rooms * members, rooms=rooms, rate=rate,
                        duration=2 if self.quick else 5, warmup=0.5 if self.quick else 1))
                row["floor"] = self._floor(batch=min(members, 256), rate=rate)
                rows.append(row)
        return rows

    def _floor(self, **options):
        reports = [self._try("floor", lambda: self.setup.floor(
            duration=1 if self.quick else 2, **options)) for _ in range(self.runs)]
        reports = [r for r in reports if r]
        return summarize(reports) if reports else None

    def floor(self):
        kinds = [(64, 1), (256, 1), (64, 10)]
        return [{**(self._floor(batch=batch, gather=gather) or {}), "batch": batch, "gather": gather}
                for batch, gather in kinds]

    def search(self):
        rows = []
        for rooms, members in SHAPES[:1] if self.quick else SHAPES:
            say(f"search: {rooms} rooms of {members}")
            start = 20000
            rows.append({"rooms": rooms, "members": members, "subjects": self.interleaved(
                "search", lambda server, _: self.setup.bench(
                    server, "search", connections=rooms * members, rooms=rooms, rate=start,
                    duration=0.5 if self.quick else 2, warmup=0.3 if self.quick else 0.5,
                    rate_max=100000 if self.quick else 4000000))})
        return rows

    def idle(self):
        connections = 1000 if self.quick else 10000
        rows = {}
        for plain in (False, True):
            say(f"idle: {connections} connections, {'plain' if plain else 'TLS'}")
            rows["plain" if plain else "tls"] = self._fresh(
                "idle", lambda server, _: self.setup.bench(
                    server, "idle", connections=connections, rooms=connections // 10, parallel=64,
                    duration=3 if self.quick else 30),
                subjects=self._own() if plain else None, plain=plain)
        return rows

    def _fresh(self, name, measure, **start):
        """As interleaved(), with a new server for each run: memory must not be used already."""
        runs, self.runs = self.runs, 1
        reports = {}
        try:
            for _ in range(runs):
                for subject, summary in self.interleaved(name, measure, **start).items():
                    reports.setdefault(subject, []).append(flat(summary))
        finally:
            self.runs = runs
        return {subject: summarize(list_) for subject, list_ in reports.items()}

    def connect(self):
        say("connect: full and resumed")
        return self.interleaved("connect", lambda server, _: self.setup.bench(
            server, "connect", duration=1 if self.quick else 4, warmup=0.5))

    def history(self):
        say("history: joins of a room with 1,000 messages")
        return self._fresh("history", lambda server, _: self.setup.bench(
            server, "history", joiners=50 if self.quick else 300), history=1000)

    def rooms(self):
        count = 5000 if self.quick else 100000
        say(f"rooms: {count} with one message each")
        return self._fresh("rooms", lambda server, _: self.setup.bench(
            server, "rooms", rooms=count), subjects=[s for s in self._own() if s == "ringroom"])

    def stalled(self):
        # A short history, so that the stalled readers fall out of the log within seconds.
        stalled = 100 if self.quick else 1000
        say(f"stalled: 20 live readers beside {stalled} stalled ones")
        # Not for peers: they keep all that a stalled reader has not read.
        return self._fresh("stalled", lambda server, _: self.setup.bench(
            server, "stalled", connections=20, stalled_count=stalled, rate=20000,
            warmup=0.5 if self.quick else 1, duration=1 if self.quick else 5), subjects=self._own(),
            settings=["retention.max_messages=1000"])


def flat(summary):
    """A summary of one run as a report again."""
    return {k: v["median"] if isinstance(v, dict) else v for k, v in summary.items()}
