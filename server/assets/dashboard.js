// What makes the pages lively. Every page does all that it does without this file; it only asks for the same pages again
// and puts them in place, hands dropped files to the forms that are there, and tells times as they are where you are.
"use strict";

const page = () => document.getElementById("content");

// --- Times

const NEAR = [[86400 * 30, 86400, "day"], [86400, 3600, "hour"], [3600, 60, "minute"]];

function near(seconds) {
  if (seconds < 60) return seconds < -60 ? null : "just now";
  for (const [below, unit, word] of NEAR.slice().reverse()) {
    if (seconds < below) {
      const count = Math.floor(seconds / unit);
      return `${count} ${word}${count === 1 ? "" : "s"} ago`;
    }
  }
  return null;
}

function tellTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = at.toLocaleString();
    const ago = (Date.now() - at.getTime()) / 1000;
    const text = near(ago);
    const clock = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    if ("whole" in time.dataset) time.textContent = !text ? clock : ago < 3600 ? text : `${text}, ${clock}`;
    else if (text) time.textContent = text;
  }
}

/** The log is by days: by yours, where the times are yours too. */
function tellDays() {
  const sections = [...document.querySelectorAll("section[data-day]")];
  const rows = sections.flatMap((section) => [...section.querySelectorAll("li")]);
  const days = [];
  for (const row of rows) {
    const at = new Date(row.querySelector("time").dateTime);
    const day = new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 10);
    if (days.at(-1)?.day === day) days.at(-1).rows.push(row);
    else days.push({ day, rows: [row] });
  }
  days.forEach(({ day, rows }, place) => {
    let section = sections[place];
    if (!section) {
      section = sections[0].cloneNode(true);
      sections.at(-1).after(section);
      sections.push(section);
    }
    section.querySelector("h2").textContent = day;
    section.querySelector("ol").replaceChildren(...rows);
  });
  for (const section of sections.slice(days.length)) section.remove();
}

// --- The same page again

/** Somebody is in the middle of something: then what they have typed or opened stays. */
function isBusy() {
  const main = page();
  if (!main) return true;
  const fields = main.querySelectorAll("input:not([type=hidden]), select, textarea");
  for (const field of fields) {
    if (field.closest("[data-search]")) continue;
    if (field.type === "file" ? field.files.length : field.type === "checkbox" ? field.checked !== field.defaultChecked
      : field.tagName === "SELECT" ? [...field.options].some((option) => option.selected !== option.defaultSelected && option.value)
      : field.value !== field.defaultValue) return true;
  }
  return main.querySelector("details[open]") !== null;
}

/** Puts a page's part in place of ours, and the focus back to where it was. */
function put(theirs, ours) {
  const focused = document.activeElement;
  const place = ours.contains(focused) ? [...ours.querySelectorAll("a, button, input, summary, select")].indexOf(focused) : -1;
  ours.replaceChildren(...theirs.childNodes);
  tellTimes();
  tellDays();
  wire();
  if (place >= 0) ours.querySelectorAll("a, button, input, summary, select")[place]?.focus();
}

let asking = 0;

async function lookAgain() {
  const mine = ++asking;
  let reply;
  try {
    reply = await fetch(location.href, { credentials: "same-origin", redirect: "manual" });
  } catch {
    return;
  }
  if (mine !== asking || !reply.ok) return;
  const other = new DOMParser().parseFromString(await reply.text(), "text/html");
  const theirs = other.getElementById("content");
  if (mine !== asking || !theirs || !page()) return;
  const stamp = other.body.dataset.stamp;
  if (isBusy()) {
    // Shown only if it is news to this page, not only to the server.
    if (stamp !== document.body.dataset.stamp) document.getElementById("news").hidden = false;
    return;
  }
  document.body.dataset.stamp = stamp;
  document.getElementById("news").hidden = true;
  put(theirs, page());
}

// --- News: sent by the server, or asked for where that does not come through

let source = null;
let polling = null;
let soon = null;

function heard(stamp) {
  const [last, looks] = stamp.split(" ");
  // The first word on a fresh line only says how far things are.
  if (looks === "0" && last === document.body.dataset.stamp) return;
  clearTimeout(soon);
  soon = setTimeout(lookAgain, 150);
}

async function poll() {
  try {
    const reply = await fetch("/stamp", { credentials: "same-origin", redirect: "manual" });
    if (reply.ok) heard(`${await reply.text()} 0`);
  } catch {
    // The server is away: the next time, then.
  }
}

function listen() {
  hush();
  if (!document.body.dataset.stamp) return;
  const startPolling = () => { polling ??= setInterval(poll, 5000); };
  if (!window.EventSource) return startPolling();
  source = new EventSource("/live");
  source.onmessage = (event) => {
    clearInterval(polling);
    polling = null;
    document.body.dataset.live = "yes";
    heard(event.data);
  };
  source.onerror = () => {
    document.body.dataset.live = "no";
    startPolling();
  };
}

/** A page that nobody sees asks for nothing; a browser has few connections to one server. */
function hush() {
  source?.close();
  source = null;
  clearInterval(polling);
  polling = null;
}

// --- Search as you type

function wire() {
  for (const form of document.querySelectorAll("form[data-search]:not([data-wired])")) {
    form.dataset.wired = "yes";
    let due = null;
    const look = async () => {
      const query = new URLSearchParams(new FormData(form));
      const url = `${form.getAttribute("action")}?${query}`;
      const mine = ++asking;
      const reply = await fetch(url, { credentials: "same-origin", redirect: "manual" }).catch(() => null);
      if (!reply?.ok || mine !== asking) return;
      const other = new DOMParser().parseFromString(await reply.text(), "text/html");
      const [theirs, ours] = [other, document].map((one) => one.querySelector(form.dataset.search));
      if (mine !== asking || !theirs || !ours) return;
      put(theirs, ours);
      history.replaceState(null, "", url);
    };
    form.addEventListener("input", () => {
      clearTimeout(due);
      due = setTimeout(look, 150);
    });
  }
}

// --- Files that are dropped

function dropForm() {
  return document.querySelector("form[data-drop]");
}

function carriesFiles(event) {
  return [...(event.dataTransfer?.types ?? [])].includes("Files");
}

addEventListener("dragover", (event) => {
  if (!carriesFiles(event) || !dropForm()) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
  document.body.classList.add("dropping");
});

addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});

addEventListener("drop", (event) => {
  document.body.classList.remove("dropping");
  const form = dropForm();
  if (!carriesFiles(event) || !form) return;
  event.preventDefault();
  const several = event.dataTransfer.files.length > 1;
  form.querySelector("[data-several]").hidden = !several;
  if (several) {
    if (form.closest("details")) form.closest("details").open = true;
    return form.scrollIntoView({ block: "center" });
  }
  const input = form.elements.namedItem("file");
  input.files = event.dataTransfer.files;
  if (form.dataset.drop === "send") return form.requestSubmit();
  // Which system it is, only its owner knows.
  form.closest("details").open = true;
  form.scrollIntoView({ block: "center" });
  form.elements.namedItem("system").focus();
});

// A form that is sent twice by a nervous hand is sent once.
addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) return event.preventDefault();
  event.target.dataset.sent = "yes";
  hush();
});

addEventListener("pageshow", (event) => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  if (event.persisted) lookAgain();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return hush();
  listen();
});

// A menu closes when you turn to something else.
addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

tellTimes();
tellDays();
setInterval(tellTimes, 30000);
wire();
if (!document.hidden) listen();
