"""Reads from an ONNX file what counting needs: nodes, constants' dimensions, and the shape that each
value has for given inputs. It shares no code with the enclave's own reading and planning, which is
judged by what is counted."""

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
ATTRIBUTE_NAME, ATTRIBUTE_INTEGER, ATTRIBUTE_TENSOR, ATTRIBUTE_INTEGERS = 1, 3, 5, 8
ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS = 6, 11
TENSOR_DIMS, TENSOR_NAME, VALUE_NAME = 1, 8, 1

# `attributes`: those of integers, as lists.
Node = collections.namedtuple("Node", "operator inputs outputs attributes")


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
    """A message's field numbers, each with its body or its integer; fixed-size ones are skipped.
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
            value, at = read_varint(data, at)
            yield number, value
        else:
            at += {1: 8, 5: 4}[kind]


def texts(message, number):
    return [bytes(body).decode() for found, body in fields(message) if found == number]


def integers(message, number):
    """A repeated field's, one by one or packed."""
    values = []
    for found, value in fields(message):
        if found != number:
            continue
        if isinstance(value, int):
            values.append(value)
            continue
        at = 0
        while at < len(value):
            one, at = read_varint(value, at)
            values.append(one)
    return values


def read_node(message):
    attributes = {}
    for number, body in fields(message):
        if number != NODE_ATTRIBUTE:
            continue
        if any(inner in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS) for inner, _ in fields(body)):
            sys.exit("onnx_graph: graphs within graphs aren't counted")
        attributes["".join(texts(body, ATTRIBUTE_NAME))] = (
            integers(body, ATTRIBUTE_INTEGER) or integers(body, ATTRIBUTE_INTEGERS))
    return Node("".join(texts(message, NODE_OPERATOR)), texts(message, NODE_INPUT),
                texts(message, NODE_OUTPUT), attributes)


def constant_dims(message):
    """Of a Constant node's tensor."""
    for number, body in fields(message):
        if number == NODE_ATTRIBUTE:
            for inner, tensor in fields(body):
                if inner == ATTRIBUTE_TENSOR:
                    return integers(tensor, TENSOR_DIMS)
    return []


class Graph:
    def __init__(self, data):
        (graph,) = (body for number, body in fields(data) if number == MODEL_GRAPH)
        self.nodes, self.inputs, self.outputs = [], [], []
        self.constants = {}  # dimensions by name
        for number, body in fields(graph):
            if number == GRAPH_NODE:
                self.nodes.append(read_node(body))
                if self.nodes[-1].operator == "Constant":
                    self.constants[self.nodes[-1].outputs[0]] = constant_dims(body)
            elif number == GRAPH_INITIALIZER:
                self.constants["".join(texts(body, TENSOR_NAME))] = integers(body, TENSOR_DIMS)
            elif number == GRAPH_INPUT:
                self.inputs += texts(body, VALUE_NAME)
            elif number == GRAPH_OUTPUT:
                self.outputs += texts(body, VALUE_NAME)
        self.inputs = [name for name in self.inputs if name not in self.constants]


def delimited(number, body):
    size, head = len(body), bytearray()
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2]) + bytes(head) + bytes([size]) + body


def value_shapes(data, graph, inputs):
    """Dimensions and bytes by value, constants left out. Two messages after one another are one, so
    that what is appended to the file adds outputs to the graph."""
    inner = {name for node in graph.nodes for name in node.outputs if name}
    inner -= graph.constants.keys() | set(graph.outputs)
    more = b"".join(delimited(GRAPH_OUTPUT, delimited(VALUE_NAME, name.encode()))
                    for name in sorted(inner))
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(data)
        file.write(delimited(MODEL_GRAPH, more))
        file.flush()
        done = subprocess.run(["node", ROOT / "bench" / "value_shapes.mjs", file.name, "--inputs",
                               inputs], stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def read(model, inputs):
    """The graph of an ONNX file and its values' shapes for these inputs."""
    data = memoryview(pathlib.Path(model).read_bytes())
    graph = Graph(data)
    return graph, value_shapes(data, graph, inputs)
