// What is under way, by a number that grows by one or a few with each: a Map, made for being added to and deleted from all the time.

/** Places that are used in turn: as many as are needed, within these. */
const fewest = 4;
const most = 1024;

/**
 * Items by number. A Map makes itself a new table again and again while entries come and go, and each dead table refers to the next:
 * one that has become old keeps all later ones, and every item in them, until all memory is collected. Here an item has a fixed place
 * for as long as nobody comes by who needs it; those that are still there then move to a Map.
 */
export class InFlight<Item> {
  #places = fewest;
  #ids: number[] = [];
  #items: (Item | undefined)[] = [];
  #long: Map<number, Item> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds an item under a number that is not there. */
  set(id: number, item: Item): void {
    this.#size += 1;
    if (this.#items[id % this.#places] !== undefined && this.#size * 2 > this.#places && this.#places < most)
      this.#grow();
    this.#put(id, item);
  }

  get(id: number): Item | undefined {
    const place = id % this.#places;
    return this.#ids[place] === id ? this.#items[place] : this.#long?.get(id);
  }

  /** Does nothing when it is not there. */
  delete(id: number): void {
    const place = id % this.#places;
    if (this.#ids[place] === id && this.#items[place] !== undefined) this.#items[place] = undefined;
    else if (this.#long?.delete(id) !== true) return;
    this.#size -= 1;
  }

  /** All of them, in the order of their numbers. */
  all(): Item[] {
    return this.#entries().map(({ item }) => item);
  }

  #put(id: number, item: Item): void {
    const place = id % this.#places;
    const other = this.#items[place];
    if (other !== undefined) (this.#long ??= new Map()).set(this.#ids[place] ?? 0, other);
    this.#ids[place] = id;
    this.#items[place] = item;
  }

  #grow(): void {
    const entries = this.#entries();
    this.#places *= 2;
    this.#ids = [];
    this.#items = [];
    this.#long = undefined;
    for (const { id, item } of entries) this.#put(id, item);
  }

  #entries(): { readonly id: number; readonly item: Item }[] {
    const here = this.#items.flatMap((item, place) =>
      item === undefined ? [] : [{ id: this.#ids[place] ?? 0, item }],
    );
    const long = [...(this.#long ?? [])].map(([id, item]) => ({ id, item }));
    return [...here, ...long].toSorted((one, other) => one.id - other.id);
  }
}
