"""The table's second half: what is measured of the whole service, client, host and enclave as processes
of their own. Threads that wait need processors too here, so nothing has real-time priority."""

import dataclasses
import socket
import statistics
import threading
import time
from typing import Callable

import numpy

from cases import CASES, GENERATED, inputs_folder
from live_activations import peak_live_bytes
from onnx_file import Graph
from runs import PROGRAMS, ROOT

RELAY_FLOATS = (150, 1024)  # 600 KiB each way
MEBIBYTE = 1 << 20
MOST_BESIDE_ACTIVATIONS = 64 * MEBIBYTE
MOST_OF_LIVE_ACTIVATIONS = 1.2


@dataclasses.dataclass(frozen=True)
class Service:
    title: str
    measurement: str  # of service_bench
    case: str
    target: float
    read: Callable  # what was measured and the target -> figure, what else it says
    unit: str = ""
    larger_is_better: bool = False
    rounds: int = 5
    floor: Callable | None = None  # what was measured -> the best figure that its parts allow

    def met(self, figure):
        return figure >= self.target if self.larger_is_better else figure <= self.target

    @property
    def target_text(self):
        return f"{'≥' if self.larger_is_better else '≤'} {self.target:g}{self.unit}"


def together(count):
    """Of `count` sessions at once against one alone: all requests, and the least served one's."""
    def read(measured):
        rounds = measured["requests_per_second"]
        ratios = [sum(each[str(count)]) / sum(each["1"]) for each in rounds]
        rates = [sum(session) / len(rounds) for session in
                 zip(*(each[str(count)] for each in rounds))]
        alone = statistics.median(sum(each["1"]) for each in rounds)
        return statistics.median(ratios), (
            f"{sum(rates):.1f} requests/s together, {alone:.1f} of one alone; the least served "
            f"session has {min(rates) / sum(rates):.0%}, an equal share is {1 / count:.0%}")
    return read


def relayed(measured):
    rest = statistics.median(whole - engine for whole, engine in
                             zip(measured["request_ms"], measured["engine_ms"]))
    echo = statistics.median(measured["echo_ms"])
    least = min(whole - engine for whole, engine in
                zip(measured["request_ms"], measured["engine_ms"])) / min(measured["echo_ms"])
    return rest / echo, (
        f"{rest:.2f} ms beside the engine's {statistics.median(measured['engine_ms']):.2f} ms, echo "
        f"{echo:.2f} ms, {measured['bytes_each_way'] // 1024} KiB each way; of the least {least:.2f}")


def first_answer(measured):
    return statistics.median(measured["first_answer_ms"]), (
        f"of which the session takes {statistics.median(measured['session_ms']):.1f} ms, fetching "
        f"{measured['blob_bytes'] / 1e6:.0f} MB {statistics.median(measured['fetch_ms']):.0f} ms; "
        f"least {min(measured['first_answer_ms']):.0f} ms. Floor: the session, the blob's bytes "
        f"through one socket ({min(measured['socket_ms']):.0f} ms), a later request "
        f"({min(measured['later_request_ms']):.0f} ms)")


def first_answer_floor(measured):
    return sum(min(measured[part]) for part in ("session_ms", "socket_ms", "later_request_ms"))


def memory_bound(measured):
    return MOST_OF_LIVE_ACTIVATIONS * measured["peak_live_bytes"] + MOST_BESIDE_ACTIVATIONS


def memory_floor(measured):
    """Nothing but the activations."""
    return measured["peak_live_bytes"] / memory_bound(measured)


def memory(measured):
    live = measured["peak_live_bytes"]
    return measured["peak_own_bytes"] / memory_bound(measured), (
        f"{measured['peak_own_bytes'] / MEBIBYTE:.1f} MiB, {live / MEBIBYTE:.1f} MiB of activations "
        f"alive by shapes; {measured['before_request_bytes'] / MEBIBYTE:.1f} MiB before a request")


def decomposed(measured):
    rates = [measured["gigabytes"] / each for each in measured["seconds"]]
    busy = statistics.median(measured["processor_seconds"])
    return statistics.median(rates), (
        f"{measured['gigabytes']:.2f} GB of weights beside the model, {busy:.1f} s of a processor; "
        f"least {min(rates):.2f} GB/s. Floor: copying the file ({min(measured['copy_seconds']):.1f} "
        f"s) and sealing ({sealing_seconds(measured):.1f} s)")


def sealing_seconds(measured):
    return measured["gigabytes"] / measured["floors"]["seal_gb_per_second"]


def decomposing_floor(measured):
    return measured["gigabytes"] / (min(measured["copy_seconds"]) + sealing_seconds(measured))


def decomposing_memory(measured):
    return measured["peak_mib"] / measured["limit_mib"], (
        f"{measured['peak_mib']:.0f} MiB; the bound is twice the largest tensor and 256 MiB")


def memory_row(title, case):
    return Service(f"A worker's peak memory / its bound: {title}", "memory", case, 1.0, memory,
                   rounds=4, floor=memory_floor)


SERVICES = {
    "two_sessions": Service("Two sessions together / one, MiniLM", "sessions", "minilm_seq128", 0.9,
                            together(2), larger_is_better=True),
    "four_sessions": Service("Four sessions together / one, MiniLM", "sessions", "minilm_seq128",
                             0.9, together(4), larger_is_better=True),
    "relay": Service("A request less the engine's time / TLS echo of its bytes", "relay", "relay",
                     1.5, relayed, floor=lambda measured: 1.0),
    "cold": Service("First answer of a cold enclave, MiniLM", "cold", "minilm_seq128", 250,
                    first_answer, unit=" ms", floor=first_answer_floor),
    "memory_minilm_long": memory_row("MiniLM, 512 tokens", "minilm_seq512"),
    "memory_minilm_batch": memory_row("MiniLM, 8 x 128 tokens", "minilm_batch8"),
    "memory_resnet50": memory_row("ResNet-50", "resnet50"),
    "memory_mobilenet": memory_row("MobileNetV2", "mobilenet_v2"),
    "memory_recognition": memory_row("PP-OCR recognition, 48 x 320", "ocr_recognition"),
    "memory_detection": memory_row("PP-OCR detection, 224 x 224", "ocr_detection"),
    "memory_detection_large": memory_row("PP-OCR detection, 960 x 960", "ocr_detection_large"),
    "memory_relay_large": memory_row("100 MB in, 100 MB out", "relay_large"),
    "decompose": Service("Decomposing", "decompose", "floats", 0.5, decomposed, unit=" GB/s",
                         larger_is_better=True, floor=decomposing_floor),
    "decompose_memory": Service("Decomposing: peak memory / its bound", "decompose", "floats", 1.0,
                                decomposing_memory),
}


def make_relay(rows):
    """A model that gives back as many bytes as it gets, its inputs' folder."""
    folder = GENERATED / "relay"
    inputs = GENERATED / "inputs" / f"relay_{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    inputs.mkdir(parents=True, exist_ok=True)
    graph = Graph("relay", 1)
    graph.input("x", numpy.float32, ("rows", RELAY_FLOATS[1]))
    graph.node("Relu", ["x"], output="y")
    graph.output("y", numpy.float32, ("rows", RELAY_FLOATS[1]))
    with open(folder / "relay.onnx", "wb") as file:
        graph.write(file, 13)
    random = numpy.random.default_rng(1)
    numpy.save(inputs / "x.npy", random.standard_normal((rows, RELAY_FLOATS[1]), numpy.float32))
    return folder / "relay.onnx", inputs


def model_and_inputs(name):
    if name == "relay":
        return make_relay(RELAY_FLOATS[0])
    if name == "relay_large":
        return make_relay(25_000)
    return CASES[name].model_file, inputs_folder(name)


def milliseconds_through_socket(size):
    """From this process's one thread to another, over loopback."""
    data, received = bytes(size), bytearray(size)
    with socket.create_server(("127.0.0.1", 0)) as server, \
            socket.create_connection(server.getsockname()) as sender, \
            server.accept()[0] as receiver:
        start = time.monotonic()
        sending = threading.Thread(target=sender.sendall, args=(data,))
        sending.start()
        left = memoryview(received)
        while left:
            left = left[receiver.recv_into(left):]
        sending.join()
        return 1000 * (time.monotonic() - start)


class ServiceRunner:
    """Measures each thing once, however many rows read it."""

    def __init__(self, runner):
        self.runner = runner
        self.measured = {}

    def measure(self, service):
        """All that its figure, its floor and its note are made of."""
        if service.measurement == "decompose":
            measured = self.runner.run(
                ROOT / "bench" / "decompose", "--json", "--kind", service.case, "--rounds",
                service.rounds, "--program", PROGRAMS.parent / "bin" / "ephemeralml")
            return {**measured, "floors": self.runner.run(PROGRAMS / "floors", 1)}
        model, inputs = model_and_inputs(service.case)
        measured = self.runner.run(PROGRAMS / "service_bench", service.measurement, model,
                                   "--inputs", inputs, "--rounds", service.rounds)
        if service.measurement == "memory":
            measured["peak_live_bytes"] = peak_live_bytes(model, inputs)
        if service.measurement == "cold":
            measured["socket_ms"] = [milliseconds_through_socket(measured["blob_bytes"])
                                     for _ in range(service.rounds)]
        return measured

    def figures(self, service):
        """The row's figure, its floor or None, what else it says, and all that was measured."""
        key = service.measurement, service.case
        if key not in self.measured:
            self.measured[key] = self.measure(service)
        measured = self.measured[key]
        figure, note = service.read(measured)
        return figure, service.floor and service.floor(measured), note, measured
