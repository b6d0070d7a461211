// Writes and reads what references and benchmarks need of NumPy's formats: .npz (a ZIP archive of .npy
// members, deflated, with a fixed date, so that equal tensors make equal files) and plain .npy.
// Formats: NumPy's "NEP 1, a simple file format"; PKWARE's APPNOTE 6.3.

import {deflateRawSync} from 'node:zlib';

const DTYPES = {float32: '<f4', int64: '<i8'};

const CRC_TABLE = Uint32Array.from({length: 256}, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; ++bit) crc = (crc & 1) ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function encodeNpy({type, data, dims}) {
  const shape = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(', ')})`;
  let header = `{'descr': '${DTYPES[type]}', 'fortran_order': False, 'shape': ${shape}, }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + '\n';
  const prefix = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 0, 0]);
  prefix.writeUInt16LE(header.length, 8);
  const values = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([prefix, Buffer.from(header, 'latin1'), values]);
}

// The fields that a member's local header and its entry in the directory share.
function memberFields(bytes, deflated, name) {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);              // needs version 2.0
  fields.writeUInt16LE(8, 4);               // deflate
  fields.writeUInt16LE((1 << 5) | 1, 8);    // 1 January 1980
  fields.writeUInt32LE(crc32(bytes), 10);
  fields.writeUInt32LE(deflated.length, 14);
  fields.writeUInt32LE(bytes.length, 18);
  fields.writeUInt16LE(name.length, 22);
  return fields;
}

/// An .npz of `tensors`: objects {name, type, dims, data}, in the order given.
export function encodeNpz(tensors) {
  const members = [];
  const directory = [];
  let offset = 0;
  for (const tensor of tensors) {
    const name = Buffer.from(`${tensor.name}.npy`);
    const bytes = encodeNpy(tensor);
    const deflated = deflateRawSync(bytes, {level: 9});
    const fields = memberFields(bytes, deflated, name);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), fields, tail, name);
    members.push(Buffer.from('PK\x03\x04', 'latin1'), fields, name, deflated);
    offset += 4 + fields.length + name.length + deflated.length;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(tensors.length, 4);
  end.writeUInt16LE(tensors.length, 6);
  end.writeUInt32LE(entries.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...members, entries, Buffer.from('PK\x05\x06', 'latin1'), end]);
}

/// The tensor of an .npy file of format version 1.0: float32 or int64, as NumPy saves C order.
export function decodeNpy(bytes) {
  const end = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, end);
  const match = /'descr': '(<f4|<i8)', 'fortran_order': False, 'shape': \(([\d, ]*)\)/.exec(header);
  if (!match) throw new Error(`unexpected .npy header: ${header}`);
  const dims = match[2].split(',').filter((part) => part.trim()).map(Number);
  const values = bytes.buffer.slice(bytes.byteOffset + end, bytes.byteOffset + bytes.length);
  return match[1] === '<f4' ? {type: 'float32', dims, data: new Float32Array(values)} :
                              {type: 'int64', dims, data: new BigInt64Array(values)};
}
