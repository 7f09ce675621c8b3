// The page: decodes its data and ties viewer, panels and controls together.

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);

const LAYER_NAMES = {
  image: "Image",
  cutout: "Cutout",
  alpha: "Alpha",
  before: "Alpha, before",
  binary: "Mask, binary",
  mask: "Mask",
  key: "Hard key",
  trimap: "Trimap",
  regions: "Regions",
  foreground: "Foreground",
};

const PRESETS = {
  cutout: ["image", "cutout"],
  matte: ["binary", "alpha"],
  key: ["image", "key"],
  trimap: ["image", "regions"],
  foreground: ["image", "foreground"],
};

const LENS_PIXELS = 15;

async function decodeResult(result) {
  const { alpha, foreground, trimap, mask, screen } = result;
  const planes = await Promise.all([alpha, foreground, trimap].map(decodePlane));
  return {
    alpha: planes[0],
    foreground: planes[1],
    trimap: planes[2],
    mask: mask && await decodePlane(mask),
    screen: screen && { ...screen, model: await decodePlane(screen.model) },
  };
}

class Page {
  constructor(image, result) {
    this.model = { image, ...result, key: new HardKey(image, data.key) };
    this.settings = { background: { kind: "checker" }, matte: "plain", linear: false };
    this.layers = new Layers(this.model, this.settings);
    this.sides = [...PRESETS.cutout];
    this.bins = this.model.key.histogram();
    byId("stage").style.setProperty("--aspect", image.height / image.width);
    this.stage = new Stage(byId("stage"), image,
                           () => this.sides.map((name) => this.layers.get(name)));
    this.stage.addEventListener("probe", () => this.showProbe());
    this.stage.addEventListener("pin", () => this.showPin());
    this.showFacts();
    this.fillSides();
    this.bindViewer();
    this.bindBackground();
    this.bindProbe();
    this.bindKey();
    this.bindKeyboard();
    this.showSides();
    this.showResult(data.result);
  }

  // --- what is shown ---

  showFacts() {
    const { name, width, height, channels, profile, pixels, version, view } = data.image;
    show("name", name);
    const kind = `${pixels.dtype} ${channels === 4 ? "RGBA" : "RGB"}`;
    const facts = [`${width} \u00d7 ${height}`, kind, profile ?? "no profile: as sRGB",
                   `trimatte ${version}`];
    // Lines break between facts only.
    show("facts", version, facts.map((fact) => fact.replaceAll(" ", "\u00a0")).join(" \u00b7 "));
    const { image } = this.model;
    const said = [];
    if (image.width * image.height < width * height) {
      const what = view.step > 1
        ? `every ${ordinal(view.step)} pixel, both ways: ${image.width} \u00d7 ${image.height}`
        : `${image.width} \u00d7 ${image.height} pixels from (${view.x}, ${view.y}) on`;
      const whole = view.step > 1 ? " --region X,Y,W,H shows a part with every pixel." : "";
      said.push(`Shown is a part, ${what}. Values are those of the pixels themselves, none is a ` +
                `mean.${whole}`);
    }
    if (profile && !/srgb/i.test(profile)) {
      said.push(`Colours are drawn as if they were sRGB; the file's profile is ${profile}.`);
    }
    show("notice", said.length, said.join(" "));
    fields.get("notice").hidden = said.length === 0;
  }

  showResult(result) {
    showCounts(result.counts);
    showRun(result);
    document.querySelector("[data-row=screen]").hidden = !result.screen;
    document.querySelector("[data-row=mask]").hidden = !result.mask;
  }

  showSides() {
    const names = this.sides.map((side) => LAYER_NAMES[side]);
    ["left", "right"].forEach((place, n) => {
      byId(place).value = this.sides[n];
      show(`${place}-name`, this.sides[n], names[n]);
      show(`${place}-lens`, this.sides[n], names[n]);
    });
    const preset = Object.keys(PRESETS).find(
      (each) => PRESETS[each].every((side, n) => side === this.sides[n]));
    for (const radio of document.getElementsByName("preset")) radio.checked = radio.value === preset;
    for (const group of document.querySelectorAll("[data-for]")) {
      group.hidden = !this.sides.includes(group.dataset.for);
    }
    this.redraw();
  }

  // Once a frame, however often a slider says so.
  showKey() {
    this.keyPending ??= requestAnimationFrame(() => {
      this.keyPending = null;
      this.paintKey();
    });
  }

  paintKey() {
    this.layers.forget("key");
    this.layers.get("key");
    showKey(this.model.key, this.layers.keyed, this.layers.differing);
    drawHistogram(byId("histogram"), this.model.key, this.bins);
    this.redraw();
  }

  showProbe() {
    const { x, y } = this.stage.probe;
    const { view } = data.image;
    const place = { x: view.x + x * view.step, y: view.y + y * view.step };
    for (const axis of ["x", "y"]) {
      if (document.activeElement !== byId(`probe-${axis}`)) byId(`probe-${axis}`).value = place[axis];
    }
    showProbe(this.model, { x, y }, place);
    speakProbe(place);
    for (const lens of document.querySelectorAll("[data-lens]")) {
      drawLens(lens, this.layers.get(this.sides[lens.dataset.lens]), { x, y }, LENS_PIXELS);
    }
  }

  showPin() {
    const { pinned } = this.stage;
    show("pinned", pinned, pinned ? "held" : "follows the pointer");
  }

  redraw() {
    this.stage.draw();
    this.showProbe();
  }

  repaint(...names) {
    this.layers.forget(...names);
    this.redraw();
  }

  // --- controls ---

  fillSides() {
    const names = { ...LAYER_NAMES };
    if (!this.model.before) delete names.before;
    LAYER_NAMES.binary = names.binary = this.model.mask ? "Mask, binary" : "Alpha, binary";
    if (!this.model.mask) delete names.mask;
    for (const place of ["left", "right"]) {
      byId(place).replaceChildren(
        ...Object.entries(names).map(([value, text]) => element("option", { value }, text)));
    }
  }

  bindViewer() {
    for (const radio of document.getElementsByName("preset")) {
      radio.addEventListener("change", () => this.choose(radio.value));
    }
    ["left", "right"].forEach((place, n) => byId(place).addEventListener("change", () => {
      this.sides[n] = byId(place).value;
      this.showSides();
    }));
    byId("swap").addEventListener("click", () => this.swap());
    byId("zoom-in").addEventListener("click", () => this.stage.zoomBy(1.5));
    byId("zoom-out").addEventListener("click", () => this.stage.zoomBy(1 / 1.5));
    byId("zoom-fit").addEventListener("click", () => this.stage.fit());
    byId("zoom-one").addEventListener("click", () => this.oneToOne());
    byId("matte-curve").addEventListener("change", (event) => {
      this.settings.matte = event.target.value;
      this.repaint("alpha", "before");
    });
    this.stage.addEventListener("zoom", () => {
      const scale = 100 * this.stage.scale * (window.devicePixelRatio || 1);
      show("zoom", scale, `${scale < 10 ? scale.toFixed(1) : Math.round(scale)} %`);
    });
  }

  choose(preset) {
    this.sides = [...PRESETS[preset]];
    this.showSides();
  }

  swap() {
    this.sides.reverse();
    this.showSides();
  }

  oneToOne() {
    const { stage } = this;
    const at = { x: stage.left + (stage.probe.x + 0.5) * stage.scale,
                 y: stage.top + (stage.probe.y + 0.5) * stage.scale };
    stage.zoomTo(1 / (window.devicePixelRatio || 1), at);
  }

  bindBackground() {
    const colors = { white: [255, 255, 255], black: [0, 0, 0] };
    const { settings } = this;
    const picker = byId("background-color");
    const use = (background) => {
      settings.background = background;
      this.repaint("cutout");
    };
    const picked = () => [1, 3, 5].map((at) => parseInt(picker.value.slice(at, at + 2), 16));
    const useFile = async (file) => {
      const { width, height } = this.layers.size;
      try {
        this.picture = await backgroundOfFile(file, width, height);
      } catch {
        show("notice", "image", `${file.name} is no image that this browser reads.`);
        fields.get("notice").hidden = false;
        return;
      }
      document.querySelector("[name=background][value=image]").checked = true;
      if (!this.sides.includes("cutout")) this.choose("cutout");
      use(this.picture);
    };
    for (const radio of document.getElementsByName("background")) {
      radio.addEventListener("change", () => {
        if (radio.value === "image" && !this.picture) byId("background-file").click();
        else if (radio.value === "image") use(this.picture);
        else if (radio.value === "checker") use({ kind: "checker" });
        else use({ kind: "color", color: colors[radio.value] ?? picked() });
      });
      radio.addEventListener("click", () => {
        // Once more on the image that is there: another one.
        if (radio.value === "image" && settings.background.kind === "image") {
          byId("background-file").click();
        }
      });
    }
    picker.addEventListener("input", () => {
      document.querySelector("[name=background][value=color]").checked = true;
      use({ kind: "color", color: picked() });
    });
    byId("background-file").addEventListener("change", (event) => {
      if (event.target.files.length) useFile(event.target.files[0]);
      event.target.value = "";
    });
    byId("linear").addEventListener("change", (event) => {
      settings.linear = event.target.checked;
      this.repaint("cutout");
    });
    const stage = byId("stage");
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      stage.classList.add("receiving");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) stage.classList.remove("receiving");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      stage.classList.remove("receiving");
      if (event.dataTransfer.files.length) useFile(event.dataTransfer.files[0]);
    });
  }

  bindProbe() {
    const { view, width, height } = data.image;
    const limits = { x: width - 1, y: height - 1 };
    for (const axis of ["x", "y"]) {
      const input = byId(`probe-${axis}`);
      input.min = view[axis];
      input.max = limits[axis];
      input.addEventListener("change", () => {
        const value = Number(input.value);
        if (!Number.isFinite(value)) return;
        const probe = { ...this.stage.probe, [axis]: Math.round((value - view[axis]) / view.step) };
        if (!this.stage.pinned) this.stage.setPinned(true);
        this.stage.setProbe(probe.x, probe.y);
        input.value = view[axis] + this.stage.probe[axis] * view.step;
      });
    }
  }

  bindKey() {
    const { key } = this.model;
    for (const name of ["tolerance", "softness"]) {
      for (const input of [byId(name), byId(`${name}-number`)]) {
        input.addEventListener("input", () => {
          const value = Number(input.value);
          if (input.value !== "" && value >= 0 && value <= 255) this.setKey({ [name]: value }, input);
        });
      }
    }
    for (const radio of document.getElementsByName("channel")) {
      radio.addEventListener("change", () => this.setKey({ channel: Number(radio.value) }));
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.showKey());
    this.setKey(key);
  }

  // source: the control that says so, which stays as it is.
  setKey({ channel, tolerance, softness }, source = null) {
    const { key } = this.model;
    key.tolerance = tolerance ?? key.tolerance;
    key.softness = softness ?? key.softness;
    if (channel !== undefined && channel !== key.channel) {
      key.setChannel(channel);
      this.bins = key.histogram();
    }
    for (const name of ["tolerance", "softness"]) {
      for (const input of [byId(name), byId(`${name}-number`)]) {
        if (input !== source) input.value = key[name];
      }
    }
    for (const radio of document.getElementsByName("channel")) {
      radio.checked = Number(radio.value) === key.channel;
    }
    this.showKey();
  }

  bindKeyboard() {
    const presets = Object.keys(PRESETS);
    document.addEventListener("keydown", (event) => {
      const typing = event.target.matches("input:not([type=radio], [type=checkbox]), select, textarea");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      const actions = {
        x: () => this.swap(),
        "+": () => this.stage.zoomBy(1.5),
        "=": () => this.stage.zoomBy(1.5),
        "-": () => this.stage.zoomBy(1 / 1.5),
        0: () => this.stage.fit(),
        9: () => this.oneToOne(),
      };
      presets.forEach((preset, n) => { actions[n + 1] = () => this.choose(preset); });
      actions[event.key]?.();
    });
  }

  // Another result of the same image; the hard key as that has it, where it has changed.
  async take({ result, key }) {
    this.layers.take(await decodeResult(result));
    if (!this.model.mask) this.sides = this.sides.map((side) => (side === "mask" ? "binary" : side));
    this.fillSides();
    this.showSides();
    this.setKey(JSON.stringify(key) === JSON.stringify(data.key) ? {} : key);
    data.key = key;
    this.showResult(result);
  }
}

function ordinal(number) {
  return { 2: "second", 3: "third" }[number] ?? `${number}th`;
}

// --- Python behind the page ---

class Options {
  constructor(page, { options, choices }) {
    this.page = page;
    this.form = byId("options");
    this.choices = choices;
    byId("again").hidden = false;
    for (const [name, values] of Object.entries(choices)) {
      const usual = { model: "none", key_color: "none", method: "usual", despill: "none" }[name];
      this.form.elements[name].replaceChildren(...values.map(
        (value) => element("option", { value: value ?? "" }, value ?? usual)));
    }
    this.fill(options);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    byId("take-key").addEventListener("click", () => this.takeKey());
  }

  // The page's own hard key, to be run by trimatte.
  takeKey() {
    const { elements } = this.form;
    const { channel, tolerance, softness } = this.page.model.key;
    elements.model.value = "";  // none
    elements.method.value = "difference";
    elements.key_color.value = CHANNEL_NAMES[channel];
    elements.tolerance.value = tolerance;
    elements.softness.value = softness;
  }

  fill(options) {
    const { elements } = this.form;
    const color = options.key_color;
    this.ownColor = Array.isArray(color) ? color : null;
    if (this.ownColor && !elements.key_color.querySelector("[value=own]")) {
      elements.key_color.append(element("option", { value: "own" }, `RGB ${color.join(", ")}`));
    }
    const [outside, inside] = [options.radius ?? ""].flat();
    elements["radius-0"].value = outside;
    elements["radius-1"].value = inside ?? outside;
    for (const [name, value] of Object.entries(options)) {
      if (name in elements) elements[name].value = value ?? "";
    }
    if (this.ownColor) elements.key_color.value = "own";
  }

  read() {
    const { elements } = this.form;
    const options = {};
    for (const name of Object.keys(this.choices)) options[name] = elements[name].value || null;
    if (options.key_color === "own") options.key_color = this.ownColor;
    const number = (name) => (elements[name].value === "" ? null : Number(elements[name].value));
    for (const name of ["tolerance", "softness"]) options[name] = number(name);
    for (const [name, usual] of [["choke", 0], ["feather", 0], ["despill_strength", 1]]) {
      options[name] = number(name) ?? usual;
    }
    const outside = number("radius-0"), inside = number("radius-1");
    options.radius = outside === null && inside === null ? null : [outside ?? inside, inside ?? outside];
    return options;
  }

  async run() {
    const button = this.form.querySelector("[type=submit]");
    button.disabled = true;
    button.textContent = "Running";
    show("failure", "");
    try {
      const answer = await fetch("run", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(this.read()),
      });
      const said = await answer.json();
      if (said.error) throw new Error(said.error);
      await this.page.take(said);
      this.fill(said.options);
    } catch (error) {
      const gone = error instanceof TypeError;
      show("failure", gone ? "trimatte does not answer: was it ended?" : error.message);
    } finally {
      button.disabled = false;
      button.textContent = "Run";
    }
  }
}

async function start() {
  const [image, result] = await Promise.all([decodePlane(data.image.pixels), decodeResult(data.result)]);
  document.querySelector("main").hidden = false;
  byId("loading").remove();
  const page = new Page(image, result);
  if (data.serve) new Options(page, data.serve);
  document.documentElement.dataset.ready = "";
}

start().catch((error) => {
  byId("loading")?.replaceChildren(`This browser cannot decode the page: ${error.message}`);
  throw error;
});
