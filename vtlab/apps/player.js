// A video or a sound that begins where the one before it at its place was: the same second, heard with another setting.

const ENDED_S = 0.5;  // so near its end it begins at the beginning

function render({ model, el }) {
  const player = document.createElement(model.get("kind"));
  player.controls = true;
  player.preload = "metadata";
  // whole, with its controls, also where it is taller than wide
  Object.assign(player.style, { width: "100%", maxHeight: "70vh", background: "#000" });
  if (model.get("subtitles")) {
    const language = model.get("language");
    const track = document.createElement("track");
    Object.assign(track, { kind: "subtitles", srclang: language, label: language, default: true });
    track.src = model.get("subtitles");
    player.append(track);
  }
  const seen = (globalThis.vtlabSeen ??= {}), place = model.get("place");
  player.addEventListener("loadedmetadata", () => {
    if (seen[place] < player.duration - ENDED_S) player.currentTime = seen[place];
  });
  player.addEventListener("timeupdate", () => { if (player.isConnected) seen[place] = player.currentTime; });
  player.src = model.get("source");
  el.append(player);
  return () => player.pause();
}

export default { render };
