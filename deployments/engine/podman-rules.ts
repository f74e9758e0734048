import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import { listOf, objectOf } from './options.ts';

type Keys = readonly (string | number)[];
type Refuse = (keys: Keys, message: string) => void;

/** Options of a bind that change how it is mounted, and not what. */
const usualBindOptions = new Set([
  ...['ro', 'rw', 'z', 'Z', 'U', 'O', 'copy', 'nocopy', 'cached', 'delegated', 'consistent', 'bind', 'rbind', 'exec', 'noexec', 'nodev'],
  ...['nosuid', 'private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'],
]);

/**
 * podman hands the options of a container to its command line: what follows a comma becomes another option, a source that begins with a dot is a place
 * on this machine, and there are options that write wherever they say. Docker takes none of it, so it is looked for whatever the engine is.
 */
export function podmanReadings(options: TwinObject, refuse: Refuse): void {
  const host = objectOf(options.HostConfig);
  for (const [index, one] of listOf(host.Binds).entries()) bind(String(one), ['HostConfig', 'Binds', index], refuse);
  for (const one of Object.keys(objectOf(options.Volumes))) bind(one, ['Volumes', one], refuse);
  for (const [index, one] of listOf(host.Mounts).entries()) mount(objectOf(one), ['HostConfig', 'Mounts', index], refuse);
  for (const key of Object.keys(objectOf(objectOf(host.LogConfig).Config)))
    if (isLogPath(key)) refuse(['HostConfig', 'LogConfig', 'Config', key], 'the log would be written to a place on this machine');
}

/** An option of a log that says into which file. */
export const isLogPath = (key: string): boolean => key.trim().toLowerCase().startsWith('path');

function bind(spec: string, keys: Keys, refuse: Refuse): void {
  const [source = '', target, ...rest] = spec.split(':');
  if (target !== undefined && source.startsWith('.'))
    refuse(keys, `${source} is a place on this machine that depends on where the engine is`);
  const options = rest.join(':').split(',').filter(Boolean);
  const odd = options.find((one) => !usualBindOptions.has(one));
  if (odd !== undefined) refuse(keys, `the option ${odd} may mount something else than the bind says`);
}

function mount({ VolumeOptions, ...rest }: TwinObject, keys: Keys, refuse: Refuse): void {
  if (String(rest.Source ?? '').startsWith('.'))
    refuse([...keys, 'Source'], `${String(rest.Source)} is a place on this machine that depends on where the engine is`);
  for (const [key, value] of Object.entries(rest))
    if (textsIn(value).some((text) => text.includes(',')))
      refuse([...keys, key], 'the engine may take what follows the comma for another option');
  if (textsIn(VolumeOptions).some((text) => text.includes('volume-opt')))
    refuse([...keys, 'VolumeOptions'], 'the engine may take volume-opt for another option');
}

/** All texts in it, keys too. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(textsIn);
  return isTwinObject(value) ? Object.entries(value).flatMap(([key, inner]) => [key, ...textsIn(inner)]) : [];
}
