/** A device of a hub, or a module of it. */
export interface IdentityName {
  readonly deviceId: string;
  readonly moduleId?: string | undefined;
}

/** `gw-1`, `gw-1/filter`: client id, and part of the user name. */
export const idOf = ({ deviceId, moduleId }: IdentityName): string => (moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`);

/** `devices/gw-1`, `devices/gw-1/modules/filter`: begins its topics, and is what its tokens are for. */
export const pathOf = ({ deviceId, moduleId }: IdentityName): string =>
  moduleId === undefined ? `devices/${deviceId}` : `devices/${deviceId}/modules/${moduleId}`;
