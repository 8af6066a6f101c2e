// A real OpenID Connect provider (npm oidc-provider) with two people, for the tests.
// node provider.mjs PORT CALLBACK
import { Provider } from 'oidc-provider';

const [port, callback] = process.argv.slice(2);
const people = {
  li: { name: '李 工号 2001', groups: ['staff', 'claims-lead'] },
  wang: { name: '王 工号 2002', groups: ['staff'] },
};
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'baoan', client_secret: 'a-secret-of-the-test', redirect_uris: [callback],
    grant_types: ['authorization_code'], response_types: ['code'],
  }],
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['name', 'groups'] },
  // Into the ID token, as many providers do.
  conformIdTokenClaims: false,
  findAccount: (_, id) => (people[id] ? { accountId: id, claims: () => ({ sub: id, ...people[id] }) } : undefined),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
