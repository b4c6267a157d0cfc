/** What we use of a package that ships no types. */
declare module 'fs-native-extensions' {
  /** Locks a file for this process alone, until it is closed: false where another process holds it. */
  export function tryLock(file: number): boolean;
}
