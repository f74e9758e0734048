/** Those who want to hear of something, called one after the other in the order they came. */
export class Listeners<T> {
  readonly #all = new Set<(value: T) => void>();

  add(listener: (value: T) => void): Disposable {
    this.#all.add(listener);
    return { [Symbol.dispose]: () => void this.#all.delete(listener) };
  }

  tell(value: T): void {
    for (const listener of this.#all) listener(value);
  }
}
