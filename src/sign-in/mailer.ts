/** A mail to one person. */
export interface Mail {
  /** A normalised e-mail. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** Sends mails beside the work of requests. */
export interface Mailer {
  /** Gets ready what the first mail needs, so that sending one takes no other request any longer. */
  prepare(): void;
  /**
   * Takes a mail over and returns at once; nothing waits for it and it never throws. One that cannot be sent, also
   * not a second time, is lost: it is logged under this request and counted.
   */
  send(mail: Mail, requestId: string): void;
}
