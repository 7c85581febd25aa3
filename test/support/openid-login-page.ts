interface Choice {
  sub: string;
  email: string;
  name?: string;
}

/** The provider's sign-in page: plain HTML, one button for each person and a field to type a subject or e-mail. */
export function loginPage(people: readonly Choice[], problem = ''): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in – example identity provider</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 10vh auto; padding: 0 1rem }
  button, input { font: inherit; width: 100%; padding: .6rem; margin: .25rem 0; box-sizing: border-box }
</style>
<h1>Who are you?</h1>
<p role="alert">${escapeHtml(problem)}</p>
<form method="post">${people.map(button).join('')}</form>
<form method="post">
  <label>Somebody else <input name="login" autocomplete="off" required></label>
  <button>Sign in</button>
</form>
</html>`;
}

function button({ sub, email, name }: Choice): string {
  return `<button name="login" value="${escapeHtml(sub)}">${escapeHtml(name ? `${name} (${email})` : email)}</button>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
