// A blind pair: two players, a choice, marks. Keys: A and L play, arrows choose, Enter saves and goes on.

const CHOICES = [["left", "← Left is better"], ["same", "↓ No difference"], ["right", "Right is better →"]];
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "same" };

function made(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function render({ model, el }) {
  const root = made("div", { className: "vtlab-ballot", tabIndex: 0 });
  el.append(root);
  let choice = null, marks = { left: {}, right: {} }, players = {};

  function side(name, address) {
    const player = made("video", { src: address, controls: true, preload: "auto", playsInline: true });
    players[name] = player;
    const scales = model.get("scales").map((scale) => {
      const row = made("div", { className: "vtlab-scale" }, made("span", { textContent: scale }));
      for (let mark = 1; mark <= 5; mark++) {
        const button = made("button", { type: "button", textContent: mark, ariaLabel: `${name} ${scale} ${mark}` });
        button.onclick = () => {
          if (marks[name][scale] === mark) delete marks[name][scale];  // a second click takes it back
          else marks[name][scale] = mark;
          for (const other of row.querySelectorAll("button"))
            other.ariaPressed = String(other === button && marks[name][scale] === mark);
        };
        row.append(button);
      }
      return row;
    });
    const title = name === "left" ? "Left (A plays)" : "Right (L plays)";
    return made("div", { className: "vtlab-side" }, made("h3", { textContent: title }), player, ...scales);
  }

  function pick(name) {
    choice = name;
    for (const button of root.querySelectorAll(".vtlab-choices button"))
      button.ariaPressed = String(button.dataset.choice === name);
    root.querySelector(".vtlab-next").disabled = false;
  }

  function next() {
    const { number, done } = model.get("showing");
    if (choice === null || done) return;
    model.set("chosen", { number, choice, left_marks: marks.left, right_marks: marks.right });
    model.save_changes();
  }

  function play(name) {
    for (const player of Object.values(players)) player.pause();
    players[name].currentTime = 0;
    players[name].play();
  }

  function draw() {
    const showing = model.get("showing");
    choice = null;
    marks = { left: {}, right: {} };
    players = {};
    if (showing.done) {
      root.replaceChildren(made("p", { className: "vtlab-done",
        textContent: `That was the last of ${showing.total} pairs. Thank you.` }));
      return;
    }
    const choices = made("div", { className: "vtlab-choices" }, ...CHOICES.map(([name, words]) => {
      const button = made("button", { type: "button", textContent: words, ariaPressed: "false" });
      button.dataset.choice = name;
      button.onclick = () => pick(name);
      return button;
    }));
    const save = made("button", { type: "button", className: "vtlab-next", textContent: "Save and next (Enter)",
      disabled: true });
    save.onclick = next;
    root.replaceChildren(
      made("p", { className: "vtlab-count", textContent: `Pair ${showing.number} of ${showing.total}` }),
      made("p", { className: "vtlab-text", textContent: showing.text || "" }),
      made("div", { className: "vtlab-sides" }, side("left", showing.left), side("right", showing.right)),
      choices, save);
    root.focus({ preventScroll: true });
  }

  root.addEventListener("keydown", (event) => {
    if (model.get("showing").done || event.ctrlKey || event.metaKey || event.altKey) return;
    if (KEYS[event.key]) pick(KEYS[event.key]);
    else if (event.key === "Enter" && !event.target.closest(".vtlab-choices, .vtlab-next")) next();
    else if (event.key.toLowerCase() === "a") play("left");
    else if (event.key.toLowerCase() === "l") play("right");
    else return;
    event.preventDefault();
  });
  model.on("change:showing", draw);
  draw();
}

export default { render };
