// Images of tasks, loaded and decoded before they are needed.

const LARGE = 4_000_000;

const decoded = async (url) => {
  const image = new Image();
  image.decoding = "async";
  image.src = url;
  await image.decode();
  return image;
};

export class Images {
  constructor() {
    this.kept = new Map();
  }

  // {promise, image, preview}: image is there as soon as it is decoded. A failed one is tried again when it is asked for
  // again. The browser may drop what it decoded of a large one; the preview is seen while it does so anew.
  full(task) {
    let entry = this.kept.get(task.id);
    if (!entry) {
      entry = { image: null, preview: null, promise: decoded(task.image) };
      const large = task.width * task.height > LARGE && task.thumbnail !== task.image;
      if (large) decoded(task.thumbnail).then((small) => { entry.preview = small; }, () => {}); // one can do without
      entry.promise.then((image) => { entry.image = image; }, () => this.kept.delete(task.id));
      this.kept.set(task.id, entry);
    }
    return entry;
  }

  // The whole image, or the small one where that is there sooner.
  soonest(task) {
    return Promise.any([this.full(task).promise, decoded(task.thumbnail)]);
  }

  keepOnly(tasks) {
    const ids = new Set(tasks.map(({ id }) => id));
    for (const id of this.kept.keys()) if (!ids.has(id)) this.kept.delete(id);
  }
}
