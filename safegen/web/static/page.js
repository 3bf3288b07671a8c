// Files that are dropped or pasted go the way of those that are chosen: the form sends them.
"use strict";

const form = document.getElementById("drop");

if (form) {
  const input = document.getElementById("files");
  const told = document.getElementById("told");
  const button = form.querySelector("button");
  document.documentElement.classList.add("scripted");

  const problem = (files) => {
    const size = Array.from(files).reduce((sum, file) => sum + file.size, 0);
    const most = Number(form.dataset.most);
    if (files.length > Number(form.dataset.files)) {
      return `These are ${files.length} files, and at most ${form.dataset.files} are looked at together.`;
    }
    if (size > most) {
      return `That is ${Math.ceil(size / 2 ** 20)} MiB, and at most ${most / 2 ** 20} MiB are looked at.`;
    }
    return "";
  };

  const take = (files) => {
    if (!files || files.length === 0) return;
    input.files = files;
    told.textContent = problem(files);
    if (!told.textContent) form.requestSubmit();
  };

  form.addEventListener("submit", (event) => {
    told.textContent = problem(input.files);
    if (told.textContent) {
      event.preventDefault();
      return;
    }
    told.textContent = "Looking at it...";
    button.disabled = true;
  });

  input.addEventListener("change", () => { told.textContent = problem(input.files); });
  document.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("over"); });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) form.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    take(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => { take(event.clipboardData.files); });
  window.addEventListener("pageshow", () => { button.disabled = false; });

  const result = document.getElementById("result");
  if (result) result.focus();
}
