// A blind pair: two players, a choice, marks. All of it by keys, see HELP.

const CHOICES = [["left", "← Left is better"], ["same", "↓ No difference"], ["right", "Right is better →"]];
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "same" };
const MARKS = [1, 2, 3, 4, 5];
const HELP = "A, L: play left, right · 1 to 5: mark the side played last, one scale after the other; Backspace takes " +
  "the last mark back · ← ↓ →: choose · Enter: save and go on";

function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function counted(number, what) {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function render({ model, el }) {
  const root = made("div", { className: "vtlab-ballot", tabIndex: 0 });
  el.append(root);
  // sides by name: player, marks, and each scale's row; place: the scale that the next key marks
  let choice = null, sides = {}, current = null, presses = 0;

  function side(name, { kind, address, scales }) {
    const player = made(kind, { src: address, controls: true, preload: "auto", playsInline: true });
    player.onplay = () => {
      for (const other of Object.values(sides)) if (other.player !== player) other.player.pause();
      turnTo(name);
    };
    const rows = scales.map((scale, place) => {
      const row = made("div", { className: "vtlab-scale" }, made("span", { textContent: scale }));
      for (const mark of MARKS) {
        const button = made("button", { type: "button", textContent: mark, ariaLabel: `${name} ${scale} ${mark}` });
        button.onclick = () => give(name, place, sides[name].marks[scale] === mark ? null : mark);  // again: taken back
        row.append(button);
      }
      return row;
    });
    sides[name] = { player, scales, rows, marks: {}, place: 0 };
    const title = name === "left" ? "Left (A plays)" : "Right (L plays)";
    const shown = made("div", { className: "vtlab-side" }, made("h3", { textContent: title }), player, ...rows);
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

  function pick(name) {
    choice = name;
    for (const button of root.querySelectorAll(".vtlab-choices button"))
      button.ariaPressed = String(button.dataset.choice === name);
    root.querySelector(".vtlab-next").disabled = false;
  }

  function next() {
    const { number, done, trouble } = model.get("showing");
    if (done || (choice === null && !trouble)) return;
    presses++;  // the same vote given again after it could not be kept is another press
    const marks = trouble ? {} : { choice, left_marks: sides.left.marks, right_marks: sides.right.marks };
    model.set("chosen", { number, press: presses, ...marks });
    model.save_changes();
  }

  function play(name) {
    turnTo(name);
    sides[name].player.currentTime = 0;
    sides[name].player.play();
  }

  function draw() {
    const showing = model.get("showing");
    choice = current = null;
    sides = {};
    if (showing.done) {
      const skipped = showing.skipped ? ` ${showing.skipped} of them could not be heard.` : "";
      root.replaceChildren(made("p", { className: "vtlab-done",
        textContent: `That was the last of ${counted(showing.total, "pair")}.${skipped} Thank you.` }));
      return;
    }
    const count = made("p", { className: "vtlab-count", textContent: `Pair ${showing.number} of ${showing.total}` });
    const save = made("button", { type: "button", className: "vtlab-next", onclick: next });
    if (showing.trouble) {
      save.textContent = "Go on with the next pair (Enter)";
      root.replaceChildren(count, made("p", { className: "vtlab-trouble", role: "alert",
        textContent: showing.trouble }), save);
      root.focus({ preventScroll: true });
      return;
    }
    const choices = made("div", { className: "vtlab-choices" }, ...CHOICES.map(([name, words]) => {
      const button = made("button", { type: "button", textContent: words, ariaPressed: "false" });
      button.dataset.choice = name;
      button.onclick = () => pick(name);
      return button;
    }));
    Object.assign(save, { textContent: "Save and next (Enter)", disabled: true });
    root.replaceChildren(
      count,
      made("p", { className: "vtlab-text", textContent: showing.text || "" }),
      made("div", { className: "vtlab-sides" }, side("left", showing.left), side("right", showing.right)),
      made("p", { className: "vtlab-hint", ariaLive: "polite", textContent: "Keys 1 to 5 mark the side played last." }),
      choices, save,
      made("p", { className: "vtlab-trouble vtlab-not-kept", role: "alert" }),
      made("p", { className: "vtlab-help", textContent: HELP }));
    told();
    root.focus({ preventScroll: true });
  }

  function told() {
    const place = root.querySelector(".vtlab-not-kept");
    const why = model.get("not_kept");
    if (place) place.textContent = why ? `${why} Press Enter to try again.` : "";
  }

  root.addEventListener("keydown", (event) => {
    const { done, trouble } = model.get("showing");
    if (done || event.ctrlKey || event.metaKey || event.altKey) return;
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
  model.on("change:not_kept", told);
  draw();
}

export default { render };
