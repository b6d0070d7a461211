#!/usr/bin/python3
"""Prints the text that the OCR recognition model read.

usage: tensor_to_text.py OUTPUT.npy|OUTPUT.npz CHARACTERS.txt

OUTPUT holds the model's probabilities, float32 [1, steps, classes]; of an .npz the only array is
taken. CHARACTERS is ocr_characters.txt beside the model: one character a line.

Greedy CTC decoding: the likeliest class of each step, repetitions merged, blanks dropped. Class 0
is the blank, then come the characters in the order of the file, the last class is the space.
"""

import sys

import numpy


def read_output(path):
    loaded = numpy.load(path, allow_pickle=False)
    if isinstance(loaded, numpy.ndarray):
        return loaded
    if len(loaded.files) != 1:
        sys.exit(f"{path} holds {len(loaded.files)} arrays, not one")
    return loaded[loaded.files[0]]


def read_classes(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        characters = file.read().split("\n")
    if characters[-1] == "":
        characters.pop()
    return [""] + characters + [" "]


def tensor_to_text(probabilities, classes):
    if probabilities.ndim != 3 or probabilities.shape[0] != 1:
        sys.exit(f"expected the shape [1, steps, classes], got {list(probabilities.shape)}")
    if probabilities.shape[2] != len(classes):
        sys.exit(f"{probabilities.shape[2]} classes in the output, {len(classes)} characters")
    text = []
    previous = 0
    for best in probabilities[0].argmax(axis=1):
        if best not in (0, previous):
            text.append(classes[best])
        previous = best
    return "".join(text)


def main(arguments):
    if len(arguments) != 2:
        sys.exit(__doc__)
    print(tensor_to_text(read_output(arguments[0]), read_classes(arguments[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
