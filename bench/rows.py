"""The rows of the table that scripts/bench prints: what is compared with what, and the target."""

import dataclasses

# Of the largest output (at least 1): how far outputs may be from the peer's. Both round float32 each
# in its own order; an error in a kernel is far above it. bfloat16 has 8 bits of fraction.
FARTHEST = 1e-5
FARTHEST_IN_BFLOAT16 = 1 / 32


@dataclasses.dataclass(frozen=True)
class Row:
    title: str
    case: str
    threads: int
    target: float | None  # None: measured to be known
    # "warm": ours / a warm session of the peer's, at most `target`.
    # "create": the peer making a session for the request, with its faster setting / ours, at least
    # `target`.
    peer: str = "warm"
    ours: tuple = ()  # options of request_bench
    farthest: float = FARTHEST
    most_rounds: int = 1000

    def met(self, ratio):
        if self.target is None:
            return True
        return ratio >= self.target if self.peer == "create" else ratio <= self.target

    def verdict(self, ratio):
        if self.target is None:
            return ""
        return "met" if self.met(ratio) else "missed"

    @property
    def in_bfloat16(self):
        return "--bfloat16" in self.ours

    def agrees(self, difference):
        return difference["largest_absolute"] <= self.farthest * max(
            1, difference["largest_reference_value"])

    @property
    def target_text(self):
        if self.target is None:
            return ""
        return f"{'>=' if self.peer == 'create' else '<='} {self.target:.2f}"


ROWS = {
    "minilm": Row("MiniLM, 128 tokens", "minilm_seq128", 2, 0.95),
    "minilm_long": Row("MiniLM, 512 tokens", "minilm_seq512", 2, 0.88),
    "minilm_batch": Row("MiniLM, 8 x 128 tokens", "minilm_batch8", 2, 0.90),
    "resnet50": Row("ResNet-50", "resnet50", 2, 1.02),
    "mobilenet": Row("MobileNetV2", "mobilenet_v2", 2, 1.0),
    "encoder": Row("530 MB encoder, 128 tokens", "encoder_530mb_seq128", 2, 0.97),
    "bert_base": Row("BERT-base, 128 tokens", "bert_base_seq128", 2, None),
    "ocr_recognition": Row("PP-OCR recognition, 48 x 320", "ocr_recognition", 2, 1.0),
    "ocr_detection": Row("PP-OCR detection, 224 x 224", "ocr_detection", 2, 1.0),
    "minilm_1": Row("MiniLM, 128 tokens", "minilm_seq128", 1, 1.0),
    "resnet50_1": Row("ResNet-50", "resnet50", 1, 1.08),
    "minilm_resident": Row("MiniLM, 128 tokens: lifetime resident", "minilm_seq128", 2, 0.80,
                           ours=("--resident",)),
    "resnet50_resident": Row("ResNet-50: lifetime resident", "resnet50", 2, 0.97,
                             ours=("--resident",)),
    "minilm_bfloat16": Row("MiniLM, 128 tokens: --compute bfloat16", "minilm_seq128", 2, 0.55,
                           ours=("--bfloat16",), farthest=FARTHEST_IN_BFLOAT16),
    "minilm_create": Row("MiniLM, 128 tokens: session per request", "minilm_seq128", 2, 9, "create",
                         most_rounds=3),
    "resnet50_create": Row("ResNet-50: session per request", "resnet50", 2, 3, "create",
                           most_rounds=3),
    "encoder_create": Row("530 MB encoder: session per request", "encoder_530mb_seq128", 2, 4.5,
                          "create", most_rounds=3),
}
