// Two rows of bars on one time scale: the source's lines above, the dub's below, coloured by speed.
// A click asks Python for both sounds of a line and plays them one after the other.

const ROW = 34, GAP = 10, AXIS = 22, TOP = 6;
const LEAST_WIDTH = 640, PIXELS_PER_SECOND = 36;
const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// blue: slower than the voice's own rate, grey: natural, orange: faster
function colour(speed) {
  if (speed > 1.1) return speed > 1.3 ? "#d55e00" : "#e69f00";
  return speed < 0.9 ? "#0072b2" : "#8a8a8a";
}

function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function render({ model, el }) {
  const status = document.createElement("div");
  status.className = "vtlab-timeline-status";
  status.setAttribute("role", "status");
  status.textContent = "Click a line to hear the source, then the dub.";
  const frame = document.createElement("div");
  frame.className = "vtlab-timeline";
  el.append(frame, status);
  let playing = null;

  function draw() {
    const seconds = model.get("seconds"), lines = model.get("lines");
    const width = Math.max(LEAST_WIDTH, seconds * PIXELS_PER_SECOND), scale = width / seconds;
    const svg = element("svg", { width, height: TOP + 2 * ROW + GAP + AXIS });
    for (let second = 0; second <= seconds; second += 5) {
      const x = second * scale, bottom = TOP + 2 * ROW + GAP;
      svg.append(
        element("line", { x1: x, x2: x, y1: TOP, y2: bottom, class: "vtlab-grid" }),
        element("text", { x: x + 2, y: bottom + 15, class: "vtlab-axis" }, clock(second)),
      );
    }
    for (const line of lines) {
      const group = element("g", { class: "vtlab-line", tabindex: 0, role: "button", "data-line": line.id });
      group.setAttribute("aria-label", `Line ${line.id}: ${line.text}`);
      group.append(element("title", {},
        `${line.text}\n${line.translation}\nspeed ${line.speed.toFixed(2)}, drift ${line.drift} ms`));
      for (const [row, [start, end], fill, words] of [
        [0, line.source, "#56b4e9", line.text],
        [1, line.dub, line.failed ? "none" : colour(line.speed), `${line.speed.toFixed(2)}× ${line.translation}`],
      ]) {
        const x = start * scale, size = Math.max(3, (end - start) * scale), y = TOP + row * (ROW + GAP);
        group.append(element("rect", { x, y, width: size, height: ROW, rx: 3, fill, class: "vtlab-bar" }));
        const letters = Math.floor((size - 8) / 6.4);
        if (letters > 3) {
          const shown = words.length > letters ? `${words.slice(0, letters - 1)}…` : words;
          group.append(element("text", { x: x + 4, y: y + ROW / 2 + 4, class: "vtlab-words" }, shown));
        }
      }
      const ask = () => model.set("asked", { line: line.id, count: Date.now() }) || model.save_changes();
      group.addEventListener("click", ask);
      group.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); ask(); }
      });
      svg.append(group);
    }
    frame.replaceChildren(svg);
  }

  async function play() {
    const { line, source, dub } = model.get("answer");
    if (line === undefined) return;
    if (playing) playing.pause();
    for (const group of frame.querySelectorAll(".vtlab-line"))
      group.classList.toggle("vtlab-chosen", Number(group.dataset.line) === line);
    for (const [name, address] of [["source", source], ["dub", dub]]) {
      const sound = new Audio(address);
      playing = sound;
      status.textContent = `Line ${line}: playing the ${name}`;
      try {
        await sound.play();
        await new Promise((done) => { sound.onended = done; sound.onpause = done; });
      } catch (error) {
        status.textContent = `Line ${line}: the browser does not play the ${name} (${error.message})`;
        return;
      }
      if (playing !== sound) return;  // another line was clicked meanwhile
    }
    status.textContent = `Line ${line}: played source and dub`;
  }

  model.on("change:lines", draw);
  model.on("change:seconds", draw);
  model.on("change:answer", play);
  draw();
  return () => { if (playing) playing.pause(); };
}

export default { render };
