// The page: what the controls say goes through the formulas into numbers and charts, whenever a control moves.

const {texts, networks, placements, examples, language: firstLanguage, ...conditions} =
  JSON.parse(document.getElementById("content").textContent);
const SLIDERS = ["units", "lambda", "bias", "cursor"];
const GATED = ["shortcut-only-gating", "exclusive-gating"];
const LAYERS = {conv: "conv", norm: "BN", relu: "ReLU"};
const DIRECTIONS = ["forward", "backward"];
const controls = document.querySelector(".controls");
const by = id => document.getElementById(id);
let language = firstLanguage;
let example = "half";  // The controls begin as this example sets them.

const words = (key, values = {}) => texts[language][key].replace(/\{([a-z]+)\}/g, (_, name) => values[name]);
const minus = number => String(number).replace("-", "−");
const show = (id, html) => { by(id).innerHTML = html; };

function readControls() {
  const numbers = Object.fromEntries(SLIDERS.map(name => [name, Number(by(name).value)]));
  const chosen = name => controls.elements[name].value;
  return {...numbers, shortcut: chosen("shortcut"), placement: chosen("placement"), oneSize: chosen("sizes") === "one_size"};
}

function setControls({cursor, ...settings}) {
  for (const [name, value] of Object.entries(settings)) controls.elements[name].value = value;
  render();
}

// A measured network as settings; the identity is a scale of 1.
function settingsOf(network) {
  const {shortcut, value, placement} = network;
  const settings = {units: network.forward.direct.length - 1, shortcut, placement, sizes: network.one_size ? "one_size" : "three_sizes"};
  if (shortcut === "constant-scaling") settings.lambda = value;
  if (GATED.includes(shortcut)) settings.bias = value;
  return settings;
}

// How far a measured network is from what the controls say; 0 where it is the same.
function distance(network, state) {
  const wanted = state.shortcut === "identity" ? {...state, shortcut: "constant-scaling", lambda: 1} : state;
  const measured = settingsOf(network);
  if (measured.shortcut === "identity") Object.assign(measured, {shortcut: "constant-scaling", lambda: 1});
  if (measured.shortcut !== wanted.shortcut) return Infinity;
  return Math.abs(Math.log(measured.units / wanted.units))
    + (wanted.oneSize === network.one_size ? 0 : 5) + (wanted.placement === measured.placement ? 0 : 2)
    + (measured.lambda === undefined ? 0 : 3 * Math.abs(measured.lambda - wanted.lambda))
    + (measured.bias === undefined ? 0 : 0.3 * Math.abs(measured.bias - wanted.bias));
}

function nearestNetwork(state) {
  const distances = networks.map(network => distance(network, state));
  const least = Math.min(...distances);
  return {network: networks[distances.indexOf(least)], isHere: least < 1e-9};
}

function describeNetwork(network) {
  const {shortcut, lambda, bias, units, placement} = settingsOf(network);
  const named = lambda !== undefined ? words("with_lambda", {value: lambda})
    : bias !== undefined ? words("with_bias", {shortcut: words(shortcut), value: minus(bias)}) : words(shortcut);
  const count = network.one_size ? units : `${units} (ResNet-110)`;
  return words("network", {count, shortcut: named, placement: words(placement).split(" ")[0]});
}

function render() {
  const state = readControls();
  by("cursor").max = state.units;
  state.cursor = Math.min(state.cursor, state.units);
  const factors = factorsOf(state);
  const {network, isHere} = nearestNetwork(state);
  const measured = isHere ? network : null;
  const hasFormula = factors.shortcut !== null;
  const formula = hasFormula && {forward: forwardTerms(factors.shortcut, state.units), backward: backwardTerms(factors.shortcut, state.units)};
  renderSliders(state);
  renderUnit(state);
  renderResult(state, factors, formula, measured);
  renderMeasured(network, isHere);
  for (const direction of DIRECTIONS) renderDirection(direction, state, formula, measured);
  renderWeights(state, factors);
  renderNotes(state, factors, measured);
  show("look", words(`look_${example}`));
  for (const button of document.querySelectorAll("[data-example]")) {
    button.setAttribute("aria-pressed", button.dataset.example === example);
  }
}

function renderSliders(state) {
  const shown = {units: words("units_value", {count: state.units}), lambda: state.lambda.toFixed(2), bias: minus(state.bias), cursor: String(state.cursor)};
  for (const [name, text] of Object.entries(shown)) {
    document.querySelector(`output[for=${name}]`).textContent = text;
    by(name).setAttribute("aria-valuetext", text);
  }
  const uses = {lambda: state.shortcut === "constant-scaling", bias: GATED.includes(state.shortcut)};
  for (const [name, isUsed] of Object.entries(uses)) {
    document.querySelector(`[data-slider=${name}]`).classList.toggle("unused", !isUsed);
  }
}

function renderUnit(state) {
  const {branch, after_addition: after} = placements[state.placement];
  const boxes = (layers, kind = "") => layers.map(layer => `<b class="${kind}">${LAYERS[layer]}</b>`).join(" ");
  const isIdentity = state.shortcut === "identity" || (state.shortcut === "constant-scaling" && state.lambda === 1);
  show("unit-h", `<b class="${isIdentity ? "" : "alters"}">${words(state.shortcut)}</b>`);
  show("unit-branch", boxes(branch));
  show("unit-f", after.length ? boxes(after, "alters") : `<b>${words("identity_f")}</b>`);
}

function renderResult(state, factors, formula, measured) {
  const last = formula ? formula.forward[state.units] : NaN;
  const factor = factors.shortcut === null ? "" : asText(Math.log10(factors.shortcut), 4);
  by("result").textContent = formula ? words("result_formula", {factor, power: superscript(state.units), value: asText(last)}) : words("result_matrix");
  by("result").dataset.log = last;
  // The whole truth is in what was measured: the formula knows nothing of f and of a gate's weights.
  const arriving = measured ? Math.log10(measured.backward.direct[0]) : last;
  show("beside", measured ? words("result_measured", {value: asText(arriving)}) : "");
  const verdict = Number.isNaN(arriving) ? "" : arriving < -2 ? "vanishes" : arriving < -0.3 ? "fades" : arriving > 2 ? "explodes" : arriving > 0.3 ? "grows" : "passes";
  show("verdict", verdict && words(verdict));
  by("verdict").className = ["vanishes", "explodes"].includes(verdict) ? "wrong" : "";
  show("meaning", words(formula ? "result_meaning" : "result_matrix_meaning"));
  for (const direction of DIRECTIONS) drawStrip(by(`strip-${direction}`), formula ? formula[direction] : []);
}

function renderMeasured(network, isHere) {
  show("measured", isHere ? words("measured_here", {network: describeNetwork(network)}) : words("not_measured"));
  const button = by("nearest");
  button.hidden = isHere;
  button.innerHTML = words("nearest", {network: describeNetwork(network)});
  button.onclick = () => { setControls(settingsOf(network)); by("units").focus(); };
}

function renderDirection(direction, state, formula, measured) {
  const series = [];
  if (measured) series.push({kind: "whole", logs: measured[direction].whole.map(Math.log10)});
  if (formula) series.push({kind: "formula", logs: formula[direction]});
  if (measured) series.push({kind: "direct", logs: measured[direction].direct.map(Math.log10)});
  const svg = by(`chart-${direction}`);
  drawCurves(svg, state.units, series, state.cursor, words("across"));
  const [sum, product] = direction === "forward" ? [4, 7] : [5, 8];
  const isSum = state.shortcut === "identity" || (state.shortcut === "constant-scaling" && state.lambda === 1);
  show(`equation-${direction}`, words(`${direction}_eq_${isSum ? sum : product}`));
  for (const kind of ["formula", "direct", "whole"]) {
    const found = series.find(one => one.kind === kind);
    const cell = document.querySelector(`[data-read=${direction}-${kind}]`);
    cell.textContent = found ? asText(found.logs[state.cursor], 3) : "–";
  }
  svg.setAttribute("aria-label", `${texts[language][direction].replace(/<[^>]*>/g, "")}: ${by("result").textContent}`);
  show("at", words("at", {place: state.cursor}));
}

function renderWeights(state, factors) {
  const weights = factors.shortcut === null ? [] : weightsInTheLast(factors, state.units).map(log => 10 ** log);
  const sum = weights.slice(1).reduce((total, weight) => total + weight, 0);
  const text = weights.length ? words("weights_sum", {count: state.units, sum: asText(Math.log10(sum), 3)}) : words("weights_matrix");
  show("sum", text);
  drawBars(by("chart-weights"), state.units, weights, state.cursor, words("across"));
  by("chart-weights").setAttribute("aria-label", text.replace(/<[^>]*>/g, ""));
}

function renderNotes(state, factors, measured) {
  const after = placements[state.placement].after_addition;
  const notes = [];
  if (after.length) notes.push(words("note_f", {f: after.map(layer => LAYERS[layer]).join(" + ")}));
  if (GATED.includes(state.shortcut)) notes.push(words("note_gate"));
  if (measured && state.shortcut === "exclusive-gating" && state.bias <= -5) notes.push(words("note_exclusive_whole"));
  if (state.shortcut === "dropout-shortcut") notes.push(words("note_dropout"));
  if (factors.shortcut === 0) notes.push(words("note_plain"));
  else if (measured && factors.shortcut !== null && state.units * Math.log10(factors.shortcut) < -2) notes.push(words("note_whole"));
  if (measured && measured.size_changes.length) notes.push(words("note_sizes", {sizes: measured.size_changes.join(", ")}));
  show("notes", notes.map(note => `<li>${note}</li>`).join(""));
}

function setLanguage(chosen) {
  language = chosen;
  document.documentElement.lang = language;
  document.title = words("title");
  for (const one of document.querySelectorAll("[data-words]")) one.innerHTML = words(one.dataset.words);
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", button.dataset.language === language);
  }
  controls.setAttribute("aria-label", words("controls"));
  show("how", words("how_measured", conditions));
  render();
}

controls.addEventListener("input", event => {
  // A slider that moves is the one that counts.
  if (event.target.id === "lambda") controls.elements.shortcut.value = "constant-scaling";
  if (event.target.id === "bias" && !GATED.includes(controls.elements.shortcut.value)) controls.elements.shortcut.value = "shortcut-only-gating";
  render();
});
controls.addEventListener("submit", event => event.preventDefault());
by("cursor").addEventListener("input", render);
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => setLanguage(button.dataset.language));
}
for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", () => { example = button.dataset.example; setControls(examples[example]); });
}
for (const name of [...DIRECTIONS, "weights"]) {
  by(`chart-${name}`).addEventListener("pointermove", event => {
    const svg = event.currentTarget, width = svg.clientWidth - MARGIN.left - MARGIN.right;
    const share = (event.clientX - svg.getBoundingClientRect().left - MARGIN.left) / width;
    by("cursor").value = Math.round(share * Number(by("units").value));
    render();
  });
}
addEventListener("resize", render);
setLanguage(firstLanguage);
