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

  put(record) {
    return this.ask("readwrite", (store) => store.put({ ...record, user: this.user }));
  }

  get(id) {
    return this.ask("readonly", (store) => store.get([this.user, id]));
  }

  remove(id) {
    return this.ask("readwrite", (store) => store.delete([this.user, id]));
  }

  all() {
    return this.ask("readonly", (store) => store.getAll(IDBKeyRange.bound([this.user], [this.user, []])));
  }
}
