"use strict";
// One page to try the service. Keys and titles are shown as text only; nothing is loaded from elsewhere.
const by = id => document.getElementById(id);
const past = [];            // item keys, oldest first
const filters = new Map();  // field to list of values
const titles = new Map();

async function call(path, body, method) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  if (by("token").value) headers.Authorization = "Bearer " + by("token").value;
  const asked = { method: method || (body ? "POST" : "GET"), headers };
  const reply = await fetch(path, body ? { ...asked, body: JSON.stringify(body) } : asked);
  if (reply.status === 401) by("token-field").hidden = false;
  const answer = await reply.json();
  if (!reply.ok) throw new Error(answer.error || reply.statusText);
  return answer;
}

function make(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function chip(text, title, remove) {
  const line = document.createElement("li");
  const button = make("button", text + " ×");
  button.type = "button";
  button.title = title;
  button.addEventListener("click", remove);
  line.append(button);
  return line;
}

function suggest(input, list, path, option) {
  let timer;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      try {
        const found = await call(path + "?q=" + encodeURIComponent(input.value));
        list.replaceChildren(...found.map(option));
      } catch { list.replaceChildren(); }
    }, 150);
  });
}

function showPast() {
  by("history").replaceChildren(...past.map((key, place) =>
    chip(titles.get(key) || key, "Remove " + key, () => { past.splice(place, 1); showPast(); })));
}

function showFilters() {
  by("filters").replaceChildren(...[...filters].flatMap(([field, values]) => values.map(value =>
    chip(`${field}: ${value}`, "Remove this filter", () => {
      const left = values.filter(each => each !== value);
      left.length ? filters.set(field, left) : filters.delete(field);
      showFilters();
    }))));
}

function addItem() {
  const key = by("item").value.trim();
  if (!key) return false;
  past.push(key);
  by("item").value = "";
  showPast();
  return true;
}

function addFilter() {
  const field = by("field").value, value = by("value").value.trim();
  if (!value) return false;
  filters.set(field, [...(filters.get(field) || []), value]);
  by("value").value = "";
  showFilters();
  return true;
}

// The codes from coarse to fine; how many items are left after each is the tooltip.
function path(explanation) {
  if (!explanation) return make("td", "");
  const cell = document.createElement("td");
  const spelled = make("span", explanation.codes.join(" › "), "path");
  spelled.title = explanation.sharing.map((n, level) => `after code ${level + 1}: ${n} items`).join(", ");
  cell.append(spelled);
  if (explanation.because) {
    cell.append(make("small", `like ${explanation.because.title} (${explanation.because.similarity.toFixed(2)})`));
  }
  return cell;
}

let fresh = "";  // key of the item that was put last
function row(line, others) {
  const made = document.createElement("tr");
  const item = make("td", line.title + " ");
  item.append(make("span", line.source, "badge"), make("small", line.item + " "));
  const alike = make("button", "similar");
  alike.type = "button";
  alike.setAttribute("aria-label", "Items similar to " + line.title);
  alike.addEventListener("click", () => similar(line));
  item.lastChild.append(alike);
  made.append(make("td", line.rank, "number"), item, path(line.explanation), make("td", line.score.toPrecision(4), "number"));
  if (line.item === fresh) {
    made.className = "fresh";
    made.title = "Put just now";
  }
  if (others && !others.has(line.item)) {
    made.className = "moved";
    made.title = "Only in this list";
  }
  return made;
}

function table(answer, caption, others) {
  const made = by("list").content.cloneNode(true).firstElementChild;
  made.caption.textContent = caption || "";
  made.tBodies[0].replaceChildren(...answer.items.map(line => row(line, others)));
  return made;
}

function show(answer, heading) {
  by("heading").textContent = heading;
  by("lists").className = "";
  by("lists").replaceChildren(table(answer));
  tell(answer);
}

function tell(answer) {
  const said = [answer.notice, answer.ignored.length ? "not in the catalogue: " + answer.ignored.join(", ") : ""];
  by("notice").textContent = said.filter(Boolean).join("; ");
  by("lineage").replaceChildren(...Object.entries(answer.lineage).flatMap(
    ([name, value]) => value ? [make("dt", name), make("dd", value)] : []));
}

function rules() {
  const asked = { k: Number(by("k").value) };
  if (by("stock").checked) asked.in_stock = true;
  if (filters.size) asked.filters = Object.fromEntries(filters);
  return asked;
}

let explains = false;
function question() {
  addItem();
  addFilter();
  const user = by("user").value.trim();
  const asked = { ...rules(), exclude_seen: by("seen").checked };
  if (explains) Object.assign(asked, { explain: true, diversity: Number(by("diversity").value) });
  if (user) asked.user = user;
  if (past.length || !user) asked.history = past;
  return asked;
}

let asking = 0;
// `work` asks and returns what shows the answer; the answer to an earlier question never covers a later one.
async function trying(work) {
  const mine = ++asking;
  by("error").hidden = true;
  try {
    const shown = await work();
    if (mine === asking) shown();
  } catch (error) {
    if (mine === asking) { by("error").hidden = false; by("error").textContent = error.message; }
  }
}

const recommend = () => trying(async () => {
  const answer = await call("recommend", question());
  return () => show(answer, "Recommended");
});
const complete = () => trying(async () => {
  addItem();
  const answer = await call("complete", { ...rules(), basket: past });
  return () => show(answer, "Belongs to the basket");
});
const similar = line => trying(async () => {
  const answer = await call("similar", { ...rules(), item: line.item });
  return () => show(answer, "Similar to " + line.title);
});
const compare = () => trying(async () => {
  const both = await call("trial/compare", question());
  return () => showBoth(both);
});

function showBoth(both) {
  const names = ["champion", "challenger"];
  const keys = names.map(name => new Set(both[name].items.map(line => line.item)));
  by("heading").textContent = "Champion and challenger";
  by("lists").className = "two";
  by("lists").replaceChildren(...names.map((name, place) => table(both[name], name, keys[1 - place])));
  tell(both.champion);
}

const valueOf = input => input.type === "number" ? input.valueAsNumber : input.value.trim();

// What was filled in of an item: empty fields stay as they are, or empty for a new item.
function change() {
  const said = { item: by("key").value.trim() };
  const filled = [...by("fields").querySelectorAll("input")].filter(input => input.value.trim());
  if (filled.length) said.fields = Object.fromEntries(filled.map(input => [input.name, valueOf(input)]));
  said.hidden = by("hide").checked;
  said.in_stock = !by("out").checked;
  return said;
}

const put = () => trying(async () => {
  const said = change();
  const state = await call("catalogue", { items: [said] }, "PUT");
  fresh = said.item;
  showVersion(state.version);
  const known = await call("items/" + encodeURIComponent(fresh));
  titles.set(fresh, known.title);
  const answer = await call("recommend", question());
  const place = answer.items.findIndex(line => line.item === fresh);
  const spelled = known.codes ? ` Its semantic ID is ${known.codes.join(" › ")}.` : "";
  const where = said.hidden ? "It is hidden." : place < 0 ? "It is not among the first of the list." : `It is at rank ${place}.`;
  by("changed").textContent = `${known.title} is in version ${state.version}.${spelled} ${where}`;
  return () => show(answer, "Recommended");
});

const undo = () => trying(async () => {
  const state = await call("catalogue/revert", {});
  fresh = "";
  showVersion(state.version);
  by("changed").textContent = `Undone: version ${state.version}, ${state.items} items.`;
  const answer = await call("recommend", question());
  return () => show(answer, "Recommended");
});

function showVersion(version) {
  by("version").textContent = `version ${version}`;
}

function showFields(names, numbers) {
  by("fields").replaceChildren(...names.flatMap(name => {
    const label = make("label", name), input = document.createElement("input");
    input.name = name;
    input.id = "field-" + name;
    if (numbers.includes(name)) {
      input.type = "number";
      input.step = "any";
    }
    label.htmlFor = input.id;
    return [label, input];
  }));
}

async function describe() {
  try {
    const info = await call("info");
    by("served").textContent = `${info.lineage.family}, ${info.n_items} items, ${info.n_users} known users, `
      + (info.lineage.bento || "not packaged");
    const fields = info.fields.filter(name => name !== "in_stock");
    by("field").replaceChildren(...fields.map(name => make("option", name)));
    by("filter-field").hidden = !fields.length;
    by("stock-field").hidden = !info.fields.includes("in_stock");
    by("compare").hidden = !(info.trial && info.trial.challenger);
    explains = info.explains;
    showFields(fields, info.numbers);
    showVersion(info.catalogue);
  } catch (error) { by("served").textContent = error.message; }
}

by("item").addEventListener("keydown", event => {
  if (event.key === "Enter" && addItem()) event.preventDefault();
});
by("value").addEventListener("keydown", event => {
  if (event.key === "Enter" && addFilter()) event.preventDefault();
});
by("diversity").addEventListener("input", () => { by("diversity-said").textContent = by("diversity").value; });
by("form").addEventListener("submit", event => { event.preventDefault(); recommend(); });
by("change").addEventListener("submit", event => { event.preventDefault(); put(); });
by("undo").addEventListener("click", undo);
by("complete").addEventListener("click", complete);
by("compare").addEventListener("click", compare);
suggest(by("item"), by("items"), "items", found => {
  titles.set(found.item, found.title);
  const option = make("option", found.title);
  option.value = found.item;
  return option;
});
suggest(by("user"), by("users"), "users", key => make("option", key));
by("token").addEventListener("change", describe);

// A link may ask at once: /?user=ann&k=5, or /?item=10&item=11
const asked = new URLSearchParams(location.search);
describe().then(() => {
  if (!asked.has("user") && !asked.has("item")) return;
  by("user").value = asked.get("user") || "";
  by("k").value = asked.get("k") || by("k").value;
  past.push(...asked.getAll("item"));
  showPast();
  recommend();
});
