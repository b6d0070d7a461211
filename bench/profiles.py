"""Where a worker's time goes while it answers requests, sampled with perf (Debian: linux-perf)."""

import collections
import os
import re
import shutil
import subprocess
import tempfile

from cases import CASES, inputs_folder
from runs import PROGRAMS, may_run_alone, take_priority

WORKER = "measured-worker"  # as bench/measured_worker.cpp names it
SAMPLES_PER_SECOND = 2500


def can_profile():
    """True if perf is there and this user may use it."""
    return shutil.which("perf") is not None and subprocess.run(
        ["perf", "record", "-q", "-e", "cpu-clock", "-o", os.devnull, "true"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def record(row, file):
    command = ["perf", "record", "-q", "-F", str(SAMPLES_PER_SECOND), "-e", "cpu-clock", "-o", file,
               PROGRAMS / "request_bench", CASES[row.case].model_file, "--inputs", inputs_folder(row.case),
               "--threads", row.threads, "--windows", "6", "--tries", "1", *row.ours]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL,
                   preexec_fn=take_priority if may_run_alone() else None)


def read_shares(file):
    report = subprocess.run(["perf", "report", "-i", file, "--stdio", "--sort", "comm,dso,symbol"],
                            check=True, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL).stdout
    found = collections.Counter()
    for line in report.splitlines():
        if match := re.match(rf"\s+([\d.]+)%\s+{WORKER}\s+(\[JIT\]|\S+).*?\[[.k]\]\s+(.*\S)", line):
            share, where, name = match.groups()
            found["code that the matrix library generated" if where == "[JIT]" else
                  f"{name.replace('ephemeralml::', '')[:90].strip()} ({where})"] += float(share)
    whole = sum(found.values())
    return {name: 100 * share / whole for name, share in found.most_common()}


def shares(row):
    """Per cent of the worker's samples by function, most first; generated code counts as one."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "perf.data")
        record(row, file)
        return read_shares(file)
