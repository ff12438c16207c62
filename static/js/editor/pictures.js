// The image on the canvas, a small one below it, and the ones that come next. Those are laid out unseen where they will
// be shown, so that the browser has scaled and drawn them before they are asked for.

const lay = (image, { scale, x, y }) => { image.style.transform = `translate(${x}px, ${y}px) scale(${scale})`; };
const dress = (image, size) => Object.assign(image, { alt: "", draggable: false, width: size.w, height: size.h });

export class Pictures {
  constructor(stage, viewport) {
    Object.assign(this, { stage, viewport, image: stage.querySelector("img"), below: null, coming: new Map(), filter: "" });
  }

  shown() {
    return this.below ? [this.below, this.image] : [this.image];
  }

  // preview: a small one, seen while the browser decodes the whole one anew.
  open(image, size, preview) {
    this.below?.remove();
    this.below = preview;
    if (preview) this.stage.prepend(dress(preview, size));
    this.set(image, size);
  }

  // One that was laid out ahead stays where it is in the page: moved there, it would be drawn again.
  set(image, size) {
    const before = this.image;
    dress(image, size).classList.remove("coming");
    this.coming.delete(image);
    if (image.parentNode !== this.stage) before.before(image);
    if (image !== before) before.remove();
    this.image = image;
    this.place();
    this.paint(this.filter);
  }

  place() {
    for (const image of this.shown()) lay(image, this.viewport);
  }

  paint(filter) {
    this.filter = filter;
    for (const image of this.shown()) image.style.filter = filter;
  }

  // next: [[image, size]] of the tasks that come next, as far as they are decoded.
  ahead(next) {
    const wanted = new Map(next.filter(([image]) => image !== this.image));
    for (const image of this.coming.keys()) if (!wanted.has(image)) image.remove();
    for (const [image, size] of wanted) {
      if (this.coming.has(image)) continue;
      dress(image, size).classList.add("coming");
      this.image.before(image);
    }
    this.coming = wanted;
    this.placeComing();
  }

  placeComing() {
    for (const [image, size] of this.coming) lay(image, this.viewport.fitOf(size));
  }
}
