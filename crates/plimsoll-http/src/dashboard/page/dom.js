// Elements, made and changed. Everything that comes from the service becomes text and never markup: this file has the only two
// ways by which a text gets into the page, and both make text nodes.

/** An element with these properties and children. Strings and numbers become text. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Sets a node's text, if it is another one: what has not changed is not drawn again, and a selection in it stays. */
export function setText(node, text) {
  const value = text === null || text === undefined ? "" : String(text);
  if (node.textContent !== value) node.textContent = value;
}

/** Sets a data attribute, if it is another one. */
export function setData(node, name, value) {
  const text = String(value);
  if (node.dataset[name] !== text) node.dataset[name] = text;
}

export const byId = (id) => document.getElementById(id);

/** Replaces what is in a node. */
export function fill(node, ...children) {
  node.replaceChildren(...children.filter(Boolean));
}

/** Keeps one child of `parent` for each item, in their order: known ones are updated, others made or removed. */
export function keyed(parent, items, keyOf, make, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = known.get(key);
    if (child) {
      known.delete(key);
    } else {
      child = make(item);
      child.dataset.key = key;
    }
    update?.(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  known.forEach((child) => child.remove());
}

/** Buttons of which one is pressed. */
export function choice(node, options, chosen, onChoose) {
  const buttons = options.map(([value, label]) =>
    el("button", { type: "button", "aria-pressed": String(value === chosen), "data-value": value, onclick: () => {
      buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.value === value)));
      onChoose(value);
    } }, label));
  fill(node, ...buttons);
}
