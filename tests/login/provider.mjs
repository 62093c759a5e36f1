// npm's oidc-provider, strict with PKCE, for check_real_provider.py. PORT, CLIENT_ID, CLIENT_SECRET and REDIRECT_URI say
// who may come. Its own interaction pages take any name and password.
import Provider from 'oidc-provider';

const { PORT, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI } = process.env;
const people = {
  ada: { email: 'ada@example.com', email_verified: true },
  eve: { email: 'eve@example.com', email_verified: false },
  mallory: { email: 'mallory@elsewhere.example', email_verified: true },
};

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  clients: [{ client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uris: [REDIRECT_URI] }],
  // By default clients with a secret need none, although discovery lists S256.
  pkce: { required: () => true },
  // Without both of these the scope email is dropped silently.
  claims: { email: ['email', 'email_verified'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
});
provider.on('grant.error', (_, error) => console.error(`refused: ${error.error_detail ?? error.message}`));
provider.listen(Number(PORT), '127.0.0.1', () => console.log('listening'));
