// The hard key, and its ramp, as `trimatte.chroma_key(method="difference")` defines them; and the
// sum by which a learnt screen keys.

const CHANNEL_LETTERS = ["R", "G", "B"];
const CHANNEL_NAMES = ["red", "green", "blue"];

function otherChannels(channel) {
  return [0, 1, 2].filter((each) => each !== channel);
}

// How far the key's channel stands above the larger of the two others, for every pixel: in samples
// of integer images, in 1/255 of float ones, rounded as float arithmetic rounds.
function differencesOf(image, channel) {
  const { data, width, height, dtype } = image;
  const [first, second] = otherChannels(channel);
  const count = width * height;
  const out = dtype === "float32" ? new Float32Array(count)
    : dtype === "uint8" ? new Int16Array(count) : new Int32Array(count);
  for (let i = 0, p = 0; i < count; i++, p += 3) {
    const a = data[p + first], b = data[p + second];
    const difference = data[p + channel] - (a > b ? a : b);
    out[i] = dtype === "float32" ? 255 * Math.fround(difference) : difference;
  }
  return out;
}

class HardKey {
  constructor(image, { channel, tolerance, softness }) {
    this.image = image;
    this.tolerance = tolerance;
    this.softness = softness;
    this.unit = image.dtype === "float32" ? 1 : image.full / 255;
    this.setChannel(channel);
  }

  setChannel(channel) {
    this.channel = channel;
    this.differences = differencesOf(this.image, channel);
  }

  get isFloat() {
    return this.image.dtype === "float32";
  }

  // Alpha of a difference: 0 is screen.
  alphaOf(difference) {
    if (this.softness <= 0 && !this.isFloat) {
      return difference > Math.floor(this.tolerance * this.unit) ? 0 : 1;
    }
    const round = this.isFloat ? Math.fround : Number;
    const over = round(round(difference / this.unit) - round(this.tolerance));
    if (this.softness <= 0) return over > 0 ? 0 : 1;
    const ramp = round(over / round(this.softness));
    return ramp <= 0 ? 1 : ramp >= 1 ? 0 : round(1 - ramp);
  }

  // Whether the key's channel exceeds another by more than the tolerance.
  exceeds(difference) {
    if (!this.isFloat) return difference > Math.floor(this.tolerance * this.unit);
    return Math.fround(255 * Math.fround(difference)) > Math.fround(this.tolerance);
  }

  // Paints alpha in grey, and counts: pixels that are screen, and those on the other side of one
  // half than a matte, of which solid tells 1 or 0.
  paint(words, solid) {
    const { differences } = this;
    const count = differences.length;
    let keyed = 0, differing = 0;
    const paintOne = (i, alpha) => {
      words[i] = greyWord(Math.floor(255 * alpha + 0.5));
      keyed += alpha === 0;
      differing += (alpha >= 0.5) !== (solid[i] === 1);
    };
    if (this.isFloat) {
      for (let i = 0; i < count; i++) paintOne(i, this.alphaOf(differences[i]));
      return { keyed, differing };
    }
    // Of integers there are few differences: what becomes of each is looked up.
    const size = this.image.full + 1;
    const colors = new Uint32Array(size), isKeyed = new Uint8Array(size), isSolid = new Uint8Array(size);
    for (let d = 0; d < size; d++) {
      const alpha = this.alphaOf(d);
      colors[d] = greyWord(Math.floor(255 * alpha + 0.5));
      isKeyed[d] = alpha === 0;
      isSolid[d] = alpha >= 0.5;
    }
    for (let i = 0; i < count; i++) {
      const d = differences[i] > 0 ? differences[i] : 0;
      words[i] = colors[d];
      keyed += isKeyed[d];
      differing += isSolid[d] ^ solid[i];
    }
    return { keyed, differing };
  }

  // How many pixels differ by so much, in 256 bins of 2/255 from -256 on.
  histogram() {
    const bins = new Uint32Array(256);
    for (const difference of this.differences) {
      const bin = Math.floor((difference / this.unit + 256) / 2);
      bins[bin < 0 ? 0 : bin > 255 ? 255 : bin]++;
    }
    return bins;
  }
}

// IEC 61966-2-1.
function toLight(value) {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function toEncoded(light) {
  return light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
}

// What a learnt screen says of a colour at pixel (x, y) of the whole image: the model there, the
// colour in its working space, and their sum, which is alpha before it is held to [0, 1].
function screenSum(screen, x, y, color) {
  const { width, height, data } = screen.model;
  const along = (pixel, cells) => {
    const u = Math.min(Math.max((pixel + 0.5) / screen.cell - 0.5, 0), cells - 1);
    const low = Math.floor(u);
    return [low, Math.min(low + 1, cells - 1), u - low];
  };
  const [top, bottom, down] = along(y, height);
  const [left, right, across] = along(x, width);
  const model = [0, 1, 2, 3].map((m) => {
    const at = (row, column) => data[4 * (row * width + column) + m];
    const upper = at(top, left) + across * (at(top, right) - at(top, left));
    const lower = at(bottom, left) + across * (at(bottom, right) - at(bottom, left));
    return upper + down * (lower - upper);
  });
  const light = screen.transfer === "linear" ? color.map(toLight) : color;
  const value = model[0] * light[0] + model[1] * light[1] + model[2] * light[2] + model[3];
  return { model, light, value };
}
