// A certified OpenID Connect provider, oidc-provider from npm, for the tests: signs in whoever is named, without a
// question of consent. Arguments: folder of the package, port, host that people sign in for, where it is told that
// they left; then, to speak TLS, the files of a certificate and of its key. FURTHER_REDIRECT_URI is registered, too.
import dns from 'node:dns';
import fs from 'node:fs';
import https from 'node:https';
import { pathToFileURL } from 'node:url';

const [folder, port, host, backchannel, cert, key] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${folder}/lib/index.js`));
const issuer = `${cert ? 'https' : 'http'}://127.0.0.1:${port}`;

// Names below localhost are this machine, as browsers have it; the system's resolver may not know them.
const { lookup } = dns;
dns.lookup = (name, ...rest) => lookup(name.endsWith('.localhost') ? '127.0.0.1' : name, ...rest);

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'vestibule',
    client_secret: 'a secret of the client',
    redirect_uris: [`http://${host}/.vestibule/callback`, process.env.FURTHER_REDIRECT_URI ?? []].flat(),
    post_logout_redirect_uris: [`http://${host}/.vestibule/logout`],
    backchannel_logout_uri: backchannel,
    backchannel_logout_session_required: true,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
  scopes: ['openid', 'email', 'groups', 'offline_access'],
  cookies: { keys: ['only for tests'] },
  features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.net`, email_verified: true, groups: ['writers'] }),
  }),
  issueRefreshToken: () => true,
  // Its own dispatcher reaches no address of this machine.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  async loadExistingGrant(ctx) {
    const { client, session } = ctx.oidc;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid email groups offline_access');
    await grant.save();
    return grant;
  },
});
if (cert) {
  const tls = { cert: fs.readFileSync(cert), key: fs.readFileSync(key) };
  https.createServer(tls, provider.callback()).listen(Number(port), '127.0.0.1');
} else {
  provider.listen(Number(port), '127.0.0.1');
}
