// Small charts in SVG. A chart is drawn anew in its present width, so that its letters keep their size.

const MARGIN = {left: 52, right: 12, top: 10, bottom: 40};
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const superscript = number => String(number).replace(/\d/g, digit => SUPERSCRIPTS[digit]).replace("-", "⁻");

// A number of which the log10 is known, to two digits: 0.0034, 170, 5.6 × 10⁻¹⁷.
function asText(log, digits = 2) {
  if (log === -Infinity) return "0";
  if (log >= -3 && log < 4) {
    const value = 10 ** log;
    return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(digits)));
  }
  let exponent = Math.floor(log), mantissa = (10 ** (log - exponent)).toFixed(digits - 1);
  if (Number(mantissa) >= 10) { exponent += 1; mantissa = (1).toFixed(digits - 1); }
  return `${mantissa} × 10${superscript(exponent)}`;
}

function element(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Whole numbers from low to high, at most so many.
function ticks(low, high, most) {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find(one => (high - low) / one < most);
  const first = Math.ceil(low / step) * step;
  return Array.from({length: Math.floor((high - first) / step) + 1}, (_, number) => first + number * step);
}

// Begin a chart whose horizontal axis has the places 0 to `units`; return the functions that place what it draws.
function beginChart(svg, units, low, high, verticalTicks, across) {
  const width = svg.clientWidth, height = svg.clientHeight;
  const x = place => MARGIN.left + place / units * (width - MARGIN.left - MARGIN.right);
  const y = value => height - MARGIN.bottom - (value - low) / (high - low) * (height - MARGIN.top - MARGIN.bottom);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  for (const [value, text] of verticalTicks) {
    svg.append(element("line", {x1: x(0), x2: x(units), y1: y(value), y2: y(value), class: "grid"}));
    svg.append(element("text", {x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end"}, text));
  }
  const marks = ticks(0, units, width < 500 ? 6 : 10).filter(place => x(units) - x(place) > 30);
  for (const place of [...marks, units]) {
    svg.append(element("text", {x: x(place), y: height - MARGIN.bottom + 17, "text-anchor": "middle"}, place));
  }
  svg.append(element("text", {x: x(units / 2), y: height - 6, "text-anchor": "middle", class: "axis"}, across));
  return {x, y, bottom: height - MARGIN.bottom};
}

const markCursor = (svg, {x, bottom}, place) =>
  svg.append(element("line", {x1: x(place), x2: x(place), y1: MARGIN.top, y2: bottom, class: "cursor"}));

// Draw lines on a logarithmic axis. A series has the log10 of its values and is a line or dots; zero is at the bottom.
function drawCurves(svg, units, series, cursor, across) {
  const known = series.flatMap(one => one.logs).filter(Number.isFinite);
  const low = Math.min(-1, Math.floor(Math.min(...known, 0))), high = Math.max(1, Math.ceil(Math.max(...known, 0)));
  const marks = ticks(low, high, 7).map(power => [power, power > -3 && power < 4 ? asText(power) : `10${superscript(power)}`]);
  const chart = beginChart(svg, units, low, high, marks, across);
  markCursor(svg, chart, cursor);
  const height = log => chart.y(Math.max(log, low));
  for (const {kind, logs} of series) {
    if (kind === "direct") {
      logs.forEach((log, place) => svg.append(element("circle", {cx: chart.x(place), cy: height(log), r: 1.8, class: kind})));
    } else {
      const points = logs.map((log, place) => `${chart.x(place).toFixed(1)},${height(log).toFixed(1)}`);
      svg.append(element("polyline", {points: points.join(" "), class: kind}));
    }
  }
}

// Draw a bar for each weight, on an axis that begins at zero.
function drawBars(svg, units, weights, cursor, across) {
  const high = Math.max(...weights, 1);
  const marks = [0, 0.25, 0.5, 0.75, 1].map(part => [part * high, part ? asText(Math.log10(part * high)) : "0"]);
  const chart = beginChart(svg, units, 0, high, marks, across);
  markCursor(svg, chart, cursor);
  const width = Math.max(0.6, 0.7 * (chart.x(1) - chart.x(0)));
  weights.forEach((weight, place) => svg.append(element("rect", {
    x: chart.x(place) - width / 2, y: chart.y(weight), width, height: chart.bottom - chart.y(weight),
    class: place === 0 ? "first" : "residual",
  })));
}

// Draw a strip with a cell for each place, the fainter the less is left there.
function drawStrip(svg, logs) {
  svg.setAttribute("viewBox", `0 0 ${logs.length} 1`);
  svg.replaceChildren(...logs.map((log, place) => element("rect", {
    x: place, y: 0, width: 0.86, height: 1, "fill-opacity": Math.min(1, 10 ** log).toFixed(3),
  })));
}
