/** Writing what is told to many once. */

/** Remembers what was written of an object for as long as the object is there: who is told the same object gets the same writing. */
export function once<T extends object, Written>(write: (value: T) => Written): (value: T) => Written {
  const writings = new WeakMap<T, Written>();
  return (value) => {
    let written = writings.get(value);
    if (written === undefined) {
      written = write(value);
      writings.set(value, written);
    }
    return written;
  };
}
