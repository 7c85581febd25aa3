/** Every text that a person reads on a page, by page. Text, not HTML: pages escape it. */
export const words = {
  common: {
    request: 'Request',
    startAgain: 'Go back to the application and start again.',
    signOut: 'Sign out',
    signInAsSomebodyElse: 'Sign in as somebody else',
    back: 'Go back',
    months: ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'],
    time: (at: { year: string; month: string; day: string; clock: string }) =>
      `${Number(at.day)} ${at.month} ${at.year}, ${at.clock} UTC`,
  },
  choice: {
    title: (organization: string) => `Sign in to ${organization}`,
    goal: (application: string) => `to use ${application}`,
    provider: (name: string) => `Sign in with ${name}`,
    code: 'Get a code by mail',
    none: 'Nobody can sign in yet: your administrator has to add an identity provider.',
  },
  launcher: {
    title: (organization: string) => `Your applications at ${organization}`,
    signedInAs: (email: string) => `You are signed in as ${email}.`,
    applications: 'Applications',
    noApplications: 'There is no application here that you may use now.',
    sessions: 'Your sessions',
    sessionsAbout: 'Each is one sign-in. End those that you do not know or no longer need.',
    here: 'This browser',
    since: 'Signed in',
    from: 'from',
    by: 'with',
    used: 'used for',
    usedNothing: 'no application yet',
    until: 'Ends',
    unknown: 'not known',
    end: 'End',
    endThis: (since: string) => `End the session of ${since}`,
    endAll: 'End all sessions',
    endAllAbout: 'This signs you out everywhere, also here.',
    notEnded: 'Nothing was ended',
    forged: 'That did not come from the page with your sessions.',
    gone: 'You have no such session. It may have ended already.',
  },
  pin: {
    title: (organization: string) => `Sign in to ${organization}`,
    email: 'Your e-mail address',
    emailAbout: 'We send you a code to sign in with.',
    send: 'Send me a code',
    codeTitle: 'Enter your code',
    /** The same whether a code was sent or not. */
    codeAbout: (email: string) =>
      `If ${email} may sign in, a code is on its way to it. It is good for ten minutes.`,
    code: 'Code from the mail',
    enter: 'Sign in',
    again: 'Send a new code',
    other: 'Use another address',
    noEmail: 'That is not an e-mail address.',
    noCode: 'A code has six digits.',
    wrong: (left: number) =>
      left === 1
        ? 'That is not the code. You have one try left.'
        : `That is not the code. You have ${left} tries left.`,
    tooManyCodes: 'No further code can be sent for this sign-in. Enter the last one, or start again.',
    tooManyHere: 'Too many codes were asked for from your network. Try again in a quarter of an hour.',
    usedUp: 'The code was entered wrongly too often.',
    expired: 'The code is too old, or none was asked for.',
    form: 'That did not come from a page of ours.',
    mail: {
      subject: (organization: string) => `Your code to sign in to ${organization}`,
      about: (organization: string) =>
        `Somebody, you we hope, is signing in to ${organization} with this address.`,
      code: 'The code is:',
      until: 'It is good for ten minutes, once, and only in the browser that asked for it.',
      asked: (ip: string, at: string) => `It was asked for from ${ip} on ${at}.`,
      notYou: 'If that was not you, do nothing: without the code nobody gets in. Give it to nobody.',
    },
  },
  goOn: {
    title: 'You are signed in',
    link: 'Go on to the application',
  },
  signOut: {
    title: (organization: string) => `Sign out of ${organization}?`,
    about: 'This ends your session in every application.',
  },
  signedOut: {
    title: (organization: string) => `You are signed out of ${organization}`,
    about: 'You can close this window.',
    again: 'Sign in again',
    provider: (name: string) => `Sign out of ${name} as well`,
  },
  denied: {
    title: 'Access denied',
    about:
      'You cannot use this application. If you think you should, give your administrator the number below.',
    plain: (requestId: string) => `Denied. Request ${requestId}\n`,
  },
  refused: {
    title: 'You are not signed in',
    other: 'If you think you should be able to sign in, give your administrator the number below.',
    restored:
      'Your organisation’s data was restored from an earlier state. Its administrator has to approve that before anyone can sign in.',
    destination: 'This link leads to no application.',
    notOpen: 'This sign-in is no longer open.',
    tookTooLong: 'This sign-in took too long.',
    otherBrowser: 'This sign-in was begun in another browser. Start again in this one.',
    usedLink: 'This link has been used or is too old.',
    sessionEnded: 'Your session has ended.',
    superseded: 'Something about your access has changed meanwhile.',
    providerRefused: 'Your identity provider did not sign you in.',
    providerUnavailable: 'Your identity provider does not answer. Try again in a moment.',
    notReauthenticated: 'Your identity provider did not ask you to sign in again, which is needed now.',
  },
  gate: {
    undecided: {
      title: 'One moment',
      about: 'Whether you may use this application cannot be decided just now. Try again in a moment.',
      plain: (requestId: string) => `Try again in a moment. Request ${requestId}\n`,
    },
    unauthenticated: {
      title: 'Sign in first',
      about: 'This application takes only what programs prove themselves with. Nobody can sign in here.',
      plain: (requestId: string) => `Sign in first. Request ${requestId}\n`,
    },
    unreachable: {
      title: 'The application does not answer',
      about: 'You may use this application, but it cannot be reached just now.',
    },
    late: {
      title: 'The application takes too long',
      about: 'You may use this application, but it has not answered in time.',
    },
    circle: {
      title: 'The application leads back here',
      about: 'This request went round in circles and was stopped.',
    },
    goesOn: 'If this goes on, give your administrator the number below.',
  },
} as const;
