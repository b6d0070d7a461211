// Which shape each value of a model has for given inputs, and how many bytes it takes: what ONNX
// Runtime, the graph left as it is, made of it. Prints a JSON object, {dims, bytes} by value name.
//
// usage: node bench/value_shapes.mjs MODEL --inputs FOLDER
//   MODEL has its inner values among its outputs (bench/onnx_graph.py adds them).

import {readdirSync, readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {parseArgs} from 'node:util';
import {decodeNpy} from '../examples/reference/npz.mjs';

const require = createRequire(new URL('../examples/package.json', import.meta.url));
const ort = require('onnxruntime-node');

const {values: options, positionals: [model]} = parseArgs({
  allowPositionals: true,
  options: {inputs: {type: 'string'}},
});
const inputs = Object.fromEntries(readdirSync(options.inputs).map((file) => {
  const {type, dims, data} = decodeNpy(readFileSync(path.join(options.inputs, file)));
  return [path.basename(file, '.npy'), new ort.Tensor(type, data, dims)];
}));
const session = await ort.InferenceSession.create(
    model, {graphOptimizationLevel: 'disabled', logSeverityLevel: 3});
const outputs = await session.run(inputs);
const shape = ({dims, data}) => ({dims, bytes: data.byteLength});
console.log(JSON.stringify(Object.fromEntries(
    [...Object.entries(inputs), ...Object.entries(outputs)].map(
        ([name, tensor]) => [name, shape(tensor)]))));
