// A line of text to send, by Enter or its button; it goes as one message, so none of it is missed.
let lines = 0;

function render({ model, el }) {
  const form = document.createElement("form");
  const label = document.createElement("label");
  const input = document.createElement("input");
  const send = document.createElement("button");
  input.type = "text";
  input.autocomplete = "off";
  input.spellcheck = false;
  input.id = `nsx-line-${Date.now()}-${lines++}`;
  label.htmlFor = input.id;
  label.className = "widget-label";
  label.textContent = model.get("description");
  send.className = "jupyter-button";
  send.textContent = "Send";
  form.append(label, input, send);
  form.addEventListener("keydown", event => event.stopPropagation()); // no notebook's shortcut
  form.addEventListener("submit", event => {
    event.preventDefault();
    model.send({ line: input.value });
    input.value = "";
  });
  const bringBack = message => {
    if ("refused" in message && input.value === "") input.value = message.refused;
  };
  const enable = () => {
    input.disabled = send.disabled = model.get("disabled");
  };
  model.on("msg:custom", bringBack);
  model.on("change:disabled", enable);
  enable();
  el.append(form);
  return () => {
    model.off("msg:custom", bringBack);
    model.off("change:disabled", enable);
  };
}

export default { render };
