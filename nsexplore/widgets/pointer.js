// Tells at which place of a picture somebody points; the pictures are beside this, in one box.
const PAUSE = 40; // ms between two messages

function render({ model, el }) {
  let box = null;
  let last = null;
  let timer = 0;
  const tell = () => {
    timer = 0;
    model.send(last);
  };
  const say = message => {
    last = message;
    if (timer === 0) timer = setTimeout(tell, PAUSE);
  };
  const point = event => {
    const svg = event.target.closest("svg.nsx-svg");
    if (svg === null) return leave();
    const at = svg.getBoundingClientRect();
    const number = [...box.querySelectorAll("svg.nsx-svg")].indexOf(svg);
    const x = (event.clientX - at.left) / at.width;
    say({ picture: number, x, y: (event.clientY - at.top) / at.height });
  };
  const leave = () => {
    if (last !== null && "picture" in last) say({});
  };
  const attach = () => {
    box = el.closest(".nsx-x-pointed");
    if (box === null) return void (waiting = requestAnimationFrame(attach)); // not on the page yet
    box.addEventListener("pointermove", point);
    box.addEventListener("pointerdown", point); // a finger does not hover
    box.addEventListener("pointerleave", leave);
  };
  let waiting = requestAnimationFrame(attach);
  return () => {
    cancelAnimationFrame(waiting);
    clearTimeout(timer);
    box?.removeEventListener("pointermove", point);
    box?.removeEventListener("pointerdown", point);
    box?.removeEventListener("pointerleave", leave);
  };
}

export default { render };
