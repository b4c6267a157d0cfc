/**
 * How commands change a running validator: over a socket in its data folder, which only its owner may open. A frame holds a request, another its
 * answer, as on JSON/TCP.
 */

import { rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { messageOf } from '../engine/fault.js';
import { FrameReader, frame } from '../wire/frames.js';

/** The longest request or answer, bytes. */
const MOST_BYTES = 1_048_576;

/** How long a command waits for its answer, milliseconds. */
const PATIENCE_MS = 10_000;

/** The longest path that every system takes for a socket, bytes. What is longer Node cuts short without a word: it would listen elsewhere. */
const MOST_PATH_BYTES = 103;

/** What can be asked, by name: with a text, for something that JSON can tell. */
export type Commands = Readonly<Record<string, (argument: string) => unknown>>;

/** Commands are taken. */
export interface CommandServer {
  close(): void;
}

/** Takes commands. The folder must be this process's own: what a process that died left there is removed. Throws an Error that says why it cannot. */
export async function serveCommands(folder: string, commands: Commands): Promise<CommandServer> {
  const path = socketPath(folder);
  if (path === undefined) throw new Error(`the path of ${folder} is too long for a socket`);
  rmSync(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket, commands);
  });
  await new Promise<void>((resolve, reject) => {
    // Out of file descriptors, say, once it listens: whoever asks is told by its own end.
    server.on('error', reject);
    // Nobody else's from the start: it is made right here.
    const before = process.umask(0o177);
    server.listen(path, resolve);
    process.umask(before);
  });
  return {
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The socket of a data folder; undefined where no system would find it. */
function socketPath(folder: string): string | undefined {
  const path = join(folder, 'control.sock');
  return Buffer.byteLength(path) <= MOST_PATH_BYTES ? path : undefined;
}

function serve(socket: Socket, commands: Commands): void {
  const frames = new FrameReader(MOST_BYTES);
  socket.on('error', () => {});
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  socket.on('data', async (chunk) => {
    frames.push(chunk);
    const bytes = frames.next();
    if (typeof bytes === 'string') socket.destroy();
    else if (bytes !== undefined) socket.end(frame(JSON.stringify(await answer(String(bytes), commands))));
  });
}

/** Only this user's own programs come here: what goes wrong is told as it is. */
async function answer(text: string, commands: Commands): Promise<unknown> {
  try {
    const [name, argument] = JSON.parse(text) as unknown[];
    const command = typeof name === 'string' && Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined) throw new Error(`this validator knows no command ${name}`);
    return { done: await command(String(argument)) };
  } catch (error) {
    return { failed: messageOf(error) };
  }
}

/** Asks the validator that runs on a data folder. Resolves to undefined where none does that could be asked. Throws an Error that says what went wrong. */
export async function command(folder: string, name: string, argument = ''): Promise<{ done: unknown } | undefined> {
  const path = socketPath(folder);
  if (path === undefined) return undefined;
  const socket = connect(path);
  const frames = new FrameReader(MOST_BYTES);
  try {
    const bytes = await new Promise((resolve, reject) => {
      socket.setTimeout(PATIENCE_MS, () => reject(new Error('the validator does not answer')));
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the validator has closed the connection')));
      socket.on('data', (chunk) => {
        frames.push(chunk);
        const next = frames.next();
        if (next !== undefined) resolve(next);
      });
      socket.write(frame(JSON.stringify([name, argument])));
    });
    const told = JSON.parse(String(bytes)) as { done?: unknown; failed?: string };
    if (told.failed !== undefined) throw new Error(told.failed);
    return { done: told.done };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined;
    throw error;
  } finally {
    socket.destroy();
  }
}
