#!/usr/bin/python3
"""The most bytes of activations that a model's graph has alive at once, from nothing but the ONNX file
and its values' shapes: it shares no code with the enclave's own planning, which it is there to judge.

Nodes run in the file's order. A value is alive from the node that makes it (an input: from the
beginning) through the last node that reads it (an output: to the end); a node's inputs and outputs are
alive together. Weights and constants don't count, and what only gives a value another shape makes none.

usage: bench/live_activations.py MODEL INPUTS
  INPUTS  a folder of NAME.npy files; their shapes decide the others'
"""
import sys

import onnx_graph

# What only renames: no engine needs memory for their outputs.
RENAMING = {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Dropout"}


def peak_of(graph, sizes):
    """The most bytes alive at a node, by the nodes' order."""
    stands_for = {}  # a renamed value is the one that it renames
    for node in graph.nodes:
        if node.operator in RENAMING and node.inputs[0] not in graph.constants:
            stands_for[node.outputs[0]] = stands_for.get(node.inputs[0], node.inputs[0])
    last = {}
    for index, node in enumerate(graph.nodes):
        for name in (*node.inputs, *node.outputs):
            last[stands_for.get(name, name)] = index
    for name in graph.outputs:
        last[stands_for.get(name, name)] = len(graph.nodes)
    alive = set(graph.inputs)
    peak = sum(sizes[name] for name in alive)
    for index, node in enumerate(graph.nodes):
        alive.update(stands_for.get(name, name) for name in node.outputs
                     if name and name not in graph.constants)
        peak = max(peak, sum(sizes[name] for name in alive))
        alive = {name for name in alive if last.get(name, -1) > index}
    return peak


def peak_live_bytes(model, inputs):
    graph, shapes = onnx_graph.read(model, inputs)
    return peak_of(graph, {name: shape["bytes"] for name, shape in shapes.items()})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(peak_live_bytes(sys.argv[1], sys.argv[2]))
