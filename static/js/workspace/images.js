// Images of tasks, loaded and decoded before they are needed.

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

  // {promise, image}: image is there as soon as it is decoded. A failed one is tried again when it is asked for again.
  full(task) {
    let entry = this.kept.get(task.id);
    if (!entry) {
      entry = { image: null, promise: decoded(task.image) };
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
