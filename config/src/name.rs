//! Names as the file spells them, in the one spelling that the program compares.

use std::fmt;
use std::sync::Arc;

macro_rules! spelled {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) Arc<str>);

        impl $name {
            /// The text in its one spelling.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The shared text, for entries and caches.
            pub fn shared(&self) -> Arc<str> {
                self.0.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

spelled! {
    /// Name of a circuit, project, rate limit or token: letters, digits, space, hyphen, underscore; 1 to 64 characters.
    Name
}
spelled! {
    /// An e-mail address, lower-cased, with exactly one `@`; the identity of a person.
    Email
}
spelled! {
    /// A host name in lower case, without port or trailing dot.
    Host
}
spelled! {
    /// ISO 3166-1 alpha-2, upper case.
    CountryCode
}
