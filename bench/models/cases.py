"""What is measured: a network with inputs of one shape. Both runtimes read the same files."""

import dataclasses
import pathlib

import numpy

from networks import SEED, VOCABULARY

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATED = ROOT / "build" / "bench-models"
FETCHED = ROOT / "build" / "models"


@dataclasses.dataclass(frozen=True)
class Case:
    model: str
    kind: str  # text or picture
    shape: tuple
    input: str = ""  # a picture's input name

    @property
    def model_file(self):
        fetched = FETCHED / f"{self.model}.onnx"
        return fetched if self.model.startswith("ocr_") else GENERATED / f"{self.model}.onnx"


CASES = {
    "minilm_seq128": Case("minilm_l6", "text", (1, 128)),
    "minilm_seq512": Case("minilm_l6", "text", (1, 512)),
    "minilm_batch8": Case("minilm_l6", "text", (8, 128)),
    "bert_base_seq128": Case("bert_base", "text", (1, 128)),
    "encoder_530mb_seq128": Case("encoder_530mb", "text", (1, 128)),
    "resnet50": Case("resnet50", "picture", (1, 3, 224, 224), "data"),
    "mobilenet_v2": Case("mobilenet_v2", "picture", (1, 3, 224, 224), "data"),
    "ocr_recognition": Case("ocr_recognition", "picture", (1, 3, 48, 320), "x"),
    "ocr_detection": Case("ocr_detection", "picture", (1, 3, 224, 224), "x"),
    "ocr_detection_large": Case("ocr_detection", "picture", (1, 3, 960, 960), "x"),
}


def inputs_folder(name):
    return GENERATED / "inputs" / name


def draw_inputs(name, case):
    """The case's inputs by name; a batch's sequences have different lengths, padded."""
    random = numpy.random.default_rng(numpy.random.SeedSequence([SEED, *name.encode()]))
    if case.kind == "picture":
        values = random.integers(-256, 257, case.shape).astype(numpy.float32) / numpy.float32(256)
        return {case.input: values}
    batch, length = case.shape
    ids = random.integers(999, VOCABULARY, case.shape)
    lengths = random.integers(length // 2, length + 1, batch) if batch > 1 else [length]
    mask = (numpy.arange(length)[None] < numpy.reshape(lengths, (-1, 1))).astype(numpy.int64)
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": numpy.zeros_like(mask)}
