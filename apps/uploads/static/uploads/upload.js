// The uploads page: sends chosen and dropped files one by one, and asks what became of them.

const AT_ONCE = 3; // requests; more only share the same line
const POLL_MS = 1000;
const SLOWEST_POLL_MS = 30_000;
const PATIENCE_MS = 20_000; // with one poll
const MOST_ASKED = 50; // uploads in one poll: keeps its address below gunicorn's 4094 bytes

const form = document.querySelector("#upload-form");
const transfers = document.querySelector("#transfers");
const list = document.querySelector("#uploads");
const news = document.querySelector("#news");
const away = document.querySelector("#away");
const waiting = [];
let running = 0;

function say(text) {
  news.textContent = text;
}

// Sending

function add(file) {
  const item = document.querySelector("#transfer").content.cloneNode(true).firstElementChild;
  const transfer = { file, item, part: (name) => item.querySelector(name) };
  transfer.part("[data-name]").textContent = file.name;
  transfer.part("progress").setAttribute("aria-label", `Progress of ${file.name}`);
  transfer.part("[data-close]").addEventListener("click", () => close(transfer));
  transfer.part("[data-again]").addEventListener("click", () => queue(transfer));
  transfers.append(item);
  if (file.size > Number(form.dataset.mostBytes)) {
    const limit = form.dataset.limit;
    stop(transfer, `“${file.name}” is larger than ${limit}, the limit for a file. Choose a smaller one.`);
  } else {
    queue(transfer);
  }
}

function queue(transfer) {
  for (const [name, hidden] of [["[data-again]", true], ["[data-problem]", true], ["progress", false], ["[data-percent]", false]]) {
    transfer.part(name).hidden = hidden;
  }
  transfer.part("[data-close]").textContent = "Cancel";
  show(transfer, 0);
  waiting.push(transfer);
  next();
}

function next() {
  while (running < AT_ONCE && waiting.length) {
    running += 1;
    send(waiting.shift());
  }
}

function send(transfer) {
  const request = (transfer.request = new XMLHttpRequest());
  request.upload.addEventListener("progress", ({ loaded, total }) => show(transfer, loaded / total));
  request.addEventListener("load", () => answered(transfer));
  request.addEventListener("error", () => stop(transfer, "The connection was lost. Check it and try again.", true));
  request.addEventListener("loadend", () => {
    running -= 1;
    next();
  });
  request.open("POST", form.action);
  request.setRequestHeader("HX-Request", "true");
  const body = new FormData(form);
  body.set("files", transfer.file, transfer.file.name);
  request.send(body);
}

function show(transfer, share) {
  const percent = Math.floor(100 * share);
  transfer.part("progress").value = percent;
  transfer.part("[data-percent]").textContent = `${percent} %`;
}

function answered(transfer) {
  const { request, file } = transfer;
  if (request.getResponseHeader("HX-Refresh")) {
    location.reload(); // the log-in has expired
  } else if (request.status === 201) {
    transfer.item.remove();
    htmx.swap(list, request.responseText, { swapStyle: "afterbegin" });
    say(`${file.name}: uploaded`);
  } else if (request.getResponseHeader("Content-Type")?.startsWith("text/plain")) {
    stop(transfer, request.responseText);
  } else {
    stop(transfer, `“${file.name}” could not be sent (status ${request.status}). Reload the page and try again.`, true);
  }
}

function stop(transfer, problem, again = false) {
  transfer.part("[data-problem]").textContent = problem;
  transfer.part("[data-problem]").hidden = false;
  transfer.part("[data-again]").hidden = !again;
  transfer.part("[data-percent]").hidden = transfer.part("progress").hidden = true;
  transfer.part("[data-close]").textContent = "Dismiss";
  say(problem);
}

function close(transfer) {
  const place = waiting.indexOf(transfer);
  if (place >= 0) waiting.splice(place, 1);
  transfer.request?.abort();
  transfer.item.remove();
  form.elements.files.focus();
}

// Choosing and dropping; a file that misses the form must not replace the page.

function over(event, isOver) {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  form.toggleAttribute("data-over", isOver);
}

if (form) {
  form.elements.files.addEventListener("change", ({ target }) => {
    for (const file of target.files) add(file);
    form.reset();
  });
  addEventListener("dragover", (event) => over(event, true));
  addEventListener("dragleave", (event) => event.relatedTarget || over(event, false));
  addEventListener("drop", (event) => {
    over(event, false);
    for (const file of event.dataTransfer.files) add(file);
  });
  addEventListener("beforeunload", (event) => running && event.preventDefault());
}

// Polling, only while something is unfinished; ever more slowly while the server does not answer.

async function ask() {
  const unfinished = [...list.querySelectorAll("[data-seen]")].slice(-MOST_ASKED); // oldest first
  if (!unfinished.length) return;
  const seen = new URLSearchParams(unfinished.map((row) => ["seen", row.dataset.seen]));
  const headers = { "HX-Request": "true" };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const response = await fetch(`${list.dataset.changesUrl}?${seen}`, { headers, signal });
  if (response.headers.has("HX-Refresh")) return location.reload(); // the log-in has expired
  if (!response.ok) throw new Error(`status ${response.status}`);
  htmx.swap(list, await response.text(), { swapStyle: "none" });
}

async function poll(failures) {
  try {
    await ask();
    failures = 0;
  } catch {
    failures += 1; // the server is away, being restarted perhaps
  }
  away.hidden = failures < 2;
  setTimeout(poll, Math.min(POLL_MS * 2 ** failures, SLOWEST_POLL_MS), failures);
}

setTimeout(poll, POLL_MS, 0);

// The rows' buttons

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say("Copied");
  } catch {
    // No clipboard without HTTPS: select it, so that the keyboard can copy it.
    getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    say("Selected");
  }
}

list.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-copy]");
  if (button) copy(button);
});

for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  list.addEventListener(failure, () => {
    const problem = document.querySelector("#problem");
    problem.textContent = "That did not work. Reload the page and try again.";
    problem.hidden = false;
  });
}

// Whoever pressed a button in a row that goes away continues at the list, not at the page's top.
list.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
  if (target.parentElement === list && target.contains(document.activeElement)) {
    document.querySelector("#list-heading").focus({ preventScroll: true });
  }
});
