// The peer: ONNX Runtime on the same model and inputs, in a process of its own. Prints one JSON
// object with the fields that request_bench prints.
//
// usage: node bench/ort_peer.mjs MODEL --inputs FOLDER [--mode warm|create] [--threads N]
//            [--optimization all|disabled] [--windows N] [--window-seconds S] [--others-limit P]
//            [--tries N] [--outputs FILE.npz]
//   warm    one session, made and warmed up before; only its runs are timed
//   create  each time a session is made from the file, run once and released

import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {parseArgs} from 'node:util';
import {decodeNpy, encodeNpz} from '../examples/reference/npz.mjs';

// It is installed beside the examples: `scripts/fetch-models --reference`.
const require = createRequire(new URL('../examples/package.json', import.meta.url));
const ort = require('onnxruntime-node');

const {values: options, positionals: [model]} = parseArgs({
  allowPositionals: true,
  options: {
    inputs: {type: 'string'},
    outputs: {type: 'string'},
    mode: {type: 'string', default: 'warm'},
    threads: {type: 'string', default: '1'},
    optimization: {type: 'string', default: 'all'},
    windows: {type: 'string', default: '3'},
    'window-seconds': {type: 'string', default: '0.5'},
    'others-limit': {type: 'string', default: '0.08'},
    tries: {type: 'string', default: '5'},
  },
});

const sessionOptions = {
  executionProviders: ['cpu'],
  executionMode: 'sequential',
  intraOpNumThreads: Number(options.threads),
  interOpNumThreads: 1,
  graphOptimizationLevel: options.optimization,
};

function readInputs(folder) {
  return Object.fromEntries(readdirSync(folder).map((file) => {
    const {type, dims, data} = decodeNpy(readFileSync(path.join(folder, file)));
    return [path.basename(file, '.npy'), new ort.Tensor(type, data, dims)];
  }));
}

// Seconds that all processors were busy. Source: proc(5), /proc/stat, in ticks of 10 ms.
function busySeconds() {
  const [user, nice, system, , , interrupts, softInterrupts, stolen] =
      readFileSync('/proc/stat', 'latin1').split('\n')[0].trim().split(/\s+/).slice(1).map(Number);
  return (user + nice + system + interrupts + softInterrupts + stolen) / 100;
}

function ownSeconds() {
  const {user, system} = process.cpuUsage();
  return (user + system) / 1e6;
}

async function time(request) {
  const start = performance.now();
  const processorStart = ownSeconds();
  await request();
  return [performance.now() - start, 1000 * (ownSeconds() - processorStart)];
}

async function measureOnce(request, count) {
  const start = performance.now();
  const busyStart = busySeconds();
  const ownStart = ownSeconds();
  const samples = [];
  for (let i = 0; i < count; ++i) samples.push(await time(request));
  const own = ownSeconds() - ownStart;
  const passed = (performance.now() - start) / 1000;
  return {
    others: Math.max(0, (busySeconds() - busyStart - own) / passed),
    wall_ms: samples.map(([wall]) => wall),
    processor_ms: samples.map(([, processor]) => processor),
  };
}

// The first window that others leave alone, or else the quietest of those tried.
async function measure(request) {
  const fastest = Math.min(...(await measureOnce(request, 3)).wall_ms);
  const count = Math.max(3, Math.ceil(1000 * Number(options['window-seconds']) / fastest));
  const windows = [];
  let thrownAway = 0;
  while (windows.length < Number(options.windows)) {
    const tried = [];
    do {
      tried.push(await measureOnce(request, count));
    } while (tried.at(-1).others >= Number(options['others-limit']) &&
             tried.length < Number(options.tries));
    thrownAway += tried.length - 1;
    windows.push(tried.reduce((best, each) => each.others < best.others ? each : best));
  }
  return {windows, windows_thrown_away: thrownAway};
}

// Source: proc(5), /proc/[pid]/status.
function peakResidentBytes() {
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1]);
}

const open = () => ort.InferenceSession.create(model, sessionOptions);
const inputs = readInputs(options.inputs);
const session = await open();
const outputs = await session.run(inputs);
if (options.outputs) {
  const tensors = Object.entries(outputs).map(
      ([name, {type, dims, data}]) => ({name, type, dims, data}));
  writeFileSync(options.outputs, encodeNpz(tensors));
}

const requests = {
  warm: () => session.run(inputs),
  async create() {
    const own = await open();
    await own.run(inputs);
    await own.release();
  },
};
if (options.mode === 'create') await session.release();
console.log(JSON.stringify({
  runtime: 'onnxruntime',
  threads: Number(options.threads),
  mode: options.mode,
  optimization: options.optimization,
  ...await measure(requests[options.mode]),
  peak_resident_bytes: peakResidentBytes(),
}));
