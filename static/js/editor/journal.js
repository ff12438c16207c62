// Work that the server does not have yet, kept in this browser's IndexedDB under user and task.

const open = (name) => new Promise((resolve, reject) => {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore("work", { keyPath: ["user", "id"] });
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

export class Journal {
  constructor(user, name = "winnow") {
    this.user = user;
    this.ready = open(name);
  }

  async ask(mode, question) {
    const store = (await this.ready).transaction("work", mode).objectStore("work");
    return new Promise((resolve, reject) => {
      const request = question(store);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  // As text: copying thousands of boxes as objects would cost the page several times as much.
  put(record) {
    return this.ask("readwrite", (store) => store.put({ user: this.user, id: record.id, text: JSON.stringify(record) }));
  }

  remove(id) {
    return this.ask("readwrite", (store) => store.delete([this.user, id]));
  }

  async all() {
    const found = await this.ask("readonly", (store) => store.getAll(IDBKeyRange.bound([this.user], [this.user, []])));
    return found.map(({ text }) => JSON.parse(text));
  }
}
