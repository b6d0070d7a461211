// How many bytes each value of a model takes for given inputs: what ONNX Runtime, the graph left as
// it is, made of it. Prints a JSON object, bytes by value name.
//
// usage: node bench/value_sizes.mjs MODEL --inputs FOLDER
//   MODEL has its inner values among its outputs (bench/live_activations.py adds them).

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
const bytes = ({data}) => data.byteLength;
console.log(JSON.stringify(Object.fromEntries(
    [...Object.entries(inputs), ...Object.entries(outputs)].map(
        ([name, tensor]) => [name, bytes(tensor)]))));
