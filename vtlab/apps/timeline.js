// Two rows of bars on one time scale: the source's segments above, the dub's below, coloured by speed.
// A click asks Python for both sounds of a segment and plays them one after the other.

const ROW = 34, GAP = 10, AXIS = 22, TOP = 6;
const LEAST_WIDTH = 640, PIXELS_PER_SECOND = 36;
const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// as in the pictures: blue within the preferred speeds, orange within the limits, red with a dashed edge beyond
function kind(speed, preferred, limits) {
  const within = ([low, high]) => speed >= low - 1e-9 && speed <= high + 1e-9;
  return within(preferred) ? "preferred" : within(limits) ? "allowed" : "beyond";
}

function late(segment) {
  return Math.abs(segment.late) > 50 ? ` ${segment.late > 0 ? "+" : "−"}${Math.abs(segment.late)} ms` : "";
}

function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function render({ model, el }) {
  const status = document.createElement("div");
  status.className = "vtlab-timeline-status";
  status.setAttribute("role", "status");
  status.textContent = "Click a segment to hear the source, then the dub. Above the source, below the dub: blue at a preferred "
    + "speed, orange up to the limits, red and dashed beyond. Slanted strokes are drift; where a segment starts over 50 ms off, "
    + "it says so. A second click, or Escape, stops.";
  const frame = document.createElement("div");
  frame.className = "vtlab-timeline";
  el.append(frame, status);
  frame.addEventListener("scroll", () => { if (frame.isConnected) globalThis.vtlabScrolled = frame.scrollLeft; });
  let playing = null;

  function draw() {
    const seconds = model.get("seconds"), segments = model.get("segments");
    const preferred = model.get("preferred"), limits = model.get("limits");
    const width = Math.max(LEAST_WIDTH, seconds * PIXELS_PER_SECOND), scale = width / seconds;
    const svg = element("svg", { width, height: TOP + 2 * ROW + GAP + AXIS });
    for (let second = 0; second <= seconds; second += 5) {
      const x = second * scale, bottom = TOP + 2 * ROW + GAP;
      svg.append(
        element("line", { x1: x, x2: x, y1: TOP, y2: bottom, class: "vtlab-grid" }),
        element("text", { x: x + 2, y: bottom + 15, class: "vtlab-axis" }, clock(second)),
      );
    }
    for (const segment of segments) {
      const group = element("g", { class: "vtlab-segment", tabindex: 0, role: "button", "data-segment": segment.id });
      group.setAttribute("aria-label", `Segment ${segment.id}: ${segment.text}`);
      group.append(element("title", {},
        `${segment.text}\n${segment.translation}\nspeed ${segment.speed.toFixed(2)}, drift ${segment.drift} ms`));
      for (const [row, [start, end], how, words] of [
        [0, segment.source, "source", segment.text],
        [1, segment.dub, segment.failed ? "failed" : kind(segment.speed, preferred, limits),
          `${segment.speed.toFixed(2)}×${late(segment)} ${segment.translation}`],
      ]) {
        const x = start * scale, size = Math.max(3, (end - start) * scale), y = TOP + row * (ROW + GAP);
        group.append(element("rect", { x, y, width: size, height: ROW, rx: 3,
          class: `vtlab-bar vtlab-${how}` }));
        const letters = Math.floor((size - 8) / 6.4);
        if (letters > 3) {
          const shown = words.length > letters ? `${words.slice(0, letters - 1)}…` : words;
          group.append(element("text", { x: x + 4, y: y + ROW / 2 + 4, class: `vtlab-words vtlab-on-${how}` }, shown));
        }
      }
      for (const edge of [0, 1]) {  // from where the source says it to where the dub does
        const y = TOP + ROW;
        group.append(element("line", { x1: segment.source[edge] * scale, y1: y, x2: segment.dub[edge] * scale, y2: y + GAP,
          class: "vtlab-drift" }));
      }
      const ask = () => {
        if (playing && !playing.paused && model.get("answer").segment === segment.id) return stop();
        model.set("asked", { segment: segment.id, count: Date.now() });
        model.save_changes();
      };
      group.addEventListener("click", ask);
      group.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); ask(); }
      });
      svg.append(group);
    }
    frame.replaceChildren(svg);
    frame.scrollLeft = globalThis.vtlabScrolled ?? 0;  // where it was before the dub was made anew
  }

  function stop() {
    const sound = playing;
    playing = null;  // so that the dub does not follow the source
    if (!sound) return;
    sound.pause();
    status.textContent = "Stopped";
  }

  async function play() {
    const { segment, source, dub } = model.get("answer");
    if (segment === undefined) return;
    if (playing) playing.pause();
    for (const group of frame.querySelectorAll(".vtlab-segment"))
      group.classList.toggle("vtlab-chosen", Number(group.dataset.segment) === segment);
    for (const [name, address] of [["source", source], ["dub", dub]]) {
      const sound = new Audio(address);
      playing = sound;
      status.textContent = `Segment ${segment}: playing the ${name}`;
      try {
        await sound.play();
        await new Promise((done) => { sound.onended = done; sound.onpause = done; });
      } catch (error) {
        status.textContent = `Segment ${segment}: the browser does not play the ${name} (${error.message})`;
        return;
      }
      if (playing !== sound) return;  // another segment was clicked meanwhile
    }
    playing = null;
    status.textContent = `Segment ${segment}: played source and dub`;
  }

  frame.addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });
  model.on("change:segments", draw);
  model.on("change:seconds", draw);
  model.on("change:answer", play);
  draw();
  requestAnimationFrame(() => { frame.scrollLeft = globalThis.vtlabScrolled ?? 0; });  // once it has a width
  return () => { if (playing) playing.pause(); };
}

export default { render };
