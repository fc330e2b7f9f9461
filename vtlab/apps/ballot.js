// A blind pair: two players, a choice, marks. All of it by keys, see HELP.

const CHOICES = [["left", "← Left is better"], ["same", "↓ No difference"], ["right", "Right is better →"]];
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "same" };
const MARKS = [1, 2, 3, 4, 5];
const HELP = "A, L: play left, right · 1 to 5: mark the side played last, one scale after the other; Backspace takes " +
  "the last mark back · ← ↓ →: choose, once both were played to the end · Enter: save and go on";

function create(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function countNoun(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function render({ model, el }) {
  const root = create("div", { className: "vtlab-ballot", tabIndex: 0 });
  el.append(root);
  // sides by name: player, whether it was played to the end, marks, and each scale's row; place: the scale that the
  // next key marks
  let choice = null, sides = {}, current = null, presses = 0, trouble = false;

  function side(name, { kind, address, scales }) {
    const player = create(kind, { src: address, controls: true, preload: "auto", playsInline: true });
    const rows = scales.map((scale, place) => {
      const row = create("div", { className: "vtlab-scale" }, create("span", { textContent: scale }));
      for (const mark of MARKS) {
        const button = create("button", { type: "button", textContent: mark, ariaLabel: `${name} ${scale} ${mark}` });
        button.onclick = () => give(name, place, sides[name].marks[scale] === mark ? null : mark);  // again: taken back
        row.append(button);
      }
      return row;
    });
    const own = sides[name] = { player, played: false, scales, rows, marks: {}, place: 0 };
    player.onplay = () => {
      for (const other of Object.values(sides)) if (other !== own) other.player.pause();
      turnTo(name);
    };
    player.onended = () => { own.played = true; if (sides[name] === own) allowChoice(); };
    player.onerror = () => { if (sides[name] === own) drawTrouble(`This browser cannot play the dub on the ${name}.`); };
    const title = name === "left" ? "Left (A plays)" : "Right (L plays)";
    const shown = create("div", { className: "vtlab-side" }, create("h3", { textContent: title }), player, ...rows);
    shown.addEventListener("focusin", () => turnTo(name));
    return shown;
  }

  function turnTo(name) {
    current = name;
    for (const [other, { rows, place }] of Object.entries(sides))
      rows.forEach((row, at) => row.classList.toggle("vtlab-marked-next", other === name && at === place));
    const { scales, place } = sides[name];
    root.querySelector(".vtlab-hint").textContent = `Keys 1 to 5 mark: ${name}, ${scales[place]}`;
  }

  function give(name, place, mark) {
    const { scales, rows, marks } = sides[name];
    if (mark === null) delete marks[scales[place]];
    else marks[scales[place]] = mark;
    for (const button of rows[place].querySelectorAll("button"))
      button.ariaPressed = String(button.textContent === String(mark));
    sides[name].place = mark === null ? place : (place + 1) % scales.length;
    turnTo(name);
  }

  function takeBack() {
    const { scales, place } = sides[current];
    give(current, (place + scales.length - 1) % scales.length, null);
  }

  function allowChoice() {
    if (trouble) return;
    const unplayed = Object.keys(sides).filter((name) => !sides[name].played);
    for (const button of root.querySelectorAll(".vtlab-choices button")) button.disabled = unplayed.length > 0;
    root.querySelector(".vtlab-unplayed").textContent =
      unplayed.length ? `To choose, play to the end: ${unplayed.join(", ")}` : "";
  }

  function pick(name) {
    if (!Object.values(sides).every(({ played }) => played)) return;
    choice = name;
    for (const button of root.querySelectorAll(".vtlab-choices button"))
      button.ariaPressed = String(button.dataset.choice === name);
    root.querySelector(".vtlab-next").disabled = false;
  }

  function next() {
    const { number, done } = model.get("showing");
    if (done || (choice === null && !trouble)) return;
    presses++;  // the same vote given again after it could not be kept is another press
    const vote = trouble ? {} : { choice, left_ratings: sides.left.marks, right_ratings: sides.right.marks };
    model.set("chosen", { number, press: presses, ...vote });
    model.save_changes();
  }

  function play(name) {
    turnTo(name);
    sides[name].player.currentTime = 0;
    sides[name].player.play();
  }

  function count({ number, total }) {
    return create("p", { className: "vtlab-count", textContent: `Pair ${number} of ${total}` });
  }

  function drawTrouble(sentence) {
    trouble = true;
    root.replaceChildren(
      count(model.get("showing")),
      create("p", { className: "vtlab-trouble", role: "alert", textContent: sentence }),
      create("button", { type: "button", className: "vtlab-next", onclick: next,
        textContent: "Go on with the next pair (Enter)" }));
    root.focus({ preventScroll: true });
  }

  function draw() {
    const showing = model.get("showing");
    choice = current = null;
    sides = {};
    trouble = false;
    if (showing.done) {
      const skipped = showing.skipped ? ` ${showing.skipped} of them could not be heard.` : "";
      root.replaceChildren(create("p", { className: "vtlab-done",
        textContent: `That was the last of ${countNoun(showing.total, "pair")}.${skipped} Thank you.` }));
      return;
    }
    if (showing.trouble) return drawTrouble(showing.trouble);
    const choices = create("div", { className: "vtlab-choices" }, ...CHOICES.map(([name, words]) => {
      const button = create("button", { type: "button", textContent: words, ariaPressed: "false" });
      button.dataset.choice = name;
      button.onclick = () => pick(name);
      return button;
    }));
    root.replaceChildren(
      count(showing),
      create("p", { className: "vtlab-text", textContent: showing.text || "" }),
      create("div", { className: "vtlab-sides" }, side("left", showing.left), side("right", showing.right)),
      create("p", { className: "vtlab-hint", ariaLive: "polite", textContent: "Keys 1 to 5 mark the side played last." }),
      create("p", { className: "vtlab-unplayed", ariaLive: "polite" }),
      choices,
      create("button", { type: "button", className: "vtlab-next", onclick: next, disabled: true,
        textContent: "Save and next (Enter)" }),
      create("p", { className: "vtlab-trouble vtlab-not-kept", role: "alert" }),
      create("p", { className: "vtlab-help", textContent: HELP }));
    allowChoice();
    tellNotKept();
    root.focus({ preventScroll: true });
  }

  function tellNotKept() {
    const place = root.querySelector(".vtlab-not-kept");
    const why = model.get("not_kept");
    if (place) place.textContent = why ? `${why} Press Enter to try again.` : "";
  }

  root.addEventListener("keydown", (event) => {
    if (model.get("showing").done || event.ctrlKey || event.metaKey || event.altKey) return;
    const enters = event.key === "Enter" && !event.target.closest(".vtlab-choices, .vtlab-next");
    if (enters) next();
    else if (trouble) return;
    else if (KEYS[event.key]) pick(KEYS[event.key]);
    else if (event.key.toLowerCase() === "a") play("left");
    else if (event.key.toLowerCase() === "l") play("right");
    else if (MARKS.includes(Number(event.key)) && current) give(current, sides[current].place, Number(event.key));
    else if (event.key === "Backspace" && current) takeBack();
    else return;
    event.preventDefault();
  });
  model.on("change:showing", draw);
  model.on("change:not_kept", tellNotKept);
  draw();
}

export default { render };
