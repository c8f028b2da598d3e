// The error of a file that cannot be what was written. What is done about it is decided elsewhere.

/** A file is damaged; says where. Never quotes the content: it may be secret. */
export class DamagedFile extends Error {
  readonly path: string;
  constructor(path: string, place: string, why: string) {
    super(`${path} is damaged at ${place}: ${why}`);
    this.name = 'DamagedFile';
    this.path = path;
  }
}
