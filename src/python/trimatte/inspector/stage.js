// The viewer: two layers side by side of a split, a probe, zoom and pan; by mouse, pen, touch and
// keyboard.

const MOST_ZOOM = 64;
const CLICK_SLACK = 4; // pixels that a click may move

class Stage extends EventTarget {
  // sources() gives the two layers' canvases, left and right. Fires "probe", "pin" and, drawn anew, "zoom".
  constructor(element, { width, height }, sources) {
    super();
    this.element = element;
    this.canvas = element.querySelector("canvas");
    this.handle = element.querySelector("[role=slider]");
    this.width = width;
    this.height = height;
    this.sources = sources;
    this.split = 0.5;
    this.probe = { x: width >> 1, y: height >> 1 };
    this.pinned = false;
    this.fitted = true;
    this.scale = 1;
    this.left = this.top = 0;
    this.pointers = new Map();
    this.#listen();
    new ResizeObserver(() => this.#resize()).observe(element);
    this.#resize();
  }

  // --- what is shown ---

  fit() {
    this.fitted = true;
    this.scale = Math.min(this.across / this.width, this.down / this.height);
    this.left = (this.across - this.width * this.scale) / 2;
    this.top = (this.down - this.height * this.scale) / 2;
    this.draw();
  }

  // A pixel of the image as so many of the screen, around a place on the stage.
  zoomTo(scale, at = { x: this.across / 2, y: this.down / 2 }) {
    const least = Math.min(this.across / this.width, this.down / this.height, 1);
    const wanted = Math.min(Math.max(scale, least), MOST_ZOOM);
    const ratio = wanted / this.scale;
    this.fitted = false;
    this.left = at.x - (at.x - this.left) * ratio;
    this.top = at.y - (at.y - this.top) * ratio;
    this.scale = wanted;
    this.#hold();
    this.draw();
  }

  zoomBy(factor, at) {
    this.zoomTo(this.scale * factor, at);
  }

  pan(dx, dy) {
    this.fitted = false;
    this.left += dx;
    this.top += dy;
    this.#hold();
    this.draw();
  }

  setSplit(split) {
    this.split = Math.min(Math.max(split, 0), 1);
    const percent = Math.round(100 * this.split);
    this.handle.style.left = `${100 * this.split}%`;
    this.handle.setAttribute("aria-valuenow", percent);
    this.handle.setAttribute("aria-valuetext", `${percent} % left`);
    this.draw();
  }

  setProbe(x, y) {
    this.probe = {
      x: Math.min(Math.max(Math.round(x), 0), this.width - 1),
      y: Math.min(Math.max(Math.round(y), 0), this.height - 1),
    };
    this.draw();
    this.dispatchEvent(new Event("probe"));
  }

  setPinned(pinned) {
    this.pinned = pinned;
    this.draw();
    this.dispatchEvent(new Event("pin"));
  }

  // Moves the probe, and the picture where it would leave the stage.
  stepProbe(dx, dy) {
    this.setProbe(this.probe.x + dx, this.probe.y + dy);
    const x = this.left + (this.probe.x + 0.5) * this.scale;
    const y = this.top + (this.probe.y + 0.5) * this.scale;
    const margin = Math.min(24, this.across / 4, this.down / 4);
    const beyond = (at, size) => Math.min(at - margin, 0) + Math.max(at - size + margin, 0);
    const [over, under] = [beyond(x, this.across), beyond(y, this.down)];
    if (!this.fitted && (over || under)) this.pan(-over, -under);
  }

  draw() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.#paint();
    });
  }

  #paint() {
    const ratio = window.devicePixelRatio || 1;
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.across, this.down);
    // Below a screen's pixel for one of the image its neighbours are averaged; above none is.
    context.imageSmoothingEnabled = this.scale * ratio < 1;
    context.imageSmoothingQuality = "high";
    const middle = this.split * this.across;
    const halves = [[0, middle], [middle, this.across - middle]];
    this.sources().forEach((layer, side) => {
      const [from, wide] = halves[side];
      if (wide <= 0) return;
      context.save();
      context.beginPath();
      context.rect(from, 0, wide, this.down);
      context.clip();
      context.drawImage(layer, this.left, this.top,
                        this.width * this.scale, this.height * this.scale);
      context.restore();
    });
    this.#paintProbe(context);
    this.dispatchEvent(new Event("zoom"));
  }

  #paintProbe(context) {
    const size = Math.max(this.scale, 9);
    const x = this.left + (this.probe.x + 0.5) * this.scale - size / 2;
    const y = this.top + (this.probe.y + 0.5) * this.scale - size / 2;
    for (const [color, grown] of [["#000", 1], [this.pinned ? "#f2b75c" : "#fff", 0]]) {
      context.strokeStyle = color;
      context.lineWidth = grown ? 3 : 1.5;
      context.strokeRect(x - 0.5, y - 0.5, size + 1, size + 1);
    }
  }

  #resize() {
    const { clientWidth, clientHeight } = this.element;
    const ratio = window.devicePixelRatio || 1;
    this.across = clientWidth;
    this.down = clientHeight;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    if (this.fitted) this.fit();
    else this.#hold();
    this.draw();
  }

  // Keeps the picture on the stage: in its middle where it is smaller, without a gap where larger.
  #hold() {
    const held = (at, picture, room) => picture <= room ? (room - picture) / 2
      : Math.min(0, Math.max(room - picture, at));
    this.left = held(this.left, this.width * this.scale, this.across);
    this.top = held(this.top, this.height * this.scale, this.down);
  }

  // --- what is done to it ---

  #place(event) {
    const box = this.element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #probeAt({ x, y }) {
    this.setProbe(Math.floor((x - this.left) / this.scale), Math.floor((y - this.top) / this.scale));
  }

  #hover(at) {
    if (!this.pinned && this.#isOnImage(at)) this.#probeAt(at);
  }

  #isOnImage({ x, y }) {
    const column = (x - this.left) / this.scale, row = (y - this.top) / this.scale;
    return column >= 0 && row >= 0 && column < this.width && row < this.height;
  }

  #listen() {
    const { canvas, handle } = this;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.#up(event));
    }
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), this.#place(event));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    handle.addEventListener("keydown", (event) => this.#splitKey(event));
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      handle.focus({ preventScroll: true });
      this.grabbed = { ...this.#place(event), moved: false };
      event.preventDefault();
    });
    handle.addEventListener("pointerup", (event) => {
      const at = this.#place(event);
      if (!this.grabbed.moved && event.pointerType === "touch" && this.#isOnImage(at)) this.#probeAt(at);
    });
    handle.addEventListener("pointermove", (event) => {
      if (handle.hasPointerCapture(event.pointerId)) {
        const { x } = this.#place(event);
        this.grabbed.moved ||= Math.abs(x - this.grabbed.x) > CLICK_SLACK;
        if (this.grabbed.moved) this.setSplit(x / this.across);
      } else {
        this.#hover(this.#place(event)); // it hides no pixels
      }
    });
  }

  #down(event) {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    const at = this.#place(event);
    this.pointers.set(event.pointerId, { at, start: at });
    this.moved = this.pointers.size > 1;
    if (event.pointerType === "touch" && this.pointers.size === 1) this.#probeAt(at);
  }

  #move(event) {
    const at = this.#place(event);
    const known = this.pointers.get(event.pointerId);
    if (!known) {
      this.#hover(at);
      return;
    }
    const before = known.at;
    known.at = at;
    this.moved ||= Math.hypot(at.x - known.start.x, at.y - known.start.y) > CLICK_SLACK;
    if (this.pointers.size === 2) this.#pinch(event.pointerId, before, at);
    else if (event.pointerType === "touch") this.#probeAt(at);
    else if (this.moved) this.pan(at.x - before.x, at.y - before.y);
  }

  #up(event) {
    const known = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (!known || this.moved || event.type === "pointercancel") return;
    if (event.pointerType === "touch") return;
    if (!this.pinned) this.#probeAt(known.at);
    this.setPinned(!this.pinned);
  }

  #pinch(moving, before, at) {
    const [still] = [...this.pointers].filter(([id]) => id !== moving).map(([, other]) => other.at);
    const spread = (place) => Math.hypot(place.x - still.x, place.y - still.y);
    const middle = { x: (at.x + still.x) / 2, y: (at.y + still.y) / 2 };
    this.pan((at.x - before.x) / 2, (at.y - before.y) / 2);
    this.zoomBy(spread(at) / Math.max(spread(before), 1), middle);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 10 : 1;
    const actions = {
      ArrowLeft: () => this.stepProbe(-step, 0),
      ArrowRight: () => this.stepProbe(step, 0),
      ArrowUp: () => this.stepProbe(0, -step),
      ArrowDown: () => this.stepProbe(0, step),
      Enter: () => this.setPinned(!this.pinned),
      " ": () => this.setPinned(!this.pinned),
      Escape: () => this.setPinned(false),
    };
    if (!(event.key in actions)) return;
    if (event.key.startsWith("Arrow") && !this.pinned) this.setPinned(true);
    actions[event.key]();
    event.preventDefault();
  }

  #splitKey(event) {
    const step = event.shiftKey ? 0.1 : 0.01;
    const splits = {
      ArrowLeft: this.split - step,
      ArrowDown: this.split - step,
      ArrowRight: this.split + step,
      ArrowUp: this.split + step,
      PageDown: this.split - 0.1,
      PageUp: this.split + 0.1,
      Home: 0,
      End: 1,
    };
    if (!(event.key in splits)) return;
    this.setSplit(splits[event.key]);
    event.preventDefault();
  }
}

// Draws the pixels around one, as large as they fit: side x side of them, an odd number.
function drawLens(canvas, layer, { x, y }, side) {
  const context = canvas.getContext("2d");
  const each = canvas.width / side;
  const half = side >> 1;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(layer, x - half, y - half, side, side, 0, 0, canvas.width, canvas.height);
  for (const [color, wide] of [["#000", 4], ["#fff", 2]]) {
    context.strokeStyle = color;
    context.lineWidth = wide;
    context.strokeRect(half * each - 1, half * each - 1, each + 2, each + 2);
  }
}
