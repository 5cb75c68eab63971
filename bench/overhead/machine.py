"""What the numbers were measured on, and with which versions."""

import os
import platform
import subprocess
import time


def _said(command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    except FileNotFoundError:
        return ""


def _lines(file):
    try:
        with open(file) as lines:
            return lines.read().splitlines()
    except OSError:
        return []


def _value(lines, key, separator):
    for line in lines:
        name, found, value = line.partition(separator)
        if found and name.strip() == key:
            return value.strip().strip('"')
    return "unknown"


def versions(packages):
    """Package -> version, of those that are installed."""
    found = {}
    for package in sorted(set(packages)):
        version = _said(["dpkg-query", "-W", "-f", "${Version}", package])
        if version:
            found[package] = version
    return found


def describe(packages, daemon):
    processor = _lines("/proc/cpuinfo")
    memory = int(_value(_lines("/proc/meminfo"), "MemTotal", ":").split()[0])
    governor = _lines("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "kernel": f"Linux {platform.release().split('-')[0]}",
        "distribution": _value(_lines("/etc/os-release"), "PRETTY_NAME", "="),
        "processor": _value(processor, "model name", ":"),
        "processors": os.cpu_count(),
        "memory_gib": round(memory / 1024 / 1024),
        "virtual": "hypervisor" in _value(processor, "flags", ":").split(),
        "governor": governor[0] if governor else "unknown",
        "retinue": _said([str(daemon), "--version"]),
        "python": platform.python_version(),
        "packages": versions(packages),
    }
