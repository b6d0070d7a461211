#!/usr/bin/python3
"""The most bytes of activations that a model's graph has alive at once, from nothing but the ONNX file
and its values' shapes: it shares no code with the enclave's own planning, which it is there to judge.

Nodes run in the file's order. A value is alive from the node that makes it (an input: from the
beginning) through the last node that reads it (an output: to the end); a node's inputs and outputs are
alive together. Weights and constants don't count, and what only gives a value another shape makes none.

usage: bench/live_activations.py MODEL INPUTS
  INPUTS  a folder of NAME.npy files; their shapes decide the others'
"""
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
# onnx.proto's field numbers.
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT = 1, 5, 11, 12
NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR, NODE_ATTRIBUTE = 1, 2, 4, 5
ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS = 6, 11
TENSOR_NAME, VALUE_NAME = 8, 1
# What only renames: no engine needs memory for their outputs.
RENAMING = {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Dropout"}

Node = collections.namedtuple("Node", "operator inputs outputs")


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """Field numbers and bodies of a message's length-delimited fields; the others are skipped.
    Source: Protocol Buffers' wire format."""
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 2:
            size, at = read_varint(data, at)
            yield number, data[at:at + size]
            at += size
        elif kind == 0:
            _, at = read_varint(data, at)
        else:
            at += {1: 8, 5: 4}[kind]


def texts(message, number):
    return [bytes(body).decode() for found, body in fields(message) if found == number]


def read_node(message):
    for number, body in fields(message):
        if number == NODE_ATTRIBUTE and any(
                inner in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS) for inner, _ in fields(body)):
            sys.exit("live_activations: graphs within graphs aren't counted")
    return Node("".join(texts(message, NODE_OPERATOR)), texts(message, NODE_INPUT),
                texts(message, NODE_OUTPUT))


class Graph:
    def __init__(self, data):
        (graph,) = (body for number, body in fields(data) if number == MODEL_GRAPH)
        self.nodes, self.constants, self.inputs, self.outputs = [], set(), [], []
        for number, body in fields(graph):
            if number == GRAPH_NODE:
                self.nodes.append(read_node(body))
            elif number == GRAPH_INITIALIZER:
                self.constants.update(texts(body, TENSOR_NAME))
            elif number == GRAPH_INPUT:
                self.inputs += texts(body, VALUE_NAME)
            elif number == GRAPH_OUTPUT:
                self.outputs += texts(body, VALUE_NAME)
        for node in self.nodes:
            if node.operator == "Constant":
                self.constants.update(node.outputs)
        self.inputs = [name for name in self.inputs if name not in self.constants]


def delimited(number, body):
    size, head = len(body), bytearray()
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2]) + bytes(head) + bytes([size]) + body


def value_sizes(data, graph, inputs):
    """Bytes by value. Two messages after one another are one, so that what is appended to the file
    adds outputs to the graph."""
    inner = {name for node in graph.nodes for name in node.outputs if name}
    inner -= graph.constants | set(graph.outputs)
    more = b"".join(delimited(GRAPH_OUTPUT, delimited(VALUE_NAME, name.encode()))
                    for name in sorted(inner))
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(data)
        file.write(delimited(MODEL_GRAPH, more))
        file.flush()
        done = subprocess.run(["node", ROOT / "bench" / "value_sizes.mjs", file.name, "--inputs",
                               inputs], stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


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
    data = memoryview(pathlib.Path(model).read_bytes())
    graph = Graph(data)
    return peak_of(graph, value_sizes(data, graph, inputs))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(peak_live_bytes(sys.argv[1], sys.argv[2]))
