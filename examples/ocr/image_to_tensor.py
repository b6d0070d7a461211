#!/usr/bin/python3
"""Turns an image of one line of text into the input of the OCR recognition model, as .npy.

usage: image_to_tensor.py IMAGE OUT.npy [HEIGHT]

As PaddleOCR does: scaled to HEIGHT (48), keeping its proportions; channels in the order blue,
green, red; values (x / 255 - 0.5) / 0.5; float32 [1, 3, HEIGHT, width].
"""

import sys

import numpy
from PIL import Image


def image_to_tensor(path, height=48):
    image = Image.open(path).convert("RGB")
    if image.height != height:
        width = max(1, round(image.width * height / image.height))
        image = image.resize((width, height), Image.BILINEAR)
    blue_green_red = numpy.asarray(image, dtype=numpy.float32)[:, :, ::-1]
    scaled = (blue_green_red / 255 - 0.5) / 0.5
    return numpy.ascontiguousarray(scaled.transpose(2, 0, 1)[numpy.newaxis], dtype=numpy.float32)


def main(arguments):
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    height = int(arguments[2]) if len(arguments) == 3 else 48
    numpy.save(arguments[1], image_to_tensor(arguments[0], height))


if __name__ == "__main__":
    main(sys.argv[1:])
