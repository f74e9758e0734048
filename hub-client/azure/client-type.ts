/** What this client calls itself; hubs keep it for statistics. */
export const clientType = `dragoman (node ${process.versions.node}; ${process.platform} ${process.arch})`;
