"""Results as Markdown: medians, and the spread in brackets."""

BENCH_BOUND_PERCENT = 90


def number(value, digits=1):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}f}"


def cell(summary, key, digits=1, scale=1.0):
    """`median (min to max)`, or the median alone where it hardly moved."""
    got = (summary or {}).get(key)
    if not isinstance(got, dict):
        return "–"
    median, low, high = (got[k] * scale for k in ("median", "min", "max"))
    if high - low <= 0.05 * abs(median):
        return number(median, digits)
    return f"{number(median, digits)} ({number(low, digits)} to {number(high, digits)})"


def median(summary, key):
    got = (summary or {}).get(key)
    return got["median"] if isinstance(got, dict) else None


def ratio(a, b):
    return f"{a / b:.2f}" if a and b else "–"


def rows_of(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def shape(row):
    rooms = row["rooms"]
    return f"{rooms} room{'s' if rooms > 1 else ''} of {row['members']:,}"


def faults(summary):
    kinds = [("faults", "faults"), ("error_events", "errors"), ("connections_lost", "closed"),
             ("given_up", "given up")]
    found = [f"{summary[key]:.0f} {word}" for key, word in kinds if summary.get(key)]
    return ", ".join(found) or "0"


def bound(summary, key="bench_cpu_percent"):
    percent = median(summary, key)
    if percent is None:
        return "–"
    return f"{percent:.0f}%" + (" **bound**" if percent > BENCH_BOUND_PERCENT else "")


def who(subject):
    return {"ringroom-socketio": "ringroom, Socket.IO", "ringroom-mixed": "ringroom, mixed",
            "socketio": "npm socket.io"}.get(subject, subject)


def neighbours(summary):
    """What other processes took of the two cores while server or generator wanted them."""
    percents = [median(summary, key) for key in ("server_waited_percent", "bench_waited_percent")]
    return "–" if None in percents else f"{percents[0]:.0f}%, {percents[1]:.0f}%"


def fanout(rows, subjects):
    header = ["offered", "who", "CPU µs/delivery", "p50 ms", "p99 ms", "came/s", "× floor",
              "× " + who(subjects[-1]), "generator", "neighbours", "wrong"]
    lines = []
    for row in rows:
        floor_us = median(row["floor"], "cpu_us_per_delivery")
        other_us = median(row["subjects"].get(subjects[-1]), "cpu_us_per_delivery")
        name = f"{shape(row)}, {row['rate']:,}/s"
        for subject, s in row["subjects"].items():
            cpu = median(s, "cpu_us_per_delivery")
            lines.append([name, who(subject), cell(s, "cpu_us_per_delivery", 2), cell(s, "p50_ms", 2),
                          cell(s, "p99_ms", 2), cell(s, "delivered_per_s"), ratio(cpu, floor_us),
                          ratio(cpu, other_us), bound(s), neighbours(s), faults(s)])
        lines.append([name, "floor, paced", cell(row["floor"], "cpu_us_per_delivery", 2), "", "",
                      cell(row["floor"], "per_s"), "1", ratio(floor_us, other_us), "", "", ""])
    return rows_of(header, lines)


def floor(rows):
    return rows_of(["floor, full speed", "CPU µs/delivery", "deliveries/s"],
                   [[f"{r['batch']} a submit, {r['gather']} a record",
                     cell(r, "cpu_us_per_delivery", 2), cell(r, "per_s")] for r in rows])


def search(rows):
    header = ["most deliveries/s", "who", "p99 < 10 ms", "CPU µs", "generator", "p99 < 50 ms",
              "CPU µs", "generator", "at any p99", "wrong"]
    lines = [[shape(row), who(subject), cell(s, "under_10ms_per_s"),
              cell(s, "under_10ms_cpu_us_per_delivery", 2), bound(s, "under_10ms_bench_cpu_percent"),
              cell(s, "under_50ms_per_s"), cell(s, "under_50ms_cpu_us_per_delivery", 2),
              bound(s, "under_50ms_bench_cpu_percent"), cell(s, "most_per_s"), faults(s)]
             for row in rows for subject, s in row["subjects"].items()]
    return rows_of(header, lines)


def idle(rows):
    header = ["idle, joined", "who", "KB/connection", "KB/further connection", "idle CPU %", "wrong"]
    lines = [[kind, who(subject), cell(s, "bytes_per_connection", 2, 1e-3),
              cell(s, "bytes_per_further_connection", 2, 1e-3), cell(s, "idle_cpu_percent", 2),
              faults(s)]
             for kind, subjects in rows.items() for subject, s in subjects.items()]
    return rows_of(header, lines)


def connect(rows):
    header = ["connect and join", "CPU µs", "per s", "p50 ms", "resumed %", "generator"]
    lines = [[f"{who(subject)}, {kind}", cell(s, f"{kind}_cpu_us"), cell(s, f"{kind}_per_s"),
              cell(s, f"{kind}_p50_ms", 2), cell(s, f"{kind}_resumed_percent"),
              bound(s, f"{kind}_bench_cpu_percent")]
             for subject, s in rows.items() for kind in ("full", "resumed")]
    return rows_of(header, lines)


def history(rows):
    header = ["join with history", "CPU µs/join", "messages", "p50 ms", "p99 ms", "peak grew KB",
              "wrong"]
    lines = [[who(subject), cell(s, "cpu_us_per_join"), cell(s, "replayed_per_join"),
              cell(s, "join_p50_ms", 2), cell(s, "join_p99_ms", 2),
              cell(s, "peak_grew_bytes", 0, 1e-3), faults(s)] for subject, s in rows.items()]
    return rows_of(header, lines)


def rooms(rows):
    header = ["rooms of one message", "rooms", "bytes/room", "bytes/further room", "CPU µs/room",
              "wrong"]
    lines = [[subject, cell(s, "rooms"), cell(s, "bytes_per_room"),
              cell(s, "bytes_per_further_room"), cell(s, "cpu_us_per_room"), faults(s)]
             for subject, s in rows.items()]
    return rows_of(header, lines)


def stalled(rows):
    header = ["stalled readers", "stalled", "CPU µs/delivery without", "with", "memory grew KB",
              "kernel's TCP, MB", "p99 ms of the others", "told as gaps", "wrong"]
    lines = [[who(subject), cell(s, "stalled"), cell(s, "alone_cpu_us_per_delivery", 2),
              cell(s, "cpu_us_per_delivery", 2), cell(s, "memory_grew_bytes", 0, 1e-3),
              cell(s, "kernel_tcp_bytes", 0, 1e-6), cell(s, "p99_ms", 2), cell(s, "gaps_reported"), faults(s)]
             for subject, s in rows.items()]
    return rows_of(header, lines)


def render(results, tables=None):
    """tables: functions of (rows, results) for scenarios that have none here."""
    machine = results["machine"]
    noisy = machine["load_at_start"] > 0.5
    lines = ["# Measured on " + results["date"], "",
             f"Kernel {machine['kernel']} · {machine['cpu']} · {machine['memory_gib']} GiB · "
             f"{machine['openssl']} · Node {machine['node']} · load average at start "
             f"{machine['load_at_start']:.1f}.",
             f"Server on core {results['server_core']}, one shard; generator on core "
             f"{results['bench_core']}. Medians of {results['runs']} (least to most).", ""]
    if noisy:
        lines += ["**The machine was not idle at the start: latencies and highest rates below are "
                  "its neighbours' as much as the servers'.**", ""]
    for name, rows in results["scenarios"].items():
        if not rows:
            continue
        if name in (tables or {}):
            lines += tables[name](rows, results)
        elif name == "fanout":
            lines += fanout(rows, results["subjects"])
        else:
            lines += globals()[name](rows)
        lines.append("")
    if results["failures"]:
        lines += ["Not measured:", ""] + [f"- {failure}" for failure in results["failures"]] + [""]
    return "\n".join(lines)
