// A picture with buttons in it, of which one may be chosen.
function render({ model, el }) {
  const mark = () => {
    for (const button of el.querySelectorAll("button[value]"))
      button.setAttribute("aria-pressed", button.value === model.get("chosen"));
  };
  const draw = () => {
    el.innerHTML = model.get("markup"); // escaped where it was made
    mark();
  };
  const choose = event => {
    const button = event.target.closest("button[value]");
    if (button === null) return;
    model.set("chosen", button.value);
    model.save_changes();
  };
  el.addEventListener("click", choose);
  model.on("change:markup", draw);
  model.on("change:chosen", mark);
  draw();
  return () => {
    el.removeEventListener("click", choose);
    model.off("change:markup", draw);
    model.off("change:chosen", mark);
  };
}

export default { render };
