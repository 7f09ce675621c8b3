// The panels beside the viewer: numbers as text.

// Elements by their data-field; the exact value is kept beside what is shown of it.
const fields = new Map([...document.querySelectorAll("[data-field]")].map(
  (element) => [element.dataset.field, element]));

function show(field, value, text = String(value)) {
  const element = fields.get(field);
  element.textContent = text;
  element.dataset.value = value;
}

const whole = new Intl.NumberFormat("en");

function percent(part, all) {
  const share = all ? (100 * part) / all : 0;
  if (part > 0 && share < 0.01) return "< 0.01 %";
  return `${share.toFixed(2)} %`;
}

// A sample in a plane's own units, as far as it is worth reading.
function sample(plane, value) {
  const digits = plane.dtype === "float32" ? 4 : 0;
  return `${value < 0 ? "\u2212" : ""}${Math.abs(value).toFixed(digits)}`;
}

function signed(value, digits) {
  return `${value < 0 ? "\u2212" : "+"} ${Math.abs(value).toFixed(digits)}`;
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function tableRow(name, ...cells) {
  return element("tr", {}, element("th", { scope: "row" }, name),
                 ...cells.map((cell) => element("td", {}, cell)));
}

// --- the probe ---

const TRIMAP_CLASSES = { 0: "background", 128: "unknown", 255: "foreground" };

// x, y: of the pixels shown; place: of the whole image.
function showProbe(model, { x, y }, place) {
  const { image, alpha, foreground, trimap, mask, key, screen } = model;
  const i = y * image.width + x;
  const color = [0, 1, 2].map((c) => image.data[3 * i + c]);
  showColor("image", ["r", "g", "b"], image, color);

  const limit = image.dtype === "float32" ? key.tolerance / 255 : key.tolerance * key.unit;
  otherChannels(key.channel).forEach((other, n) => {
    const field = `difference_${n + 1}`;
    const difference = color[key.channel] - color[other];
    const letters = `${CHANNEL_LETTERS[key.channel]} \u2212 ${CHANNEL_LETTERS[other]}`;
    show(`${field}-name`, letters);
    show(field, difference, sample(image, difference));
    const over = key.exceeds(difference);
    show(`${field}-test`, over, `${over ? ">" : "\u2264"} ${Number(limit.toPrecision(6))}`);
  });
  const own = key.alphaOf(key.differences[i]);
  show("key-alpha", own, own === 0 || own === 1 ? String(own) : own.toFixed(4));
  show("keyed", own === 0, own === 0 ? "screen" : own === 1 ? "kept" : "on the ramp");
  if (screen) showScreenSum(screen, place, color.map((value) => value / image.full));
  if (mask) {
    show("mask", mask.data[i], sample(mask, mask.data[i]));
    show("mask-unit", mask.data[i] / mask.full,
         mask.dtype === "float32" ? "" : (mask.data[i] / mask.full).toFixed(3));
  }
  show("trimap", trimap.data[i]);
  show("trimap-class", TRIMAP_CLASSES[trimap.data[i]]);
  show("alpha", alpha.data[i], alpha.data[i].toFixed(4));
  show("alpha-percent", 100 * alpha.data[i], `${(100 * alpha.data[i]).toFixed(1)} %`);
  const front = [0, 1, 2].map((c) => foreground.data[3 * i + c]);
  showColor("foreground", ["fr", "fg", "fb"], foreground, front);
  const options = [`tolerance=${key.tolerance}`];
  if (key.softness > 0) options.push(`softness=${key.softness}`);
  if (key.channel !== 1) options.push(`key_color="${CHANNEL_NAMES[key.channel]}"`);
  show("python", `trimatte.probe(image, ${place.x}, ${place.y}, ${options.join(", ")})`);
}

function showColor(swatch, names, plane, color) {
  names.forEach((name, c) => show(name, color[c], sample(plane, color[c])));
  const eight = color.map((value) => Math.round((255 * value) / plane.full));
  document.querySelector(`[data-swatch=${swatch}]`).style.background = `rgb(${eight})`;
}

function showScreenSum(screen, place, color) {
  const { model, value } = screenSum(screen, place.x, place.y, color);
  show("screen-alpha", value, Math.min(Math.max(value, 0), 1).toFixed(4));
  const terms = model.slice(0, 3).map(
    (m, c) => `${signed(m, 3)}\u00a0${CHANNEL_LETTERS[c]}`);
  const light = screen.transfer === "linear" ? ", in linear light" : "";
  const sum = `${terms.join(" ")} ${signed(model[3], 3)}`.replace(/^\+ /, "");
  const total = value.toFixed(3).replace("-", "\u2212");
  show("screen-sum", value, `${sum} = ${total}${light}`);
}

// What a screen reader says, when the probe has come to rest.
let speaking = 0;
function speakProbe(place) {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    const said = (name) => fields.get(name).textContent;
    document.getElementById("spoken").textContent =
      `${place.x}, ${place.y}: red ${said("r")}, green ${said("g")}, blue ${said("b")}; ` +
      `${said("keyed")}; trimap ${said("trimap-class")}; alpha ${said("alpha")}`;
  }, 400);
}

// --- the hard key ---

function showKey(key, keyed, differing) {
  const pixels = key.differences.length;
  const k = CHANNEL_LETTERS[key.channel];
  const others = otherChannels(key.channel).map((other) => CHANNEL_LETTERS[other]);
  const difference = `${k} \u2212 max(${others.join(", ")})`;
  show("rule", key.softness > 0
    ? `from 1 to 0 as ${difference} goes from ${key.tolerance} to ${key.tolerance + key.softness}`
    : `0 where ${others.map((other) => `${k} > ${other} + ${key.tolerance}`).join(" and ")}, else 1`);
  show("axis-name", difference);
  show("keyed-count", keyed, whole.format(keyed));
  show("keyed-share", keyed / pixels, `of ${whole.format(pixels)} pixels keyed, ${percent(keyed, pixels)}`);
  show("differing", differing,
       `${whole.format(differing)} (${percent(differing, pixels)}) on the other side of \u00bd than alpha`);
}

// The key's differences as bars, by the fourth root of their number: a few thousand pixels of a
// subject show beside a million of a screen.
function drawHistogram(canvas, key, bins) {
  const style = getComputedStyle(canvas);
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const most = Math.max(...bins) ** 0.25;
  const at = (difference) => ((difference + 256) / 512) * width;
  context.clearRect(0, 0, width, height);
  const from = at(key.tolerance), to = at(key.tolerance + key.softness);
  bins.forEach((count, bin) => {
    const x = (bin / bins.length) * width;
    const tall = (height - 4) * (count ** 0.25 / most);
    context.fillStyle = style.getPropertyValue(x >= from ? "--accent" : "--bar");
    context.fillRect(x, height - tall, width / bins.length - 0.5, tall);
  });
  context.fillStyle = style.getPropertyValue("--text");
  context.fillRect(at(0) - 0.5, 0, 1, height);
  context.fillStyle = style.getPropertyValue("--accent");
  context.fillRect(from - 1, 0, 3, height);
  if (to > from) context.fillRect(Math.min(to, width - 2) - 1, 0, 1.5, height);
}

// --- counts and times ---

const REGIONS = {
  trimap: [["background", "background"], ["unknown", "unknown"], ["foreground", "foreground"]],
  alpha: [["transparent", "alpha 0"], ["partial", "between"], ["opaque", "alpha 1"]],
};

function showCounts(counts) {
  counts = { ...counts, partial: counts.pixels - counts.transparent - counts.opaque };
  for (const [table, rows] of Object.entries(REGIONS)) {
    const body = document.querySelector(`#${table}-counts tbody`);
    body.replaceChildren(...rows.map(([name, label]) => {
      const row = tableRow("", whole.format(counts[name]), percent(counts[name], counts.pixels));
      row.firstChild.append(element("i", { className: `chip ${name}` }), label);
      row.dataset.count = name;
      row.dataset.value = counts[name];
      return row;
    }));
    const stack = document.querySelector(`[data-stack=${table}]`);
    stack.replaceChildren(...rows.map(([name]) => {
      const part = element("i", { className: name });
      part.style.flexGrow = counts[name];
      return part;
    }));
  }
}

function milliseconds(seconds) {
  return `${(1000 * seconds).toFixed(seconds < 0.01 ? 2 : seconds < 0.1 ? 1 : 0)} ms`;
}

function showRun({ timings, device, engine, route, screen, notes }) {
  const stages = Object.entries(timings);
  const total = stages.reduce((sum, [, seconds]) => sum + seconds, 0);
  const longest = Math.max(...stages.map(([, seconds]) => seconds), 1e-9);
  const rows = stages.map(([name, seconds]) => {
    const bar = element("i", { className: "bar" });
    bar.style.width = `${Math.max(100 * seconds / longest, 0.5)}%`;
    const row = tableRow(name, bar, milliseconds(seconds));
    row.dataset.stage = name;
    row.dataset.value = seconds;
    return row;
  });
  const sum = tableRow("total", "", milliseconds(total));
  sum.className = "sum";
  document.querySelector("#timings tbody").replaceChildren(...rows, sum);
  show("device", device, `on ${device}`);
  show("route", route ? route.kind : "", route ? `Cut out by ${route.kind}: ${route.why}.` : "");
  show("engine", engine ?? "", engine ? `Network: ${engine}.` : "No network.");
  show("screen-facts", screen ? "screen" : "", screen ? screenFacts(screen) : "");
  document.getElementById("notes").replaceChildren(
    ...notes.map((note) => element("li", {}, note)));
}

function screenFacts({ key_color, transfer, noise, share }) {
  const space = transfer === "linear" ? "in linear light" : "as encoded";
  return `Screen: RGB ${key_color.join(", ")}, ${(100 * share).toFixed(1)} % of the image bare; ` +
    `keyed ${space}; its noise moves alpha by ${noise.toFixed(4)}.`;
}
