"""Writes ONNX files with nothing but NumPy: the few messages of onnx.proto (IR version 8) that a
graph of float32 and int64 tensors needs, in Protocol Buffers' wire format."""

import struct

import numpy

IR_VERSION = 8
ELEMENT_TYPES = {numpy.dtype(numpy.float32): 1, numpy.dtype(numpy.int64): 7}
ATTRIBUTE_FLOAT, ATTRIBUTE_INT, ATTRIBUTE_INTS = 1, 2, 7
VARINT, LENGTH_DELIMITED, FIXED32 = 0, 2, 5


def varint(value):
    value &= (1 << 64) - 1  # negative numbers are written in two's complement
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def key(field, wire_type):
    return varint(field << 3 | wire_type)


def integer(field, value):
    return key(field, VARINT) + varint(value)


def text(field, value):
    return message(field, value.encode())


def message(field, *parts):
    body = b"".join(parts)
    return key(field, LENGTH_DELIMITED) + varint(len(body)) + body


def attribute(name, value):
    if isinstance(value, float):
        body = key(2, FIXED32) + struct.pack("<f", value) + integer(20, ATTRIBUTE_FLOAT)
    elif isinstance(value, int):
        body = integer(3, value) + integer(20, ATTRIBUTE_INT)
    else:
        body = b"".join(integer(8, each) for each in value) + integer(20, ATTRIBUTE_INTS)
    return message(5, text(1, name), body)


def value_info(field, name, element_type, shape):
    """A graph's input or output; a dimension that isn't a number is a name."""
    dims = [message(1, integer(1, d) if isinstance(d, int) else text(2, d)) for d in shape]
    tensor_type = message(1, integer(1, ELEMENT_TYPES[numpy.dtype(element_type)]), message(2, *dims))
    return message(field, text(1, name), message(2, tensor_type))


class Graph:
    """A graph under construction. Every method that adds a node returns its output's name."""

    def __init__(self, name, seed):
        self.name = name
        self.seed = seed
        self.operators = {}
        self.parameters = 0
        self._nodes = []
        self._initializers = []
        self._ends = []

    def constant(self, name, values, element_type=numpy.float32):
        """An initializer with these values."""
        array = numpy.ascontiguousarray(values, dtype=element_type).reshape(numpy.shape(values))
        self._initializers.append((name, array))
        self.parameters += array.size
        return name

    def random(self, name, shape, scale, around=0.0):
        """A float32 initializer drawn from a normal distribution. Its values depend on seed, graph
        and name alone: adding a tensor changes no other."""
        sequence = numpy.random.SeedSequence([self.seed, *f"{self.name}/{name}".encode()])
        values = numpy.random.default_rng(sequence).standard_normal(shape, dtype=numpy.float32)
        values *= numpy.float32(scale)
        values += numpy.float32(around)
        return self.constant(name, values)

    def node(self, operator, inputs, output=None, **attributes):
        name = f"{operator}_{len(self._nodes)}"
        output = output or f"{name}_output"
        self._nodes.append(message(
            1, *(text(1, each) for each in inputs), text(2, output), text(3, name),
            text(4, operator), *(attribute(*each) for each in sorted(attributes.items()))))
        self.operators[operator] = self.operators.get(operator, 0) + 1
        return output

    def input(self, name, element_type, shape):
        self._ends.append(value_info(11, name, element_type, shape))
        return name

    def output(self, name, element_type, shape):
        self._ends.append(value_info(12, name, element_type, shape))

    def write(self, file, opset):
        """Writes the model; weights go to the file one by one, without a copy of all."""
        heads = []
        for name, array in self._initializers:
            head = b"".join(integer(1, d) for d in array.shape)
            head += integer(2, ELEMENT_TYPES[array.dtype]) + text(8, name)
            head += key(9, LENGTH_DELIMITED) + varint(array.nbytes)
            heads.append(key(5, LENGTH_DELIMITED) + varint(len(head) + array.nbytes) + head)
        nodes = b"".join(self._nodes) + text(2, self.name)
        ends = b"".join(self._ends)
        size = len(nodes) + len(ends) + sum(map(len, heads))
        size += sum(array.nbytes for _, array in self._initializers)
        file.write(integer(1, IR_VERSION) + message(8, integer(2, opset)))
        file.write(key(7, LENGTH_DELIMITED) + varint(size) + nodes)
        for head, (_, array) in zip(heads, self._initializers):
            file.write(head)
            file.write(array.data)
        file.write(ends)
