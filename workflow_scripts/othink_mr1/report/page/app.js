// The page's behaviour. All text from data is set as text nodes; nothing is fetched.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);

  function node(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  }

  const label = (kind, name) => data.labels[kind][name] ?? name;

  // ---- light and dark
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("othink-mr1-theme", root.dataset.theme); } catch (error) { /* kept for this page alone */ }
  });

  // ---- charts
  const tooltip = byId("tooltip");

  function showTooltip(handler, event, item, value) {
    tooltip.hidden = value === null || value === undefined || value === "";
    if (tooltip.hidden) return;
    const lines = typeof value === "object" ? Object.entries(value) : [["", value]];
    tooltip.replaceChildren(...lines.map(([key, text]) => node("div", {}, key ? `${key}: ${text}` : String(text))));
    const x = Math.min(event.clientX + 14, innerWidth - tooltip.offsetWidth - 8);
    tooltip.style.setProperty("left", `${x}px`);
    tooltip.style.setProperty("top", `${Math.min(event.clientY + 14, innerHeight - tooltip.offsetHeight - 8)}px`);
  }

  const charts = new Map(); // element -> view

  function draw(element, spec, ready) {
    const view = new vega.View(vega.parse(spec, null, { ast: true }), {
      expr: window.vegaInterpreter, renderer: "svg", container: element, hover: true,
      loader: { load: () => Promise.reject(new Error("nothing is loaded")), sanitize: () => Promise.reject(new Error("no links")) },
    });
    view.tooltip(showTooltip);
    charts.set(element, view);
    view.runAsync().then(() => {
      element.querySelector("svg").setAttribute("aria-hidden", "true"); // its place has a name; the numbers are in a table
      fit(element, view);
      new ResizeObserver(() => fit(element, view)).observe(element);
      if (ready) ready();
    });
  }

  // As wide as its place allows, beside what the axis takes.
  function fit(element, view) {
    const width = Math.max(120, element.clientWidth - view.origin()[0] - 14);
    if (Math.abs(view.width() - width) > 1) view.width(width).runAsync();
  }

  const waiting = new IntersectionObserver((seen) => {
    for (const entry of seen) {
      if (!entry.isIntersecting) continue;
      waiting.unobserve(entry.target);
      start(entry.target);
    }
  }, { rootMargin: "600px" });

  function start(element) {
    if (charts.has(element)) return;
    if (element.dataset.spec) draw(element, data.specs[element.dataset.spec]);
    else draw(element, data.training.panels[element.dataset.panel], () => drawCurves());
  }

  for (const element of document.querySelectorAll(".chart")) waiting.observe(element);
  window.addEventListener("beforeprint", () => document.querySelectorAll(".chart").forEach(start));

  // ---- training curves
  const runs = data.training.runs;
  const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [1, 3]];
  const EXACT_CURVES = ["kl_weight", "learning_rate"]; // schedules, without noise
  let chosen = [];

  function smoothed(values, window) {
    const recent = [];
    return values.map((value) => {
      if (value !== null) recent.push(value);
      if (recent.length > window) recent.shift();
      return value === null || !recent.length ? null : recent.reduce((sum, one) => sum + one, 0) / recent.length;
    });
  }

  function look(index) {
    const alike = chosen.filter((other) => runs[other].method === runs[index].method);
    const variable = data.labels.colours[runs[index].method] ?? "--ink";
    return { colour: `var(${variable})`, dash: DASHES[alike.indexOf(index) % DASHES.length] };
  }

  function drawCurves() {
    if (!runs.length) return;
    const window = Number(byId("window").value);
    for (const [element, view] of charts) {
      const column = element.dataset.panel;
      if (!column) continue;
      const rows = [];
      for (const index of chosen) {
        const run = runs[index], values = run.values[column];
        if (!values) continue;
        const smooth = EXACT_CURVES.includes(column) ? values : smoothed(values, window), style = look(index);
        values.forEach((value, at) => {
          if (value !== null) rows.push({ run: run.run, label: run.label, step: run.step[at], value, smooth: smooth[at], ...style });
        });
      }
      view.data("curves", rows).runAsync().then(() => fit(element, view));
    }
    byId("runs-chosen").textContent = chosen.length;
    byId("runs-legend").replaceChildren(...chosen.map((index) => {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      const style = look(index);
      for (const [name, value] of Object.entries({ width: 34, height: 10 })) svg.setAttribute(name, value);
      for (const [name, value] of Object.entries({ x1: 0, x2: 30, y1: 6, y2: 6, stroke: style.colour, "stroke-width": 2.5,
        "stroke-dasharray": style.dash.join(" ") })) line.setAttribute(name, value);
      svg.append(line);
      return node("span", {}, svg, runs[index].label);
    }));
  }

  if (runs.length) {
    const first = (method) => runs.findIndex((run) => run.method === method);
    chosen = [...new Set([first("grpo"), first(data.proposed), first(data.against)].filter((index) => index >= 0))];
    if (!chosen.length) chosen = [0];
    byId("runs").append(...runs.map((run, index) => node("label", {},
      node("input", { type: "checkbox", checked: chosen.includes(index), onchange: (event) => {
        chosen = runs.map((_, at) => at).filter((at) => at === index ? event.target.checked : chosen.includes(at));
        drawCurves();
      } }), ` ${run.label}`)));
    byId("window").addEventListener("change", drawCurves);
    drawCurves();
  }

  // ---- items
  const packed = [...document.querySelectorAll(".packed-items")];
  if (!packed.length) return;
  const ROW = 64;
  const FORMAT = 1, R1V = 2, EXACT = 4;
  const tasks = [];
  let items = [], found = [], current = null, methods = [];

  const bytesOf = (text) => Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (one) => one.charCodeAt(0));

  async function unpack(element) {
    const stream = new Blob([bytesOf(element.textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  async function load() {
    const blocks = [...document.querySelectorAll(".packed-pictures")];
    for (const [number, element] of packed.entries()) {
      const task = await unpack(element);
      task.bytes = bytesOf(blocks[number].textContent);
      task.ends = data.pictures[number].ends;
      tasks.push(task);
      task.id.forEach((id, at) => items.push({ task, at, id }));
    }
    methods = Object.keys(data.labels.methods).filter((name) => tasks.some((task) => task.runs.some((run) => run.method === name)));
    fill(byId("task"), [["", "all"], ...tasks.map((task) => [task.task, label("tasks", task.task)])]);
    const trained = [...new Set(tasks.flatMap((task) => task.runs.map((run) => run.trained_on)).filter(Boolean))];
    fill(byId("from"), [["own", "the task itself"], ...trained.map((name) => [name, label("tasks", name)])]);
    byId("by-method").replaceChildren(...methods.map((name) => node("label", {}, label("methods", name),
      node("select", { "data-method": name, onchange: changed }, node("option", { value: "" }, "any"),
        node("option", { value: "1" }, "right"), node("option", { value: "0" }, "wrong")))));
    presets();
    for (const id of ["task", "from", "scorer", "only"]) byId(id).addEventListener("change", changed);
    let timer = 0;
    byId("search").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(changed, 90); });
    byId("clear").addEventListener("click", () => { apply(new URLSearchParams()); changed(); });
    byId("list").addEventListener("scroll", () => requestAnimationFrame(drawList));
    byId("list").addEventListener("keydown", keys);
    window.addEventListener("hashchange", fromAddress);
    fromAddress();
  }

  const fill = (select, options) => select.replaceChildren(...options.map(([value, text]) => node("option", { value }, text)));

  function presets() {
    const has = (name) => methods.includes(name);
    const wanted = [["all", {}]];
    const [own, other] = [data.proposed, data.against];
    if (has(own) && has(other)) {
      wanted.push([`${label("methods", own)} right, ${label("methods", other)} wrong`, { [own]: "1", [other]: "0" }],
        [`${label("methods", other)} right, ${label("methods", own)} wrong`, { [own]: "0", [other]: "1" }]);
    }
    wanted.push(["all wrong", Object.fromEntries(methods.map((name) => [name, "0"]))], ["scorers disagree", { only: "disagree" }]);
    byId("presets").replaceChildren(...wanted.map(([text, filters]) => node("button", { onclick: () => {
      apply(new URLSearchParams(filters)); changed();
    } }, text)));
  }

  const methodSelects = () => [...document.querySelectorAll("#by-method select")];

  function filters() {
    const all = new URLSearchParams();
    for (const [id, usual] of [["task", ""], ["from", "own"], ["scorer", "2"], ["only", ""], ["search", ""]]) {
      if (byId(id).value !== usual) all.set(id, byId(id).value);
    }
    for (const select of methodSelects()) if (select.value) all.set(select.dataset.method, select.value);
    return all;
  }

  function apply(asked) {
    for (const [id, usual] of [["task", ""], ["from", "own"], ["scorer", "2"], ["only", ""], ["search", ""]]) {
      byId(id).value = asked.get(id) ?? usual;
      if (byId(id).tagName === "SELECT" && byId(id).selectedIndex < 0) byId(id).value = usual;
    }
    for (const select of methodSelects()) select.value = asked.get(select.dataset.method) ?? "";
  }

  // The runs that the filters are about: trained on the chosen task, and the untrained backbone.
  const runsOf = (task) => {
    const from = byId("from").value === "own" ? task.task : byId("from").value;
    return task.runs.filter((run) => !run.trained_on || run.trained_on === from);
  };

  function changed() {
    const bit = Number(byId("scorer").value), task = byId("task").value, only = byId("only").value;
    const text = byId("search").value.trim().toLowerCase();
    const asked = methodSelects().filter((select) => select.value).map((select) => [select.dataset.method, select.value === "1"]);
    const shown = new Map(tasks.map((one) => [one, runsOf(one)]));
    found = items.filter(({ task: own, at, id }) => {
      if (task && own.task !== task) return false;
      const listed = shown.get(own);
      for (const [method, right] of asked) {
        const run = listed.find((one) => one.method === method);
        if (!run || Boolean(run.verdict[at] & bit) !== right) return false;
      }
      if (only === "disagree" && !listed.some((run) => Boolean(run.verdict[at] & R1V) !== Boolean(run.verdict[at] & EXACT))) return false;
      if (only === "format" && !listed.some((run) => !(run.verdict[at] & FORMAT))) return false;
      return !text || id.toLowerCase().includes(text) || own.question[at].toLowerCase().includes(text)
        || own.gold[at].toLowerCase().includes(text) || listed.some((run) => run.answer[at].toLowerCase().includes(text));
    });
    byId("count").textContent = `${found.length} of ${items.length} items`;
    byId("list").scrollTop = 0;
    if (!found.includes(current)) current = found[0] ?? null;
    drawList();
    drawItem();
    address();
  }

  const addresses = new Map(); // picture -> object URL
  function picture({ task, at }) {
    const key = `${tasks.indexOf(task)}/${at}`;
    if (!addresses.has(key)) {
      const from = at ? task.ends[at - 1] : 0;
      addresses.set(key, URL.createObjectURL(new Blob([task.bytes.subarray(from, task.ends[at])], { type: "image/webp" })));
    }
    return addresses.get(key);
  }

  function drawList() {
    const list = byId("list"), bit = Number(byId("scorer").value);
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4);
    const last = Math.min(found.length, first + Math.ceil(list.clientHeight / ROW) + 8);
    const space = node("div", { role: "presentation" });
    space.style.setProperty("height", `${found.length * ROW}px`);
    const rows = found.slice(first, last).map((item, offset) => {
      const listed = runsOf(item.task), row = node("div", { class: "row", role: "option", id: `row-${first + offset}`,
        "aria-selected": String(item === current), onclick: () => choose(item) },
        node("img", { src: picture(item), alt: "", loading: "lazy" }),
        node("div", { class: "text" }, item.task.question[item.at].slice(0, 120), node("br"),
          node("span", { class: "where" }, `${item.id} · gold ${item.task.gold[item.at]}`)),
        node("div", { class: "marks" }, ...listed.map((run) => {
          const right = Boolean(run.verdict[item.at] & bit);
          return node("span", { class: `mark ${right ? "right" : "wrong"}`, title: `${label("methods", run.method)}: ${right ? "right" : "wrong"}` }, right ? "✓" : "✕");
        })));
      row.style.setProperty("top", `${(first + offset) * ROW}px`);
      return row;
    });
    list.replaceChildren(space, ...rows);
    const at = found.indexOf(current);
    if (at >= first && at < last) list.setAttribute("aria-activedescendant", `row-${at}`);
    else list.removeAttribute("aria-activedescendant");
  }

  function choose(item) {
    current = item;
    drawList();
    drawItem();
    address();
  }

  function keys(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (!step || !found.length) return;
    event.preventDefault();
    const at = Math.max(0, Math.min(found.length - 1, found.indexOf(current) + step));
    const list = byId("list");
    if (at * ROW < list.scrollTop) list.scrollTop = at * ROW;
    if ((at + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (at + 1) * ROW - list.clientHeight;
    choose(found[at]);
  }

  function answer(run, at) {
    const verdict = run.verdict[at];
    const mark = (bit, name) => node("span", { class: verdict & bit ? "ok" : "no" }, ` ${verdict & bit ? "✓" : "✕"} ${name} `);
    const block = node("div", { class: "answer" }, node("span", { class: "reason" }, run.reason[at]),
      node("b", {}, label("methods", run.method)), run.setting ? ` (${run.setting})` : "", mark(R1V, "r1v"), mark(EXACT, "exact"),
      verdict & FORMAT ? "" : node("span", { class: "no" }, " format not kept "), node("pre", {}, run.answer[at]));
    block.style.setProperty("border-left-color", `var(${data.labels.colours[run.method] ?? "--quiet"})`);
    return block;
  }

  function drawItem() {
    if (!current) { byId("item").replaceChildren(node("p", { class: "missing" }, "No item is as asked.")); return; }
    const { task, at, id } = current, place = found.indexOf(current);
    const heads = [...new Set(task.runs.map((run) => run.trained_on))].filter(Boolean);
    const parts = heads.flatMap((trained, number) => [
      node("h3", {}, `trained on ${label("tasks", trained)}${number ? "" : ", and the untrained backbone"}`),
      ...task.runs.filter((run) => run.trained_on === trained || (!number && !run.trained_on)).map((run) => answer(run, at)),
    ]);
    if (!heads.length) parts.push(...task.runs.map((run) => answer(run, at)));
    const move = (step) => () => choose(found[Math.max(0, Math.min(found.length - 1, place + step))]);
    byId("item").replaceChildren(
      node("p", {}, node("b", {}, `${label("tasks", task.task)} ${id}`), ` ${place + 1} of ${found.length} `,
        node("button", { onclick: move(-1), "aria-label": "previous item" }, "←"), " ",
        node("button", { onclick: move(1), "aria-label": "next item" }, "→"), " ",
        node("a", { href: `#item/${task.task}/${encodeURIComponent(id)}` }, "link")),
      node("img", { src: picture(current), alt: `picture of ${task.task} item ${id}` }),
      node("p", {}, task.question[at]), node("p", {}, "gold ", node("b", {}, task.gold[at])), ...parts,
      node("p", { class: "where" }, "all of each answer: ", ...task.runs.flatMap((run) => [node("a", { href: encodeURI(run.file) },
        `${label("methods", run.method)}${run.trained_on ? ` on ${label("tasks", run.trained_on)}` : ""}`), " "])));
  }

  // Links: #items?filters, #item/<task>/<id>?filters.
  function address() {
    const asked = filters().toString();
    const place = current ? `#item/${current.task.task}/${encodeURIComponent(current.id)}` : "#items";
    if (!location.hash.startsWith("#item") && !asked) return; // the reader is elsewhere in the page
    history.replaceState(null, "", place + (asked ? `?${asked}` : ""));
  }

  function fromAddress() {
    const [place, asked] = location.hash.slice(1).split("?");
    const mine = /^item(?:s|\/([^/]+)\/(.+))$/.exec(place);
    if (!mine) { if (!found.length) changed(); return; }
    apply(new URLSearchParams(asked ?? ""));
    const wanted = mine[1] ? items.find((item) => item.task.task === mine[1] && item.id === decodeURIComponent(mine[2])) : null;
    current = wanted ?? current;
    changed();
    if (wanted) {
      if (!found.includes(wanted)) { apply(new URLSearchParams()); current = wanted; changed(); }
      choose(wanted);
      byId("list").scrollTop = Math.max(0, found.indexOf(wanted) * ROW - 2 * ROW);
    }
    byId("items").scrollIntoView();
  }

  load();
})();
