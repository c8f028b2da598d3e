// What is under way, by a number that grows by one or a few with each: a Map, made for being added to and deleted from all the time.

/** Places that are used in turn. */
const places = 128;

/**
 * Items by number. A Map makes itself a new table again and again while entries come and go, and each dead table refers to the next:
 * one that has become old keeps all later ones, and every item in them, until all memory is collected. Here an item has a fixed place
 * for as long as nobody comes by who needs it; those that are still there then move to a Map.
 */
export class InFlight<Item> {
  readonly #ids: number[] = [];
  readonly #items: (Item | undefined)[] = [];
  readonly #long = new Map<number, Item>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds an item under a number that is not there. */
  set(id: number, item: Item): void {
    const place = id % places;
    const other = this.#items[place];
    if (other !== undefined) this.#long.set(this.#ids[place] ?? 0, other);
    this.#ids[place] = id;
    this.#items[place] = item;
    this.#size += 1;
  }

  get(id: number): Item | undefined {
    const place = id % places;
    return this.#ids[place] === id ? this.#items[place] : this.#long.get(id);
  }

  /** Does nothing when it is not there. */
  delete(id: number): void {
    const place = id % places;
    if (this.#ids[place] === id && this.#items[place] !== undefined) this.#items[place] = undefined;
    else if (!this.#long.delete(id)) return;
    this.#size -= 1;
  }

  /** All of them, in the order of their numbers. */
  all(): Item[] {
    const here = this.#items.flatMap((item, place) =>
      item === undefined ? [] : [{ id: this.#ids[place] ?? 0, item }],
    );
    const long = [...this.#long].map(([id, item]) => ({ id, item }));
    return [...here, ...long].toSorted((a, b) => a.id - b.id).map(({ item }) => item);
  }
}
