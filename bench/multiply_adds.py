#!/usr/bin/python3
"""How many multiply-adds a model's matrix products and convolutions take, from nothing but the ONNX
file and its values' shapes. Operators that multiply otherwise aren't counted.

usage: bench/multiply_adds.py MODEL INPUTS
  INPUTS  a folder of NAME.npy files; their shapes decide the others'
Prints a JSON object:
  weight_products        products with a constant matrix
  activation_products    products of two activations
  convolutions           as the graph writes them, each tap of each output
  convolutions_by_tiles  as the engine multiplies them: where docs/decisions/0009 takes Winograd's
                         tiles, the products of those; what the transforms add isn't counted
"""
import json
import math
import sys

import onnx_graph

# docs/decisions/0009: a tile's side and its products, the larger tiles where there are enough.
TILES = ((4, 36), (2, 16))
LEAST_TILES = 24
LEAST_CHANNELS = 32


def of_product(node, dims):
    left, result = dims[node.inputs[0]], dims[node.outputs[0]]
    if node.operator == "Gemm":  # whose left factor may be transposed
        return math.prod(left) * result[1]
    return math.prod(result) * left[-1]


def of_convolution(node, dims):
    """Each element of one side meets as many factors as a channel of the weight has."""
    weight = dims[node.inputs[1]]
    side = node.inputs[0] if node.operator == "ConvTranspose" else node.outputs[0]
    return math.prod(dims[side]) * math.prod(weight[1:])


def by_tiles(node, dims):
    """As of_convolution, by Winograd's tiles where they are taken."""
    directly = of_convolution(node, dims)
    weight, result = dims[node.inputs[1]], dims[node.outputs[0]]
    steps = [node.attributes.get(name, [1]) for name in ("strides", "dilations", "group")]
    if (node.operator != "Conv" or weight[2:] != [3, 3] or min(weight[:2]) < LEAST_CHANNELS
            or any(step != 1 for each in steps for step in each)):
        return directly
    for side, products in TILES:
        tiles = math.ceil(result[2] / side) * math.ceil(result[3] / side)
        if tiles >= LEAST_TILES:
            return result[0] * tiles * products * math.prod(weight[:2])
    return directly


def count(graph, shapes):
    dims = graph.constants | {name: shape["dims"] for name, shape in shapes.items()}
    counts = dict.fromkeys(("weight_products", "activation_products", "convolutions",
                            "convolutions_by_tiles"), 0)
    for node in graph.nodes:
        if node.operator in ("MatMul", "Gemm"):
            of_weights = any(name in graph.constants for name in node.inputs[:2])
            counts["weight_products" if of_weights else "activation_products"] += of_product(
                node, dims)
        elif node.operator in ("Conv", "ConvTranspose"):
            counts["convolutions"] += of_convolution(node, dims)
            counts["convolutions_by_tiles"] += by_tiles(node, dims)
    return counts


def multiply_adds(model, inputs):
    return count(*onnx_graph.read(model, inputs))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(json.dumps(multiply_adds(sys.argv[1], sys.argv[2])))
