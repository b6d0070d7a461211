// The peer of the differential test: ONNX Runtime, which runs one model after the other as they come in
// on standard input, without its own graph rewriting. It ends when its input does.
//
// A request is a frame: its length (u32, little-endian, as all numbers here), then the model's length
// (u32) and bytes, the number of inputs (u32) and the inputs. A tensor is the length of its name (u32)
// and the name, ONNX's number of its type (u32), its rank (u32), its dimensions (i64 each), the length of
// its data (u32) and the data. A reply is a frame: a byte that is 1, the number of outputs (u32) and the
// outputs; or a byte that is 0 and the error's text.
//
// usage: node ort_peer.mjs   (exits 77 if onnxruntime-node isn't installed beside the examples)

import {createRequire} from 'node:module';
import {readSync, writeSync} from 'node:fs';

const require = createRequire(new URL('../../examples/package.json', import.meta.url));
let ort;
try {
  ort = require('onnxruntime-node');
} catch {
  process.exit(77);
}

const TYPES = {
  1: ['float32', Float32Array], 2: ['uint8', Uint8Array], 3: ['int8', Int8Array],
  4: ['uint16', Uint16Array], 5: ['int16', Int16Array], 6: ['int32', Int32Array],
  7: ['int64', BigInt64Array], 9: ['bool', Uint8Array], 10: ['float16', Uint16Array],
  11: ['float64', Float64Array], 12: ['uint32', Uint32Array], 13: ['uint64', BigUint64Array],
};
const NUMBERS = Object.fromEntries(Object.entries(TYPES).map(([number, [name]]) => [name, number]));
const OPTIONS = {
  executionProviders: ['cpu'],
  graphOptimizationLevel: 'disabled',
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 4,
};

function readExactly(length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const count = readSync(0, bytes, at, length - at, null);
    if (count === 0) process.exit(0);
    at += count;
  }
  return bytes;
}

class Reader {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  number() { this.at += 4; return this.bytes.readUInt32LE(this.at - 4); }
  dimension() { this.at += 8; return Number(this.bytes.readBigInt64LE(this.at - 8)); }
  block() {
    const length = this.number();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
  tensor() {
    const name = this.block().toString('latin1');
    const [type, Values] = TYPES[this.number()];
    const dims = Array.from({length: this.number()}, () => this.dimension());
    // A copy, because elements must be aligned.
    const data = new Uint8Array(this.block());
    return [name, new ort.Tensor(type, new Values(data.buffer), dims)];
  }
}

function number(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function dimension(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

function encode([name, {type, dims, data}]) {
  const values = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([number(name.length), Buffer.from(name, 'latin1'), number(NUMBERS[type]),
                        number(dims.length), ...dims.map(dimension), number(values.length), values]);
}

async function run(request) {
  const reader = new Reader(request);
  const model = reader.block();
  const inputs = Object.fromEntries(Array.from({length: reader.number()}, () => reader.tensor()));
  const session = await ort.InferenceSession.create(new Uint8Array(model), OPTIONS);
  try {
    const outputs = Object.entries(await session.run(inputs));
    return Buffer.concat([Buffer.from([1]), number(outputs.length), ...outputs.map(encode)]);
  } finally {
    await session.release();
  }
}

for (;;) {
  const request = readExactly(readExactly(4).readUInt32LE());
  let reply;
  try {
    reply = await run(request);
  } catch (error) {
    reply = Buffer.concat([Buffer.from([0]), Buffer.from(String(error.message), 'latin1')]);
  }
  const frame = Buffer.concat([number(reply.length), reply]);
  for (let at = 0; at < frame.length;) at += writeSync(1, frame, at);
}
