"""Runs the measuring programs, each in a process of its own, and judges the machine's state."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench" / "models"))
PROGRAMS = ROOT / "build" / "bench" / "bench"
PRIORITY = 10
SECONDS_BETWEEN_LOOKS = 5
# Real-time processes leave others a twentieth of each processor (sched(7)).
MOST_OTHERS_USE = 0.15
# Of two runs in one state, processors differ by less than this; other cores or a shared one by more.
LEAST_SHARE_OF_BEST_RATE = 0.85
MOST_TIMES_BEST_TRIP = 1.6
# Cores that share a cache pass a line on in less, by far.
FAR_TRIP_NS = 200


def may_run_alone():
    """True if this user may give processes real-time priority."""
    child = os.fork()
    if child == 0:
        try:
            take_priority()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def take_priority():
    # Round robin: as fair among a process's own threads as ordinary scheduling, but ahead of others.
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))


class Runner:
    def __init__(self, alone, options):
        self.alone = alone
        self.options = options

    def run(self, *command):
        """The JSON that a measuring program prints."""
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True,
                              preexec_fn=take_priority if self.alone else None, check=False)
        if done.returncode != 0:
            sys.exit(f"bench: {' '.join(map(str, command))} ended with {done.returncode}")
        return json.loads(done.stdout)

    def state(self):
        return self.run(PROGRAMS / "machine_state")

    def await_near_cores(self, until):
        """A virtual machine's processors may be moved apart, and together again."""
        while is_far(self.state()) and time.monotonic() < until:
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def measuring(self, inputs, threads):
        """Others may use the processors that the measured process leaves free, and hardly more."""
        limit = max(0, os.cpu_count() - threads) + MOST_OTHERS_USE
        return ("--inputs", inputs, "--threads", threads, "--others-limit", limit, *self.options)

    def ours(self, case, inputs, reference, threads, *more):
        return self.run(PROGRAMS / "request_bench", case.model_file, "--reference", reference,
                        *self.measuring(inputs, threads), *more)

    def peer(self, case, inputs, threads, *more):
        return self.run("node", ROOT / "bench" / "ort_peer.mjs", case.model_file,
                        *self.measuring(inputs, threads), *more)

    def make_reference(self, case, inputs, file):
        """The peer's outputs, made when there are none newer than model and inputs."""
        newest = max(case.model_file.stat().st_mtime, inputs.stat().st_mtime)
        if file.exists() and file.stat().st_mtime > newest:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        self.run("node", ROOT / "bench" / "ort_peer.mjs", case.model_file, "--inputs", inputs,
                 "--windows", 0, "--outputs", file)


def with_states(runner, measure):
    """A run, with the machine's state just before and just after it."""
    before = runner.state()
    result = measure()
    return {**result, "state_before": before, "state_after": runner.state()}


def samples(process, kind):
    return [value for window in process["windows"] for value in window[kind]]


def summarize(processes):
    """Milliseconds of one side's processes: median of their medians, their least, the quietest."""
    return {
        "processes": len(processes),
        "wall_ms": statistics.median(statistics.median(samples(p, "wall_ms")) for p in processes),
        "least_wall_ms": min(min(samples(p, "wall_ms")) for p in processes),
        "processor_ms": statistics.median(
            statistics.median(samples(p, "processor_ms")) for p in processes),
        "others": max(window["others"] for p in processes for window in p["windows"]),
    }


def is_far(state):
    return state["cache_line_trip_ns"] > FAR_TRIP_NS


def classify(processes, threads):
    """Marks each process with the state that it ran in: `usual` if both probes around it are near
    the best of all, else what was different. Several threads are compared on cores that share a
    cache alone; one has no other to be far from. Changes the dictionaries in place."""
    probes = [p[end] for p in processes for end in ("state_before", "state_after")]
    best_rate = max(sum(s["multiply_add_gflops_while_running"]) for s in probes)
    best_trip = min(s["cache_line_trip_ns"] for s in probes)
    for process in processes:
        ends = (process["state_before"], process["state_after"])
        rate = min(sum(s["multiply_add_gflops_while_running"]) for s in ends)
        trip = max(s["cache_line_trip_ns"] for s in ends)
        if rate < LEAST_SHARE_OF_BEST_RATE * best_rate:
            process["state"] = "slow"
        elif threads > 1 and trip > min(MOST_TIMES_BEST_TRIP * best_trip, FAR_TRIP_NS):
            process["state"] = "far"
        else:
            process["state"] = "usual"
