# A second OpenID Connect provider for the tests: canaille from PyPI, with its own pages, in memory. Arguments: port, host
# of the circuit.
import sys
import warnings

warnings.filterwarnings("ignore")

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

port, host = int(sys.argv[1]), sys.argv[2]
app = create_app(
    config={
        "SECRET_KEY": "only for tests",
        "SERVER_NAME": f"127.0.0.1:{port}",
        "PREFERRED_URL_SCHEME": "http",
        "WTF_CSRF_SSL_STRICT": False,
        "CANAILLE": {"DATABASE": "memory", "CAPTCHA_ENABLED": False, "SMTP": None, "LOGGING": None},
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [RSAKey.generate_key(2048).as_dict(private=True)]},
    }
)
with app.app_context(), Backend.instance.session():
    maya = models.User(
        user_name="maya", formatted_name="Maya", family_name="Maya", emails=["maya@example.net"], password="only for tests"
    )
    Backend.instance.save(maya)
    Backend.instance.save(models.Group(display_name="writers", members=[maya]))
    client = models.Client(
        client_id="vestibule",
        client_secret="a-secret-of-the-client",
        client_name="Vestibule",
        redirect_uris=[f"http://{host}/.vestibule/callback"],
        post_logout_redirect_uris=[f"http://{host}/.vestibule/logout"],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        scope=["openid", "email", "profile", "groups"],
        token_endpoint_auth_method="client_secret_basic",
    )
    Backend.instance.save(client)
    client.audience = [client]
    Backend.instance.save(client)
make_server("127.0.0.1", port, app, threaded=True).serve_forever()
