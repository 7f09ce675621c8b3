// Pictures of what is known, painted from the numbers: one canvas a layer, a pixel a pixel.

const UNKNOWN_COLOR = [232, 163, 61];

const MATTE_CURVES = {
  plain: (v) => v,
  // A matte's faults are faint: noise left in the screen, and holes in what should be solid.
  black: (v) => Math.min(1, v * 20),
  white: (v) => Math.max(0, 1 - (1 - v) * 20),
};

// An eight-bit look-up of a plane's samples; floats are looked up by their value times 65535.
function levelsOf(plane, curve = MATTE_CURVES.plain) {
  const size = plane.dtype === "uint8" ? 256 : 65536;
  const levels = new Uint8ClampedArray(size);
  for (let i = 0; i < size; i++) levels[i] = Math.round(255 * curve(i / (size - 1)));
  const { data } = plane;
  if (plane.dtype !== "float32") return (i) => levels[data[i]];
  return (i) => levels[Math.round(Math.min(Math.max(data[i], 0), 1) * 65535)];
}

class Layers {
  // model: {image, alpha, foreground, trimap, mask, key}. settings: {background, matte, linear,
  // overlay}, where background is {kind: "color", color}, {kind: "checker"} or {kind: "image", rgb}.
  constructor(model, settings) {
    this.model = model;
    this.settings = settings;
    this.painted = new Map();
    this.keyed = 0; // pixels that the hard key, when it was painted last, held to be screen
    this.differing = 0; // and those where it is on the other side of one half than the matte
  }

  get size() {
    return { width: this.model.image.width, height: this.model.image.height };
  }

  forget(...names) {
    if (names.length === 0) this.painted.clear();
    for (const name of names) this.painted.delete(name);
  }

  // The canvas of a layer.
  get(name) {
    if (!this.painted.has(name)) {
      const { width, height } = this.size;
      const pixels = new ImageData(width, height);
      new Uint32Array(pixels.data.buffer).fill(0xff000000);
      this[name](pixels.data);
      const canvas = Object.assign(document.createElement("canvas"), { width, height });
      canvas.getContext("2d").putImageData(pixels, 0, 0);
      this.painted.set(name, canvas);
    }
    return this.painted.get(name);
  }

  image(out) { this.#colors(out, this.model.image); }
  foreground(out) { this.#colors(out, this.model.foreground); }
  alpha(out) { this.#grey(out, levelsOf(this.model.alpha, MATTE_CURVES[this.settings.matte])); }
  mask(out) { this.#grey(out, levelsOf(this.model.mask)); }
  trimap(out) { this.#grey(out, levelsOf(this.model.trimap)); }

  binary(out) {
    const { data, full } = this.model.mask ?? this.model.alpha;
    this.#grey(out, (i) => (2 * data[i] >= full ? 255 : 0));
  }

  key(out) {
    const matte = this.model.alpha.data;
    this.differing = 0;
    this.keyed = this.model.key.apply((i, alpha) => {
      out[4 * i] = out[4 * i + 1] = out[4 * i + 2] = Math.floor(255 * alpha + 0.5);
      if (alpha >= 0.5 !== matte[i] >= 0.5) this.differing++;
    });
  }

  // The image, its unknown region tinted, its background dimmed.
  regions(out) {
    this.image(out);
    const { data } = this.model.trimap;
    for (let i = 0, p = 0; i < data.length; i++, p += 4) {
      if (data[i] === 255) continue;
      for (let c = 0; c < 3; c++) {
        out[p + c] = data[i] === 0 ? 0.3 * out[p + c] : 0.3 * out[p + c] + 0.7 * UNKNOWN_COLOR[c];
      }
    }
  }

  cutout(out) {
    const { alpha, foreground } = this.model;
    const { width } = this.size;
    const level = levelsOf(foreground);
    const behind = this.#behind(width);
    const blend = this.settings.linear ? overInLight : over;
    for (let i = 0, p = 0, q = 0; i < alpha.data.length; i++, p += 4, q += 3) {
      const a = alpha.data[i];
      for (let c = 0; c < 3; c++) out[p + c] = blend(level(q + c), a, behind(i, c));
    }
  }

  #behind(width) {
    const { background } = this.settings;
    if (background.kind === "color") return (i, c) => background.color[c];
    if (background.kind === "image") return (i, c) => background.rgb[3 * i + c];
    const side = Math.max(4, Math.round(width / 64));
    return (i) => {
      const x = i % width, y = (i - x) / width;
      return (Math.floor(x / side) + Math.floor(y / side)) % 2 ? 160 : 205;
    };
  }

  #grey(out, level) {
    for (let i = 0, p = 0; p < out.length; i++, p += 4) {
      out[p] = out[p + 1] = out[p + 2] = level(i);
    }
  }

  #colors(out, plane) {
    const level = levelsOf(plane);
    for (let p = 0, q = 0; p < out.length; p += 4, q += 3) {
      out[p] = level(q);
      out[p + 1] = level(q + 1);
      out[p + 2] = level(q + 2);
    }
  }
}

// Porter and Duff's "over" of eight-bit samples.
function over(foreground, alpha, background) {
  return background + alpha * (foreground - background);
}

const LIGHT = Float64Array.from({ length: 256 }, (_, v) => toLight(v / 255));
const ENCODED = Uint8Array.from({ length: 65536 }, (_, v) => Math.round(255 * toEncoded(v / 65535)));

function overInLight(foreground, alpha, background) {
  if (alpha <= 0 || alpha >= 1) return alpha <= 0 ? background : foreground;
  return ENCODED[Math.round(65535 * over(LIGHT[foreground], alpha, LIGHT[background]))];
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
