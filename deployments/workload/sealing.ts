import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { GatewayError } from '../../model/error.ts';
import type { ModuleIdentity } from '../contract.ts';
import type { KeyStore } from '../key-store.ts';

const masterName = 'workload-master.key';
const version = 1;
const saltBytes = 16;
const tagBytes = 16;
const overheadBytes = 1 + saltBytes + tagBytes;

/**
 * Encrypts for modules under the one master key of this box: AES-256-GCM, with module id, generation id and the caller's initialization vector as
 * additional data. Every message has a key of its own (HKDF over a random salt), because modules reuse vectors, which would break GCM.
 *
 * Ciphertext: version (1 byte), salt (16), tag (16), encrypted text.
 */
export class Sealing {
  readonly #master: Buffer;

  private constructor(master: Buffer) {
    this.#master = master;
  }

  /** Makes the master key at the first start. Rejects with `workload-master-key` when it is there and damaged: another could open nothing. */
  static async open(store: KeyStore): Promise<Sealing> {
    const stored = await store.read(masterName);
    if (stored === undefined) {
      const fresh = randomBytes(32);
      await store.write(masterName, `${fresh.toString('base64')}\n`);
      return new Sealing(fresh);
    }
    const master = Buffer.from(stored.trim(), 'base64');
    if (master.length === 32) return new Sealing(master);
    throw new GatewayError('workload-master-key', `the key of the workload API, ${masterName}, is damaged`, {
      retry: 'after-fix',
      hint: 'restore it from a backup; moved away, a new one is made, and what modules encrypted before can never be read again',
    });
  }

  encrypt(identity: ModuleIdentity, vector: Uint8Array, plaintext: Uint8Array): Buffer {
    const salt = randomBytes(saltBytes);
    const data = additionalData(identity, vector);
    const cipher = createCipheriv('aes-256-gcm', ...this.#keyAndNonce(salt));
    cipher.setAAD(data);
    const encrypted = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    return Buffer.concat([Buffer.of(version), salt, cipher.getAuthTag(), encrypted]);
  }

  /** Undefined when it was encrypted for another module, generation or vector, or was changed. */
  decrypt(identity: ModuleIdentity, vector: Uint8Array, ciphertext: Buffer): Buffer | undefined {
    if (ciphertext.length < overheadBytes || ciphertext[0] !== version) return undefined;
    const salt = ciphertext.subarray(1, 1 + saltBytes);
    const data = additionalData(identity, vector);
    const decipher = createDecipheriv('aes-256-gcm', ...this.#keyAndNonce(salt), { authTagLength: tagBytes });
    decipher.setAAD(data);
    decipher.setAuthTag(ciphertext.subarray(1 + saltBytes, overheadBytes));
    try {
      return Buffer.concat([decipher.update(ciphertext.subarray(overheadBytes)), decipher.final()]);
    } catch {
      return undefined;
    }
  }

  #keyAndNonce(salt: Uint8Array): [key: Buffer, nonce: Buffer] {
    const derived = Buffer.from(hkdfSync('sha256', this.#master, salt, `dragoman workload ${version}`, 32 + 12));
    return [derived.subarray(0, 32), derived.subarray(32)];
  }
}

/** As JSON, so that no two triples give the same bytes. */
const additionalData = ({ moduleId, generationId }: ModuleIdentity, vector: Uint8Array): Buffer =>
  Buffer.from(JSON.stringify([moduleId, generationId, Buffer.from(vector).toString('base64')]));
