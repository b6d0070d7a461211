"""The least time that a request's products, opening and wiping take at this machine's rates: what no
kernel in the same arithmetic can go below. Products are counted from the graph's shapes. The times
are added: a thread that opens doesn't multiply, and AES needs the units that multiply."""

import functools

from cases import CASES, inputs_folder
from multiply_adds import multiply_adds

OPERATIONS = 2  # of a multiply-add
FLOAT32, BFLOAT16 = "multiply_add_gflops_while_running", "bfloat16_gflops_while_running"


@functools.cache
def counted(case):
    return multiply_adds(CASES[case].model_file, inputs_folder(case))


def best_rate(processes, kind, threads):
    """GFLOP/s of so many threads together, in the best of the probes around these processes."""
    return max(sum(sorted(process[end][kind])[-threads:])
               for process in processes for end in ("state_before", "state_after"))


def opening_ms(ours, floors):
    """Opening and wiping what a request of these processes needs at least."""
    gigabytes = min(process["reply"]["bytes_opened"] for process in ours) / 1e9
    return 1000 * (gigabytes / floors["open_gb_per_second"] + gigabytes / floors["wipe_gb_per_second"])


def products(row, processes):
    """How much they compute, at what rates, and how long that takes. In bfloat16 are matrix products,
    by the processor's instruction for it where that is faster; never convolutions."""
    rate = best_rate(processes, FLOAT32, row.threads)
    pair_rate = max(rate, best_rate(processes, BFLOAT16, row.threads)) if row.in_bfloat16 else rate
    counts = counted(row.case)
    matrices = OPERATIONS * (counts["weight_products"] + counts["activation_products"]) / 1e9
    convolutions = OPERATIONS * counts["convolutions_by_tiles"] / 1e9
    return {"gflop": matrices + convolutions, "gflops": rate, "matrices_gflops": pair_rate,
            "products_ms": 1000 * (matrices / pair_rate + convolutions / rate)}


def least_time(row, processes, floors):
    """Of a row whose sides' processes are given; a resident reply says that it opened nothing."""
    least = products(row, [process for side in processes.values() for process in side])
    opening = opening_ms(processes["ours"], floors)
    return {**least, "opening_ms": opening, "ms": least["products_ms"] + opening}
