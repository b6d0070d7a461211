"""The benchmark networks: published architectures with seeded weights. Untrained weights cost what
trained ones do; they are scaled so that no value overflows or dies out on its way.

Encoders: Devlin et al., "BERT" (arXiv:1810.04805), as exporters write it at opset 13, with GELU and
layer normalization spelled out. Classifiers: He et al., "Deep Residual Learning" (arXiv:1512.03385,
with the stride in the 3x3 convolution) and Sandler et al., "MobileNetV2" (arXiv:1801.04381), batch
normalization folded into the convolutions."""

import dataclasses
import math

import numpy

from onnx_file import Graph

OPSET = 13
SEED = 2026
VOCABULARY = 30522
POSITIONS = 512


@dataclasses.dataclass(frozen=True)
class EncoderSizes:
    layers: int
    hidden: int
    heads: int
    inner: int


class Encoder:
    """Builds a BERT encoder from token ids to the last hidden state."""

    def __init__(self, name, sizes):
        self.graph = Graph(name, SEED)
        self.sizes = sizes
        graph = self.graph
        self.constants = {
            name: graph.constant(name, numpy.float32(value)) for name, value in {
                "one": 1, "two": 2, "half": 0.5, "root_two": math.sqrt(2), "epsilon": 1e-12,
                "masked": -10000, "root_width": math.sqrt(sizes.hidden // sizes.heads)}.items()}
        width = sizes.hidden // sizes.heads
        self.split_heads = graph.constant("split_heads", [0, 0, sizes.heads, width], numpy.int64)
        self.join_heads = graph.constant("join_heads", [0, 0, sizes.hidden], numpy.int64)

    def build(self):
        graph, hidden = self.graph, self.sizes.hidden
        names = ("input_ids", "attention_mask", "token_type_ids")
        ids, mask, types = (graph.input(each, numpy.int64, ("batch", "sequence")) for each in names)
        x = self.embed(ids, types)
        mask = self.additive_mask(mask)
        for layer in range(self.sizes.layers):
            x = self.layer(x, mask, f"layer{layer}")
        graph.node("Identity", [x], output="last_hidden_state")
        graph.output("last_hidden_state", numpy.float32, ("batch", "sequence", hidden))
        return graph

    def embed(self, ids, types):
        graph, hidden = self.graph, self.sizes.hidden
        words = graph.random("embeddings.words", (VOCABULARY, hidden), 0.05)
        positions = graph.random("embeddings.positions", (POSITIONS, hidden), 0.05)
        kinds = graph.random("embeddings.types", (2, hidden), 0.05)
        second = graph.constant("second", [1], numpy.int64)
        length = graph.node("Gather", [graph.node("Shape", [ids]), second], axis=0)
        counting = graph.constant("counting", numpy.arange(POSITIONS)[None], numpy.int64)
        first = graph.constant("first", [0], numpy.int64)
        axis = graph.constant("axis", [1], numpy.int64)
        places = graph.node("Slice", [counting, first, length, axis])
        x = graph.node("Add", [graph.node("Gather", [words, ids]), graph.node("Gather", [kinds, types])])
        x = graph.node("Add", [x, graph.node("Gather", [positions, places])])
        return self.normalize(x, "embeddings.normalization")

    def additive_mask(self, mask):
        """[batch, sequence] of 0 and 1 -> [batch, 1, 1, sequence] of a large negative and 0."""
        graph = self.graph
        axes = graph.constant("mask_axes", [1, 2], numpy.int64)
        kept = graph.node("Cast", [graph.node("Unsqueeze", [mask, axes])], to=1)
        dropped = graph.node("Sub", [self.constants["one"], kept])
        return graph.node("Mul", [dropped, self.constants["masked"]])

    def normalize(self, x, name):
        graph, hidden = self.graph, self.sizes.hidden
        gain = graph.random(f"{name}.gain", (hidden,), 0.1, around=1.0)
        shift = graph.random(f"{name}.shift", (hidden,), 0.1)
        centred = graph.node("Sub", [x, graph.node("ReduceMean", [x], axes=[-1])])
        square = graph.node("Pow", [centred, self.constants["two"]])
        variance = graph.node("ReduceMean", [square], axes=[-1])
        deviation = graph.node("Sqrt", [graph.node("Add", [variance, self.constants["epsilon"]])])
        y = graph.node("Div", [centred, deviation])
        return graph.node("Add", [graph.node("Mul", [y, gain]), shift])

    def linear(self, x, name, inputs, outputs):
        graph = self.graph
        weights = graph.random(f"{name}.weights", (inputs, outputs), 1 / math.sqrt(inputs))
        bias = graph.random(f"{name}.bias", (outputs,), 0.05)
        return graph.node("Add", [graph.node("MatMul", [x, weights]), bias])

    def head_split(self, x, order):
        graph = self.graph
        return graph.node("Transpose", [graph.node("Reshape", [x, self.split_heads])], perm=order)

    def attention(self, x, mask, name):
        graph, hidden = self.graph, self.sizes.hidden
        query, key, value = (self.linear(x, f"{name}.{part}", hidden, hidden)
                             for part in ("query", "key", "value"))
        query = self.head_split(query, [0, 2, 1, 3])
        key = self.head_split(key, [0, 2, 3, 1])
        value = self.head_split(value, [0, 2, 1, 3])
        scores = graph.node("Div", [graph.node("MatMul", [query, key]), self.constants["root_width"]])
        shares = graph.node("Softmax", [graph.node("Add", [scores, mask])], axis=-1)
        mixed = graph.node("Transpose", [graph.node("MatMul", [shares, value])], perm=[0, 2, 1, 3])
        mixed = graph.node("Reshape", [mixed, self.join_heads])
        return self.linear(mixed, f"{name}.mixed", hidden, hidden)

    def gelu(self, x):
        graph = self.graph
        erf = graph.node("Erf", [graph.node("Div", [x, self.constants["root_two"]])])
        doubled = graph.node("Mul", [x, graph.node("Add", [erf, self.constants["one"]])])
        return graph.node("Mul", [doubled, self.constants["half"]])

    def layer(self, x, mask, name):
        graph, sizes = self.graph, self.sizes
        attended = self.attention(x, mask, f"{name}.attention")
        x = self.normalize(graph.node("Add", [attended, x]), f"{name}.attention.normalization")
        wide = self.gelu(self.linear(x, f"{name}.widen", sizes.hidden, sizes.inner))
        narrow = self.linear(wide, f"{name}.narrow", sizes.inner, sizes.hidden)
        return self.normalize(graph.node("Add", [narrow, x]), f"{name}.normalization")


class Classifier:
    """Builds a convolutional classifier of 224x224 pictures into 1000 classes."""

    def __init__(self, name):
        self.graph = Graph(name, SEED)
        self.picture = self.graph.input("data", numpy.float32, (1, 3, 224, 224))

    def convolution(self, x, name, channels, kernel=1, stride=1, groups=1, gain=1.0):
        """`channels`: (in, out). The gain is to the size that keeps the activations' variance."""
        inputs = channels[0] // groups
        scale = gain * math.sqrt(2 / (kernel * kernel * inputs))
        weights = self.graph.random(f"{name}.weights", (channels[1], inputs, kernel, kernel), scale)
        bias = self.graph.random(f"{name}.bias", (channels[1],), 0.05)
        return self.graph.node("Conv", [x, weights, bias], kernel_shape=[kernel] * 2,
                               strides=[stride] * 2, pads=[kernel // 2] * 4, group=groups)

    def classify(self, x, channels):
        graph = self.graph
        flat = graph.node("Flatten", [graph.node("GlobalAveragePool", [x])])
        weights = graph.random("classes.weights", (1000, channels), 1 / math.sqrt(channels))
        bias = graph.random("classes.bias", (1000,), 0.05)
        graph.node("Gemm", [flat, weights, bias], output="logits", transB=1)
        graph.output("logits", numpy.float32, (1, 1000))
        return graph


class ResNet50(Classifier):
    STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))

    def rectified(self, *arguments, **options):
        return self.graph.node("Relu", [self.convolution(*arguments, **options)])

    def block(self, x, name, inputs, width, stride, projected):
        y = self.rectified(x, f"{name}.reduce", (inputs, width))
        y = self.rectified(y, f"{name}.spatial", (width, width), kernel=3, stride=stride)
        y = self.convolution(y, f"{name}.expand", (width, 4 * width), gain=0.5)
        if projected:
            x = self.convolution(x, f"{name}.project", (inputs, 4 * width), stride=stride)
        return self.graph.node("Relu", [self.graph.node("Add", [y, x])])

    def build(self):
        x = self.rectified(self.picture, "stem", (3, 64), kernel=7, stride=2)
        x = self.graph.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        channels = 64
        for stage, (blocks, width) in enumerate(self.STAGES):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                x = self.block(x, f"stage{stage}.block{block}", channels, width, stride, block == 0)
                channels = 4 * width
        return self.classify(x, channels)


class MobileNetV2(Classifier):
    # Expansion, output channels, blocks, stride of the first.
    STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
              (6, 160, 3, 2), (6, 320, 1, 1))

    def clipped(self, *arguments, **options):
        return self.graph.node("Clip", [self.convolution(*arguments, **options), "zero", "six"])

    def block(self, x, name, channels, expansion, stride):
        inputs, outputs = channels
        inner = expansion * inputs
        y = self.clipped(x, f"{name}.expand", (inputs, inner)) if expansion != 1 else x
        y = self.clipped(y, f"{name}.spatial", (inner, inner), kernel=3, stride=stride, groups=inner)
        y = self.convolution(y, f"{name}.project", (inner, outputs))
        return self.graph.node("Add", [x, y]) if stride == 1 and inputs == outputs else y

    def build(self):
        self.graph.constant("zero", numpy.float32(0))
        self.graph.constant("six", numpy.float32(6))
        x = self.clipped(self.picture, "stem", (3, 32), kernel=3, stride=2)
        channels = 32
        for stage, (expansion, outputs, blocks, first_stride) in enumerate(self.STAGES):
            for block in range(blocks):
                stride = first_stride if block == 0 else 1
                x = self.block(x, f"stage{stage}.block{block}", (channels, outputs), expansion, stride)
                channels = outputs
        return self.classify(self.clipped(x, "head", (320, 1280)), 1280)


@dataclasses.dataclass(frozen=True)
class Network:
    build: object
    nodes: int
    parameters: int
    operators: dict  # some of the nodes' counts: those that cost time


# Counted once from the published architectures as exporters write them.
NETWORKS = {
    "minilm_l6": Network(
        lambda name: Encoder(name, EncoderSizes(6, 384, 12, 1536)).build(), 322, 22_565_907,
        {"MatMul": 48, "Add": 88, "Softmax": 6, "Erf": 6, "ReduceMean": 26, "Transpose": 24}),
    "bert_base": Network(
        lambda name: Encoder(name, EncoderSizes(12, 768, 12, 3072)).build(), 622, 108_892_179,
        {"MatMul": 96, "Add": 172, "Softmax": 12, "Erf": 12, "ReduceMean": 50, "Transpose": 48}),
    "encoder_530mb": Network(
        lambda name: Encoder(name, EncoderSizes(8, 1024, 16, 4096)).build(), 422, 132_553_235,
        {"MatMul": 64, "Add": 116, "Softmax": 8, "Erf": 8, "ReduceMean": 34, "Transpose": 32}),
    "resnet50": Network(
        lambda name: ResNet50(name).build(), 122, 25_530_472,
        {"Conv": 53, "Relu": 49, "Add": 16, "MaxPool": 1, "Gemm": 1}),
    "mobilenet_v2": Network(
        lambda name: MobileNetV2(name).build(), 100, 3_487_818,
        {"Conv": 52, "Clip": 35, "Add": 10, "Gemm": 1}),
}
