// PNG files as the numbers they hold, to the last bit: the browser's own decoder would hand them
// over through a canvas, which has eight bits, may manage colours and, in some, adds noise.

const PNG_CHANNELS = { 0: 1, 2: 3, 6: 4 };

function bytesOfDataUri(uri) {
  const packed = uri.slice(uri.indexOf(",") + 1);
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(packed); // not yet everywhere
  const text = atob(packed);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function inflate(chunks) {
  const stream = new Blob(chunks).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function paeth(left, up, corner) {
  const across = Math.abs(up - corner);
  const down = Math.abs(left - corner);
  const both = Math.abs(left + up - 2 * corner);
  if (across <= down && across <= both) return left;
  return down <= both ? up : corner;
}

// Undoes the filter of each row (ISO/IEC 15948, 9.2). stride: bytes of a row; step: of a pixel.
function unfilter(filtered, height, stride, step) {
  const out = new Uint8Array(height * stride);
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const from = y * (stride + 1) + 1;
    const row = out.subarray(y * stride, (y + 1) * stride);
    row.set(filtered.subarray(from, from + stride));
    unfilterRow(filtered[from - 1], row, above, step);
    above = row;
  }
  return out;
}

function unfilterRow(kind, row, above, step) {
  const count = row.length;
  if (kind === 1) {
    for (let i = step; i < count; i++) row[i] += row[i - step];
  } else if (kind === 2) {
    for (let i = 0; i < count; i++) row[i] += above[i];
  } else if (kind === 3) {
    for (let i = 0; i < step; i++) row[i] += above[i] >> 1;
    for (let i = step; i < count; i++) row[i] += (row[i - step] + above[i]) >> 1;
  } else if (kind === 4) {
    for (let i = 0; i < step; i++) row[i] += above[i];
    for (let i = step; i < count; i++) row[i] += paeth(row[i - step], above[i], above[i - step]);
  }
}

// {width, height, channels, data}, data a Uint8Array or Uint16Array. Not interlaced, no palette.
async function decodePng(uri) {
  const bytes = bytesOfDataUri(uri);
  const view = new DataView(bytes.buffer);
  const packed = [];
  let header = null;
  for (let at = 8; at < bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind === "IHDR") {
      header = { width: view.getUint32(at + 8), height: view.getUint32(at + 12),
                 depth: bytes[at + 16], channels: PNG_CHANNELS[bytes[at + 17]] };
    } else if (kind === "IDAT") {
      packed.push(bytes.subarray(at + 8, at + 8 + length));
    }
    at += length + 12;
  }
  const { width, height, depth, channels } = header;
  const step = (channels * depth) / 8;
  const data = unfilter(await inflate(packed), height, width * step, step);
  if (depth === 8) return { width, height, channels, data };
  const wide = new Uint16Array(data.length / 2);
  for (let i = 0; i < wide.length; i++) wide[i] = (data[2 * i] << 8) | data[2 * i + 1];
  return { width, height, channels, data: wide };
}

const FULL_SCALES = { uint8: 255, uint16: 65535, float32: 1 };

// What payload.py's `plane` has packed: {width, height, channels, data, dtype, full}.
async function decodePlane(packed) {
  const [high, low] = await Promise.all(packed.png.map(decodePng));
  let data = high.data;
  if (packed.dtype === "float32") {
    const bits = new Uint32Array(data.length);
    for (let i = 0; i < bits.length; i++) bits[i] = (high.data[i] << 16) | low.data[i];
    data = new Float32Array(bits.buffer);
  }
  return { ...high, data, dtype: packed.dtype, full: FULL_SCALES[packed.dtype] };
}
