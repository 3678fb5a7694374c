"""What the commands of perf/ share: options, the results folder, the exit status."""
import argparse
import datetime
import json
import os

from . import machine, plot, table
from .plan import say
from .process import Failed
from .setup import PERF, SUBJECTS, Setup


def parser(description, scenarios):
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--quick", action="store_true", help="a smoke run: seconds, not figures")
    made.add_argument("--subjects", help="whom to measure, of " + ",".join(SUBJECTS))
    made.add_argument("--only", help="scenarios, of " + ",".join(scenarios))
    made.add_argument("--runs", type=int, default=3)
    made.add_argument("--build", default=os.path.join(os.path.dirname(PERF), "build", "release"))
    made.add_argument("--server-core", type=int, default=0)
    made.add_argument("--bench-core", type=int, default=1)
    made.add_argument("--spin", action="store_true", help="the generator never sleeps")
    made.add_argument("--results", help="folder; default perf/results/DATE")
    return made


def chosen(parser_, option, text, known, default):
    """A list given as A,B; each must be known."""
    if not text:
        return list(default)
    names = text.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        parser_.error(f"{option} knows {', '.join(known)}, not {', '.join(unknown)}")
    return names


def _write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write(text)


def _wrong(node):
    """True if anything came wrong at Ringroom's: a peer's faults are the peer's."""
    if isinstance(node, list):
        return any(_wrong(child) for child in node)
    if not isinstance(node, dict):
        return False
    ours = [s for name, s in node.items() if name in SUBJECTS and name.startswith("ringroom")]
    return any(isinstance(s, dict) and (s.get("faults") or s.get("connections_lost"))
               for s in ours) or any(_wrong(child) for child in node.values())


def run(name, arguments, make_plan, tables=None, plotted="fanout"):
    """Measures, prints the table and writes the results; returns the exit status. arguments.only
    are methods of the plan; tables: for scenarios whose table is not in runner/table.py."""
    now = datetime.datetime.now()
    folder = arguments.results or os.path.join(PERF, "results", now.strftime("%Y-%m-%d-%H%M%S"))
    os.makedirs(folder, exist_ok=True)
    results = {"date": now.strftime("%Y-%m-%d %H:%M"), "machine": machine.describe(),
               "subjects": arguments.subjects, "runs": 1 if arguments.quick else arguments.runs,
               "server_core": arguments.server_core, "bench_core": arguments.bench_core,
               "spin": arguments.spin, "scenarios": {}}
    try:
        plan = make_plan(Setup(arguments, folder))
        for scenario in arguments.only:
            results["scenarios"][scenario] = getattr(plan, scenario)()
    except (Failed, KeyboardInterrupt) as error:
        say(f"{name}: {error or 'interrupted'}")
        return 1
    results["failures"] = plan.failures
    text = table.render(results, tables)
    _write(folder, "results.json", json.dumps(results, indent=1) + "\n")
    _write(folder, "results.md", text)
    if results["scenarios"].get(plotted):
        _write(folder, "load.svg", plot.render(results["scenarios"][plotted], arguments.subjects))
    print(text)
    say(f"written to {folder}")
    return 3 if _wrong(results["scenarios"]) else 1 if plan.failures else 0
