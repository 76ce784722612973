//! Passwords, PINs and tokens of the tests, with their hashes, so that no test pays for hashing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

/// A person's own password.
pub const PASSWORD: &str = "a long walk at dusk";
/// Argon2id of [`PASSWORD`].
pub const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$pUgdTuF4glc/mYEzoKBsjg$BnfCfEw3IxyqH/JjZpmrHBGlxxQfJTIpB7C8CUu5fZM";
/// Another password, for changes.
pub const OTHER_PASSWORD: &str = "the kettle is on again";
/// Argon2id of [`OTHER_PASSWORD`].
pub const OTHER_PASSWORD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$oomat12ni6Cyf7qXLLdbfg$AcYB6oykKZyO1Umpy5YyANmP0DnZrYVBgO7QuL6diz8";
/// A person's own PIN.
pub const PIN: &str = "482913";
/// Argon2id of [`PIN`].
pub const PIN_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Fn1IrJWavaUmQdevj8lIXg$9KxduwoKtPqIwZZYYTyKu37ok66byqNNOygHndd3nIA";
/// A circuit's shared password.
pub const SHARED_PASSWORD: &str = "s3cret";
/// Argon2id of [`SHARED_PASSWORD`].
pub const SHARED_PASSWORD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$9E8JBYIpzhzYcoeQZvpN8Q$6tesImAGgxghuY28wo/L/HnlRpjKmgE0rA5+bsN/HC8";
/// A circuit's shared PIN.
pub const SHARED_PIN: &str = "123456";
/// Argon2id of [`SHARED_PIN`].
pub const SHARED_PIN_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cDGJNR+v/Co5ExT1Z2kHdw$o4QQ/EXso7ly04hmGWRbjiRgvztLyvuoR2x/fyefTJU";

/// An admin token of role `admin`.
pub const ADMIN_TOKEN: &str = "vsta_test-admin";
/// An admin token of role `auditor`.
pub const AUDITOR_TOKEN: &str = "vsta_test-auditor";
/// An admin token of role `reader`.
pub const READER_TOKEN: &str = "vsta_test-reader";
/// `[admin.tokens]` for the three.
pub const ADMIN_TOKENS: &str = r#"
[admin.tokens.ops]
role = "admin"
hash = "sha256:e3ea2ddf2d1495526f72a7f22e8414705461f1f9acf7960cdb362d5e61ce1d10"
[admin.tokens.audit]
role = "auditor"
hash = "sha256:f4d6a0783481494827d3db8695d1ebf675d53b096ddfd6f628dc7829a6e3d9e9"
[admin.tokens.view]
role = "reader"
hash = "sha256:f8fb4220b0d23e1739fb5ec8d30a89a8ceae3b5af9cb2d2316ec794c9edaf764"
"#;

/// A folder for secrets in clear, which nobody else can read.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Default for Folder {
    fn default() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Folder {
    /// Writes a secret and gives what a configuration says in its place.
    pub fn put(&self, name: &str, secret: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, secret).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        format!("{{ file = {path:?} }}")
    }
}
