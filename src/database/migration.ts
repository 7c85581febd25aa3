/**
 * A step of the one history that both databases share. `statements` run on both, after translation:
 * `text` is compared by code point, `integer` is 64 bits wide, `serial_key` is a row number that the database
 * assigns. What only one of them can say is under its name.
 */
export interface Migration {
  readonly id: number;
  readonly name: string;
  /**
   * The oldest program that still runs on the database after this step, by the newest migration that it knows: nodes
   * of that version go on, and start anew, while others are already of this one.
   */
  readonly runsWith: number;
  readonly statements: readonly string[];
  readonly sqlite?: readonly string[];
  readonly postgres?: readonly string[];
}
