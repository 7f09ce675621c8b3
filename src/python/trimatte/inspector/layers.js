// Pictures of what is known, painted from the numbers: one canvas a layer, a pixel a pixel.

const UNKNOWN_TINT = [162, 114, 43];

const MATTE_CURVES = {
  plain: (v) => v,
  // A matte's faults are faint: noise left in the screen, and holes in what should be solid.
  black: (v) => Math.min(1, v * 20),
  white: (v) => Math.max(0, 1 - (1 - v) * 20),
};

// A pixel of a canvas as one number, as all machines with browsers store it: R, G, B, A from below.
function word(r, g, b) {
  return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
}

function greyWord(v) {
  return word(v, v, v);
}

// Where in a table of 256 or 65536 levels a plane's samples are looked up.
function indexOf(plane) {
  const { data } = plane;
  if (plane.dtype !== "float32") return (i) => data[i];
  return (i) => Math.round(65535 * (data[i] < 0 ? 0 : data[i] > 1 ? 1 : data[i]));
}

function levelsOf(plane, curve = MATTE_CURVES.plain) {
  const size = plane.dtype === "uint8" ? 256 : 65536;
  return Uint8ClampedArray.from({ length: size }, (_, i) => Math.round(255 * curve(i / (size - 1))));
}

class Layers {
  // model: {image, alpha, foreground, trimap, mask, key}. settings: {background, matte, linear},
  // where background is {kind: "color", color}, {kind: "checker"} or {kind: "image", rgb}.
  constructor(model, settings) {
    this.model = model;
    this.settings = settings;
    this.canvases = new Map();
    this.current = new Set();
    this.keyed = 0; // pixels that the hard key, when it was painted last, held to be screen
    this.differing = 0; // and those where it is on the other side of one half than the matte
  }

  get size() {
    return { width: this.model.image.width, height: this.model.image.height };
  }

  forget(...names) {
    if (names.length === 0) this.current.clear();
    for (const name of names) this.current.delete(name);
  }

  // Another matte and what comes of it; the last one stays, to compare.
  take(result) {
    this.model.before = this.model.alpha;
    Object.assign(this.model, result);
    this.forget();
    this.solid = null;
  }

  // The canvas of a layer.
  get(name) {
    if (!this.canvases.has(name)) {
      this.canvases.set(name, Object.assign(document.createElement("canvas"), this.size));
    }
    const canvas = this.canvases.get(name);
    if (!this.current.has(name)) {
      const pixels = new ImageData(canvas.width, canvas.height);
      this[name](new Uint32Array(pixels.data.buffer));
      canvas.getContext("2d").putImageData(pixels, 0, 0);
      this.current.add(name);
    }
    return canvas;
  }

  image(words) { this.#colors(words, this.model.image); }
  foreground(words) { this.#colors(words, this.model.foreground); }
  alpha(words) { this.#grey(words, this.model.alpha, MATTE_CURVES[this.settings.matte]); }
  before(words) { this.#grey(words, this.model.before, MATTE_CURVES[this.settings.matte]); }
  mask(words) { this.#grey(words, this.model.mask); }
  trimap(words) { this.#grey(words, this.model.trimap); }

  binary(words) {
    this.#grey(words, this.model.mask ?? this.model.alpha, (v) => (v >= 0.5 ? 1 : 0));
  }

  key(words) {
    this.solid ??= Uint8Array.from(this.model.alpha.data, (alpha) => (alpha >= 0.5 ? 1 : 0));
    Object.assign(this, this.model.key.paint(words, this.solid));
  }

  // The image, its unknown region tinted, its background dimmed.
  regions(words) {
    this.image(words);
    const { data } = this.model.trimap;
    for (let i = 0; i < words.length; i++) {
      if (data[i] === 255) continue;
      const [r, g, b] = data[i] === 0 ? [0, 0, 0] : UNKNOWN_TINT;
      words[i] = word(0.3 * (words[i] & 255) + r, 0.3 * ((words[i] >> 8) & 255) + g,
                      0.3 * ((words[i] >> 16) & 255) + b);
    }
  }

  cutout(words) {
    const { alpha, foreground } = this.model;
    const levels = levelsOf(foreground), index = indexOf(foreground);
    const behind = this.#behind();
    const blend = this.settings.linear ? overInLight : over;
    const plate = new Uint8Array(3);
    for (let i = 0, q = 0; i < words.length; i++, q += 3) {
      const a = alpha.data[i];
      if (a < 1) behind(i, plate);
      const r = levels[index(q)], g = levels[index(q + 1)], b = levels[index(q + 2)];
      words[i] = a >= 1 ? word(r, g, b) : a <= 0 ? word(plate[0], plate[1], plate[2])
        : word(blend(r, a, plate[0]), blend(g, a, plate[1]), blend(b, a, plate[2]));
    }
  }

  // What puts a pixel of the background into three bytes.
  #behind() {
    const { background } = this.settings;
    const { width } = this.size;
    if (background.kind === "color") return (i, plate) => plate.set(background.color);
    if (background.kind === "image") {
      const { rgb } = background;
      return (i, plate) => {
        for (let c = 0; c < 3; c++) plate[c] = rgb[3 * i + c];
      };
    }
    const side = Math.max(4, Math.round(width / 64));
    return (i, plate) => {
      const x = i % width, y = (i - x) / width;
      plate.fill((Math.floor(x / side) + Math.floor(y / side)) % 2 ? 160 : 205);
    };
  }

  #grey(words, plane, curve) {
    const index = indexOf(plane);
    const colors = Uint32Array.from(levelsOf(plane, curve), greyWord);
    for (let i = 0; i < words.length; i++) words[i] = colors[index(i)];
  }

  #colors(words, plane) {
    const levels = levelsOf(plane), index = indexOf(plane);
    for (let i = 0, q = 0; i < words.length; i++, q += 3) {
      words[i] = word(levels[index(q)], levels[index(q + 1)], levels[index(q + 2)]);
    }
  }
}

// Porter and Duff's "over" of eight-bit samples.
function over(foreground, alpha, background) {
  return Math.round(background + alpha * (foreground - background));
}

const LIGHT = Float64Array.from({ length: 256 }, (_, v) => toLight(v / 255));
const ENCODED = Uint8Array.from({ length: 65536 }, (_, v) => Math.round(255 * toEncoded(v / 65535)));

function overInLight(foreground, alpha, background) {
  const light = LIGHT[background] + alpha * (LIGHT[foreground] - LIGHT[background]);
  return ENCODED[Math.round(65535 * light)];
}

// A picture as {kind: "image", rgb} that fills width x height, cut at its longer sides.
async function backgroundOfFile(file, width, height) {
  const picture = await createImageBitmap(file);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const scale = Math.max(width / picture.width, height / picture.height);
  const across = picture.width * scale, down = picture.height * scale;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, (width - across) / 2, (height - down) / 2, across, down);
  const { data } = context.getImageData(0, 0, width, height);
  const rgb = new Uint8Array(3 * width * height);
  for (let p = 0, q = 0; p < data.length; p += 4, q += 3) {
    rgb[q] = data[p];
    rgb[q + 1] = data[p + 1];
    rgb[q + 2] = data[p + 2];
  }
  return { kind: "image", rgb };
}
