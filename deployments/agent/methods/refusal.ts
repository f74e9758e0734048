/** A method that cannot be done: what the caller is told. 400 for a call that is wrong, 500 otherwise. */
export class AgentRefusal extends Error {
  readonly status: 400 | 500;

  constructor(status: 400 | 500, message: string) {
    super(message);
    this.name = new.target.name;
    this.status = status;
  }
}
