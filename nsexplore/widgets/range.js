// A slider that is the browser's own: keys, touch and screen readers know it already.
function render({ model, el }) {
  const input = document.createElement("input");
  input.type = "range";
  input.min = 0;
  input.max = model.get("last");
  input.setAttribute("aria-label", model.get("description"));
  input.addEventListener("input", () => {
    model.set("value", Number(input.value));
    model.save_changes();
  });
  const show = () => {
    input.value = model.get("value");
    input.setAttribute("aria-valuetext", model.get("words"));
  };
  model.on("change:value", show);
  model.on("change:words", show);
  show();
  el.append(input);
  return () => {
    model.off("change:value", show);
    model.off("change:words", show);
  };
}

export default { render };
