# A mail server, aiosmtpd, for the tests: speaks TLS from the first byte or after STARTTLS, takes mail from one name and
# password alone, and keeps each message as a file.
# Arguments: port, "tls" or "starttls", files of the certificate and of its key, name, password, folder of the messages.
import asyncio
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

port, kind, cert, key, name, password, folder = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)


class Keep:
    count = 0

    async def handle_DATA(self, server, session, envelope):
        lines = [f'To: {to}' for to in envelope.rcpt_tos] + ['']
        part = os.path.join(folder, 'part')
        with open(part, 'wb') as file:
            file.write('\n'.join(lines).encode() + b'\n' + envelope.content.replace(b'\r\n', b'\n'))
        os.rename(part, os.path.join(folder, str(Keep.count)))
        Keep.count += 1
        return '250 kept'


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data == LoginPassword(name.encode(), password.encode())
    with open(os.path.join(folder, 'authenticated'), 'a') as file:
        secure = server.transport.get_extra_info('sslcontext') is not None
        file.write(f'{mechanism} {"good" if good else "bad"} {"tls" if secure else "plain"}\n')
    return AuthResult(success=good, handled=False)


def smtp():
    later = kind == 'starttls'
    return SMTP(Keep(), hostname='mail.test', authenticator=authenticate, auth_required=True, auth_require_tls=later,
                tls_context=context if later else None, require_starttls=later)


async def serve():
    at_once = context if kind == 'tls' else None
    server = await asyncio.get_running_loop().create_server(smtp, '127.0.0.1', int(port), ssl=at_once)
    with open(os.path.join(folder, 'ready'), 'w') as file:
        file.write('ready')
    await server.serve_forever()


asyncio.run(serve())
