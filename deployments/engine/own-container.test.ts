import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import type { Engine, Mount } from './contract.ts';
import { ownContainer, pathOnHost } from './own-container.ts';

const id = 'ab'.repeat(32);
/** Lines of Linux, as each engine makes them. */
const mountinfo = {
  docker: `612 598 8:1 /data/docker/containers/${id}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/sda1 rw\n`,
  'a volume of its own for the engine': `613 598 0:52 /containers/${id}/hostname /etc/hostname rw - btrfs /dev/sdb rw\n`,
  podman: `614 598 0:24 /containers/storage/overlay-containers/${id}/userdata/hosts /etc/hosts rw,nosuid - tmpfs tmpfs rw\n`,
};

test.for(Object.entries(mountinfo))('it is known which container of %s this is', ([, text]) => {
  expect(ownContainer(`598 1 0:51 / / rw - overlay overlay rw\n${text}`)).toBe(id);
});

test.for([
  '25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
  // One that it looks after, of which it sees a mount.
  `612 598 8:1 /data/docker/containers/${id}/resolv.conf /mnt/etc/resolv.conf rw - ext4 /dev/sda1 rw`,
  '612 598 8:1 /var/lib/kubelet/pods/0c4e/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw',
])('no container of an engine: %s', (text) => expect(ownContainer(text)).toBeUndefined());

const mounts: readonly Mount[] = [
  { to: '/data', from: '/var/lib/docker/volumes/x/_data' },
  { to: '/data/modules/sockets', from: '/srv/sockets' },
  { to: '/tmp', from: undefined },
];
const place = async (path: string, known = true) => {
  using folder = tempFolder();
  const file = join(folder.path, 'mountinfo');
  writeFileSync(file, mountinfo.docker);
  return await pathOnHost(
    { container: async (one: string) => (known && one === id ? { name: 'gateway', mounts } : undefined) } as Engine,
    path,
    file,
  );
};

test('a folder of a volume is where the engine has that volume; the deepest mount counts', async () => {
  expect(await place('/data/x')).toEqual({ kind: 'mounted', path: '/var/lib/docker/volumes/x/_data/x' });
  expect(await place('/data/modules/sockets')).toEqual({ kind: 'mounted', path: '/srv/sockets' });
  expect(await place('/datax/a')).toEqual({ kind: 'inside', container: 'gateway' });
  expect(await place('/tmp/sockets')).toEqual({ kind: 'inside', container: 'gateway' });
});

test('in a container of another engine, or in none, paths are the same', async () => {
  expect(await place('/data/x', false)).toEqual({ kind: 'same' });
  expect(await pathOnHost({} as Engine, '/data/x', '/nowhere')).toEqual({ kind: 'same' });
});
