"""What a figure means nothing without: the machine it was measured on."""
import os
import platform
import re
import subprocess


def _first_line(command):
    try:
        out = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return "not found"
    return (out.stdout or out.stderr).strip().split("\n")[0] or "unknown"


def _cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        found = re.search(r"^model name\s*:\s*(.+)$", f.read(), re.M)
    return found.group(1) if found else platform.machine()


def _memory_gib():
    with open("/proc/meminfo", encoding="utf-8") as f:
        return round(int(re.search(r"MemTotal:\s*(\d+)", f.read()).group(1)) / 1024 / 1024, 1)


def describe():
    return {
        "kernel": platform.release(),
        "cpu": f"{_cpu_model()}, {os.cpu_count()} CPUs",
        "memory_gib": _memory_gib(),
        "openssl": _first_line(["openssl", "version"]),
        "node": _first_line(["node", "--version"]),
        "load_at_start": os.getloadavg()[0],
    }
