import { isIP } from 'node:net';

/** What is wrong with an address that a mapping shall be fetched from: https, or http on this very machine, and no password in it. */
export function urlProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return `"${text.slice(0, 200)}" is not an address; write https://host/path/file.yaml`;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'the address holds a user or password; use a link that needs none';
  if (url.protocol === 'https:') return undefined;
  if (url.protocol === 'http:' && isLoopback(url.hostname)) return undefined;
  return url.protocol === 'http:' ? 'http is taken from this machine only; use https' : `${url.protocol} is not taken; use https`;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && hostname.startsWith('127.'));
}
