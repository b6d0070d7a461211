// Makes the reference outputs that our engine is compared with: runs ONNX Runtime on the shipped
// image, on seeded inputs and on windows of sound, and writes <model>/<case>.npz beside this file.
// Needs `scripts/fetch-models --reference`. See examples/README.md for the files' contents.
//
// usage: node examples/reference/make_reference.mjs

import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import ort from 'onnxruntime-node';
import {decodeNpy, encodeNpz} from './npz.mjs';
import {seededPictures, seededSound, seededState} from './seeded.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const ocr = path.join(here, '..', 'ocr');
const models = path.join(here, '..', '..', 'build', 'models');

// A hundredth of the absolute tolerance (1e-5) that outputs are compared with: storing less than
// this as 0 changes no verdict and makes probabilities over thousands of classes compress well.
const NEGLIGIBLE = 1e-7;

// Batch, height, width. Recognition wants height 48; detection wants multiples of 32.
const PICTURES = {
  ocr_recognition: [[1, 48, 32], [1, 48, 72], [2, 48, 64], [1, 48, 100], [1, 48, 160], [1, 48, 192]],
  ocr_detection: [[1, 64, 64], [1, 64, 96], [2, 64, 32], [1, 96, 64], [1, 64, 160], [1, 96, 160]],
  ocr_orientation: [[1, 48, 192], [2, 48, 96], [3, 48, 64], [1, 32, 100], [4, 48, 48], [1, 64, 160]],
};

async function openModel(name) {
  const session = await ort.InferenceSession.create(path.join(models, `${name}.onnx`), {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
  });
  return {name, session};
}

function store(model, caseName, inputs, outputs) {
  const prefixed = (prefix, tensors) => Object.entries(tensors).map(
      ([name, {type, dims, data}]) => ({name: `${prefix}/${name}`, type, dims, data}));
  const withoutNegligible = prefixed('outputs', outputs).map((tensor) => ({
    ...tensor,
    data: tensor.data.map((value) => Math.abs(value) < NEGLIGIBLE ? 0 : value),
  }));
  const folder = path.join(here, model.name);
  mkdirSync(folder, {recursive: true});
  const bytes = encodeNpz([...prefixed('inputs', inputs), ...withoutNegligible]);
  writeFileSync(path.join(folder, `${caseName}.npz`), bytes);
  console.log(`${model.name}/${caseName}: ${bytes.length} bytes`);
}

async function run(model, caseName, inputs) {
  const feeds = Object.fromEntries(Object.entries(inputs).map(
      ([name, {type, dims, data}]) => [name, new ort.Tensor(type, data, dims)]));
  const outputs = await model.session.run(feeds);
  store(model, caseName, inputs, outputs);
  return outputs;
}

function withTemporaryFolder(use) {
  const folder = mkdtempSync(path.join(tmpdir(), 'reference-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, {recursive: true});
  }
}

function python(script, ...values) {
  return execFileSync('/usr/bin/python3', [path.join(ocr, script), ...values], {encoding: 'utf8'});
}

function shippedImage() {
  return withTemporaryFolder((folder) => {
    const file = path.join(folder, 'line.npy');
    python('image_to_tensor.py', path.join(ocr, 'line.png'), file);
    return decodeNpy(readFileSync(file));
  });
}

/// `line` in the upper left corner of a white picture whose sides are multiples of 32.
function paddedTo32(line) {
  const [, , height, width] = line.dims;
  const dims = [1, 3, Math.ceil(height / 32) * 32, Math.ceil(width / 32) * 32];
  const data = new Float32Array(3 * dims[2] * dims[3]).fill(1);
  for (let row = 0; row < 3 * height; ++row) {
    const channel = Math.floor(row / height);
    const target = (channel * dims[2] + row % height) * dims[3];
    data.set(line.data.subarray(row * width, (row + 1) * width), target);
  }
  return {type: 'float32', dims, data};
}

/// Fails unless ONNX Runtime read what render.py drew.
function checkText({type, dims, data}) {
  const read = withTemporaryFolder((folder) => {
    const file = path.join(folder, 'output.npz');
    writeFileSync(file, encodeNpz([{name: 'output', type, dims, data}]));
    return python('tensor_to_text.py', file, path.join(models, 'ocr_characters.txt'));
  });
  const drawn = readFileSync(path.join(ocr, 'expected.txt'), 'utf8');
  if (read !== drawn) throw new Error(`drawn: ${drawn}read: ${read}`);
  console.log(`text read: ${read.trim()}`);
}

async function referencePictures(line) {
  for (const [name, sizes] of Object.entries(PICTURES)) {
    const model = await openModel(name);
    const image = name === 'ocr_detection' ? paddedTo32(line) : line;
    const outputs = await run(model, 'shipped_image', {x: image});
    if (name === 'ocr_recognition') checkText(Object.values(outputs)[0]);
    for (const [index, size] of sizes.entries()) {
      const seed = index + 1;
      await run(model, `seed_${seed}_${size.join('x')}`, {x: seededPictures(seed, line, size)});
    }
  }
}

// Silero VAD v5 reads windows of 32 ms, each preceded by the last 4 ms of the window before it.
const RATES = [
  {rate: 8000, window: 256, context: 32},
  {rate: 16000, window: 512, context: 64},
];

function soundInputs(rate, batch, samples, state) {
  return {
    input: {type: 'float32', dims: [batch, samples.length / batch], data: samples},
    state: {type: 'float32', dims: [2, batch, 128], data: state},
    sr: {type: 'int64', dims: [], data: BigInt64Array.of(BigInt(rate))},
  };
}

/// Ten windows of one sound; each takes the state that the one before left.
async function referenceSequence(model, {rate, window, context}) {
  const sound = new Float32Array(context + 10 * window);
  sound.set(seededSound(rate, rate, 10 * window), context);
  let state = new Float32Array(2 * 128);
  for (let index = 0; index < 10; ++index) {
    const samples = sound.slice(index * window, (index + 1) * window + context);
    const outputs = await run(model, `sequence_${rate}hz_window_${index}`,
        soundInputs(rate, 1, samples, state));
    state = outputs.stateN.data;
  }
}

/// Several sounds at once, in the middle of anything: the state is drawn too.
async function referenceBatch(model, rate, seed, batch, length) {
  const samples = new Float32Array(batch * length);
  for (let row = 0; row < batch; ++row) {
    samples.set(seededSound(100 * seed + row, rate, length), row * length);
  }
  const state = seededState(seed, 2 * batch * 128);
  await run(model, `seed_${seed}_${rate}hz_${batch}x${length}`,
      soundInputs(rate, batch, samples, state));
}

async function referenceSound() {
  const model = await openModel('silero_vad_v5');
  for (const form of RATES) {
    const {rate, window, context} = form;
    await referenceSequence(model, form);
    await referenceBatch(model, rate, 1, 1, context + window);
    await referenceBatch(model, rate, 2, 2, context + window);
    await referenceBatch(model, rate, 3, 3, context + window);
    await referenceBatch(model, rate, 4, 1, window);
  }
}

const line = shippedImage();
await referencePictures(line);
await referenceSound();
