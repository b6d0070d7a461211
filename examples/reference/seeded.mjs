// Inputs drawn from a seed: pictures for the OCR models, sound for the voice activity detector.
// All arithmetic is exact in float32 or plain IEEE doubles, so every machine draws the same.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
export class SplitMix64 {
  constructor(seed) { this.state = BigInt(seed); }

  next() {
    const mask = 0xffffffffffffffffn;
    this.state = (this.state + 0x9e3779b97f4a7c15n) & mask;
    let z = this.state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    return z ^ (z >> 31n);
  }

  /// A whole number from 0 to bound - 1: the upper 32 bits of a draw, modulo `bound`.
  below(bound) { return Number(this.next() >> 32n) % bound; }
}

/// Pictures [batch, 3, height, width]: for each one a window onto `line` (the shipped image's
/// tensor) at a random place, its contrast scaled, turned to its negative by chance, with noise
/// of its own in each channel. Pixels outside the line are its background. Values are multiples
/// of 1/256 in [-1, 1].
export function seededPictures(seed, line, [batch, height, width]) {
  const random = new SplitMix64(seed);
  const [, , lineHeight, lineWidth] = line.dims;
  const data = new Float32Array(batch * 3 * height * width);
  let at = 0;
  for (let picture = 0; picture < batch; ++picture) {
    const left = random.below(Math.max(1, lineWidth - width / 2));
    const top = height > lineHeight ? -random.below(height - lineHeight + 1) : 0;
    const contrast = (128 + random.below(113)) / 256;
    const sign = random.below(2) ? 1 : -1;
    for (let channel = 0; channel < 3; ++channel) {
      for (let y = 0; y < height; ++y) {
        for (let x = 0; x < width; ++x) {
          const inside = y + top >= 0 && y + top < lineHeight && x + left < lineWidth;
          const ink = inside ? line.data[(y + top) * lineWidth + x + left] : 1;
          const noise = random.below(17) - 8;
          const value = Math.round(256 * sign * contrast * ink) + noise;
          data[at++] = Math.max(-256, Math.min(256, value)) / 256;
        }
      }
    }
  }
  return {type: 'float32', dims: [batch, 3, height, width], data};
}

/// Sound of `count` samples, each a multiple of 1/32768: faint noise, and from a quarter on a
/// voiced vowel (a glottal pulse train through two resonances), fading out over the last tenth.
export function seededSound(seed, rate, count) {
  const random = new SplitMix64(seed);
  const period = Math.floor(rate / (100 + random.below(100)));
  const formants = [[600 + random.below(200), 0.96], [1100 + random.below(400), 0.94]];
  let signal = Array.from({length: count}, (_, i) => (i % period === 0 && i >= count / 4) ? 1 : 0);
  for (const [hertz, radius] of formants) {
    const turn = 2 * radius * cosine(2 * Math.PI * hertz / rate);
    for (let i = 0; i < count; ++i) {
      signal[i] += turn * (signal[i - 1] ?? 0) - radius * radius * (signal[i - 2] ?? 0);
    }
  }
  const peak = signal.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  return Float32Array.from(signal, (value, i) => {
    const fade = Math.min(1, 10 * (count - i) / count);
    const sample = Math.round(value / peak * fade * 16384) + random.below(65) - 32;
    return sample / 32768;
  });
}

/// A recurrent state of `count` values, multiples of 1/256 in [-1, 1].
export function seededState(seed, count) {
  const random = new SplitMix64(seed);
  return Float32Array.from({length: count}, () => (random.below(513) - 256) / 256);
}

// Math.cos may differ between machines in its last bit; this polynomial doesn't.
function cosine(angle) {
  let sum = 0;
  let term = 1;
  for (let n = 0; n < 40; n += 2) {
    sum += term;
    term *= -angle * angle / ((n + 1) * (n + 2));
  }
  return sum;
}
