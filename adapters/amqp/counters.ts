export interface EndpointCounters {
  deliveries: number;
  accepted: number;
  rejected: number;
  released: number;
  /** Links that the peer refused or ended. */
  refusedLinks: number;
  /** Logins that we refused (listener). */
  refusedLogins: number;
}

export const newCounters = (): EndpointCounters => ({
  deliveries: 0,
  accepted: 0,
  rejected: 0,
  released: 0,
  refusedLinks: 0,
  refusedLogins: 0,
});
